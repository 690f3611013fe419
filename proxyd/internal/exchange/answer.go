package exchange

import (
	"section.internal/contract/ascii"
	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/http1"
)

// answer is the answer of the rule that ends it; next-hop is not asked.
func (x *exchange) answer() Verdict {
	d, a := &x.decision, &x.made
	d.Answer(a)
	x.own, x.handling, x.rule, x.status = true, httpcache.Synth, d.End.Name, a.Status
	x.reason = httpcache.Responded
	if d.End.Redirect != nil {
		x.reason = httpcache.Redirected
	}
	keep := x.mayKeep()
	x.appendAnswer(keep)
	body := a.Body
	if string(x.req.Method) == "HEAD" {
		body = nil
	}
	x.bodyBytes = int64(len(body))
	if len(x.out)+len(body) <= gather {
		x.out, body = append(x.out, body...), nil
	}
	return x.finish(keep, body)
}

// appendAnswer builds the head of a rule's answer. When the configuration is compiled its fields are prepared, but not its bytes: to
// put them together takes two hundredths of the time that the answer takes in all (docs/performance.md).
func (x *exchange) appendAnswer(keep bool) {
	a := &x.made
	out := http1.AppendStatusLine(x.out[:0], a.Status, []byte(phrases[a.Status]))
	out = http1.AppendField(out, dateName, x.engine.dates.at(x.start))
	for i := range a.Fields {
		f := &a.Fields[i]
		kind := http1.Kind(f.FieldKind)
		if kind.InResponses() {
			out = http1.AppendNewField(out, f.Name, f.Value)
		}
		if kind == http1.ContentType {
			x.ownType = f.Value
		}
	}
	if a.Status != 204 && a.Status != 304 { // RFC 9110 section 8.6
		out = append(out, "Content-Length: "...)
		out = append(ascii.AppendNumber(out, int64(len(a.Body))), "\r\n"...)
	}
	x.out = append(x.appendConnection(out, keep), "\r\n"...)
}

// finish sends what was built of an answer of our own, and behind it the body where that is not in it yet.
func (x *exchange) finish(keep bool, body []byte) Verdict {
	switch {
	case !x.flushWith(body):
		return Close
	case keep:
		return Keep
	}
	return Linger // the client may still be sending
}

// phrases are the reason phrases of the statuses that are registered (RFC 9110 section 16.2.1). They mean nothing to programs.
var phrases = [600]string{
	200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content", 205: "Reset Content",
	206: "Partial Content", 207: "Multi-Status", 208: "Already Reported", 226: "IM Used",
	300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified", 305: "Use Proxy",
	307: "Temporary Redirect", 308: "Permanent Redirect",
	400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
	406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout", 409: "Conflict", 410: "Gone",
	411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type",
	416: "Range Not Satisfiable", 417: "Expectation Failed", 421: "Misdirected Request", 422: "Unprocessable Content", 423: "Locked",
	424: "Failed Dependency", 425: "Too Early", 426: "Upgrade Required", 428: "Precondition Required", 429: "Too Many Requests",
	431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons",
	500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
	505: "HTTP Version Not Supported", 506: "Variant Also Negotiates", 507: "Insufficient Storage", 508: "Loop Detected",
	511: "Network Authentication Required",
}
