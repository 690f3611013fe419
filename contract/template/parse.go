package template

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"section.internal/contract/nearest"
	"section.internal/contract/percent"
	"section.internal/contract/token"
)

// maxLength is how long a template may be.
const maxLength = 8192

func errorAt(offset int, format string, args ...any) *Error {
	return &Error{offset, fmt.Sprintf(format, args...)}
}

// Parse parses a text for a use. The placeholders of the request's parts are known everywhere (see Names); groups are further names.
// The error is an *Error.
func Parse(text string, use Use, groups []string) (*Template, error) {
	if len(text) > maxLength {
		return nil, errorAt(maxLength, "longer than %d bytes: want a shorter text", maxLength)
	}
	p := parser{text: text, use: use, groups: groups, where: inPath}
	if use == Location {
		if err := p.locationStart(); err != nil {
			return nil, err
		}
	}
	if err := p.parse(); err != nil {
		return nil, err
	}
	t := &Template{text: text, parts: p.parts, rooted: use == Location && !p.absolute}
	if use == Path {
		if err := pathStart(t); err != nil {
			return nil, err
		}
	}
	if p.absolute {
		if err := checkHost(t); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// where is the part of a URI that the parser is in.
type where uint8

const (
	inPath where = iota
	inAuthority
	inQuery // or in the fragment
)

type parser struct {
	text      string
	use       Use
	groups    []string
	parts     []part
	literal   []byte // what stands since the last placeholder
	where     where
	at        int  // how much of text is done with
	absolute  bool // of Location: begins with a scheme
	authority int  // where what follows the scheme begins
}

// The ways in which a Location may begin.
var absoluteStarts = []string{"http://", "https://", "{scheme}://"}

const wantStart = `want "/", "https://", "http://", "{scheme}://", "{uri}" or "{path}" at the beginning`

// locationStart takes a scheme off the beginning.
func (p *parser) locationStart() *Error {
	for _, start := range absoluteStarts {
		if !strings.HasPrefix(p.text, start) {
			continue
		}
		p.at, p.authority, p.absolute, p.where = len(start), len(start), true, inAuthority
		if scheme, is := strings.CutPrefix(start, "{scheme}"); is {
			p.parts = append(p.parts, part{name: "scheme", escape: forLabel})
			start = scheme
		}
		p.literal = append(p.literal, start...)
		if rest := p.text[p.at:]; rest == "" || strings.IndexByte("/?#", rest[0]) >= 0 {
			return errorAt(p.at, `no host: want one behind "//", such as {host}`)
		}
		return nil
	}
	switch {
	case p.text == "":
		return errorAt(0, "empty: %s", wantStart)
	case strings.HasPrefix(p.text, "//"):
		return errorAt(0, `begins with "//": want one "/", or a host behind "https://"`)
	case p.text[0] == '/' || strings.HasPrefix(p.text, "{path}") || strings.HasPrefix(p.text, "{uri}"):
		return nil
	}
	return errorAt(0, "%s", wantStart)
}

// checkHost finds what is wrong with the host of a template for an absolute URI, by that of one of its results.
func checkHost(t *Template) *Error {
	offset := strings.Index(t.text, "://") + len("://")
	u, err := url.Parse(string(t.Append(nil, sample{})))
	if err != nil || u.Hostname() == "" {
		end := offset + len(t.text[offset:])
		if i := strings.IndexAny(t.text[offset:], "/?#"); i >= 0 {
			end = offset + i
		}
		return errorAt(offset, "%q is no host: want one such as www.example.com or {host}, with an optional port", t.text[offset:end])
	}
	return nil
}

// sample is a request.
type sample struct{}

func (sample) AppendValue(dst []byte, name string) ([]byte, bool) {
	switch name {
	case "scheme":
		return append(dst, "http"...), false
	case "path", "uri":
		return append(dst, '/'), true
	}
	return append(dst, 'a'), false
}

// pathStart finds what is wrong with the beginning of a template for a path.
func pathStart(t *Template) *Error {
	if len(t.parts) > 0 && (t.parts[0].name == "path" || strings.HasPrefix(t.parts[0].literal, "/")) {
		return nil
	}
	return errorAt(0, `want "/" or "{path}" at the beginning`)
}

func (p *parser) parse() *Error {
	for p.at < len(p.text) {
		rest := p.text[p.at:]
		var err *Error
		switch {
		case strings.HasPrefix(rest, "{{"), strings.HasPrefix(rest, "}}"):
			err = p.character(rest[:2], rune(rest[0]))
		case rest[0] == '}':
			err = errorAt(p.at, `"}" without "{": want "}}" for the character itself`)
		case rest[0] == '{':
			err = p.placeholder()
		default:
			r, n := utf8.DecodeRuneInString(rest)
			err = p.character(rest[:n], r)
		}
		if err != nil {
			return err
		}
	}
	p.endLiteral()
	return nil
}

// character takes one character that stands for itself.
func (p *parser) character(written string, r rune) *Error {
	if err := p.checkCharacter(r); err != nil {
		return err
	}
	if p.use == Location {
		switch {
		case r == '?' || r == '#':
			p.where = inQuery
		case r == '/' && p.where == inAuthority:
			p.where = inPath
		}
	}
	p.literal = utf8.AppendRune(p.literal, r)
	p.at += len(written)
	return nil
}

func (p *parser) checkCharacter(r rune) *Error {
	if r == utf8.RuneError || unicode.IsControl(r) {
		return errorAt(p.at, "%q: want printable characters", r)
	}
	if p.use == FieldValue {
		return nil
	}
	switch {
	case p.use == Path && (r == '?' || r == '#'):
		return errorAt(p.at, `%q: want a path alone; the query stays as it came`, string(r))
	case p.where == inAuthority && (r == '@' || r == '%'):
		return errorAt(p.at, `%q: want a host with an optional port, and no user name`, string(r))
	case r == '%':
		if !percent.Begins(p.text[p.at:]) {
			return errorAt(p.at, `"%%" without two hexadecimal digits: want "%%25" for the character itself`)
		}
	case r >= utf8.RuneSelf || classes[r]&uriByte == 0 && r != '#':
		return errorAt(p.at, `%q may not stand in a URI: want it percent-encoded, %s`, string(r), encoded(r))
	}
	return nil
}

func encoded(r rune) string {
	var s []byte
	for _, c := range []byte(string(r)) {
		s = percent.Append(s, c)
	}
	return string(s)
}

func (p *parser) endLiteral() {
	if len(p.literal) > 0 {
		p.parts = append(p.parts, part{literal: string(p.literal)})
		p.literal = p.literal[:0]
	}
}

// placeholder takes a placeholder, which begins at p.at.
func (p *parser) placeholder() *Error {
	name, rest, closed := strings.Cut(p.text[p.at+1:], "}")
	if !closed || strings.Contains(name, "{") {
		return errorAt(p.at, `"{" without "}": want "{{" for the character itself`)
	}
	if err := p.checkName(name); err != nil {
		return err
	}
	placeholder := part{name: name}
	switch p.use {
	case FieldValue:
		placeholder.escape = forField
	case Path:
		if name == "uri" {
			return errorAt(p.at, `{uri} holds the query: want {path}; the query stays as it came`)
		}
		placeholder.escape = forTarget
	case Location:
		switch {
		case p.where == inQuery:
			placeholder.escape = forQuery
		case p.where == inPath:
			placeholder.escape = forPath
		case name == "host" && p.at == p.authority && endsHost(rest):
			placeholder.escape = forHost
		case name == "host":
			placeholder.escape = forHostPart
		case name == "path" || name == "uri":
			placeholder.escape, placeholder.slash, p.where = forPath, true, inPath
		case len(rest) > 1 && rest[0] == '.' && (isAlnum(rest[1]) || strings.HasPrefix(rest[1:], "{host}")):
			// {lang}.example.com: whatever comes, the host ends as it is written.
			placeholder.escape = forLabel
		default:
			return errorAt(p.at, `{%s} at the end of a host would let the request choose it: want {host}, {path}, "/" before it, or "." and a name behind it`, name)
		}
		if name == "uri" && p.where == inPath {
			p.where = inQuery // it holds the query, if there is one
		}
	}
	p.endLiteral()
	p.parts = append(p.parts, placeholder)
	p.at += len(name) + 2
	return nil
}

// endsHost says whether what follows is no part of the host any more.
func endsHost(rest string) bool {
	return rest == "" || strings.IndexByte(":/?#", rest[0]) >= 0 || strings.HasPrefix(rest, "{path}") || strings.HasPrefix(rest, "{uri}")
}

func isAlnum(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' }

// checkName finds what is wrong with the name of a placeholder, which begins at p.at.
func (p *parser) checkName(name string) *Error {
	kind, of, dotted := strings.Cut(name, ".")
	switch {
	case name == "":
		return errorAt(p.at, `"{}": want a name in it; "{{" and "}}" for the characters themselves`)
	case slices.Contains(p.groups, name) || Reserved(name):
		return nil
	case dotted && (kind == "header" || kind == "cookie"):
		if !token.Is(of) {
			return errorAt(p.at+len("{")+len(kind)+len("."), "{%s}: want a name of letters, digits and %s behind %q", name, token.Marks, kind+".")
		}
		return nil
	case dotted && kind == "query":
		if i := strings.IndexFunc(of, unicode.IsControl); i >= 0 || of == "" {
			return errorAt(p.at+len("{query."), `{%s}: want the name of a parameter behind "query."`, name)
		}
		return nil
	}
	known := Names()
	if n := nearest.Of(name, slices.Concat(p.groups, known)); n != "" {
		return errorAt(p.at, "unknown placeholder {%s}; did you mean {%s}?", name, n)
	}
	message := fmt.Sprintf("unknown placeholder {%s}: want one of %s", name, strings.Join(known, ", "))
	if len(p.groups) > 0 {
		message += ", or a group of path_regex: " + strings.Join(p.groups, ", ")
	}
	return errorAt(p.at, "%s", message)
}
