package policy

import "bytes"

// cutTarget parts a request's target into path and query. The "?" is of neither.
func cutTarget(target []byte) (path, query []byte, hasQuery bool) {
	return bytes.Cut(target, []byte{'?'})
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
		case c == '%' && i+2 < len(raw) && isHex(raw[i+1]) && isHex(raw[i+2]):
			c = unhex(raw[i+1])<<4 | unhex(raw[i+2])
			i += 2
		case c == '+' && plus:
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
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
		if c == '%' && i+2 < len(raw) && isHex(raw[i+1]) && isHex(raw[i+2]) {
			c = unhex(raw[i+1])<<4 | unhex(raw[i+2])
			i += 2
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

const upperHex = "0123456789ABCDEF"

// appendEscaped appends a decoded path as a URI has it.
func appendEscaped(dst, path []byte) []byte {
	for _, c := range path {
		if c > ' ' && c < 0x7f && c != '%' && c != '?' && c != '#' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}
