package accesslog

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"section.internal/contract/config"
)

// appendLine appends one line of the access log to dst, all but its end, which appendEnd adds: seq, the last key, is known only
// once the line has its place in the file. The line is a JSON object in which every value is a string, whatever bytes the
// record holds; it is the one place that knows the keys and their order.
func appendLine(dst []byte, r *Record, show config.ClientAddress) []byte {
	path := r.Target
	if query := bytes.IndexByte(path, '?'); query >= 0 {
		path = path[:query]
	}
	dst = append(dst, `{"time":"`...)
	dst = appendTime(dst, r.Time)
	dst = append(dst, `","time_taken_ms":"`...)
	dst = appendMilliseconds(dst, r.Taken)
	dst = append(dst, `","request":"`...)
	dst = appendText(dst, r.Request)
	dst = append(dst, `","status":"`...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, `","bytes":"`...)
	dst = strconv.AppendInt(dst, r.Bytes, 10)
	dst = append(dst, `","response_body_bytes":"`...)
	dst = strconv.AppendInt(dst, r.BodyBytes, 10)
	dst = append(dst, `","content_type":"`...)
	dst = appendText(dst, r.ContentType)
	dst = append(dst, `","hostname":"`...)
	dst = appendText(dst, r.Host)
	dst = append(dst, `","referrer":"`...)
	dst = appendText(dst, r.Referer)
	dst = append(dst, `","useragent":"`...)
	dst = appendText(dst, r.UserAgent)
	dst = append(dst, `","http_x_forwarded_proto":"`...)
	dst = appendText(dst, r.ForwardedProto)
	dst = append(dst, `","upstream_status":"`...)
	dst = strconv.AppendInt(dst, int64(r.UpstreamStatus), 10)
	dst = append(dst, `","section_io_tag":"`...)
	dst = appendText(dst, r.Tag)
	dst = append(dst, `","section_io_id":"`...)
	dst = appendText(dst, r.ID)
	dst = append(dst, `","uri_path":"`...)
	dst = appendText(dst, path)
	dst = append(dst, `","client":"`...)
	dst = appendClient(dst, r.Client, show)
	dst = append(dst, `","cache":"`...)
	dst = appendText(dst, r.Cache)
	dst = append(dst, `","reason":"`...)
	dst = appendText(dst, r.Reason)
	dst = append(dst, `","rule":"`...)
	dst = appendText(dst, r.Rule)
	dst = append(dst, `","bytes_in":"`...)
	dst = strconv.AppendInt(dst, r.BytesIn, 10)
	dst = append(dst, `","upstream_time_ms":"`...)
	dst = appendMilliseconds(dst, r.UpstreamTaken)
	return append(dst, `","seq":"`...)
}

// maxEnd is the most bytes that appendEnd adds.
const maxEnd = len("18446744073709551615\"}\n")

// appendEnd ends a line with its number.
func appendEnd(dst []byte, seq uint64) []byte {
	return append(strconv.AppendUint(dst, seq, 10), "\"}\n"...)
}

// appendTime appends t as ISO 8601 in UTC with milliseconds: a third of the time that Time.AppendFormat takes.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = appendDigits(dst, year, 4)
	dst = append(dst, '-')
	dst = appendDigits(dst, int(month), 2)
	dst = append(dst, '-')
	dst = appendDigits(dst, day, 2)
	dst = append(dst, 'T')
	dst = appendDigits(dst, hour, 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, minute, 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, second, 2)
	dst = append(dst, '.')
	dst = appendDigits(dst, t.Nanosecond()/1e6, 3)
	return append(dst, 'Z')
}

// appendDigits appends the last width decimal digits of n.
func appendDigits(dst []byte, n, width int) []byte {
	var digits [4]byte
	for i := width - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	return append(dst, digits[:width]...)
}

// appendMilliseconds appends d in milliseconds with three places, and 0 for none: a clock that went back took no time.
func appendMilliseconds(dst []byte, d time.Duration) []byte {
	if d <= 0 {
		return append(dst, '0')
	}
	us := d.Round(time.Microsecond).Microseconds()
	dst = strconv.AppendInt(dst, us/1000, 10)
	dst = append(dst, '.')
	return appendDigits(dst, int(us%1000), 3)
}

// appendClient appends as much of the client's address as the configuration shows, and nothing for an invalid one. An IPv4
// address that came in IPv6's clothes is shown as what it is.
func appendClient(dst []byte, client netip.Addr, show config.ClientAddress) []byte {
	if !client.IsValid() || show == config.AddressNone {
		return dst
	}
	client = client.Unmap().WithZone("")
	if show != config.AddressFull {
		keep := 24
		if client.Is6() {
			keep = 48
		}
		network, err := client.Prefix(keep)
		if err != nil {
			panic("BUG: an address has no prefix: " + err.Error())
		}
		client = network.Addr()
	}
	return client.AppendTo(dst)
}

// verbatim says of every byte whether it stands for itself in a JSON string and on a terminal.
var verbatim = func() (table [256]bool) {
	for c := ' '; c <= '~'; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

const hexDigits = "0123456789abcdef"

// appendText appends the inside of a JSON string that decodes to s, in which each byte that is not UTF-8 has become U+FFFD.
// Control characters and line separators are escaped beyond what RFC 8259 section 7 asks, so that no reader takes one line
// for two and no terminal obeys what a client has sent.
func appendText[S ~string | ~[]byte](dst []byte, s S) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if verbatim[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[from:i]...)
			if c == '"' || c == '\\' {
				dst = append(dst, '\\', c)
			} else {
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			from = i
			continue
		}
		r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		if r == utf8.RuneError && size == 1 || r < 0xa0 || r == '\u2028' || r == '\u2029' {
			dst = append(dst, s[from:i]...)
			dst = append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
			from = i + size
		}
		i += size
	}
	return append(dst, s[from:]...)
}
