package policy

import (
	"bytes"
	"net/netip"
	"regexp"

	"section.internal/contract/ascii"
	"section.internal/contract/config"
	"section.internal/contract/template"
)

// view is a request as rules see it. What only some rules look at is prepared when the first of them does.
type view struct {
	policy  *Policy
	request *Request
	stamp   uint32 // of the request, so that what is known of the one before need not be cleared

	hasPath        bool // false: the target is "*"
	rawPath, query []byte
	hasQuery       bool
	path           []byte // decoded
	host           []byte // in lower case, without port and trailing dot
	client         netip.Addr
	https          bool
	cookiesRead    bool
	paramsRead     bool
	fields         found
	cookiesOf      found
	params         found
	buffer         []byte         // what is made of the request; what was cut from it before stays when it grows
	groups         *regexp.Regexp // of the rule that is being applied
	group          []int          // where they are in path; nil: none
	dropped        bool           // a change has given way to another
}

// reset begins with another request.
func (v *view) reset(p *Policy, r *Request) {
	v.policy, v.request = p, r
	if v.stamp++; v.stamp == 0 { // once in 2^32 requests: what is left of the first ones must not be taken for this one's
		*v = view{policy: p, request: r, stamp: 1, buffer: v.buffer}
	}
	v.buffer, v.dropped, v.groups, v.group = v.buffer[:0], false, nil, nil
	v.rawPath, v.query, v.hasQuery = cutTarget(r.Target)
	v.hasPath = string(r.Target) != "*"
	v.cookiesRead, v.paramsRead = false, false
	switch {
	case !v.hasPath:
		v.path = nil
	case plainPath(v.rawPath):
		v.path = v.rawPath
	default:
		start := len(v.buffer)
		v.buffer = appendPath(v.buffer, v.rawPath)
		v.path = v.kept(start)
	}
	v.host = v.hostName(r.Host)
}

// kept returns what stands in the buffer from start on.
func (v *view) kept(start int) []byte { return v.buffer[start:len(v.buffer):len(v.buffer)] }

// hostName returns a host without port and trailing dot, in lower case.
func (v *view) hostName(host []byte) []byte {
	if bytes.IndexByte(host, ':') >= 0 { // the quicker look: mostly there is none
		if end := bytes.LastIndexByte(host, ':'); bytes.IndexByte(host[end:], ']') < 0 {
			host = host[:end]
		}
	}
	if n := len(host); n > 0 && host[n-1] == '.' {
		host = host[:n-1]
	}
	if !ascii.HasUpper(host) {
		return host
	}
	start := len(v.buffer)
	v.buffer = ascii.AppendLower(v.buffer, host)
	return v.kept(start)
}

// readFields walks the header section.
func (v *view) readFields() {
	names, fields := &v.policy.names.fields, v.request.Fields
	v.fields.reset(v.stamp, len(names.of))
	for i := range fields.Len() {
		name, value := fields.Field(i)
		if names.unknown(name) {
			continue
		}
		if slot := names.find(name); slot >= 0 {
			v.fields.add(slot, value)
		}
	}
	v.client = v.request.Peer
	for _, slot := range v.policy.address {
		value := v.fields.last(slot)
		if addr, ok := parseAddr(lastElement(value)); ok {
			v.client = addr
			break
		}
	}
	v.client = v.client.Unmap()
	v.https = isHTTPS(lastElement(v.fields.last(slotProto)))
}

// lastElement returns the last element of a list: those before it were written by whoever is farther away.
func lastElement(value []byte) []byte { return value[bytes.LastIndexByte(value, ',')+1:] }

func isHTTPS(b []byte) bool { return ascii.EqualLower(ascii.TrimSpace(b), "https") }

// cookies returns what the request has of the cookies that rules ask for.
func (v *view) cookies() *found {
	if !v.cookiesRead {
		v.cookiesRead = true
		names := &v.policy.names.cookies
		v.cookiesOf.reset(v.stamp, len(names.of))
		for i := v.fields.first(slotCookie); i >= 0; i = v.fields.values[i].next {
			rest := v.fields.values[i].value
			for more := true; more; {
				var pair []byte
				pair, rest, more = bytes.Cut(rest, []byte{';'})
				name, value, _ := bytes.Cut(pair, []byte{'='})
				if slot := names.find(ascii.TrimSpace(name)); slot >= 0 {
					v.cookiesOf.add(slot, ascii.TrimSpace(value))
				}
			}
		}
	}
	return &v.cookiesOf
}

// parameters returns what the request has of the parameters that rules ask for.
func (v *view) parameters() *found {
	if !v.paramsRead {
		v.paramsRead = true
		names := &v.policy.names.params
		v.params.reset(v.stamp, len(names.of))
		rest := v.query
		for more := v.hasQuery; more; {
			var pair []byte
			pair, rest, more = bytes.Cut(rest, []byte{'&'})
			if len(pair) == 0 {
				continue
			}
			name, value, _ := bytes.Cut(pair, []byte{'='})
			if slot := names.find(v.decoded(name)); slot >= 0 {
				v.params.add(slot, v.decoded(value))
			}
		}
	}
	return &v.params
}

