package policy

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/pattern"
	"section.internal/contract/template"
)

// file builds a configuration out of rules, one a line of the imagined file.
func file(rules ...config.Rule) *config.Config {
	c := config.Default()
	for i := range rules {
		rules[i].Place = config.Place{File: "proxy.toml", Line: 10 * (i + 1), Column: 1}
		if rules[i].Name == "" {
			rules[i].Name = fmt.Sprintf("r%d", i)
		}
	}
	c.Rules = rules
	return &c
}

// where builds a match.
func where(conditions ...config.Condition) config.Match { return config.Match{Conditions: conditions} }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func path(texts ...string) config.Condition {
	c := config.Condition{Kind: config.OfPath}
	for _, text := range texts {
		c.Paths = append(c.Paths, must(pattern.ParsePath(text)))
	}
	return c
}

func regex(text string) config.Condition {
	return config.Condition{Kind: config.OfPathRegex, Regex: regexp.MustCompile(text)}
}

func host(texts ...string) config.Condition {
	c := config.Condition{Kind: config.OfHost}
	for _, text := range texts {
		c.Hosts = append(c.Hosts, must(pattern.ParseHost(text)))
	}
	return c
}

func valuesOf(kind config.ConditionKind, name string, fold bool, texts []string) config.Condition {
	c := config.Condition{Kind: kind, Name: name}
	for _, text := range texts {
		c.Values = append(c.Values, must(pattern.ParseValue(text, fold)))
	}
	return c
}

func method(texts ...string) config.Condition {
	return valuesOf(config.OfMethod, "", false, texts)
}

func header(name string, texts ...string) config.Condition {
	return valuesOf(config.OfHeader, name, false, texts)
}

func cookie(name string, texts ...string) config.Condition {
	return valuesOf(config.OfCookie, name, false, texts)
}

func query(name string, texts ...string) config.Condition {
	return valuesOf(config.OfQuery, name, false, texts)
}

func geo(name string, texts ...string) config.Condition {
	return valuesOf(config.OfGeo, name, true, texts)
}

func agent(texts ...string) config.Condition {
	return valuesOf(config.OfUserAgent, "", true, texts)
}

func protocol(texts ...string) config.Condition {
	return valuesOf(config.OfProtocol, "", false, texts)
}

func client(networks ...string) config.Condition {
	c := config.Condition{Kind: config.OfClient}
	for _, n := range networks {
		c.Clients = append(c.Clients, netip.MustParsePrefix(n))
	}
	return c
}

func not(conditions ...config.Condition) config.Condition {
	m := where(conditions...)
	return config.Condition{Kind: config.OfNot, Not: &m}
}

// set returns changes out of lines: "Name: value" sets, "+Name: value" adds, "-Name" removes.
func set(groups []string, lines ...string) (c config.Changes) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		switch name[0] {
		case '-':
			c.Remove = append(c.Remove, name[1:])
		case '+':
			c.Add = append(c.Add, config.Field{Name: name[1:], Value: must(template.Parse(value, template.FieldValue, groups))})
		default:
			c.Set = append(c.Set, config.Field{Name: name, Value: must(template.Parse(value, template.FieldValue, groups))})
		}
	}
	return c
}

func redirect(to string, status int, groups ...string) *config.Redirect {
	return &config.Redirect{To: must(template.Parse(to, template.Location, groups)), Status: status}
}

func rewrite(path string, groups ...string) *template.Template {
	return must(template.Parse(path, template.Path, groups))
}

func respond(status int, body string, lines ...string) *config.Respond {
	return &config.Respond{Status: status, Body: []byte(body), Fields: set(nil, lines...).Set}
}

func limit(by config.Key) *config.Limit {
	return &config.Limit{Requests: 100, Per: time.Minute, Burst: 50, By: by}
}

// get builds a request for a URL without scheme, such as "www.example.com/a?b=c", with "Name: value" lines.
func get(url string, fields ...string) *Request {
	name, target := url, "/"
	if i := strings.IndexByte(url, '/'); i >= 0 {
		name, target = url[:i], url[i:]
	}
	return &Request{
		Method: []byte("GET"), Target: []byte(target), Host: []byte(name), Fields: parsed(fields),
		Peer: netip.MustParseAddr("192.0.2.99"),
	}
}

// parsedFields is a header section that is read without work, as that of the proxy is.
type parsedFields []parsedField

type parsedField struct{ name, value []byte }

func (p parsedFields) Len() int { return len(p) }

func (p parsedFields) Field(i int) (name, value []byte) { return p[i].name, p[i].value }

func parsed(fields []string) (p parsedFields) {
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		p = append(p, parsedField{[]byte(name), []byte(value)})
	}
	return p
}

// decide decides afresh.
func decide(t testing.TB, c *config.Config, r *Request) *Decision {
	t.Helper()
	var d Decision
	p := Compile(c)
	p.Decide(r, &d)
	var e Decision
	p.Explain(r, &e)
	if a, b := shown(&d), shown(&e); a != b {
		t.Errorf("%s %s: Decide says\n%s\nExplain says\n%s", r.Host, r.Target, a, b)
	}
	return &d
}

// shown returns all that a decision holds, a line each.
func shown(d *Decision) string {
	var s strings.Builder
	for _, r := range d.Matched {
		fmt.Fprintf(&s, "matched %s\n", r.Name)
	}
	for _, c := range d.Charges {
		fmt.Fprintf(&s, "charge %s %q\n", c.Rule.Name, c.Key)
	}
	for _, c := range d.Request {
		fmt.Fprintf(&s, "request %s (%s)\n", shownChange(c), c.Rule.Name)
	}
	for _, c := range d.Response {
		fmt.Fprintf(&s, "response %s (%s)\n", shownChange(c), c.Rule.Name)
	}
	if d.Target != nil {
		fmt.Fprintf(&s, "target %s (%s)\n", d.Target, d.Rewritten.Name)
	}
	if d.End != nil {
		var a Answer
		d.Answer(&a)
		fmt.Fprintf(&s, "answer %d %q (%s)\n", a.Status, a.Body, d.End.Name)
		for _, c := range a.Fields {
			fmt.Fprintf(&s, "field %s: %s\n", c.Name, c.Value)
		}
	}
	fmt.Fprintf(&s, "client %s", d.Client)
	return s.String()
}

func shownChange(c Change) string {
	switch c.Kind {
	case Remove:
		return "-" + c.Name
	case Set:
		return c.Name + ": " + string(c.Value)
	case Add:
		return "+" + c.Name + ": " + string(c.Value)
	}
	return fmt.Sprintf("BUG %d", c.Kind)
}
