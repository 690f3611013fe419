package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"section.internal/contract/ipliteral"
	"section.internal/contract/printable"
)

// testClient is where an imagined request comes from that does not say: an address of RFC 5737, for documentation.
var testClient = netip.AddrFrom4([4]byte{192, 0, 2, 1})

// test reads one test. The rules are read before.
func (c *checker) test(n node) Test {
	t := Test{
		Place:    filePlace(n.entry.key),
		Request:  TestRequest{Method: "GET", Client: testClient},
		Response: TestResponse{Status: 200},
	}
	c.fields(nestedTable("test"), n, func(k *key, n node) {
		switch k.name {
		case "name":
			t.Name, t.Place = c.name(k, n, c.testNames), filePlace(n.entry.value)
		case "request":
			c.testRequest(n, &t.Request)
		case "response":
			c.testResponse(n, &t.Response)
		case "expect":
			c.expect(n, &t.Expect)
		default:
			panic("BUG: nothing reads test." + k.name)
		}
	})
	return t
}

func (c *checker) testRequest(n node, r *TestRequest) {
	c.fields(nestedTable("test.request"), n, func(k *key, n node) {
		switch k.name {
		case "url":
			if s, ok := c.text(k, n); ok {
				c.url(n, s, r)
			}
		case "method":
			s, ok := c.text(k, n)
			if !ok {
				return
			}
			if err := notMethod(s); err != nil {
				c.refused(n, err)
			}
			r.Method = s
		case "headers":
			r.Fields = c.imagined(k, n)
			for _, f := range r.Fields {
				if strings.EqualFold(f.Name, "Host") {
					c.wrongTable(n, "has Host: the host is that of url; remove it")
				}
			}
		case "client":
			if s, ok := c.text(k, n); ok {
				addr, message := parseAddress(s)
				if message != "" {
					c.wrong(n, message)
				}
				r.Client = addr
			}
		default:
			panic("BUG: nothing reads test.request." + k.name)
		}
	})
}

// url reads the URL of an imagined request into its parts. They are taken as they are written, since that is what a client sends.
func (c *checker) url(n node, s string, r *TestRequest) {
	const want = `want a URL such as "http://www.example.com/a?b=c"`
	rest, https := strings.CutPrefix(s, "https://")
	if !https {
		var http bool
		if rest, http = strings.CutPrefix(s, "http://"); !http {
			c.wrong(n, want)
			return
		}
	}
	host, target := rest, "/"
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host, target = rest[:i], rest[i:]
	}
	if strings.HasPrefix(target, "?") {
		target = "/" + target
	}
	before := len(s) - len(rest)
	if i := strings.IndexByte(s, '#'); i >= 0 {
		c.wrongInside(n, i, "a fragment is never sent: remove it")
		return
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }); i >= 0 {
		c.wrongInside(n, i, "want ASCII characters without spaces: write others as %XX")
		return
	}
	if i := notHostAndPort(host); i >= 0 {
		c.wrongInside(n, before+i, "no host, or host and port: "+want)
		return
	}
	r.HTTPS, r.Host, r.Target = https, host, target
}

// notHostAndPort returns the first byte of s with which it is not a host, or a host and a port; -1 when it is.
func notHostAndPort(s string) int {
	host, port := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return 0
		}
		if !ipliteral.Is(s[:end+1]) {
			return 0
		}
		host, port = s[:end+1], s[end+1:]
		if port != "" && port[0] != ':' {
			return end + 1
		}
	} else {
		if i := strings.IndexByte(s, ':'); i >= 0 {
			host, port = s[:i], s[i:]
		}
		for i := range len(host) {
			if c := host[i]; c != '.' && c != '-' && c != '_' && !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
				return i
			}
		}
	}
	if host == "" || len(host) > 255 {
		return 0
	}
	if port != "" && (len(port) < 2 || len(port) > 6 || strings.Trim(port[1:], "0123456789") != "") {
		return len(host)
	}
	return -1
}

