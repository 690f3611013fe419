package policy

import (
	"slices"
	"strings"

	"section.internal/contract/ascii"
	"section.internal/contract/config"
	"section.internal/contract/template"
)

// Change is one change of a header section.
type Change struct {
	Kind  ChangeKind
	Name  string
	Value []byte       // for Set and Add
	Rule  *config.Rule // that wants it

	FieldKind uint8 // what CompileFor was told of Name
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
func Replaced[T string | []byte](changes []Change, name T) bool {
	for i := range changes {
		if c := &changes[i]; len(c.Name) == len(name) && c.Kind != Add && ascii.EqualFold(name, c.Name) {
			return true
		}
	}
	return false
}

// change is a change that a rule wants, compiled.
type change struct {
	made  Change             // without value where that is not literal
	id    int32              // of the name, from 0
	text  *template.Template // of a value that is not literal
	split *config.Split      // the value is one of its variants
}

// compileChanges brings the changes that a rule wants into the order in which they are made. Changed numbers the names.
func (p *Policy) compileChanges(r *config.Rule, c *config.Changes, changed map[string]int32) (list []change) {
	for _, name := range c.Remove {
		list = append(list, p.newChange(r, Remove, name).numbered(changed))
	}
	for _, f := range c.Set {
		list = append(list, p.newChange(r, Set, f.Name).numbered(changed).of(f.Value))
	}
	for _, f := range c.Add {
		list = append(list, p.newChange(r, Add, f.Name).numbered(changed).of(f.Value))
	}
	return list
}

// compileAnswer returns the fields of the answer that a rule makes, in their order, and once more if all of them are literal. They
// need no numbers.
func (p *Policy) compileAnswer(r *config.Rule) (list []change, literal []Change) {
	add := func(name string, value *template.Template) {
		list = append(list, p.newChange(r, Add, name).of(value))
	}
	switch {
	case r.Redirect != nil:
		add("Location", r.Redirect.To)
	case r.Respond != nil:
		for _, f := range r.Respond.Fields {
			add(f.Name, f.Value)
		}
	}
	for i := range list {
		if list[i].text != nil {
			return list, nil
		}
		literal = append(literal, list[i].made)
	}
	return list, literal
}

// newChange compiles a change; it has neither number nor value.
func (p *Policy) newChange(r *config.Rule, kind ChangeKind, name string) change {
	return change{made: Change{Kind: kind, Name: name, Rule: r, FieldKind: p.kindOf(name)}}
}

// numbered returns c with the number of its name.
func (c change) numbered(changed map[string]int32) change {
	c.id = changedID(c.made.Name, changed)
	return c
}

// of returns c with a value.
func (c change) of(value *template.Template) change {
	if text, ok := value.Literal(); ok {
		c.made.Value = []byte(text)
	} else {
		c.text = value
	}
	return c
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
	if c.made.Kind == Add {
		state.adds = true
		return v.appended(list, c, r)
	}
	if state.adds {
		state.adds = false
		for i := range list {
			if list[i].Kind == Add && ascii.EqualFold(list[i].Name, c.made.Name) {
				list[i].Kind, v.dropped = dropped, true
			}
		}
	}
	if base := state.base; base >= 0 {
		v.appended(list[:base], c, r) // in its place
		return list
	}
	state.base = int32(len(list))
	return v.appended(list, c, r)
}

// appended appends a change with its value.
func (v *view) appended(list []Change, c *change, r *rule) []Change {
	list = append(list, c.made)
	if c.text != nil || c.split != nil {
		v.valueOf(&list[len(list)-1], c, r)
	}
	return list
}

func (v *view) valueOf(made *Change, c *change, r *rule) {
	if c.text != nil {
		made.Value = v.text(c.text)
		return
	}
	key := v.key(r.split)
	start := len(v.buffer)
	v.buffer = append(v.buffer, Variant(c.split, key)...)
	made.Value = v.kept(start)
}

// withoutDropped returns list without the changes that have given way.
func withoutDropped(list []Change) []Change {
	return slices.DeleteFunc(list, func(c Change) bool { return c.Kind == dropped })
}
