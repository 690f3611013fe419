package http1

import (
	"strconv"

	"section.internal/contract/ascii"
)

// AppendRequestLine appends a request line for HTTP/1.1.
func AppendRequestLine(dst, method, target []byte) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, target...)
	return append(dst, " HTTP/1.1\r\n"...)
}

// AppendStatusLine appends a status line for HTTP/1.1.
func AppendStatusLine(dst []byte, status int, phrase []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = ascii.AppendNumber(dst, int64(status))
	dst = append(dst, ' ')
	dst = append(dst, phrase...)
	return append(dst, "\r\n"...)
}

// AppendField appends one field line.
func AppendField(dst, name, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// AppendFields appends the field lines that are not marked as Hop, in their order.
func AppendFields(dst []byte, fields []Field) []byte {
	for i := range fields {
		if f := &fields[i]; !f.Hop {
			dst = AppendField(dst, f.Name, f.Value)
		}
	}
	return dst
}

// AppendChunkStart appends the line before a chunk of size bytes. After its data comes CRLF.
func AppendChunkStart(dst []byte, size int64) []byte {
	dst = strconv.AppendInt(dst, size, 16)
	return append(dst, "\r\n"...)
}
