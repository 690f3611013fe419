package exchange

import (
	"section.internal/contract/config"
	"section.internal/contract/policy"
	"section.internal/proxyd/internal/http1"
)

// Compile prepares a configuration as an Engine needs it: with the kinds of the fields that rules change.
func Compile(c *config.Config) *policy.Policy {
	return policy.CompileFor(c, func(name string) uint8 { return uint8(http1.KindOf(name)) })
}

// changes are what rules change in one header section.
type changes struct {
	list    []policy.Change
	may     func(http1.Kind) bool // these fields may be touched
	lengths uint64                // a bit for each length, modulo 64, of a name that is taken away: most fields need no closer look
}

func (c *changes) prepare(list []policy.Change, may func(http1.Kind) bool) {
	*c = changes{list: list, may: may}
	for i := range list {
		if list[i].Kind != policy.Add {
			c.lengths |= 1 << (len(list[i].Name) % 64)
		}
	}
}

// takeAway says whether a field that came is removed, or another is set in its place.
func (c *changes) takeAway(name []byte, kind http1.Kind) bool {
	if c.lengths&(1<<(len(name)%64)) == 0 || !c.may(kind) {
		return false
	}
	return policy.Replaced(c.list, name)
}

// appendTo appends the fields that are set and added. The configuration cannot name any that may not be touched; if it could, they
// would be left out here.
func (c *changes) appendTo(out []byte) []byte {
	for i := range c.list {
		if change := &c.list[i]; change.Kind != policy.Remove && c.may(http1.Kind(change.FieldKind)) {
			out = http1.AppendNewField(out, change.Name, change.Value)
		}
	}
	return out
}

// appendFields appends the fields of a section that may be forwarded, changed.
func (c *changes) appendFields(out []byte, fields []http1.Field) []byte {
	if len(c.list) == 0 {
		return http1.AppendFields(out, fields)
	}
	for i := range fields {
		if f := &fields[i]; !f.Hop && !c.takeAway(f.Name, f.Kind) {
			out = http1.AppendField(out, f.Name, f.Value)
		}
	}
	return c.appendTo(out)
}

// sent returns the value that a field of next-hop's response has got on its way to the client, and nil when it was taken away.
func (c *changes) sent(kind http1.Kind, came []byte) []byte {
	for i := range c.list {
		if change := &c.list[i]; http1.Kind(change.FieldKind) == kind {
			came = change.Value // of Remove: none
		}
	}
	return came
}
