package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// manyRules returns a file of a number of rules such as people write: a match of one or two keys, one action, and every tenth with a
// regular expression.
func manyRules(n int) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[[rule]]\nname = \"rule %d\"\n", i)
		switch {
		case i%10 == 0:
			fmt.Fprintf(&b, "match = { path_regex = '^/blog%d/(?P<year>\\d{4})/(?P<slug>[^/]+)$' }\nredirect = { to = \"/a/{slug}?y={year}\" }\n\n", i)
		case i%3 == 0:
			fmt.Fprintf(&b, "match.path = '/old/%d'\nredirect.to = '/new/%d'\n\n", i, i)
		default:
			fmt.Fprintf(&b, "match.host = 'h%d.example.com'\nresponse.set.X-Env = 'shop'\n\n", i)
		}
	}
	return []byte(b.String())
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{10, 1000, 8000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			content := manyRules(n)
			dir := b.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "proxy.toml"), content, 0o644); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				if _, err := Load(dir); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestLoad_TakesTenThousandRules(t *testing.T) {
	loaded, err := load(manyRules(10_000), nil)
	must(t, err)
	if n := len(loaded.Config.Rules); n != 10_000 {
		t.Errorf("%d rules", n)
	}
}
