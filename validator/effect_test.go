package main

import (
	"testing"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/policy"
	"section.internal/contract/template"
)

func parsed(t *testing.T, text string, use template.Use) *template.Template {
	t.Helper()
	parsed, err := template.Parse(text, use, []string{"slug"})
	must(t, err)
	return parsed
}

// What is compared is what happens to the request; what is told is what the rules say, so that many requests make one line.
func TestDifference_IsToldAsTheRulesHaveIt(t *testing.T) {
	change := func(r *config.Rule, kind policy.ChangeKind, name, value string) policy.Change {
		return policy.Change{Kind: kind, Name: name, Value: []byte(value), Rule: r}
	}
	sets := func(name, value string) []config.Field {
		return []config.Field{{Name: name, Value: parsed(t, value, template.FieldValue)}}
	}
	limited := func(name string, n int64) *config.Rule {
		return &config.Rule{Name: name, Limit: &config.Limit{Requests: n, Per: time.Minute, Burst: 5}}
	}
	redirect := func(name, to string, status int) *config.Rule {
		return &config.Rule{Name: name, Redirect: &config.Redirect{To: parsed(t, to, template.Location), Status: status}}
	}
	answer := func(end *config.Rule, location string) *outcome {
		return &outcome{policy.Decision{Matched: []*config.Rule{end}, End: end},
			policy.Answer{Status: end.Redirect.Status, Fields: []policy.Change{change(end, policy.Add, "Location", location)}}}
	}
	respond := func(name string, status int, body, tag string) *outcome {
		end := &config.Rule{Name: name, Respond: &config.Respond{Status: status, Body: []byte(body), Fields: sets("X-Tag", "{host}")}}
		return &outcome{policy.Decision{Matched: []*config.Rule{end}, End: end},
			policy.Answer{Status: status, Body: []byte(body), Fields: []policy.Change{change(end, policy.Add, "X-Tag", tag)}}}
	}
	f := func(before, after *outcome, want string) {
		t.Helper()
		if got := difference(before, after); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	untouched := &outcome{}
	f(untouched, &outcome{}, "")

	a := &config.Rule{Name: "a", Origin: "sydney", Response: config.Changes{Remove: []string{"Set-Cookie"}}}
	b := &config.Rule{Name: "b", Response: config.Changes{Set: sets("cache-control", "max-age={query.age}"), Add: sets("Link", "<{path}>")},
		Rewrite: parsed(t, "/v2{path}", template.Path)}
	ruled := &outcome{decision: policy.Decision{
		Matched: []*config.Rule{a, b},
		Target:  []byte("/v2/a"), Rewritten: b,
		Request: []policy.Change{change(a, policy.Set, "section-origin", "sydney")},
		Response: []policy.Change{
			change(a, policy.Remove, "Set-Cookie", ""), change(b, policy.Set, "Cache-Control", "max-age=7"), change(b, policy.Add, "Link", "</a>"),
		},
	}}
	f(untouched, ruled, `path: untouched -> "/v2{path}"; request field section-origin: untouched -> set to "sydney"; `+
		`response field Cache-Control: untouched -> set to "max-age={query.age}"; response field Link: untouched -> added "<{path}>"; `+
		`response field Set-Cookie: untouched -> removed`)

	// The order in which different fields are changed makes no difference.
	other := *ruled
	other.decision.Response = []policy.Change{ruled.decision.Response[2], ruled.decision.Response[1], ruled.decision.Response[0]}
	f(ruled, &other, "")

	old := answer(redirect("old blog", "/articles/{slug}", 301), "/articles/hello")
	f(old, answer(redirect("renamed", "/articles/{slug}", 301), "/articles/hello"), "")
	f(untouched, old, `answer: next-hop's -> 301 to "/articles/{slug}" of rule "old blog"`)
	f(ruled, old, `answer: next-hop's -> 301 to "/articles/{slug}" of rule "old blog"`)
	f(old, answer(redirect("old blog", "/a/{slug}", 302), "/a/hello"),
		`answer: 301 of rule "old blog" -> 302 of rule "old blog"; response field Location: added "/articles/{slug}" -> added "/a/{slug}"`)
	f(respond("m", 503, "closed", "h"), respond("m", 503, "shut", "h"), `body: 6 bytes, sha256 c3eefb58d7c4 -> 4 bytes, sha256 2a1db49adbe0`)
	f(respond("m", 503, "", "h"), respond("m", 503, "", "other"), `response field X-Tag: added "{host}" -> added "{host}"`)

	charged := func(rules ...*config.Rule) *outcome {
		o := &outcome{}
		for _, r := range rules {
			o.decision.Charges = append(o.decision.Charges, policy.Charge{Rule: r, Key: []byte("192.0.2.1")})
		}
		return o
	}
	f(charged(limited("api", 100)), charged(limited("api", 100)), "")
	f(charged(limited("api", 100)), charged(limited("api", 50)),
		`limit: 100 per 1m by client, 5 at once (rule "api") -> 50 per 1m by client, 5 at once (rule "api")`)
	f(charged(limited("api", 100)), charged(limited("api", 100), limited("all", 9)),
		`limit: 100 per 1m by client, 5 at once (rule "api") -> 100 per 1m by client, 5 at once (rule "api"), 9 per 1m by client, 5 at once (rule "all")`)
}
