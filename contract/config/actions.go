package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"section.internal/contract/printable"
	"section.internal/contract/template"
	"section.internal/contract/token"
)

// changes are those that a rule makes, with the place of each.
type changes struct {
	Changes
	written map[string]writtenField // by name in lower case
}

// writtenField is what a rule does with the fields of a name, and where it says so.
type writtenField struct {
	what string // "remove", "set" or "add"
	node node
}

// changes reads the changes of a header section.
func (c *checker) changes(n node, of side, groups []string) *changes {
	ch := &changes{written: map[string]writtenField{}}
	may := func(n node, at position, what, name string) bool {
		if !c.mayChange(n, at, of, name) {
			return false
		}
		lower := strings.ToLower(name)
		other, twice := ch.written[lower]
		if twice && (other.what == "set" || what == "set") {
			c.add(at, func() string {
				return fmt.Sprintf("%s: contradicts %s, which names %s too: set replaces all fields of the name; keep one of them", n.label(), other.what, printable.Quote(name))
			})
			return false
		}
		if !twice { // what is removed is so whatever is added
			ch.written[lower] = writtenField{what, n}
		}
		return true
	}
	c.fields(nestedTable("changes"), n, func(k *key, n node) {
		switch k.name {
		case "remove":
			c.fieldNamesEach(k, n, func(name string, n node) {
				if may(n, n.entry.value, "remove", name) {
					ch.Remove = append(ch.Remove, name)
				}
			})
		case "set":
			c.fieldKeys(k, n, func(name string, n node) {
				if value := c.template(k, n, template.FieldValue, groups); may(n, n.entry.key, "set", name) {
					ch.Set = append(ch.Set, Field{name, value})
				}
			})
		case "add":
			c.fieldKeys(k, n, func(name string, n node) {
				if value := c.template(k, n, template.FieldValue, groups); may(n, n.entry.key, "add", name) {
					ch.Add = append(ch.Add, Field{name, value})
				}
			})
		default:
			panic("BUG: nothing reads changes." + k.name)
		}
	})
	return ch
}

// mustNot keeps a problem when the changes touch a field. ch may be nil: there are none.
func (ch *changes) mustNot(c *checker, name, why string) {
	if ch == nil {
		return
	}
	if w, ok := ch.written[strings.ToLower(name)]; ok {
		c.add(w.node.entry.key, func() string {
			return fmt.Sprintf("%s: contradicts the rule's other action, since %s: keep one of them", w.node.label(), why)
		})
	}
}

// leave keeps a problem where the changes of an answer take a field away, or replace it, that n puts there. ch may be nil.
func (ch *changes) leave(c *checker, name string, n node) {
	if ch == nil {
		return
	}
	switch ch.written[strings.ToLower(name)].what {
	case "remove":
		c.wrongTable(n, "contradicts response.remove of the same rule, which takes the field away: keep one of them")
	case "set":
		c.wrongTable(n, "contradicts response.set of the same rule, which replaces the field: keep one of them")
	}
}

// template reads a text with placeholders. nil: something is wrong with it.
func (c *checker) template(k *key, n node, use template.Use, groups []string) *template.Template {
	s, ok := c.text(k, n)
	if !ok || use == template.FieldValue && !c.fieldValue(n, s) {
		return nil
	}
	t, err := template.Parse(s, use, groups)
	if e, ok := errors.AsType[*template.Error](err); ok {
		c.wrongInside(n, e.Offset, e.Message)
		return nil
	} else if err != nil {
		c.wrong(n, err.Error())
		return nil
	}
	return t
}

func (c *checker) rewrite(n node, groups []string) (path *template.Template) {
	c.fields(nestedTable("rewrite"), n, func(k *key, n node) {
		switch k.name {
		case "path":
			path = c.template(k, n, template.Path, groups)
		default:
			panic("BUG: nothing reads rewrite." + k.name)
		}
	})
	return path
}

func (c *checker) redirect(n node, groups []string) *Redirect {
	r := &Redirect{Status: 302}
	c.fields(nestedTable("redirect"), n, func(k *key, n node) {
		switch k.name {
		case "to":
			r.To = c.template(k, n, template.Location, groups)
		case "status":
			r.Status = int(c.number(k, n))
		default:
			panic("BUG: nothing reads redirect." + k.name)
		}
	})
	return r
}

func (c *checker) limit(n node) *Limit {
	l := &Limit{}
	c.fields(nestedTable("limit"), n, func(k *key, n node) {
		switch k.name {
		case "requests":
			l.Requests = c.number(k, n)
		case "per":
			l.Per = time.Duration(c.number(k, n))
		case "by":
			l.By = c.by(k, n)
		case "burst":
			l.Burst = c.number(k, n)
		default:
			panic("BUG: nothing reads limit." + k.name)
		}
	})
	if l.Burst == 0 {
		l.Burst = l.Requests
	}
	return l
}

// byForms are what requests can be told apart by.
const (
	byForms = `"client", "all", "host", "header.NAME", "cookie.NAME"`
	wantBy  = "want one of " + byForms
)

// by reads what requests are told apart by.
func (c *checker) by(k *key, n node) Key {
	s, ok := c.text(k, n)
	if !ok {
		return Key{}
	}
	kind, name, named := strings.Cut(s, ".")
	kinds := map[string]KeyKind{"client": ByClient, "all": ByAll, "host": ByHost, "header": ByHeader, "cookie": ByCookie}
	of, known := kinds[kind]
	takesName := of == ByHeader || of == ByCookie
	switch {
	case !known:
		message := wantBy
		if strings.EqualFold(kind, "ip") || strings.EqualFold(kind, "address") {
			message += `; did you mean "client"?`
		} else if near := c.didYouMean(kind, []string{"client", "all", "host"}); near != "" {
			message += near
		}
		c.wrong(n, message)
	case takesName && !named:
		c.wrong(n, fmt.Sprintf(`want a name behind it, as in "%s.NAME"`, kind))
	case named && !takesName:
		c.wrong(n, wantBy)
	case named && !token.Is(name):
		offset, message := notToken(name, "a name")
		c.wrongInside(n, len(kind)+1+offset, message)
	default:
		return Key{Of: of, Name: name}
	}
	return Key{}
}

func (c *checker) split(n node) *Split {
	s := &Split{}
	c.fields(nestedTable("split"), n, func(k *key, n node) {
		switch k.name {
		case "name":
			if s.Name = c.token(k, n); s.Name != "" {
				c.unique(n, strings.ToLower(s.Name), c.splitNames)
			}
		case "by":
			s.By = c.by(k, n)
		case "variants":
			s.Variants = c.variants(k, n)
		default:
			panic("BUG: nothing reads split." + k.name)
		}
	})
	return s
}

func (c *checker) variants(k *key, n node) []Variant {
	const most = 100
	var variants []Variant
	sum, good := int64(0), true
	c.named(k, n, func(name string, n node) {
		if !token.Is(name) {
			c.wrongKey(n, name, "the name of a variant")
			good = false
		}
		weight, wrong := k.readNumber(n.value)
		c.complain(n, wrong)
		good = good && wrong == nil
		sum += weight
		variants = append(variants, Variant{name, weight})
	})
	switch {
	case len(variants) > most:
		c.wrongTable(n, fmt.Sprintf("has %d variants: want at most %d", len(variants), most))
	case good && len(variants) > 0 && sum == 0:
		c.wrongTable(n, "has no weight: want at least one variant with more than 0")
	}
	slices.SortFunc(variants, func(a, b Variant) int { return strings.Compare(a.Name, b.Name) })
	return variants
}
