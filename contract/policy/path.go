package policy

import (
	"bytes"

	"section.internal/contract/percent"
)

// cutTarget parts a request's target into path and query. The "?" is of neither.
func cutTarget(target []byte) (path, query []byte, hasQuery bool) {
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		return target[:i], target[i+1:], true
	}
	return target, nil, false
}

// plainPath says whether a path is decoded and without empty and dot segments as it stands: nearly all are.
func plainPath(raw []byte) bool {
	if len(raw) == 0 || raw[0] != '/' {
		return false
	}
	for i, c := range raw {
		if c == '%' || c == '/' && i > 0 && raw[i-1] == '/' {
			return false
		}
		if c == '.' && raw[i-1] == '/' && dotSegment(segmentAt(raw, i)) {
			return false
		}
	}
	return true
}

// segmentAt returns the segment that begins at raw[i], as far as it may be a dot segment.
func segmentAt(raw []byte, i int) []byte {
	end := min(i+3, len(raw))
	if slash := bytes.IndexByte(raw[i:end], '/'); slash >= 0 {
		end = i + slash
	}
	return raw[i:end]
}

func dotSegment(s []byte) bool { return string(s) == "." || string(s) == ".." }

// appendPath appends a path as rules see it: percent-encodings resolved, empty and dot segments removed (RFC 3986 section 5.2.4). It
// begins with "/". What is no percent-encoding stays as it is.
func appendPath(dst, raw []byte) []byte {
	start := len(dst)
	dst = append(dst, '/')
	dst = appendDecoded(dst, raw, false)
	return dst[:start+len(removeSegments(dst[start:]))]
}

// appendDecoded appends raw with its percent-encodings resolved, once. With plus, "+" stands for a space.
func appendDecoded(dst, raw []byte, plus bool) []byte {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case percent.Begins(raw[i:]):
			c = percent.Decode(raw[i:])
			i += percent.Size - 1
		case c == '+' && plus:
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst
}

// removeSegments removes empty and dot segments of a path in its place. An empty one at the end stays, and a dot segment at the
// end leaves one: what is behind the last "/" is a name, or nothing.
func removeSegments(path []byte) []byte {
	out := path[:1] // with the "/" behind it, where there is more
	for rest := path[1:]; ; {
		segment, after, more := bytes.Cut(rest, []byte{'/'})
		switch {
		case string(segment) == "..":
			if len(out) > 1 {
				out = out[:bytes.LastIndexByte(out[:len(out)-1], '/')+1]
			}
		case len(segment) > 0 && string(segment) != ".":
			out = append(out, segment...)
			if more {
				out = append(out, '/')
			}
		}
		if !more {
			return out
		}
		rest = after
	}
}

// hasDotSegment says whether a path, as it came, has a dot segment in any spelling.
func hasDotSegment(raw []byte) bool {
	begins, dots := true, 0 // whether only dots stand in the segment so far, and how many
	ends := func() bool { return begins && (dots == 1 || dots == 2) }
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if percent.Begins(raw[i:]) {
			c = percent.Decode(raw[i:])
			i += percent.Size - 1
		}
		switch {
		case c == '/':
			if ends() {
				return true
			}
			begins, dots = true, 0
		case c == '.':
			dots++
		default:
			begins = false
		}
	}
	return ends()
}

// appendEscaped appends a decoded path as a URI has it.
func appendEscaped(dst, path []byte) []byte {
	for _, c := range path {
		if c > ' ' && c < 0x7f && c != '%' && c != '?' && c != '#' {
			dst = append(dst, c)
		} else {
			dst = percent.Append(dst, c)
		}
	}
	return dst
}
