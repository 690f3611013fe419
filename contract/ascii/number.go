package ascii

import "strconv"

// AppendNumber appends n in decimal digits: a status or a size mostly, for which strconv takes twice as long.
func AppendNumber(dst []byte, n int64) []byte {
	switch {
	case n < 0:
		return strconv.AppendInt(dst, n, 10)
	case n > 99_999:
		return AppendThree(AppendNumber(dst, n/1000), int(n%1000))
	case n > 9_999:
		return AppendThree(append(dst, byte('0'+n/10_000), byte('0'+n/1000%10)), int(n))
	case n > 999:
		return AppendThree(append(dst, byte('0'+n/1000)), int(n))
	case n > 99:
		return AppendThree(dst, int(n))
	case n > 9:
		return append(dst, byte('0'+n/10), byte('0'+n%10))
	}
	return append(dst, byte('0'+n))
}

// AppendThree appends the last three decimal digits of n, which is not negative.
func AppendThree(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10))
}
