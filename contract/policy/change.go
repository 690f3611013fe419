package policy

import (
	"slices"
	"strings"

	"section.internal/contract/config"
	"section.internal/contract/template"
)

// Change is one change of a header section.
type Change struct {
	Kind  ChangeKind
	Name  string
	Value []byte       // for Set and Add
	Rule  *config.Rule // that wants it
}

// ChangeKind is what is done with the fields of a name.
type ChangeKind int

// The kinds of changes. What Remove takes away or Set replaces is what the message came with; what Add adds comes behind.
const (
	Remove ChangeKind = iota
	Set
	Add
)

// Replaced says whether the fields of a name that a message came with are taken away or replaced. Whoever writes a header section
// writes the fields that are not, in their order, and behind them each Set and Add of the changes, in theirs.
func Replaced(changes []Change, name []byte) bool {
	for i := range changes {
		if c := &changes[i]; len(c.Name) == len(name) && c.Kind != Add && sameName(name, c.Name) {
			return true
		}
	}
	return false
}

// change is a change that a rule wants, compiled.
type change struct {
	kind  ChangeKind
	name  string
	id    int32              // of the name, from 0
	value []byte             // of a literal
	text  *template.Template // nil: value is it
	split *config.Split      // the value is one of its variants
}

// compileChanges brings changes into the order in which they are made. Changed numbers the names.
func compileChanges(c *config.Changes, changed map[string]int32) (list []change) {
	for _, name := range c.Remove {
		list = append(list, change{kind: Remove, name: name, id: changedID(name, changed)})
	}
	field := func(kind ChangeKind, f config.Field) {
		if text, ok := f.Value.Literal(); ok {
			list = append(list, literalChange(f.Name, text, changed))
			list[len(list)-1].kind = kind
		} else {
			list = append(list, change{kind: kind, name: f.Name, id: changedID(f.Name, changed), text: f.Value})
		}
	}
	for _, f := range c.Set {
		field(Set, f)
	}
	for _, f := range c.Add {
		field(Add, f)
	}
	return list
}

func literalChange(name, value string, changed map[string]int32) change {
	return change{kind: Set, name: name, id: changedID(name, changed), value: []byte(value)}
}

func changedID(name string, changed map[string]int32) int32 {
	name = strings.ToLower(name)
	id, ok := changed[name]
	if !ok {
		id = int32(len(changed))
		changed[name] = id
	}
	return id
}

// changeOf says where the changes of one name stand in a decision.
type changeOf struct {
	stamp uint32 // of the decision it is about
	base  int32  // where its Remove or Set is; -1: nowhere
	adds  bool   // there may be some
}

// grown returns list with at least n elements.
func grown(list []changeOf, n int) []changeOf {
	if len(list) < n {
		list = make([]changeOf, n)
	}
	return list
}

// dropped marks a change that has given way to one of a later rule.
const dropped ChangeKind = -1

// note adds what a rule wants to the changes of a decision. What was wanted before of the same name gives way to a Remove or Set.
func (v *view) note(list []Change, of []changeOf, c *change, r *rule) []Change {
	state := &of[c.id]
	if state.stamp != v.stamp {
		*state = changeOf{stamp: v.stamp, base: -1}
	}
	wanted := Change{c.kind, c.name, c.value, r.Rule}
	switch {
	case c.split != nil:
		key := v.key(r.split)
		start := len(v.buffer)
		v.buffer = append(v.buffer, Variant(c.split, key)...)
		wanted.Value = v.kept(start)
	case c.text != nil:
		wanted.Value = v.text(c.text)
	}
	if c.kind == Add {
		state.adds = true
		return append(list, wanted)
	}
	if state.adds {
		state.adds = false
		for i := range list {
			if list[i].Kind == Add && sameNames(list[i].Name, c.name) {
				list[i].Kind, v.dropped = dropped, true
			}
		}
	}
	if state.base >= 0 {
		list[state.base] = wanted
		return list
	}
	state.base = int32(len(list))
	return append(list, wanted)
}

// withoutDropped returns list without the changes that have given way.
func withoutDropped(list []Change) []Change {
	return slices.DeleteFunc(list, func(c Change) bool { return c.Kind == dropped })
}

func sameNames(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }
