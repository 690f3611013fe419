package http1

import (
	"bytes"
	"encoding/binary"
	"slices"

	"section.internal/contract/ascii"
	"section.internal/contract/token"
)

// Kind is the name of a field that the engine has to know; every other field is Other.
type Kind uint8

// The known fields.
const (
	Other Kind = iota
	Connection
	ContentLength
	ContentType
	Date
	Expect
	Host
	KeepAlive
	MaxForwards
	ProxyConnection
	Referer
	SectionIOID
	SectionIOTag
	TE
	Trailer
	TransferEncoding
	TrueClientIP
	Upgrade
	UserAgent
	Via
	XForwardedFor
	XForwardedProto
	kinds
)

var kindNames = [kinds]string{
	Connection: "connection", ContentLength: "content-length", ContentType: "content-type", Date: "date", Expect: "expect",
	Host: "host", KeepAlive: "keep-alive", MaxForwards: "max-forwards", ProxyConnection: "proxy-connection", Referer: "referer", SectionIOID: "section-io-id",
	SectionIOTag: "section-io-tag", TE: "te", Trailer: "trailer", TransferEncoding: "transfer-encoding",
	TrueClientIP: "true-client-ip", Upgrade: "upgrade", UserAgent: "user-agent", Via: "via", XForwardedFor: "x-forwarded-for",
	XForwardedProto: "x-forwarded-proto",
}

// kindsByLength lists the known names of each length, so that an unknown name is compared with three others at most.
var kindsByLength = func() (byLength [32][]Kind) {
	for k := Other + 1; k < kinds; k++ {
		n := len(kindNames[k])
		byLength[n] = append(byLength[n], k)
	}
	return byLength
}()

func kindOf(name []byte) Kind {
	if len(name) < len(kindsByLength) {
		for _, k := range kindsByLength[len(name)] {
			if ascii.EqualLower(name, kindNames[k]) {
				return k
			}
		}
	}
	return Other
}

// Field is one field line, in the name's own case. Both slices point into the buffer of the head.
type Field struct {
	Name  []byte
	Value []byte // without the white space around it
	Kind  Kind
	Hop   bool // concerns this connection only: not to be forwarded (RFC 9110 section 7.6.1)
}

// The classes of bytes (RFC 9110 sections 5.5 and 5.6.2, RFC 3986 section 2).
const (
	tokenByte  = 1 << iota
	valueByte  // may stand in a field value: visible, space, tab, obs-text
	targetByte // may stand in a request target: visible, no fragment
	nameByte   // may stand in the name of a host
)

var classes = func() (table [256]uint8) {
	for b := range 256 {
		c := byte(b)
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if token.IsByte(c) {
			table[b] |= tokenByte
		}
		if c >= ' ' && c != 0x7f || c == '\t' {
			table[b] |= valueByte
		}
		if c > ' ' && c < 0x7f && c != '#' {
			table[b] |= targetByte
		}
		if alnum || bytes.IndexByte([]byte("-._~%!$&'()*+,;="), c) >= 0 {
			table[b] |= nameByte
		}
	}
	return table
}()

func all(b []byte, class uint8) bool {
	for _, c := range b {
		if classes[c]&class == 0 {
			return false
		}
	}
	return true
}

// validValue says whether b may be a field's value: like all(b, valueByte), eight bytes at a time, since most of a head is values.
func validValue(b []byte) bool {
	if len(b) < 8 {
		return all(b, valueByte)
	}
	found := ascii.Controls(binary.LittleEndian.Uint64(b[len(b)-8:]))
	for i := 0; i+8 <= len(b); i += 8 {
		found |= ascii.Controls(binary.LittleEndian.Uint64(b[i:]))
	}
	return found == 0 || all(b, valueByte) // of the control bytes, a tab may be there
}

// IsToken says whether b is a token (RFC 9110 section 5.6.2).
func IsToken(b []byte) bool { return len(b) > 0 && all(b, tokenByte) }

