// Package http1 owns the wire format of HTTP/1.1 (RFC 9112): parse, check, frame, serialise. It holds no policy and no
// sockets. It is strict: a message that two parsers could read differently is refused, not repaired.
//
// A parsed head indexes the buffer that it was parsed from and allocates nothing once its list of fields has grown; it is good
// for as long as the buffer's bytes stay where they are.
package http1

import (
	"bytes"
	"math"

	"section.internal/contract/ascii"
	"section.internal/contract/httpcache"
	"section.internal/contract/ipliteral"
	"section.internal/contract/percent"
)

// Body is how the end of a message's body is found (RFC 9112 section 6.3).
type Body uint8

// The kinds of framing.
const (
	None       Body = iota
	Length          // by Content-Length
	Chunked         // by the chunked transfer coding
	UntilClose      // by the end of the connection; responses only
)

// HeadEnd looks for the end of a head in b, of which the first from bytes were looked at before. It returns the head's length
// with the empty line, or 0 when there is more to come. A bare LF is an error as soon as it is seen.
func HeadEnd(b []byte, from int) (end int, err error) {
	for i := max(from, 0); ; {
		lf := bytes.IndexByte(b[i:], '\n')
		if lf < 0 {
			return 0, nil
		}
		i += lf + 1
		if i < 2 || b[i-2] != '\r' {
			return 0, errBareLF
		}
		if i == 2 || i >= 4 && b[i-3] == '\n' {
			return i, nil
		}
	}
}

// RequestHeadEnd is HeadEnd for a request, without the empty lines before it. A start that no more bytes can make a request line of
// is an error as soon as it is seen: who speaks TLS to us says something that may have no line at all, and waits for an answer.
func RequestHeadEnd(b []byte, from int) (end int, err error) {
	if len(b) > 0 && classes[b[0]]&tokenByte == 0 && (b[0] != '\r' || len(b) > 1) {
		return 0, errMethod
	}
	if end, err = HeadEnd(b, from); err != nil {
		if lf := bytes.IndexByte(b, '\n'); b[lf-1] != '\r' { // lf is not 0: an LF is no token
			err = errLineEnd
		}
	}
	return end, err
}

// LineEnded says whether the first line of b is complete.
func LineEnded(b []byte) bool { return bytes.IndexByte(b, '\n') >= 0 }

// Request is a parsed request head.
type Request struct {
	Line     []byte // the request line without CRLF
	Method   []byte
	Target   []byte // as it came
	Path     []byte // what next-hop is asked for: Target in origin-form (or "*")
	Minor    int    // of the version; what is later than 1 is read as 1
	Fields   []Field
	Host     []byte // of the target where it has one, of the Host field otherwise; nil when there is neither (HTTP/1.0)
	HasHost  bool   // there is a Host field; HTTP/1.0 may do without
	Absolute bool   // Target is in absolute-form: Host is the target's, whatever the Host field says (RFC 9112 section 3.2.2)

	Body      Body
	Length    int64 // of the body, for Body == Length
	KeepAlive bool  // the client lets the connection live on
	Continue  bool  // Expect: 100-continue
	Upgrade   bool  // Connection: upgrade with an Upgrade field that may be passed on
	Trailers  bool  // TE: trailers, from a client that gets them

	MaxForwards int64 // how many hops more an OPTIONS request may take (RFC 9110 section 7.6.2); -1: any number
}

