// Package httpcache owns what HTTP says about a shared cache: RFC 9111 and its kin as pure functions, and the closed list of
// reasons for every outcome that a user can meet.
package httpcache

// Handling is what was done with a request; the access log calls it "cache".
type Handling string

// What can be done with a request.
const (
	Pass  Handling = "pass"  // the answer came from next-hop, or from proxyd in its place, and no stored response was looked up
	Synth Handling = "synth" // a rule of the configuration made the answer; next-hop was not asked
)

// Reason is why an exchange ended as it did. The access log, the details of Proxy-Status and sectionctl all show the same
// value. The list is closed: every reason is one of the constants below.
type Reason string

// An exchange that went as the client and next-hop wanted.
const (
	Passed Reason = "passed" // next-hop's response was passed on as a whole
	Tunnel Reason = "tunnel" // next-hop accepted an Upgrade; bytes went both ways until one side ended

	Redirected Reason = "redirected" // a rule's redirect is the answer
	Responded  Reason = "responded"  // a rule's respond is the answer

	MaxForwards Reason = "max_forwards" // 200: an OPTIONS request with Max-Forwards: 0, which only the first hop wants to be answered by
)

// What the client did; the answer, if there could be one, was made here.
const (
	BadRequestLine          Reason = "bad_request_line"                 // 400
	BadField                Reason = "bad_field"                        // 400
	BadFraming              Reason = "bad_framing"                      // 400: length or transfer coding that two parsers could read differently
	BadHost                 Reason = "bad_host"                         // 400: missing, repeated or invalid Host
	BadBody                 Reason = "bad_body"                         // 400: broken chunked coding
	RequestTimeout          Reason = "request_timeout"                  // 408: the request did not come in time
	BodyTooLarge            Reason = "body_too_large"                   // 413
	ChunkExtensionsTooLarge Reason = "chunk_extensions_too_large"       // 413: more than client.max_chunk_extensions
	TargetTooLong           Reason = "target_too_long"                  // 414
	UnknownExpectation      Reason = "unknown_expectation"              // 417
	HeaderTooLarge          Reason = "header_too_large"                 // 431
	TooManyFields           Reason = "too_many_fields"                  // 431: more field lines than client.max_fields
	MethodRefused           Reason = "method_refused"                   // 501: CONNECT, TRACE
	UnknownCoding           Reason = "unknown_coding"                   // 501: a transfer coding other than chunked
	UnsupportedVersion      Reason = "unsupported_version"              // 505
	TooManyFromClient       Reason = "too_many_connections_from_client" // 429: client.max_connections_per_address
	RateLimited             Reason = "rate_limited"                     // 429: a rule's limit is used up
	ClientClosed            Reason = "client_closed"                    // no answer: the client went away
	ClientTooSlow           Reason = "client_too_slow"                  // cut off: the client did not take the response in time
)

// What became of proxyd itself.
const (
	TooManyConnections Reason = "too_many_connections" // 503: client.max_connections or next_hop.max_connections
	ProxyLoop          Reason = "proxy_loop"           // 502: the request has come through proxyd many times
)

// What next-hop did; the answer was made here, or was cut off when it had begun.
const (
	NextHopUnresolved     Reason = "next_hop_unresolved"       // 502: no address is known
	NextHopRefused        Reason = "next_hop_refused"          // 502: the connection was refused
	NextHopUnreachable    Reason = "next_hop_unreachable"      // 502: no route, or another failure to connect
	NextHopConnectTimeout Reason = "next_hop_connect_timeout"  // 504
	NextHopClosed         Reason = "next_hop_closed"           // 502: closed before a response came
	NextHopTimeout        Reason = "next_hop_timeout"          // 504: no response in time
	NextHopBadResponse    Reason = "next_hop_bad_response"     // 502: not HTTP/1, or ambiguous
	NextHopHeaderTooLarge Reason = "next_hop_header_too_large" // 502
	NextHopIncomplete     Reason = "next_hop_incomplete"       // cut off: the response ended before it was complete
	NextHopBodyTimeout    Reason = "next_hop_body_timeout"     // cut off: the response stalled
)
