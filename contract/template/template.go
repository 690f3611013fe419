// Package template owns texts with placeholders: {name} stands for a part of the request, "{{" and "}}" for a brace. What a
// placeholder stands for is escaped for where it goes. A parsed template never changes and may be used from anywhere.
package template

import "errors"

// Use is where the text of a template goes.
type Use int

// The uses. In Location, what stands behind "?" or "#" is escaped for a query.
const (
	FieldValue Use = iota // a field's value: bytes that may not stand there are left out
	Location              // a URI reference: percent-encoded
	Path                  // a path, without query: percent-encoded
)

// Error is why a text is no template.
type Error struct {
	Offset  int    // in bytes of the text
	Message string // what is wrong there, and what is accepted
}

func (e *Error) Error() string { return e.Message }

// Template is a parsed text.
type Template struct{ text string }

// Parse parses a text for a use. The placeholders of the request's parts are known everywhere (see Names); groups are further names.
// The error is an *Error.
func Parse(text string, use Use, groups []string) (*Template, error) {
	return nil, errors.ErrUnsupported
}

// Names returns the names of the placeholders for the request's parts, in the order of the manual; of "header.NAME", "cookie.NAME"
// and "query.NAME" the form.
func Names() []string { return nil }

// Literal returns the text of a template without placeholders.
func (t *Template) Literal() (text string, ok bool) { return "", false }

// Source gives the value of a placeholder. Escaped says that the value is already fit for a URI, such as the path as it came.
type Source interface {
	AppendValue(dst []byte, name string) (out []byte, escaped bool)
}

// Append appends the text with all placeholders replaced. It allocates nothing when dst has room and the source allocates nothing.
func (t *Template) Append(dst []byte, from Source) []byte { return dst }

func (t *Template) String() string { return t.text }
