package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestScan_FindsEveryKeyAndValueOfATextWithAllOfTOMLsSyntax(t *testing.T) {
	text := strings.Join([]string{
		`# comment with [brackets] and = "quotes`,
		`title = "t" # after`,
		"\t[client] # [[no]]",
		`  'a b' . "c\u00e9".d = 1_000`,
		"m = \"\"\"\r\n[x]\\\"\"\"\r\ny = 1\"\"\"\"\"\r",
		`r = '''`,
		`k = 1 ''` + `'''`,
		`list = [ 1, "ü", [ ], # ]`,
		`  {a.b = true, c = {}}, ]`,
		`[[rule]]`,
		`[[rule]]`,
		`when = 1979-05-27 07:32:00 # c`,
		`[rule.match]`,
		`x = { y = 1,`,
		`  z = [2], }`,
		`[[rule.test]]`,
		`"]" = inf`,
	}, "\n")
	got, wrong, err := scan(text)
	if wrong != nil || err != nil {
		t.Fatal(wrong, err)
	}
	want := map[string]string{
		`title`:                `2:1 2:9 "t"`,
		`client`:               `3:3 3:3 `,
		`client."a b"`:         `4:3 4:3 `,
		`client."a b"."cé"`:    `4:11 4:11 `,
		`client."a b"."cé".d`:  `4:21 4:25 1_000`,
		`client.m`:             `5:1 5:5 ` + "\"\"\"\r\n[x]\\\"\"\"\r\ny = 1\"\"\"\"\"",
		`client.r`:             `8:1 8:5 ` + "'''\nk = 1 '''''",
		`client.list`:          `10:1 10:8 ` + "[ 1, \"ü\", [ ], # ]\n  {a.b = true, c = {}}, ]",
		`client.list[0]`:       `10:10 10:10 1`,
		`client.list[1]`:       `10:13 10:13 "ü"`,
		`client.list[2]`:       `10:18 10:18 [ ]`,
		`client.list[3]`:       `11:3 11:3 {a.b = true, c = {}}`,
		`client.list[3].a`:     `11:4 11:4 `,
		`client.list[3].a.b`:   `11:6 11:10 true`,
		`client.list[3].c`:     `11:16 11:20 {}`,
		`rule`:                 `12:3 12:3 `,
		`rule[0]`:              `12:3 12:3 `,
		`rule[1]`:              `13:3 13:3 `,
		`rule[1].when`:         `14:1 14:8 1979-05-27 07:32:00`,
		`rule[1].match`:        `15:7 15:7 `,
		`rule[1].match.x`:      `16:1 16:5 ` + "{ y = 1,\n  z = [2], }",
		`rule[1].match.x.y`:    `16:7 16:11 1`,
		`rule[1].match.x.z`:    `17:3 17:7 [2]`,
		`rule[1].match.x.z[0]`: `17:8 17:8 2`,
		`rule[1].test`:         `18:8 18:8 `,
		`rule[1].test[0]`:      `18:8 18:8 `,
		`rule[1].test[0]."]"`:  `19:1 19:7 inf`,
	}
	for path, e := range got {
		s := fmt.Sprintf("%d:%d %d:%d %s", e.key.line, e.key.column, e.value.line, e.value.column, e.raw)
		if want[path] != s {
			t.Errorf("%s: got %q, want %q", path, s, want[path])
		}
	}
	for path := range want {
		if _, ok := got[path]; !ok {
			t.Errorf("%s is not found", path)
		}
	}
}

func TestScan_LeavesRoomForTenThousandRules(t *testing.T) {
	text := strings.Repeat("[[rule]]\nhost = 'www.example.com'\npath = '/some/where/*'\ncookies = ['session']\n", 10_000)
	places, wrong, err := scan(text)
	if wrong != nil || err != nil || len(places) != 1+10_000*5 {
		t.Errorf("%d places, %v, %v", len(places), wrong, err)
	}
}

