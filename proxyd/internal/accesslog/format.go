package accesslog

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"
	"unicode/utf8"

	"section.internal/contract/ascii"
	"section.internal/contract/config"
)

// appendLine appends one line of the access log to dst, all but its end, which appendEnd adds: seq, the last key, is known only
// once the line has its place in the file. The line is a JSON object in which every value is a string, whatever bytes the
// record holds; it is the one place that knows the keys and their order.
func appendLine(dst []byte, r *Record, show config.ClientAddress, s *second) []byte {
	path := r.Target
	if query := bytes.IndexByte(path, '?'); query >= 0 {
		path = path[:query]
	}
	dst = append(dst, `{"time":"`...)
	dst = s.appendTime(dst, r.Time)
	dst = append(dst, `","time_taken_ms":"`...)
	dst = appendMilliseconds(dst, r.Taken)
	dst = append(dst, `","request":"`...)
	dst = appendText(dst, r.Request)
	dst = append(dst, `","status":"`...)
	dst = ascii.AppendNumber(dst, int64(r.Status))
	dst = append(dst, `","bytes":"`...)
	dst = ascii.AppendNumber(dst, r.Bytes)
	dst = append(dst, `","response_body_bytes":"`...)
	dst = ascii.AppendNumber(dst, r.BodyBytes)
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
	dst = ascii.AppendNumber(dst, int64(r.UpstreamStatus))
	dst = append(dst, `","section_io_tag":"`...)
	dst = appendText(dst, r.Tag)
	dst = append(dst, `","section_io_id":"`...)
	dst = appendText(dst, r.ID)
	dst = append(dst, `","uri_path":"`...)
	dst = appendText(dst, path)
	dst = append(dst, `","client":"`...)
	dst = appendClient(dst, r.Client, show)
	dst = append(dst, `","cache":"`...) // these two are words of ours, in which each byte stands for itself
	dst = append(dst, r.Cache...)
	dst = append(dst, `","reason":"`...)
	dst = append(dst, r.Reason...)
	dst = append(dst, `","rule":"`...)
	dst = appendText(dst, r.Rule)
	dst = append(dst, `","bytes_in":"`...)
	dst = ascii.AppendNumber(dst, r.BytesIn)
	dst = append(dst, `","upstream_time_ms":"`...)
	dst = appendMilliseconds(dst, r.UpstreamTaken)
	return append(dst, `","seq":"`...)
}

// maxEnd is the most bytes that appendEnd adds.
const maxEnd = len("9223372036854775807\"}\n")

// appendEnd ends a line with its number, of which 63 bits outlast every log.
func appendEnd(dst []byte, seq uint64) []byte {
	return append(ascii.AppendNumber(dst, int64(seq)), "\"}\n"...)
}

// second is one second and how it is written: thousands of lines begin with the same. It is not to be copied.
type second struct {
	unix int64
	text []byte // in room; empty: there is none yet
	room [len("-292277022399-01-01T00:00:00.")]byte
}

// appendTime appends t as ISO 8601 in UTC with milliseconds.
func (s *second) appendTime(dst []byte, t time.Time) []byte {
	if unix := t.Unix(); unix != s.unix || len(s.text) == 0 {
		s.unix, s.text = unix, t.UTC().AppendFormat(s.room[:0], "2006-01-02T15:04:05.")
	}
	return append(ascii.AppendThree(append(dst, s.text...), t.Nanosecond()/1e6), 'Z')
}

// appendMilliseconds appends d in milliseconds with three places, and 0 for none: a clock that went back took no time.
func appendMilliseconds(dst []byte, d time.Duration) []byte {
	if d <= 0 {
		return append(dst, '0')
	}
	us := d.Round(time.Microsecond).Microseconds()
	return ascii.AppendThree(append(ascii.AppendNumber(dst, us/1000), '.'), int(us%1000))
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

// appendText appends the inside of a JSON string that decodes to text, in which each byte that is not UTF-8 has become U+FFFD.
// Control characters and line separators are escaped beyond what RFC 8259 section 7 asks, so that no reader takes one line
// for two and no terminal obeys what a client has sent.
func appendText[S ~string | ~[]byte](dst []byte, text S) []byte {
	from := len(dst)
	if dst = append(dst, text...); verbatim(dst[from:]) {
		return dst
	}
	return appendEscaped(dst[:from], text)
}

// verbatim says whether each byte stands for itself, eight at a time: nearly all do.
func verbatim(b []byte) bool {
	if len(b) < 8 {
		for _, c := range b {
			if !standsForItself[c] {
				return false
			}
		}
		return true
	}
	found := special(binary.LittleEndian.Uint64(b[len(b)-8:]))
	for ; len(b) >= 8; b = b[8:] {
		found |= special(binary.LittleEndian.Uint64(b))
	}
	return found&ascii.Tops == 0
}

// special has one of the top bits of its eight bytes set when one of those of w does not stand for itself: it is not ASCII, below
// 0x20, a quotation mark, a backslash, or 0x7f. What a byte borrows from the next or carries to it can only add to what is there.
func special(w uint64) uint64 {
	return w | (w - ascii.Each*' ') | ((w ^ ascii.Each*'"') - ascii.Each) | ((w ^ ascii.Each*'\\') - ascii.Each) | (w + ascii.Each)
}

// standsForItself says of every byte whether it does so in a JSON string and on a terminal.
var standsForItself = func() (table [256]bool) {
	for c := ' '; c <= '~'; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

const hexDigits = "0123456789abcdef"

func appendEscaped[S ~string | ~[]byte](dst []byte, s S) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if standsForItself[c] {
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