// decoded returns a part of a query with its percent-encodings and "+" resolved.
func (v *view) decoded(b []byte) []byte {
	if bytes.IndexByte(b, '%') < 0 && bytes.IndexByte(b, '+') < 0 {
		return b
	}
	start := len(v.buffer)
	v.buffer = appendDecoded(v.buffer, b, true)
	return v.kept(start)
}

// text returns what a template stands for.
func (v *view) text(t *template.Template) []byte {
	start := v.append(t)
	return v.kept(start)
}

// append appends what a template stands for to the buffer, and returns where it begins.
func (v *view) append(t *template.Template) (start int) {
	if len(v.policy.names.params.of) > 0 {
		v.parameters() // which needs the buffer as well
	}
	start = len(v.buffer)
	v.buffer = t.Append(v.buffer, v)
	return start
}

// rewritten returns the target with another path.
func (v *view) rewritten(t *template.Template) []byte {
	start := v.append(t)
	if v.hasQuery {
		v.buffer = append(append(v.buffer, '?'), v.query...)
	}
	return v.kept(start)
}

// key returns what tells requests apart.
func (v *view) key(k *key) []byte {
	switch k.of {
	case config.ByHost:
		return v.host
	case config.ByHeader:
		return v.joined(&v.fields, k.slot)
	case config.ByCookie:
		if c := v.cookies(); c.first(k.slot) >= 0 {
			return c.values[c.first(k.slot)].value
		}
	case config.ByClient:
		if !v.client.IsValid() {
			return nil
		}
		client := v.client
		if client.Is6() { // who has one address of a network of 64 bits has them all, and changes them
			client = netip.PrefixFrom(client, 64).Masked().Addr()
		}
		start := len(v.buffer)
		v.buffer = client.AppendTo(v.buffer)
		return v.kept(start)
	}
	return nil
}

// joined returns all lines of a field, with ", " between.
func (v *view) joined(f *found, slot int32) []byte {
	i := f.first(slot)
	if i < 0 {
		return nil
	}
	if f.values[i].next < 0 {
		return f.values[i].value
	}
	start := len(v.buffer)
	v.buffer = v.appendJoined(v.buffer, slot)
	return v.kept(start)
}

func (v *view) appendJoined(dst []byte, slot int32) []byte {
	for i, n := v.fields.first(slot), 0; i >= 0; i, n = v.fields.values[i].next, n+1 {
		if n > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, v.fields.values[i].value...)
	}
	return dst
}

func (v *view) appendClient(dst []byte) []byte {
	if !v.client.IsValid() {
		return dst
	}
	return v.client.AppendTo(dst)
}

func (v *view) scheme() string {
	if v.https {
		return "https"
	}
	return "http"
}

// AppendValue appends the value of a placeholder. The path of a target without one is "/".
func (v *view) AppendValue(dst []byte, name string) (out []byte, escaped bool) {
	switch name {
	case "host":
		return append(dst, v.host...), false
	case "path":
		return v.appendRawPath(dst), true
	case "query":
		return append(dst, v.query...), true
	case "uri":
		dst = v.appendRawPath(dst)
		if v.hasQuery {
			dst = append(append(dst, '?'), v.query...)
		}
		return dst, true
	case "method":
		return append(dst, v.request.Method...), false
	case "scheme":
		return append(dst, v.scheme()...), false
	case "client":
		return v.appendClient(dst), false
	}
	if p, ok := v.policy.names.placeholders[name]; ok {
		return v.appendNamed(dst, p), false
	}
	if v.groups != nil && v.group != nil {
		if i := v.groups.SubexpIndex(name); i >= 0 && v.group[2*i] >= 0 {
			return append(dst, v.path[v.group[2*i]:v.group[2*i+1]]...), false
		}
	}
	return dst, false
}

func (v *view) appendNamed(dst []byte, p placeholder) []byte {
	of := &v.fields
	switch p.of {
	case ofField:
		return v.appendJoined(dst, p.slot)
	case ofCookie:
		of = v.cookies()
	case ofParam:
		of = v.parameters()
	}
	if i := of.first(p.slot); i >= 0 {
		dst = append(dst, of.values[i].value...)
	}
	return dst
}

// appendRawPath appends the path as it came. One with dot segments is appended without them: what a rule puts before a path must
// not be got round.
func (v *view) appendRawPath(dst []byte) []byte {
	switch {
	case !v.hasPath:
		return append(dst, '/')
	case hasDotSegment(v.rawPath):
		return appendEscaped(dst, v.path)
	}
	return append(dst, v.rawPath...)
}
