package template

import (
	"section.internal/contract/ipliteral"
	"section.internal/contract/percent"
)

// escape is how the value of a placeholder is made fit for where it stands.
type escape uint8

const (
	forField    escape = iota // control bytes are left out
	forPath                   // in a path: all but unreserved and "/"
	forLabel                  // a part of a host: all but unreserved is left out, so that it cannot end the host
	forHost                   // the host itself: what may not stand in one is left out
	forHostPart               // the same where more of the host is before or behind: an address in brackets may not stand there
	forQuery                  // behind "?" or "#": all but unreserved
	forTarget                 // in the path of a request line; what came escaped stays as it came
)

// The classes of bytes (RFC 3986 section 2).
const (
	unreserved = 1 << iota
	slash
	subDelim   // may stand in a host beside those that are unreserved
	uriByte    // any that may stand in a URI, but "#"
	targetByte // any visible one but those that would end a path
)

var classes = func() (table [256]uint8) {
	for b := range 256 {
		c := byte(b)
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '.' || c == '_' || c == '~' {
			table[b] |= unreserved | uriByte
		}
		if c > ' ' && c < 0x7f && c != '?' && c != '#' {
			table[b] |= targetByte
		}
	}
	table['/'] |= slash
	for _, c := range []byte("!$&'()*+,;=") {
		table[c] |= subDelim
	}
	for _, c := range []byte(":/?[]@!$&'()*+,;=") {
		table[c] |= uriByte
	}
	return table
}()

// in makes the value dst[start:] fit. Escaped says that it is already fit for a URI.
func (e escape) in(dst []byte, start int, escaped bool) []byte {
	switch e {
	case forField:
		return withoutControls(dst, start)
	case forLabel:
		return only(dst, start, unreserved)
	case forHost:
		if ipliteral.Is(dst[start:]) {
			return dst
		}
		return nameOnly(dst, start)
	case forHostPart:
		if ipliteral.Is(dst[start:]) {
			dst = dst[:start]
		}
		return nameOnly(dst, start)
	}
	keep := uint8(unreserved)
	switch e {
	case forPath:
		keep |= slash
		if escaped {
			keep = uriByte
		}
	case forQuery:
		if escaped {
			keep = uriByte
		}
	case forTarget:
		keep |= slash
		if escaped {
			keep = targetByte
		}
	}
	// A value that came escaped keeps its percent-encodings; what only looks like one is escaped where a URI is made.
	triplets := escaped && (e == forPath || e == forQuery)
	end, more := len(dst), 0
	for i := range end - start {
		if !kept(dst[start:], i, keep, triplets) {
			more += percent.Size - 1
		}
	}
	for range more {
		dst = append(dst, 0)
	}
	// From the end, so that nothing is written over what is still to be read: while something is left to be escaped, the two bytes
	// behind the one that is read are as they came.
	value := dst[start:end]
	for i, write := end-start-1, len(dst)-1; write-start > i; i-- {
		c := value[i]
		if kept(value, i, keep, triplets) {
			dst[write] = c
			write--
			continue
		}
		write -= percent.Size
		percent.Append(dst[:write+1], c) // in its place
	}
	return dst
}

// kept says whether value[i] stays as it is.
func kept(value []byte, i int, keep uint8, triplets bool) bool {
	c := value[i]
	return classes[c]&keep != 0 || triplets && percent.Begins(value[i:])
}

// withoutControls leaves the bytes out that may not stand in a field's value, and tabs.
func withoutControls(dst []byte, start int) []byte {
	out := start
	for _, c := range dst[start:] {
		if c >= ' ' && c != 0x7f {
			dst[out] = c
			out++
		}
	}
	return dst[:out]
}

// only leaves the bytes out that are of none of the classes.
func only(dst []byte, start int, keep uint8) []byte {
	out := start
	for _, c := range dst[start:] {
		if classes[c]&keep != 0 {
			dst[out] = c
			out++
		}
	}
	return dst[:out]
}

// nameOnly makes the name of a host of dst[start:], never nothing, since browsers take the path behind "//" for the host where none
// is. The name "invalid" is nobody's (RFC 6761 section 6.4).
func nameOnly(dst []byte, start int) []byte {
	if dst = only(dst, start, unreserved|subDelim); len(dst) == start {
		dst = append(dst, "invalid"...)
	}
	return dst
}
