package config

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// How many networks, and how many bytes of a body, a rule's text repeats. Of more it holds a fingerprint.
const (
	maxShownNetworks = 8
	maxShownBody     = 60
)

// Says returns all that a rule says but for its name, a line each, in one spelling whatever the file's own: match.path = "/a*".
// First comes the match, then the actions. Two rules that say the same do the same.
func (r *Rule) Says() []string {
	parts := r.parts()
	lines := make([]string, len(parts))
	for i, p := range parts {
		lines[i] = p.key + " = " + p.value
	}
	return lines
}

// saying is one thing that a rule says.
type saying struct{ key, value string }

func (r *Rule) parts() []saying {
	ps := r.Match.parts("match")
	ps = append(ps, r.Request.parts("request")...)
	ps = append(ps, r.Response.parts("response")...)
	if r.Rewrite != nil {
		ps = append(ps, saying{"rewrite.path", strconv.Quote(r.Rewrite.String())})
	}
	if r.Origin != "" {
		ps = append(ps, saying{"origin", strconv.Quote(r.Origin)})
	}
	if s := r.Split; s != nil {
		ps = append(ps, saying{"split.name", strconv.Quote(s.Name)}, saying{"split.by", strconv.Quote(s.By.String())})
		for _, v := range s.Variants {
			ps = append(ps, saying{join("split.variants", v.Name), strconv.FormatInt(v.Weight, 10)})
		}
	}
	if l := r.Limit; l != nil {
		ps = append(ps,
			saying{"limit.requests", strconv.FormatInt(l.Requests, 10)}, saying{"limit.per", strconv.Quote(formatDuration(l.Per))},
			saying{"limit.by", strconv.Quote(l.By.String())}, saying{"limit.burst", strconv.FormatInt(l.Burst, 10)})
	}
	if to := r.Redirect; to != nil {
		ps = append(ps, saying{"redirect.to", strconv.Quote(to.To.String())}, saying{"redirect.status", strconv.Itoa(to.Status)})
	}
	if with := r.Respond; with != nil {
		ps = append(ps, saying{"respond.status", strconv.Itoa(with.Status)})
		if with.Body != nil {
			ps = append(ps, saying{"respond.body", bodyPart(with.Body)})
		}
		ps = append(ps, fieldParts("respond.headers", with.Fields)...)
	}
	return ps
}

// Does says in a few words what a rule does with the requests that it matches.
func (r *Rule) Does() string {
	var does []string
	add := func(there bool, format string, args ...any) {
		if there {
			does = append(does, fmt.Sprintf(format, args...))
		}
	}
	add(len(r.Request.Remove)+len(r.Request.Set)+len(r.Request.Add) > 0, "request")
	add(len(r.Response.Remove)+len(r.Response.Set)+len(r.Response.Add) > 0, "response")
	add(r.Rewrite != nil, "rewrite")
	add(r.Origin != "", "origin %s", r.Origin)
	if r.Split != nil {
		add(true, "split %s", r.Split.Name)
	}
	if r.Limit != nil {
		add(true, "limit %d per %s", r.Limit.Requests, formatDuration(r.Limit.Per))
	}
	if r.Redirect != nil {
		add(true, "redirect %d", r.Redirect.Status)
	}
	if r.Respond != nil {
		add(true, "respond %d", r.Respond.Status)
	}
	return strings.Join(does, ", ")
}

// String returns the key as the file has it.
func (k Key) String() string {
	switch k.Of {
	case ByClient:
		return "client"
	case ByAll:
		return "all"
	case ByHost:
		return "host"
	case ByHeader:
		return "header." + k.Name
	case ByCookie:
		return "cookie." + k.Name
	}
	panic(fmt.Sprintf("BUG: no key is of kind %d", k.Of))
}

// String says what the limit is, for people.
func (l *Limit) String() string {
	return fmt.Sprintf("%d per %s by %s, %d at once", l.Requests, formatDuration(l.Per), l.By, l.Burst)
}

// conditionKeys holds the keys of a match. Of those that have names below them, the name follows.
var conditionKeys = map[ConditionKind]string{
	OfPath: "path", OfPathRegex: "path_regex", OfHost: "host", OfMethod: "method", OfHeader: "header", OfCookie: "cookie",
	OfQuery: "query", OfClient: "client", OfGeo: "geo", OfUserAgent: "user_agent", OfReferer: "referer", OfProtocol: "protocol",
	OfNot: "not",
}

func (m Match) parts(below string) []saying {
	var ps []saying
	for i := range m.Conditions {
		c := &m.Conditions[i]
		key := join(below, conditionKeys[c.Kind])
		switch c.Kind {
		case OfNot:
			inside := c.Not.parts(key)
			if len(inside) == 0 {
				inside = []saying{{key, "{}"}}
			}
			ps = append(ps, inside...)
			continue
		case OfHeader, OfCookie, OfQuery:
			key = join(key, c.Name)
		case OfGeo:
			key = join(key, strings.ReplaceAll(c.Name, "-", "_"))
		}
		ps = append(ps, saying{key, c.value()})
	}
	// The file's own order means nothing: all of them must hold.
	slices.SortStableFunc(ps, func(a, b saying) int { return strings.Compare(a.key, b.key) })
	return ps
}

// value returns what the condition is held against.
func (c *Condition) value() string {
	switch c.Kind {
	case OfPath:
		return list(c.Paths)
	case OfPathRegex:
		return strconv.Quote(strings.TrimPrefix(c.Regex.String(), anyCharacter))
	case OfHost:
		return list(c.Hosts)
	case OfClient:
		if len(c.Clients) > maxShownNetworks {
			return fmt.Sprintf("%d networks, sha256 %s", len(c.Clients), networksFingerprint(c.Clients))
		}
		return list(c.Clients)
	}
	return list(c.Values)
}

// list returns what the entries are, as an array of strings, or as one string where there is one.
func list[T fmt.Stringer](entries []T) string {
	texts := make([]string, len(entries))
	for i, e := range entries {
		texts[i] = strconv.Quote(e.String())
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func networksFingerprint(networks []netip.Prefix) string {
	h := sha256.New()
	var text []byte
	for _, n := range networks {
		text = append(n.AppendTo(text[:0]), '\n')
		h.Write(text)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:6])
}

func bodyPart(body []byte) string {
	if len(body) <= maxShownBody && utf8.Valid(body) {
		return strconv.Quote(string(body))
	}
	sum := sha256.Sum256(body)
	return fmt.Sprintf("%d bytes, sha256 %x", len(body), sum[:6])
}

func (c Changes) parts(below string) []saying {
	var ps []saying
	for _, name := range c.Remove {
		ps = append(ps, saying{below + ".remove", strconv.Quote(name)})
	}
	ps = append(ps, fieldParts(below+".set", c.Set)...)
	return append(ps, fieldParts(below+".add", c.Add)...)
}

func fieldParts(below string, fields []Field) []saying {
	ps := make([]saying, len(fields))
	for i, f := range fields {
		ps[i] = saying{join(below, f.Name), strconv.Quote(f.Value.String())}
	}
	return ps
}