// FuzzScan holds the scanner against the library: where both take a text, they see the same keys and array elements, the
// place of each key shows its name, and the raw text of each value is the value.
func FuzzScan(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 || strings.HasPrefix(text, "\xef\xbb\xbf") || strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
			return // Load takes a byte order mark off before it scans
		}
		places, wrong, err := scan(text)
		if _, beyond := err.(*refusal); beyond || wrong != nil {
			return
		}
		tree, libraryErr := decode(text)
		if libraryErr != nil {
			return
		}
		if err != nil {
			t.Fatalf("the library takes what the scanner does not: %q", text)
		}
		values := map[string]any{}
		flatten(values, "", tree)
		if got, want := slices.Sorted(maps.Keys(places)), slices.Sorted(maps.Keys(values)); !slices.Equal(got, want) {
			t.Fatalf("%q:\nscanner %q\nlibrary %q", text, got, want)
		}
		lines := strings.SplitAfter(text, "\n")
		for path, e := range places {
			if !strings.HasSuffix(path, "]") {
				if got := nameAt(t, lines, e.key); !strings.HasSuffix("."+path, join("", got)) {
					t.Errorf("%q: the place of %s shows %q", text, path, got)
				}
			}
			if e.raw == "" {
				continue
			}
			if rest := from(t, lines, e.value); !strings.HasPrefix(rest, e.raw) {
				t.Errorf("%q: the place of the value of %s does not show %q", text, path, e.raw)
			}
			again, err := decode("x = " + e.raw)
			if err != nil || fmt.Sprint(again["x"]) != fmt.Sprint(values[path]) {
				t.Errorf("%q: the raw text of %s is %q, which is %v (%v), not %v", text, path, e.raw, again["x"], err, values[path])
			}
		}
	})
}

// seeds returns the texts that fuzzing starts from: the cases of the golden files and what is tricky in TOML.
func seeds(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no seeds: %v", err)
	}
	var texts []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return append(texts,
		"", "a=1", "a.b.c=1\na.b.d=2", "[a]\n[a.b]\n[c.d]\n[c]", "[[a]]\n[[a]]\n[a.b]\n[[a.c]]\nd=1\n[[a.c]]",
		"a=[[],[[]],{},{b=[{}]}]", "a={b={c.d=1},e=[1,2,],}", "a={\n# c\nb=1,\n}", "a = \"\"\"\"\"\"", `a = """x\"""""""`, "a = ''''''''",
		"\"\\u00e9\\x41\\e\"=1\n'\\'.\"\"=2", "a=1979-05-27 # c", "a=[1979-05-27 07:32:00 ,07:32]", "a=inf\nb=-nan\nc=0x_1", "a=[\r\n1,\r\n# x\r\n]\r\n",
		"a=\"é#\"#é\nb=1", "[ a . 'b' ]\nc . d = 1", "[a.b]\n[a]\nb.c=1", "[[a.b]]\n[a]\nb.c=1",
	)
}

// flatten fills values with the paths of a decoded tree.
func flatten(values map[string]any, path string, v any) {
	if path != "" {
		values[path] = v
	}
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			flatten(values, join(path, name), inner)
		}
	default:
		if r := reflect.ValueOf(v); r.IsValid() && r.Kind() == reflect.Slice {
			for i := range r.Len() {
				flatten(values, item(path, i), r.Index(i).Interface())
			}
		}
	}
}

// from returns the text from a place to the end.
func from(t *testing.T, lines []string, p position) string {
	t.Helper()
	if p.line < 1 || int(p.line) > len(lines) {
		t.Fatalf("line %d of %d", p.line, len(lines))
	}
	runes := []rune(lines[p.line-1])
	if p.column < 1 || int(p.column) > len(runes) {
		t.Fatalf("column %d of line %d, which has %d", p.column, p.line, len(runes))
	}
	return string(runes[p.column-1:]) + strings.Join(lines[p.line:], "")
}

// nameAt returns the name of the key that is written at a place, as the library reads it.
func nameAt(t *testing.T, lines []string, p position) string {
	t.Helper()
	rest := from(t, lines, p)
	end := strings.IndexFunc(rest, func(r rune) bool { return r > 0x7f || !isBareByte(byte(r)) })
	if rest[0] == '"' || rest[0] == '\'' {
		for end = 1; rest[end] != rest[0]; end++ {
			if rest[end] == '\\' && rest[0] == '"' {
				end++
			}
		}
		end++
	}
	var one map[string]any
	if _, err := toml.Decode(rest[:end]+"=1", &one); err != nil || len(one) != 1 {
		t.Fatalf("%q is no key: %v", rest[:end], err)
	}
	for name := range one {
		return name
	}
	return ""
}