// ParseRequest parses head, which HeadEnd has found complete, into r. More than maxFields field lines are an error. r.Line is good
// even when an error is returned.
func ParseRequest(head []byte, maxFields int, r *Request) error {
	*r = Request{Fields: r.Fields[:0], MaxForwards: -1}
	eol := bytes.IndexByte(head, '\n') - 1
	r.Line = head[:eol]
	if err := r.parseLine(); err != nil {
		return err
	}
	var err error
	if r.Fields, err = parseFields(head[eol+2:], maxFields, r.Fields); err != nil {
		return err
	}
	options, err := markHops(r.Fields)
	if err != nil {
		return err
	}
	r.KeepAlive = !options.close && (r.Minor >= 1 || options.keepAlive)
	var f framing
	hosts, named, unfit := 0, false, false
	for i := range r.Fields {
		field := &r.Fields[i]
		switch field.Kind {
		case Host:
			if hosts++; hosts > 1 {
				return errHostRepeated
			}
			if !validHost(field.Value) {
				return errHostInvalid
			}
			if !r.Absolute {
				r.Host = field.Value
			}
		case ContentLength, TransferEncoding:
			if err := f.add(field, r.Minor); err != nil {
				return err
			}
		case Expect:
			if !ascii.EqualLower(field.Value, "100-continue") {
				return errExpect
			}
			r.Continue = r.Minor >= 1
		case MaxForwards: // RFC 9110 section 7.6.2: it may be ignored with other methods
			if string(r.Method) != "OPTIONS" {
				continue
			}
			n, ok := parseHops(field.Value)
			if !ok || r.MaxForwards >= 0 {
				return errMaxForwards
			}
			r.MaxForwards = n
		case Upgrade:
			n, u := protocols(field.Value)
			named, unfit = named || n, unfit || u
		case TE:
			for coding := range tokens(field.Value) {
				r.Trailers = r.Trailers || ascii.EqualLower(coding, "trailers")
			}
		}
	}
	if r.HasHost = hosts > 0; !r.HasHost && r.Minor >= 1 {
		return errHostMissing
	}
	if string(r.Method) == "CONNECT" || string(r.Method) == "TRACE" {
		return errMethodRefused
	}
	r.Upgrade = options.upgrade && named && !unfit && r.Minor >= 1
	// A TE that Connection does not name has come through somebody who does not know it (RFC 9110 section 7.6.1), and may drop trailers.
	r.Trailers = r.Trailers && options.te && r.Minor >= 1
	if f.chunked {
		r.Body = Chunked
	} else if f.length > 0 {
		r.Body, r.Length = Length, f.length
	}
	r.Continue = r.Continue && r.Body != None
	return nil
}

func (r *Request) parseLine() error {
	method, rest, ok := bytes.Cut(r.Line, []byte{' '})
	if !ok {
		return errRequestLine
	}
	target, version, ok := bytes.Cut(rest, []byte{' '})
	if !ok || len(target) == 0 {
		return errRequestLine
	}
	if !IsToken(method) {
		return errMethod
	}
	minor, err := parseVersion(version)
	if err != nil {
		return err
	}
	if !all(target, targetByte) {
		return errTarget
	}
	r.Method, r.Target, r.Path, r.Minor = method, target, target, minor
	if target[0] == '/' {
		return nil
	}
	switch {
	case string(method) == "CONNECT":
		return nil // refused later, when the rest is known to be well formed
	case len(target) == 1 && target[0] == '*':
		if string(method) != "OPTIONS" {
			return errTargetForm
		}
		return nil
	}
	return r.parseAbsolute()
}

// parseAbsolute takes an absolute-form target apart (RFC 9112 section 3.2.2).
func (r *Request) parseAbsolute() error {
	rest, ok := cutPrefixFold(r.Target, "http://")
	if !ok {
		if rest, ok = cutPrefixFold(r.Target, "https://"); !ok {
			return errTargetForm
		}
	}
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	if len(host) == 0 || !validHost(host) {
		return errTargetForm
	}
	r.Absolute, r.Host = true, host
	switch {
	case len(path) == 0 && string(r.Method) == "OPTIONS":
		r.Path = []byte("*") // RFC 9112 section 3.2.4
	case len(path) == 0:
		r.Path = []byte("/")
	case path[0] == '?':
		r.Path = append([]byte("/"), path...)
	default:
		r.Path = path
	}
	return nil
}

// protocols says whether an Upgrade field names any protocols, and whether one of them is unfit to be passed on: not NAME[/VERSION],
// or h2c, in which requests would go past us unseen (RFC 9110 section 7.8, RFC 9113 section 3.1).
func protocols(value []byte) (named, unfit bool) {
	for protocol := range tokens(value) {
		name, version, versioned := bytes.Cut(protocol, []byte{'/'})
		named = true
		unfit = unfit || !IsToken(name) || versioned && !IsToken(version) || ascii.EqualLower(name, "h2c")
	}
	return named, unfit
}

func cutPrefixFold(b []byte, prefix string) ([]byte, bool) {
	if len(b) < len(prefix) || !ascii.EqualLower(b[:len(prefix)], prefix) {
		return b, false
	}
	return b[len(prefix):], true
}

