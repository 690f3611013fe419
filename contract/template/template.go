// Package template owns texts with placeholders: {name} stands for a part of the request, "{{" and "}}" for a brace. What a
// placeholder stands for is escaped for where it goes. A parsed template never changes and may be used from anywhere.
package template

import (
	"slices"
	"strings"
)

// Use is where the text of a template goes.
type Use int

// The uses. In Location, what stands behind "?" or "#" is escaped for a query.
const (
	FieldValue Use = iota // a field's value: bytes that may not stand there are left out
	Location              // a URI reference, with a host or beginning with one "/": percent-encoded
	Path                  // a path, without query: percent-encoded
)

// Error is why a text is no template.
type Error struct {
	Offset  int    // in bytes of the text
	Message string // what is wrong there, and what is accepted
}

func (e *Error) Error() string { return e.Message }

// Template is a parsed text.
type Template struct {
	text   string
	parts  []part
	rooted bool // of Location: no host is in the template, so none may be in the result
}

// part is a literal, or a placeholder when it has a name.
type part struct {
	literal string
	name    string
	escape  escape // of a placeholder
	slash   bool   // of a placeholder: its value ends the host before it, so it begins with "/"
}

// Source gives the value of a placeholder. Escaped says that the value is already fit for a URI, such as the path as it came.
type Source interface {
	AppendValue(dst []byte, name string) (out []byte, escaped bool)
}

// Literal returns the text of a template without placeholders.
func (t *Template) Literal() (text string, ok bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) > 1 || t.parts[0].name != "":
		return "", false
	}
	return t.parts[0].literal, true
}

// Placeholders returns the names of the placeholders in their order, each as often as it stands there.
func (t *Template) Placeholders() (names []string) {
	for _, p := range t.parts {
		if p.name != "" {
			names = append(names, p.name)
		}
	}
	return names
}

// Append appends the text with all placeholders replaced. It allocates nothing when dst has room and the source allocates nothing.
//
// Of a template for Location the result never names another host than the template does: what begins with "/" begins with one,
// and what stands for a part of a host cannot end it.
func (t *Template) Append(dst []byte, from Source) []byte {
	start := len(dst)
	for i := range t.parts {
		p := &t.parts[i]
		if p.name == "" {
			dst = append(dst, p.literal...)
			continue
		}
		value := len(dst)
		var escaped bool
		dst, escaped = from.AppendValue(dst, p.name)
		if p.slash && (len(dst) == value || dst[value] != '/') {
			dst = slices.Insert(dst, value, '/')
		}
		dst = p.escape.in(dst, value, escaped)
	}
	if t.rooted {
		dst = oneSlash(dst, start)
	}
	return dst
}

// oneSlash makes dst[start:] begin with exactly one "/". Browsers take "//name" for another host, and "\" for "/".
func oneSlash(dst []byte, start int) []byte {
	end := start
	for end < len(dst) && (dst[end] == '/' || dst[end] == '\\') {
		end++
	}
	if end == start {
		dst = slices.Insert(dst, start, '/')
		end++
	}
	dst[start] = '/'
	return append(dst[:start+1], dst[end:]...)
}

func (t *Template) String() string { return t.text }

// Names returns the names of the placeholders for the request's parts, in the order of the manual; of "header.NAME", "cookie.NAME"
// and "query.NAME" the form.
func Names() []string {
	return []string{"host", "path", "query", "uri", "method", "scheme", "client", "country", "id", "header.NAME", "cookie.NAME", "query.NAME"}
}

// Reserved says whether name is that of a part of the request, so that a group of a regular expression cannot have it.
func Reserved(name string) bool {
	return slices.Contains(Names(), name) && !strings.Contains(name, ".")
}
