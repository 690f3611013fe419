package config

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"section.internal/contract/template"
)

const plainText = "text/plain; charset=utf-8"

// contentTypes are those of bodies in files, by extension.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".txt":  plainText,
	".json": "application/json",
	".xml":  "application/xml",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".ico":  "image/x-icon",
	".png":  "image/png",
	".jpg":  "image/jpeg",
	".jpeg": "image/jpeg",
	".gif":  "image/gif",
	".webp": "image/webp",
}

// respondNodes is where parts of an answer are.
type respondNodes struct {
	status node
	fields map[string]node // by name
}

// respond reads an answer.
func (c *checker) respond(n node, groups []string) (r *Respond, at respondNodes) {
	r, at.fields = &Respond{}, map[string]node{}
	contentType := plainText
	var body, file, typed node // those that are there have a path
	var fields []Field
	var typedHeader node
	c.fields(nestedTable("respond"), n, func(k *key, n node) {
		switch k.name {
		case "status":
			r.Status, at.status = int(c.number(k, n)), n
		case "body":
			if s, ok := c.text(k, n); ok {
				r.Body, body = []byte(s), n
			}
		case "file":
			s, ok := c.text(k, n)
			if !ok {
				return
			}
			file = n
			if f := c.file(n, s); f != nil {
				r.Body = f.content
			}
			if t, known := contentTypes[strings.ToLower(path.Ext(s))]; known {
				contentType = t
			}
		case "content_type":
			typed, at.fields["Content-Type"] = n, n
			if s, ok := c.text(k, n); ok && c.fieldValue(n, s) {
				if s == "" {
					c.wrong(n, `empty: want one such as "text/html; charset=utf-8"`)
				}
				contentType = s
			}
		case "headers":
			c.fieldKeys(k, n, func(name string, n node) {
				value := c.template(k, n, template.FieldValue, groups)
				if strings.EqualFold(name, "Content-Type") {
					typedHeader = n
				}
				if c.mayChange(n, n.entry.key, responseSide, name) {
					at.fields[name] = n
					fields = append(fields, Field{name, value})
				}
			})
		default:
			panic("BUG: nothing reads respond." + k.name)
		}
	})
	there := body.path != "" || file.path != ""
	switch {
	case body.path != "" && file.path != "":
		c.wrongTable(n, "has both body and file: keep one of them")
	case there && (r.Status == 204 || r.Status == 205 || r.Status == 304):
		c.wrongTable(n, fmt.Sprintf("has a body with status %d, which has none: remove the body, or choose another status", r.Status))
	case !there && typed.path != "":
		c.wrongTable(typed, "is the type of nothing: want body or file beside it, or remove it")
	}
	if typed.path != "" && typedHeader.path != "" {
		c.wrongTable(typedHeader, "contradicts content_type: keep one of them")
	}
	if there && typedHeader.path == "" {
		if t, err := template.Parse(escapeBraces(contentType), template.FieldValue, nil); err == nil {
			fields = append([]Field{{"Content-Type", t}}, fields...)
		}
	}
	r.Fields = fields
	return r, at
}

// statusAsks keeps a problem for an answer without the field that its status asks for.
func (c *checker) statusAsks(status node, r *Respond, changed Changes) {
	asked, asks := askedFor[r.Status]
	if !asks {
		return
	}
	for _, f := range slices.Concat(r.Fields, changed.Set, changed.Add) {
		if strings.EqualFold(f.Name, asked.name) {
			return
		}
	}
	c.wrong(status, asked.message())
}

// fieldOfStatus is a field that the answers of one status must have.
type fieldOfStatus struct{ name, says, section string }

// askedFor are the fields that RFC 9110 asks of an answer for its status alone. The upgrade of 426 is for no rule to set.
var askedFor = map[int]fieldOfStatus{
	206: {"Content-Range", "bytes 0-4/10", "15.3.7"},
	401: {"WWW-Authenticate", `Basic realm=\"office\"`, "15.5.2"},
	405: {"Allow", "GET, HEAD", "15.5.6"},
	407: {"Proxy-Authenticate", `Basic realm=\"office\"`, "15.5.8"},
	426: {"Upgrade", "", "15.5.22"},
}

func (f fieldOfStatus) message() string {
	if f.says == "" {
		return fmt.Sprintf("asks for the field %s (RFC 9110 section %s), which no rule can set: choose another status, or let next-hop answer", f.name, f.section)
	}
	return fmt.Sprintf(`asks for the field %s (RFC 9110 section %s): add headers = { %s = "%s" }, or choose another status`, f.name, f.section, f.name, f.says)
}

// escapeBraces returns the template that stands for s as it is.
func escapeBraces(s string) string {
	return strings.NewReplacer("{", "{{", "}", "}}").Replace(s)
}
