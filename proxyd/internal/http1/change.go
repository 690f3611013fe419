package http1

import (
	"unsafe"

	"section.internal/contract/percent"
)

// KindOf returns the kind of a field by its name, in any case.
func KindOf(name string) Kind {
	return kindOf(unsafe.Slice(unsafe.StringData(name), len(name))) // which only reads it
}

// InRequests and InResponses say whether somebody who rewrites a header section may touch fields of this kind there. What frames a
// message, concerns the connection, or says which way it has come is the engine's alone.
func (k Kind) InRequests() bool { return engines&(1<<k) == 0 }

// InResponses is InRequests for responses, of which the engine sets Date as well.
func (k Kind) InResponses() bool { return (engines|1<<Date)&(1<<k) == 0 }

const engines uint32 = 1<<Connection | 1<<ContentLength | 1<<Expect | 1<<Host | 1<<KeepAlive | 1<<MaxForwards | 1<<ProxyConnection |
	1<<SectionIOID | 1<<TE | 1<<Trailer | 1<<TransferEncoding | 1<<Upgrade | 1<<Via

// AppendNewField appends a field line that did not come with the message. Bytes that may not stand in a value are left out: whatever
// the value was made of, it stays one field. The name must be a token.
func AppendNewField(dst []byte, name string, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	if validValue(value) {
		dst = append(dst, value...)
	} else {
		for _, c := range value {
			if classes[c]&valueByte != 0 {
				dst = append(dst, c)
			}
		}
	}
	return append(dst, "\r\n"...)
}

// AppendNewRequestLine appends a request line with a target that did not come with the request. It is in origin-form when it gets out:
// it begins with "/", and bytes that may not stand in it are percent-encoded.
func AppendNewRequestLine(dst, method, target []byte) []byte {
	if len(target) > 0 && target[0] == '/' && all(target, targetByte) {
		return AppendRequestLine(dst, method, target)
	}
	dst = append(append(dst, method...), ' ')
	if len(target) == 0 || target[0] != '/' {
		dst = append(dst, '/')
	}
	for _, c := range target {
		if classes[c]&targetByte != 0 {
			dst = append(dst, c)
		} else {
			dst = percent.Append(dst, c)
		}
	}
	return append(dst, " HTTP/1.1\r\n"...)
}