// parseVersion returns the minor version of "HTTP/1.x".
func parseVersion(v []byte) (minor int, err error) {
	if len(v) != len("HTTP/1.1") || string(v[:5]) != "HTTP/" || v[6] != '.' || !isDigit(v[5]) || !isDigit(v[7]) {
		return 0, errRequestLine
	}
	if v[5] != '1' {
		return 0, errVersion
	}
	return int(v[7] - '0'), nil
}

// validHost says whether h is a host with an optional port (RFC 3986 section 3.2.2). An empty one is allowed: the target has no
// authority (RFC 9112 section 3.2). A port without a host is not (RFC 9110 section 4.2.1).
func validHost(h []byte) bool {
	if len(h) > 0 && h[0] == '[' {
		end := bytes.IndexByte(h, ']')
		return end > 0 && ipliteral.Is(h[:end+1]) && validPort(h[end+1:])
	}
	name, port := h, []byte(nil)
	if colon := bytes.IndexByte(h, ':'); colon >= 0 {
		name, port = h[:colon], h[colon:]
	}
	return all(name, nameByte) && validEscapes(name) && validPort(port) && (len(name) > 0 || len(port) == 0)
}

// validPort says whether b is empty or a colon and digits, if any.
func validPort(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	for _, c := range b[1:] {
		if !isDigit(c) {
			return false
		}
	}
	return b[0] == ':'
}

// validEscapes says whether each % has two hexadecimal digits behind it.
func validEscapes(b []byte) bool {
	for {
		i := bytes.IndexByte(b, '%')
		if i < 0 {
			return true
		}
		if b = b[i:]; !percent.Begins(b) {
			return false
		}
		b = b[percent.Size:]
	}
}

// Response is a parsed response head.
type Response struct {
	Status    int
	Phrase    []byte // the reason phrase; may be empty
	Minor     int    // of the version; what is later than 1 is read as 1
	Fields    []Field
	Body      Body
	Length    int64 // of the body, for Body == Length
	KeepAlive bool  // next-hop lets the connection live on
	Upgrade   bool  // Connection: upgrade
	Protocols bool  // an Upgrade field names protocols, all of which may be passed on
	HasDate   bool
	Unsafe    bool // has no body by its status, but fields that speak of one: what follows may be anything
}

// ParseResponse parses head, which HeadEnd has found complete, into r. headRequest says that the request's method was HEAD, so
// that no body follows (RFC 9112 section 6.3).
func ParseResponse(head []byte, headRequest bool, r *Response) error {
	*r = Response{Fields: r.Fields[:0]}
	eol := bytes.IndexByte(head, '\n') - 1
	if err := r.parseLine(head[:eol]); err != nil {
		return err
	}
	var err error
	if r.Fields, err = parseFields(head[eol+2:], maxResponseFields, r.Fields); err != nil {
		return asResponse(err)
	}
	options, err := markHops(r.Fields)
	if err != nil {
		return asResponse(err)
	}
	r.Upgrade = options.upgrade
	named, unfit := false, false
	bodiless := r.Status < 200 || r.Status == 204 || r.Status == 304
	f := framing{response: true}
	for i := range r.Fields {
		field := &r.Fields[i]
		switch field.Kind {
		case ContentLength, TransferEncoding:
			if err := f.add(field, r.Minor); err != nil {
				return asResponse(err)
			}
			if r.Status < 200 || r.Status == 204 {
				field.Hop = true // RFC 9110 section 8.6: not in 1xx and 204
				r.Unsafe = f.chunked || f.length > 0
			}
		case Date:
			r.HasDate = true
		case Upgrade:
			n, u := protocols(field.Value)
			named, unfit = named || n, unfit || u
		}
	}
	r.Protocols = named && !unfit
	switch {
	case bodiless || headRequest:
		r.Body = None
	case f.chunked:
		r.Body = Chunked
	case f.hasLength && f.length == 0:
		r.Body = None
	case f.hasLength:
		r.Body, r.Length = Length, f.length
	default:
		r.Body = UntilClose
	}
	r.KeepAlive = r.Body != UntilClose && !options.close && (r.Minor >= 1 || options.keepAlive)
	return nil
}

// Switches says whether r is a 101 that request asked for: it names protocols, and request offered each of them (RFC 9110 section
// 7.8).
func (r *Response) Switches(request *Request) bool {
	if r.Status != 101 || !request.Upgrade || !r.Upgrade || !r.Protocols {
		return false
	}
	for i := range r.Fields {
		if r.Fields[i].Kind == Upgrade {
			for protocol := range tokens(r.Fields[i].Value) {
				if !offers(request.Fields, protocol) {
					return false
				}
			}
		}
	}
	return true
}