func (c *checker) testResponse(n node, r *TestResponse) {
	c.fields(nestedTable("test.response"), n, func(k *key, n node) {
		switch k.name {
		case "status":
			r.Status = int(c.number(k, n))
		case "headers":
			r.Fields = c.imagined(k, n)
		default:
			panic("BUG: nothing reads test.response." + k.name)
		}
	})
}

// imagined reads the fields of an imagined message.
func (c *checker) imagined(k *key, n node) []TextField {
	var fields []TextField
	c.fieldKeys(k, n, func(name string, n node) {
		c.texts(k, n, func(s string, n node) {
			if c.fieldValue(n, s) {
				fields = append(fields, TextField{name, s})
			}
		})
	})
	return fields
}

func (c *checker) expect(n node, e *Expect) {
	c.fields(nestedTable("test.expect"), n, func(k *key, n node) {
		switch k.name {
		case "status":
			e.Status = &Expected[int]{int(c.number(k, n)), filePlace(n.entry.value)}
		case "headers":
			e.Fields = c.expectedFields(k, n)
		case "absent":
			e.Absent = c.absent(k, n, e.Fields)
		case "body":
			e.Body = c.expectedText(k, n)
		case "rule":
			if e.Rule = c.expectedText(k, n); e.Rule != nil && e.Rule.Want != "" {
				c.namesARule(n, e.Rule.Want)
			}
		case "upstream":
			e.Upstream = c.upstream(n)
		default:
			panic("BUG: nothing reads test.expect." + k.name)
		}
	})
}

func (c *checker) upstream(n node) *ExpectUpstream {
	u := &ExpectUpstream{Place: filePlace(n.entry.key)}
	c.fields(nestedTable("test.upstream"), n, func(k *key, n node) {
		switch k.name {
		case "path":
			if u.Path = c.expectedText(k, n); u.Path != nil && u.Path.Want != "*" && !strings.HasPrefix(u.Path.Want, "/") {
				c.wrong(n, `want a path, and a query where there is one, such as "/v2/api/a?b=c"`)
			}
		case "headers":
			u.Fields = c.expectedFields(k, n)
		case "absent":
			u.Absent = c.absent(k, n, u.Fields)
		default:
			panic("BUG: nothing reads test.upstream." + k.name)
		}
	})
	return u
}

func (c *checker) expectedText(k *key, n node) *Expected[string] {
	s, ok := c.text(k, n)
	if !ok {
		return nil
	}
	return &Expected[string]{s, filePlace(n.entry.value)}
}

func (c *checker) expectedFields(k *key, n node) []Expected[TextField] {
	var fields []Expected[TextField]
	c.fieldKeys(k, n, func(name string, n node) {
		if s, ok := c.text(k, n); ok && c.fieldValue(n, s) {
			fields = append(fields, Expected[TextField]{TextField{name, s}, filePlace(n.entry.value)})
		}
	})
	return fields
}

// absent reads the names of fields that must not be there.
func (c *checker) absent(k *key, n node, expected []Expected[TextField]) []Expected[string] {
	there := map[string]bool{}
	for _, f := range expected {
		there[strings.ToLower(f.Want.Name)] = true
	}
	var names []Expected[string]
	c.fieldNamesEach(k, n, func(name string, n node) {
		if there[strings.ToLower(name)] {
			c.wrong(n, "contradicts headers, which expects the field: keep one of them")
		}
		names = append(names, Expected[string]{name, filePlace(n.entry.value)})
	})
	return names
}

// namesARule keeps a problem for the name of a rule that there is not.
func (c *checker) namesARule(n node, name string) {
	if _, known := c.ruleNames[name]; known {
		return
	}
	c.add(n.entry.value, func() string {
		var names []string
		if c.hints > 0 {
			names = slices.Sorted(maps.Keys(c.ruleNames))
		}
		return fmt.Sprintf("%s = %s: there is no such rule: want the name of one, or \"\" where next-hop is asked%s", n.label(), printable.Quote(name), c.didYouMean(name, names))
	})
}
