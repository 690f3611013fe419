package policy

import (
	"fmt"
	"strings"
	"testing"

	"section.internal/contract/config"
)

// A thousand rules and 500 tests are somebody's site; what is far beyond is somebody's attack.
func TestTest_RunsWhatASiteNeedsAndNotWhatNobodyWaitsFor(t *testing.T) {
	build := func(rules, tests int, target string) *config.Config {
		c := &config.Config{Enabled: true}
		for i := range rules {
			r := config.Rule{Name: fmt.Sprint(i), Origin: "o", Match: where(path(fmt.Sprintf("/a%d/**", i)))}
			if i%10 == 0 {
				r.Match = where(regex(fmt.Sprintf(`^/b%d/(?P<slug>[^/]+)$`, i)))
			}
			c.Rules = append(c.Rules, r)
		}
		for i := range tests {
			c.Tests = append(c.Tests, config.Test{Name: fmt.Sprint(i), Place: config.Place{File: "proxy.toml", Line: i + 1, Column: 1}, Request: config.TestRequest{Method: "GET", Host: "www.example.com", Target: target}})
		}
		return c
	}
	if problems := Test(build(1000, 500, "/a7/hello?b=c")); len(problems) > 0 {
		t.Error(problems)
	}
	problems := Test(build(1000, 20, "/"+strings.Repeat("a", 20_000)))
	if len(problems) != 1 || problems[0].Line < 2 || !strings.HasSuffix(problems[0].Message,
		": not run, nor are those behind it: to hold the tests up to here against these rules takes too long; use fewer tests or shorter requests") {
		t.Errorf("got %v: want one problem, at the first test that is too much", problems)
	}
}
