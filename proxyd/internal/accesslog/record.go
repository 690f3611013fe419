package accesslog

import (
	"net/netip"
	"time"

	"section.internal/contract/httpcache"
)

// Record is what the access log says of one exchange. The byte slices may point into buffers of the connection: Append has
// used them when it returns. A nil slice, a zero status and a zero duration are logged as an empty string, "0" or "0" in the
// same fields; no field is ever left out.
type Record struct {
	Time           time.Time     // when the first byte of the request came
	Taken          time.Duration // until the last byte of the response was handed to the kernel
	Request        []byte        // the request line as it came, without CRLF; may hold any byte when the request was refused
	Target         []byte        // what the client asks for, in origin-form, whatever rules make of it; uri_path is this without the query
	Status         int           // sent to the client; 0 when there was no answer
	Bytes          int64         // sent to the client, head included
	BodyBytes      int64         // of the response's body sent to the client, without chunk framing
	BytesIn        int64         // received from the client, head included
	ContentType    []byte        // of the response
	Host           []byte
	Referer        []byte
	UserAgent      []byte
	ForwardedProto []byte // X-Forwarded-Proto
	Tag            []byte // section-io-tag of the response
	ID             []byte // section-io-id
	Client         netip.Addr
	UpstreamStatus int           // 0 when next-hop gave none
	UpstreamTaken  time.Duration // from the request handed to next-hop to the end of its response's head
	Cache          httpcache.Handling
	Reason         httpcache.Reason
	Rule           string // the name of the rule whose answer it is, or whose limit refused it
}
