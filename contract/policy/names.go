package policy

import (
	"strings"

	"section.internal/contract/ascii"
	"section.internal/contract/config"
)

// names numbers what the rules ask a request for: fields, cookies and parameters. A header section is walked once a request, however
// many rules ask for a part of it, and a rule has its part without a search.
type names struct {
	fields, cookies, params slots
	placeholders            map[string]placeholder
}

func newNames() names {
	n := names{
		fields: newSlots(true), cookies: newSlots(false), params: newSlots(false),
		placeholders: map[string]placeholder{},
	}
	n.fields.slot("X-Forwarded-Proto") // slotProto
	n.fields.slot("Cookie")            // slotCookie
	return n
}

// The slots of the fields that every policy asks for.
const (
	slotProto int32 = iota
	slotCookie
)

// slots numbers names, each once.
type slots struct {
	fold   bool // names are in lower case, and looked for in any
	of     map[string]int32
	names  []string   // by slot
	newest [256]int32 // by mark: 1 + the newest slot whose name has it; most names that nobody asks for are known by a 0
	before []int32    // by slot: 1 + the one before with the same mark
}

// mark returns a number that a name has in any case.
func mark(name []byte) uint8 {
	n := len(name)
	if n == 0 {
		return 0
	}
	return uint8(n)*31 + (name[0]|0x20)*7 + (name[n-1]|0x20)*3
}

func newSlots(fold bool) slots { return slots{fold: fold, of: map[string]int32{}} }

func (s *slots) slot(name string) int32 {
	if s.fold {
		name = strings.ToLower(name)
	}
	i, ok := s.of[name]
	if !ok {
		i = int32(len(s.names))
		m := mark([]byte(name))
		s.of[name] = i
		s.names, s.before, s.newest[m] = append(s.names, name), append(s.before, s.newest[m]), i+1
	}
	return i
}

// many is from how many names on a look into the map takes less than one at the names of a mark.
const many = 1000

// unknown says, of most of them, that nobody asks for a name. Unlike find it is small enough to become a part of its caller.
func (s *slots) unknown(name []byte) bool { return s.newest[mark(name)] == 0 }

// find returns the slot of a name, or -1 when nobody asks for it.
func (s *slots) find(name []byte) int32 {
	i := s.newest[mark(name)] - 1
	if i >= 0 && len(s.names) >= many {
		return s.findAmongMany(name)
	}
	for ; i >= 0; i = s.before[i] - 1 {
		if s.fold && ascii.EqualLower(name, s.names[i]) || !s.fold && string(name) == s.names[i] {
			break
		}
	}
	return i
}

func (s *slots) findAmongMany(name []byte) int32 {
	if s.fold {
		var buffer [64]byte
		name = ascii.AppendLower(buffer[:0], name)
	}
	if i, ok := s.of[string(name)]; ok {
		return i
	}
	return -1
}

// found holds what one request has of the names of some slots.
type found struct {
	stamp  uint32 // of the request
	of     []foundOf
	values []foundValue
}

type foundOf struct {
	stamp       uint32
	first, last int32 // in values
}

type foundValue struct {
	value []byte
	next  int32 // -1: the last one
}

// reset forgets what was found, and is ready for n slots.
func (f *found) reset(stamp uint32, n int) {
	f.stamp, f.values = stamp, f.values[:0]
	if len(f.of) < n {
		f.of = make([]foundOf, n)
	}
}

func (f *found) add(slot int32, value []byte) {
	i := int32(len(f.values))
	f.values = append(f.values, foundValue{value, -1})
	of := &f.of[slot]
	if of.stamp != f.stamp {
		*of = foundOf{f.stamp, i, i}
		return
	}
	f.values[of.last].next = i
	of.last = i
}

// first returns where the values of a slot begin, or -1.
func (f *found) first(slot int32) int32 {
	if of := &f.of[slot]; of.stamp == f.stamp {
		return of.first
	}
	return -1
}

// last returns the last value of a slot, or nil.
func (f *found) last(slot int32) []byte {
	if of := &f.of[slot]; of.stamp == f.stamp {
		return f.values[of.last].value
	}
	return nil
}

// geoField returns the name of the field that holds a part of where the client is.
func geoField(name string) string { return "section-io-geo-" + strings.ReplaceAll(name, "_", "-") }

// placeholder says where the value of a placeholder is, for those that have a name of their own.
type placeholder struct {
	of   ofName
	slot int32
}

type ofName uint8

const (
	ofField ofName = iota
	ofCookie
	ofParam
)

// compilePlaceholder makes room for what a placeholder stands for, and says whether it stands for a group.
func (n *names) compilePlaceholder(name string) (group bool) {
	kind, of, dotted := strings.Cut(name, ".")
	switch {
	case name == "country":
		n.placeholders[name] = placeholder{ofField, n.fields.slot(geoField("country-code"))}
	case name == "id":
		n.placeholders[name] = placeholder{ofField, n.fields.slot("section-io-id")}
	case dotted && kind == "header":
		n.placeholders[name] = placeholder{ofField, n.fields.slot(of)}
	case dotted && kind == "cookie":
		n.placeholders[name] = placeholder{ofCookie, n.cookies.slot(of)}
	case dotted && kind == "query":
		n.placeholders[name] = placeholder{ofParam, n.params.slot(of)}
	default:
		return !knownPart(name)
	}
	return false
}

func knownPart(name string) bool {
	switch name {
	case "host", "path", "query", "uri", "method", "scheme", "client":
		return true
	}
	return false
}

// key is what requests are told apart by, compiled.
type key struct {
	of   config.KeyKind
	slot int32 // of the field or the cookie
}

func (n *names) compileKey(k config.Key) *key {
	switch k.Of {
	case config.ByHeader:
		return &key{k.Of, n.fields.slot(k.Name)}
	case config.ByCookie:
		return &key{k.Of, n.cookies.slot(k.Name)}
	}
	return &key{of: k.Of}
}
