// Package percent owns the percent-encoding of single bytes (RFC 3986 section 2.1).
package percent

const digits = "0123456789ABCDEF"

// Size is how many bytes stand for an encoded one.
const Size = len("%41")

// Append appends c encoded, with digits in upper case, as RFC 3986 asks of who makes a URI.
func Append(dst []byte, c byte) []byte { return append(dst, '%', digits[c>>4], digits[c&15]) }

// Begins says whether text begins with an encoded byte, in digits of any case.
func Begins[T string | []byte](text T) bool {
	return len(text) >= Size && text[0] == '%' && isDigit(text[1]) && isDigit(text[2])
}

// Decode returns the byte that text begins with in encoded form; see Begins.
func Decode[T string | []byte](text T) byte { return value(text[1])<<4 | value(text[2]) }

func isDigit(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func value(digit byte) byte {
	if digit <= '9' {
		return digit - '0'
	}
	return digit | 0x20 - 'a' + 10
}
