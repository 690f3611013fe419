// Package token knows what a token of HTTP is (RFC 9110 section 5.6.2): a method, the name of a field or of a cookie.
package token

import "strings"

// Marks are the bytes that a token may have beside letters and digits.
const Marks = "!#$%&'*+-.^_`|~"

// Is says whether s is a token.
func Is(s string) bool {
	for i := range len(s) {
		if !IsByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// IsByte says whether c may stand in a token.
func IsByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(Marks, c) >= 0
}
