package config

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Schema returns the JSON schema (draft 2020-12) of the file, so that editors can complete and check it. It says less than Load: what
// a file is, not what files are there, nor what contradicts what. What Load takes, it takes.
func Schema() []byte {
	defs := object{}
	for _, t := range slices.Concat(nested, tested) {
		defs.set(t.name, t.schema())
	}
	top := object{}
	d := Default()
	for _, name := range namesAtTop() {
		switch k, isKey := lookUp(name); {
		case name == "rule" || name == "test":
			top.set(name, object{{"description", nestedTable(name).doc}, {"type", "array"}, {"items", reference(name)}})
		case isKey:
			top.set(name, k.schema(&d))
		default:
			below := object{}
			for _, short := range keysOf(name) {
				k, _ := lookUp(name + "." + short)
				below.set(short, k.schema(&d))
			}
			top.set(name, object{{"type", "object"}, {"properties", below}, {"additionalProperties", false}})
		}
	}
	schema := object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "proxy.toml"},
		{"description", "the configuration of proxyd"},
		{"type", "object"},
		{"properties", top},
		{"additionalProperties", false},
		{"$defs", defs},
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(schema); err != nil {
		panic("BUG: the schema cannot be written: " + err.Error())
	}
	return b.Bytes()
}

// object is a JSON object that keeps its order, which is that of the manual.
type object []member

type member struct {
	name  string
	value any
}

func (o *object) set(name string, value any) { *o = append(*o, member{name, value}) }

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := e.Encode(m.name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := e.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func reference(name string) object { return object{{"$ref", "#/$defs/" + name}} }

func (t *table) schema() object {
	var required []string
	properties := object{}
	for i := range t.keys {
		k := &t.keys[i]
		properties.set(k.name, k.schema(nil))
		if k.required {
			required = append(required, k.name)
		}
	}
	o := object{{"description", t.doc}, {"type", "object"}, {"properties", properties}, {"additionalProperties", false}}
	if required != nil {
		o.set("required", required)
	}
	if t.atLeastOne != "" {
		o.set("minProperties", 1)
	}
	return o
}

// schema returns what is known about a key. The defaults are in d, which is nil for keys below [[rule]] and [[test]].
func (k *key) schema(d *Config) object {
	o := object{{"description", k.doc}}
	switch {
	case d != nil:
		o.set("default", plainValue(k.value(d)))
	case k.eg != "" && k.names == "":
		o.set("examples", []any{plainValue(k.eg)})
	}
	value := k.valueSchema()
	if k.many {
		list := object{{"type", "array"}, {"items", value}}
		if !k.emptyToo {
			list.set("minItems", 1)
		}
		if k.most > 0 {
			list.set("maxItems", k.most)
		}
		value = object{{"anyOf", []object{value, list}}}
	}
	if k.names != "" {
		value = object{{"type", "object"}, {"additionalProperties", value}, {"minProperties", 1}}
		if strings.HasSuffix(k.names, "fields") || strings.HasSuffix(k.names, "cookies") || strings.HasSuffix(k.names, "variants") {
			value.set("propertyNames", object{{"pattern", tokenPattern}})
		}
	}
	return append(o, value...)
}

// plainValue returns what a value of the file is in JSON: a string, a number, a boolean or a list of strings.
func plainValue(written string) any {
	if s, err := strconv.Unquote(written); err == nil {
		return s
	}
	if s, ok := strings.CutPrefix(written, "'"); ok {
		return strings.TrimSuffix(s, "'")
	}
	var v any
	if err := json.Unmarshal([]byte(written), &v); err != nil {
		panic("BUG: " + written + " is no value")
	}
	return v
}

// Patterns of strings. They are no stricter than Load, in the dialect that all editors know.
const (
	tokenPattern    = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
	durationPattern = `^[-+]?([0-9]+(\.[0-9]*)?(ns|us|µs|μs|ms|s|m|h))+$`
	sizePattern     = `^[0-9]+([KMGT]?i?B)?$`
	byPattern       = `^(client|all|host|(header|cookie)\..+)$`
)

var patterns = map[kind]string{
	kindToken: tokenPattern, kindMethod: tokenPattern, kindField: tokenPattern, kindBy: byPattern,
	kindPath: `^(/|\*\*)`, kindCountry: `^([A-Za-z]{2}|\*)$`, kindURL: `^https?://`, kindFile: `^[^/]`, kindPathTemplate: `^(/|\{path\})`,
	kindLocation: `^(/|https?://|\{scheme\}://|\{uri\}|\{path\})`, kindPattern: ".", kindHost: ".", kindNetwork: `^[0-9A-Fa-f:.]+(/[0-9]+)?$`,
	kindAddress: `^[0-9A-Fa-f:.]+$`, kindRegex: ".",
}

// valueSchema returns what one value of the key has to look like.
func (k *key) valueSchema() object {
	switch k.kind {
	case kindTable:
		return reference(k.of)
	case kindSwitch:
		return object{{"type", "boolean"}}
	case kindChoice:
		return object{{"enum", k.choices}}
	case kindDuration:
		return object{{"type", "string"}, {"pattern", durationPattern}}
	case kindSize:
		return object{{"anyOf", []object{
			{{"type", "integer"}, {"minimum", k.min}, {"maximum", k.max}},
			{{"type", "string"}, {"pattern", sizePattern}},
		}}}
	case kindCount:
		if k.only != nil {
			return object{{"enum", k.only}}
		}
		return object{{"type", "integer"}, {"minimum", k.min}, {"maximum", k.max}}
	}
	o := object{{"type", "string"}}
	if k.kind == kindName {
		o.set("minLength", 1)
		o.set("maxLength", maxName)
	}
	if pattern := patterns[k.kind]; pattern != "" {
		o.set("pattern", pattern)
	}
	return o
}
