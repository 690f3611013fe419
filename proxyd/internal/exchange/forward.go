package exchange

import (
	"bytes"

	"section.internal/contract/ascii"
	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/http1"
)

// pseudonym is what proxyd calls itself in Via (RFC 9110 section 7.6.3).
const pseudonym = "proxyd"

// maxPasses is how often a request may have come through proxyd already. Some applications have two of them in a row, and one is
// as good as the other: only many of them mean that next-hop leads back here.
const maxPasses = 8

// passes counts how often a request has come through proxyd, going by its Via fields.
func (x *exchange) passes() (n int) {
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		if f.Kind != http1.Via {
			continue
		}
		for rest, more := f.Value, true; more; {
			var hop []byte
			hop, rest, more = bytes.Cut(rest, []byte{','})
			_, by, _ := bytes.Cut(ascii.TrimSpace(hop), []byte{' '})
			by, _, _ = bytes.Cut(bytes.TrimLeft(by, " \t"), []byte{' '})
			if string(by) == pseudonym {
				n++
			}
		}
	}
	return n
}

// answerOptions answers a request that is to go no further: who sent it asks what this hop is like (RFC 9110 section 7.6.2).
func (x *exchange) answerOptions() Verdict {
	x.own, x.status, x.reason = true, 200, httpcache.MaxForwards
	keep := x.mayKeep()
	out := http1.AppendStatusLine(x.out[:0], x.status, []byte("OK"))
	out = http1.AppendField(out, dateName, x.engine.dates.at(x.start))
	out = append(out, "Content-Length: 0\r\nCache-Control: no-store\r\n"...)
	x.out = append(x.appendConnection(out, keep), "\r\n"...)
	return x.finish(keep, nil)
}

// appendConnection says whether the client's connection lives on, where that is not what the client expects anyway.
func (x *exchange) appendConnection(out []byte, keep bool) []byte {
	switch {
	case !keep:
		return append(out, "Connection: close\r\n"...)
	case x.req.Minor == 0:
		return append(out, "Connection: keep-alive\r\n"...)
	}
	return out
}
