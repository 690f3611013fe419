// Package ascii compares names of fields, hosts and the like, in which the case of ASCII letters does not count and every other byte
// stands for itself. The functions of package strings know more letters: for them the Kelvin sign is a k. And it looks for bytes eight
// at a time, cuts white space off, and writes numbers.
package ascii

// Lower returns c, or the lower-case letter when it is an upper-case one.
func Lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// ToLower returns s in lower case.
func ToLower(s string) string {
	if !HasUpper(s) {
		return s
	}
	return string(AppendLower(nil, s))
}

// AppendLower appends s in lower case.
func AppendLower[T string | []byte](dst []byte, s T) []byte {
	for i := range len(s) {
		dst = append(dst, Lower(s[i]))
	}
	return dst
}

// HasUpper says whether s has an upper-case letter.
func HasUpper[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return true
		}
	}
	return false
}

// EqualFold says whether a and b are the same in any case.
func EqualFold[A, B string | []byte](a A, b B) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if c, d := a[i], b[i]; c != d && Lower(c) != Lower(d) {
			return false
		}
	}
	return true
}

// EqualLower says whether s is lower in any case. lower has no upper-case letters, which makes it cheaper than EqualFold.
func EqualLower(s []byte, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i, c := range s {
		if Lower(c) != lower[i] {
			return false
		}
	}
	return true
}

// TrimSpace cuts optional white space (RFC 9110 section 5.6.3) off both ends.
func TrimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
