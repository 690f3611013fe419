package http1

import "section.internal/contract/httpcache"

// Error is why a message is refused. All errors of this package are values of this file.
type Error struct {
	Reason httpcache.Reason // for the request; a response is refused as httpcache.NextHopBadResponse
	Detail string           // a sentence for people
}

func (e *Error) Error() string { return e.Detail }

var (
	errBareLF           = &Error{httpcache.BadField, "a line ends in LF without CR"}
	errRequestLine      = &Error{httpcache.BadRequestLine, "the request line is not METHOD SP TARGET SP HTTP/1.x"}
	errLineEnd          = &Error{httpcache.BadRequestLine, "the request line ends in LF without CR"}
	errMethod           = &Error{httpcache.BadRequestLine, "the method is not a token"}
	errTarget           = &Error{httpcache.BadRequestLine, "the request target has a byte that must be percent-encoded"}
	errTargetForm       = &Error{httpcache.BadRequestLine, "the request target is neither a path nor an http or https URI"}
	errVersion          = &Error{httpcache.UnsupportedVersion, "only HTTP/1.0 and HTTP/1.1 are spoken here"}
	errMethodRefused    = &Error{httpcache.MethodRefused, "CONNECT and TRACE are not offered"}
	errStatusLine       = &Error{httpcache.NextHopBadResponse, "the status line is not HTTP/1.x SP STATUS SP REASON"}
	errNoColon          = &Error{httpcache.BadField, "a field line has no colon"}
	errFold             = &Error{httpcache.BadField, "a field line begins with white space (line folding)"} // RFC 9112 section 5.2
	errFieldName        = &Error{httpcache.BadField, "a field name is not a token directly before the colon"}
	errFieldValue       = &Error{httpcache.BadField, "a field value has a control byte"}
	errTooManyFields    = &Error{httpcache.TooManyFields, "there are more field lines than are taken"}
	errTooManyNominated = &Error{httpcache.BadField, "Connection names more than 32 fields"}
	errHostMissing      = &Error{httpcache.BadHost, "the Host field is missing"}
	errHostRepeated     = &Error{httpcache.BadHost, "there is more than one Host field"}
	errHostInvalid      = &Error{httpcache.BadHost, "the Host field is not a host with an optional port"}
	errTwoLengths       = &Error{httpcache.BadFraming, "both Content-Length and Transfer-Encoding are there"}
	errLengthRepeated   = &Error{httpcache.BadFraming, "there is more than one Content-Length"}
	errLengthInvalid    = &Error{httpcache.BadFraming, "Content-Length is not a number of bytes"}
	errCodingOld        = &Error{httpcache.BadFraming, "HTTP/1.0 has no Transfer-Encoding"}
	errCodingOrder      = &Error{httpcache.BadFraming, "chunked is not the last transfer coding, or not the only one of its kind"}
	errCodingEmpty      = &Error{httpcache.BadFraming, "Transfer-Encoding has an empty element"}
	errCodingUnknown    = &Error{httpcache.UnknownCoding, "a transfer coding other than chunked"}
	errExpect           = &Error{httpcache.UnknownExpectation, "an expectation other than 100-continue"}
	errMaxForwards      = &Error{httpcache.BadField, "Max-Forwards is not one number"}
	errChunkSize        = &Error{httpcache.BadBody, "a chunk size is not a hexadecimal number in its own line"}
	errChunkEnd         = &Error{httpcache.BadBody, "a chunk does not end in CRLF"}
	errChunkExtension   = &Error{httpcache.BadBody, "a chunk extension has a control byte"}
	errChunkExtensions  = &Error{httpcache.ChunkExtensionsTooLarge, "there are more chunk extensions than are taken"}
)