// parseFields reads field lines up to the empty line that ends the section. section ends with CRLF CRLF or is just CRLF, and
// each LF in it has a CR before it. There may be maxFields of them.
func parseFields(section []byte, maxFields int, fields []Field) ([]Field, error) {
	for {
		eol := bytes.IndexByte(section, '\n') - 1
		line := section[:eol]
		section = section[eol+2:]
		if len(line) == 0 {
			return fields, nil
		}
		colon := 0
		for colon < len(line) && classes[line[colon]]&tokenByte != 0 {
			colon++
		}
		if colon == 0 || colon == len(line) || line[colon] != ':' {
			switch {
			case line[0] == ' ' || line[0] == '\t':
				return fields, errFold
			case bytes.IndexByte(line, ':') < 0:
				return fields, errNoColon
			}
			return fields, errFieldName // with white space before the colon, too (RFC 9112 section 5.1)
		}
		name, value := line[:colon], ascii.TrimSpace(line[colon+1:])
		if !validValue(value) {
			return fields, errFieldValue
		}
		if len(fields) >= maxFields {
			return fields, errTooManyFields
		}
		// Set in its place: a Field that is copied there takes a fifth of the time of all this.
		if len(fields) == cap(fields) {
			fields = slices.Grow(fields, 1)
		}
		fields = fields[:len(fields)+1]
		f := &fields[len(fields)-1]
		f.Name, f.Value, f.Kind, f.Hop = name, value, kindOf(name), false
	}
}

// The most field lines of a response and of a trailer section; of a request the user of this package says how many there may be.
const (
	maxResponseFields = 1000
	maxTrailers       = 1000
)

// maxNominated bounds the names that a Connection field may list, each of which costs a walk over all fields.
const maxNominated = 32

// markHops marks the fields that concern this connection only: the known ones, and those that Connection names. It says which
// connection options were there.
func markHops(fields []Field) (options connectionOptions, err error) {
	nominated := 0
	for i := range fields {
		f := &fields[i]
		switch f.Kind {
		case KeepAlive, ProxyConnection, TE, TransferEncoding, Upgrade:
			f.Hop = true
		case Connection:
			f.Hop = true
			for option := range tokens(f.Value) {
				switch {
				case ascii.EqualLower(option, "close"):
					if !options.close {
						nominate(fields, option) // a name that is reserved for this (RFC 9112 section 9.6)
					}
					options.close = true
				case ascii.EqualLower(option, "keep-alive"):
					options.keepAlive = true
				case ascii.EqualLower(option, "upgrade"):
					options.upgrade = true
				case ascii.EqualLower(option, "te"):
					options.te = true
				default:
					if nominated++; nominated > maxNominated {
						return options, errTooManyNominated
					}
					nominate(fields, option)
				}
			}
		}
	}
	return options, nil
}

type connectionOptions struct{ close, keepAlive, upgrade, te bool }

// nominate marks the fields named by a connection option. What the message means to its final recipient, and who sent it, is
// not for the sender of a Connection field to take away (RFC 9110 section 7.6.1: not a field "intended for all recipients").
func nominate(fields []Field, name []byte) {
	for i := range fields {
		if f := &fields[i]; ascii.EqualFold(f.Name, name) {
			switch f.Kind {
			case Host, ContentLength, ContentType, Date, Expect, MaxForwards, Via, XForwardedFor, XForwardedProto, TrueClientIP, SectionIOID:
			default:
				f.Hop = f.Hop || !isOneOf(name, notNominated[:])
			}
		}
	}
}

// notNominated are the fields without a Kind of their own that are end to end whatever Connection says. A name that ends in "-"
// stands for all that begin with it.
var notNominated = [...]string{"age", "authorization", "cache-control", "content-encoding", "content-range", "cookie", "etag", "expires",
	"forwarded", "location", "range", "section-", "set-cookie", "vary", "x-forwarded-", "x-real-ip"}

// notInTrailers are the fields without a Kind of their own that frame, route or modify a message, say who sent it, or must be
// known before its body (RFC 9110 section 6.5.1; RFC 7230 section 4.1.2 has the list).
var notInTrailers = [...]string{"age", "authorization", "cache-control", "content-encoding", "content-range", "cookie", "expires", "forwarded",
	"if-", "location", "pragma", "proxy-", "range", "retry-after", "section-", "set-cookie", "vary", "warning",
	"www-authenticate", "x-forwarded-", "x-real-ip"}

func isOneOf(name []byte, list []string) bool {
	for _, s := range list {
		if ascii.EqualLower(name, s) || s[len(s)-1] == '-' && len(name) > len(s) && ascii.EqualLower(name[:len(s)], s) {
			return true
		}
	}
	return false
}

// tokens yields the elements of a comma-separated list, without the empty ones.
func tokens(list []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(list) > 0 {
			element := list
			if comma := bytes.IndexByte(list, ','); comma >= 0 {
				element, list = list[:comma], list[comma+1:]
			} else {
				list = nil
			}
			if element = ascii.TrimSpace(element); len(element) > 0 && !yield(element) {
				return
			}
		}
	}
}