func offers(fields []Field, protocol []byte) bool {
	for i := range fields {
		if fields[i].Kind == Upgrade {
			for offered := range tokens(fields[i].Value) {
				if ascii.EqualFold(offered, protocol) {
					return true
				}
			}
		}
	}
	return false
}

func (r *Response) parseLine(line []byte) error {
	const shortest = len("HTTP/1.1 200")
	if len(line) < shortest || line[8] != ' ' {
		return errStatusLine
	}
	minor, err := parseVersion(line[:8])
	if err != nil {
		return errStatusLine
	}
	for _, c := range line[9:12] {
		if !isDigit(c) {
			return errStatusLine
		}
		r.Status = 10*r.Status + int(c-'0')
	}
	if r.Status < 100 || r.Status > 599 {
		return errStatusLine
	}
	if len(line) > shortest {
		if line[shortest] != ' ' || !all(line[shortest+1:], valueByte) {
			return errStatusLine
		}
		r.Phrase = line[shortest+1:]
	}
	r.Minor = minor
	return nil
}

// asResponse gives an error about fields the reason that it has in a response.
func asResponse(err error) error {
	e := err.(*Error)
	reason := httpcache.NextHopBadResponse
	if e.Reason == httpcache.TooManyFields {
		reason = httpcache.NextHopHeaderTooLarge
	}
	return &Error{Reason: reason, Detail: e.Detail}
}

// framing gathers what says where a body ends.
type framing struct {
	response  bool
	hasLength bool
	length    int64
	chunked   bool
}

// add takes one Content-Length or Transfer-Encoding field into account. Whatever two parsers could read differently is refused
// (RFC 9112 sections 6.1, 6.3 and 11.2).
func (f *framing) add(field *Field, minor int) error {
	if field.Kind == ContentLength {
		switch n, ok := parseLength(field.Value); {
		case f.hasLength:
			return errLengthRepeated
		case f.chunked:
			return errTwoLengths
		case !ok:
			return errLengthInvalid
		default:
			f.hasLength, f.length = true, n
			for len(field.Value) > 1 && field.Value[0] == '0' {
				field.Value = field.Value[1:] // who reads it next might take it for octal
			}
			return nil
		}
	}
	switch {
	case f.hasLength:
		return errTwoLengths
	case minor == 0:
		return errCodingOld
	case f.chunked:
		return errCodingOrder
	case ascii.EqualLower(field.Value, "chunked"):
		f.chunked = true
		return nil
	}
	last, codings := []byte(nil), 0
	for coding := range tokens(field.Value) {
		if ascii.EqualLower(last, "chunked") {
			return errCodingOrder
		}
		last = coding
		codings++
	}
	switch {
	case ascii.EqualLower(last, "chunked") && codings == 1:
		return errCodingEmpty
	case ascii.EqualLower(last, "chunked") || f.response:
		return errCodingUnknown
	}
	return errCodingOrder
}

// parseLength reads digits only, up to the largest int64.
func parseLength(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		if n = 10*n + int64(c-'0'); n < 0 {
			return 0, false
		}
	}
	return n, true
}

// parseHops reads digits only. More hops than can be counted are as many as can be (RFC 9110 section 7.6.2).
func parseHops(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		digit := int64(c - '0')
		if n > (math.MaxInt64-digit)/10 {
			n = math.MaxInt64 // and so it stays: ten times as much is more again
			continue
		}
		n = 10*n + digit
	}
	return n, len(b) > 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// ParseTrailers parses a trailer section that HeadEnd has found complete; head holds the fields of the same message's head.
// Fields that must not stand in trailers, and those that Connection names, are marked as Hop (RFC 9110 sections 6.5.1 and 7.6.1).
func ParseTrailers(section []byte, head, fields []Field) ([]Field, error) {
	fields, err := parseFields(section, maxTrailers, fields[:0])
	for i := range fields {
		f := &fields[i]
		f.Hop = f.Kind != Other || isOneOf(f.Name, notInTrailers[:])
	}
	if len(fields) > 0 {
		for i := range head {
			if head[i].Kind == Connection {
				for option := range tokens(head[i].Value) {
					nominate(fields, option)
				}
			}
		}
	}
	return fields, err
}
