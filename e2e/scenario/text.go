package scenario

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Piece is one piece of what must be seen, in order.
type Piece struct {
	Kind    Kind
	Bytes   []byte         // the literal bytes; for a Line without its line ending in Text, with it in Bytes
	Pattern *regexp.Regexp // of a Line with wildcards; else nil
	Text    string         // as the file has it
}

// Kind is how a piece is held against what was seen.
type Kind int

// The kinds of pieces.
const (
	Line     Kind = iota // one line with its CRLF
	Field                // a line that must stand anywhere between the first line and the empty line of this head
	Optional             // a line that may stand there
	Exact                // exactly these bytes, no line ending implied
	Chunked              // chunks of any sizes that together hold these bytes, and the last chunk
	Chunks               // chunks of any sizes that together hold these bytes; more may follow
)

var wildcards = map[string]string{
	"{any}":  `[^\r\n]*`,
	"{int}":  `[0-9]+`,
	"{date}": `(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT`,
}

var kindMarks = map[string]Kind{"{+}": Field, "{?}": Optional, "{chunked}": Chunked, "{chunks}": Chunks}

// parseSaid turns a block into the bytes to send.
func parseSaid(block []string) ([]byte, error) {
	var out []byte
	for _, line := range block {
		text, open := strings.CutSuffix(line, `\`)
		b, err := unescape(text)
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
		if !open {
			out = append(out, "\r\n"...)
		}
	}
	return out, nil
}

// parseWanted turns a block into the pieces that must be seen.
func parseWanted(block []string) ([]Piece, error) {
	var pieces []Piece
	for _, line := range block {
		p := Piece{Text: line}
		text, open := strings.CutSuffix(line, `\`)
		if open {
			p.Kind = Exact
		}
		for mark, kind := range kindMarks {
			if rest, ok := strings.CutPrefix(text, mark); ok {
				text, p.Kind = rest, kind
			}
		}
		var pattern strings.Builder
		wild := false
		for text != "" {
			at, name := len(text), ""
			for w := range wildcards {
				if i := strings.Index(text, w); i >= 0 && i < at {
					at, name = i, w
				}
			}
			b, err := unescape(text[:at])
			if err != nil {
				return nil, err
			}
			p.Bytes = append(p.Bytes, b...)
			pattern.WriteString(regexp.QuoteMeta(string(b)))
			if name != "" {
				wild = true
				pattern.WriteString(wildcards[name])
			}
			text = text[at+len(name):]
		}
		if p.isLine() {
			p.Bytes = append(p.Bytes, "\r\n"...)
			if wild {
				p.Pattern = regexp.MustCompile("^" + pattern.String() + "\r\n$")
			}
		} else if wild {
			return nil, fmt.Errorf("%q: wildcards stand only in whole lines", line)
		}
		pieces = append(pieces, p)
	}
	return pieces, nil
}

func (p Piece) isLine() bool { return p.Kind == Line || p.Kind == Field || p.Kind == Optional }

// matches says whether a line that was seen, with its line ending, is the one wanted.
func (p Piece) matches(seen []byte) bool {
	if p.Pattern != nil {
		return p.Pattern.Match(seen)
	}
	return bytes.Equal(p.Bytes, seen)
}

// unescape resolves \r \n \t \\ \{ \xHH and {N*text}, which stands for N times the text.
func unescape(text string) ([]byte, error) {
	var out []byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			switch e := text[i]; e {
			case 'r':
				out = append(out, '\r')
			case 'n':
				out = append(out, '\n')
			case 't':
				out = append(out, '\t')
			case '\\', '{':
				out = append(out, e)
			case 'x':
				if i+2 >= len(text) {
					return nil, fmt.Errorf("%q: want two digits after \\x", text)
				}
				n, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
				if err != nil {
					return nil, fmt.Errorf("%q: want two hexadecimal digits after \\x", text)
				}
				out = append(out, byte(n))
				i += 2
			default:
				return nil, fmt.Errorf("%q: unknown escape \\%c", text, e)
			}
		case c == '{':
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return nil, fmt.Errorf("%q: a brace is not closed; a brace of its own is written \\{", text)
			}
			count, what, ok := strings.Cut(text[i+1:i+end], "*")
			n, err := strconv.Atoi(count)
			if !ok || err != nil || n < 0 || n > 64<<20 {
				return nil, fmt.Errorf("%q: want {N*text}; a brace of its own is written \\{", text)
			}
			b, err := unescape(what)
			if err != nil {
				return nil, err
			}
			out = append(out, bytes.Repeat(b, n)...)
			i += end
		default:
			out = append(out, c)
		}
	}
	return out, nil
}
