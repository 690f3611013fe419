package policy

import (
	"net/netip"
	"slices"

	"section.internal/contract/ascii"
	"section.internal/contract/config"
	"section.internal/contract/pattern"
)

// match is a condition that holds when all of its parts do.
type match struct{ conditions []condition }

// condition is one part of a match.
type condition struct {
	*config.Condition
	slot    int32 // of the field, cookie or parameter
	values  values
	hosts   hosts
	paths   *prefixes // the numbers of a long list's paths
	clients []addressRange
	not     *match
}

// longList is from how many entries on a list is not compared one by one.
const longList = 8

func (n *names) compileMatch(m *config.Match) match {
	c := match{make([]condition, len(m.Conditions))}
	for i := range m.Conditions {
		c.conditions[i] = n.compileCondition(&m.Conditions[i])
	}
	return c
}

func (n *names) compileCondition(from *config.Condition) condition {
	c := condition{Condition: from}
	switch from.Kind {
	case config.OfPath:
		c.paths = longPaths(from.Paths)
	case config.OfHost:
		c.hosts = compileHosts(from.Hosts)
	case config.OfHeader:
		c.slot = n.fields.slot(from.Name)
	case config.OfGeo:
		c.slot = n.fields.slot(geoField(from.Name))
	case config.OfUserAgent:
		c.slot = n.fields.slot("User-Agent")
	case config.OfReferer:
		c.slot = n.fields.slot("Referer")
	case config.OfCookie:
		c.slot = n.cookies.slot(from.Name)
	case config.OfQuery:
		c.slot = n.params.slot(from.Name)
	case config.OfClient:
		c.clients = ranges(from.Clients)
	case config.OfNot:
		not := n.compileMatch(from.Not)
		c.not = &not
	}
	c.values = compileValues(from.Values)
	return c
}

// holds says whether a request fits.
func (m *match) holds(v *view) bool { return m.failing(v) == nil }

// failing returns the first part that does not hold, or nil.
func (m *match) failing(v *view) *condition {
	for i := range m.conditions {
		if c := &m.conditions[i]; !c.holds(v) {
			return c
		}
	}
	return nil
}

func (c *condition) holds(v *view) bool {
	switch c.Kind {
	case config.OfPath:
		return v.hasPath && c.holdsPath(v.path)
	case config.OfPathRegex:
		return v.hasPath && c.Regex.Match(v.path)
	case config.OfHost:
		return c.hosts.fit(v.host)
	case config.OfMethod:
		return c.values.fit(v.request.Method)
	case config.OfProtocol:
		if v.https {
			return c.values.fit(httpsName)
		}
		return c.values.fit(httpName)
	case config.OfClient:
		return contains(c.clients, v.client)
	case config.OfNot:
		return !c.not.holds(v)
	}
	of := c.found(v)
	for i := of.first(c.slot); i >= 0; i = of.values[i].next {
		if c.values.fit(of.values[i].value) {
			return true
		}
	}
	return false
}

var httpName, httpsName = []byte("http"), []byte("https")

// found returns where the values are that the condition looks at, for the kinds with a slot.
func (c *condition) found(v *view) *found {
	switch c.Kind {
	case config.OfCookie:
		return v.cookies()
	case config.OfQuery:
		return v.parameters()
	}
	return &v.fields
}

func (c *condition) holdsPath(path []byte) bool {
	if c.paths != nil {
		return c.paths.any(path, c.Paths)
	}
	for i := range c.Paths {
		if c.Paths[i].Match(path) {
			return true
		}
	}
	return false
}

// values is a list of patterns.
type values struct {
	literal  map[string]struct{} // those without wildcard of a long list
	fold     bool                // they are in lower case
	patterns []pattern.Value     // all others
}

func compileValues(list []pattern.Value) (v values) {
	v.patterns = list
	if len(list) <= longList {
		return v
	}
	v.fold = list[0].Fold()
	v.literal, v.patterns = map[string]struct{}{}, nil
	for _, p := range list {
		if text, ok := p.Literal(); ok && p.Fold() == v.fold {
			v.literal[text] = struct{}{}
		} else {
			v.patterns = append(v.patterns, p)
		}
	}
	return v
}

// fit says whether one of the patterns does.
func (v *values) fit(value []byte) bool {
	if len(v.literal) > 0 {
		literal := value
		var buffer [128]byte
		if v.fold {
			literal = ascii.AppendLower(buffer[:0], value)
		}
		if _, in := v.literal[string(literal)]; in {
			return true
		}
	}
	for i := range v.patterns {
		if v.patterns[i].Match(value) {
			return true
		}
	}
	return false
}

// hosts is a list of patterns of hosts.
type hosts struct {
	exact    map[string]struct{} // those without "*." of a long list
	patterns []pattern.Host      // all others
}

func compileHosts(list []pattern.Host) (h hosts) {
	if h.patterns = list; len(list) <= longList {
		return h
	}
	h.exact, h.patterns = map[string]struct{}{}, nil
	for _, p := range list {
		if name, anyBelow := p.Name(); anyBelow {
			h.patterns = append(h.patterns, p)
		} else {
			h.exact[name] = struct{}{}
		}
	}
	return h
}

// fit says whether one of the patterns does.
func (h *hosts) fit(host []byte) bool {
	if _, in := h.exact[string(host)]; in {
		return true
	}
	for i := range h.patterns {
		if h.patterns[i].Match(host) {
			return true
		}
	}
	return false
}

func longPaths(list []pattern.Path) *prefixes {
	if len(list) <= longList {
		return nil
	}
	p := &prefixes{}
	for i, path := range list {
		prefix, whole := path.Prefix()
		p.insert(prefix, whole, int32(i))
	}
	return p
}

// addressRange is the addresses from first to last, of one family.
type addressRange struct{ first, last netip.Addr }

// ranges returns networks as ranges in their order, none of which touches another of it.
func ranges(networks []netip.Prefix) []addressRange {
	list := make([]addressRange, 0, len(networks))
	for _, n := range networks {
		if n = unmapped(n.Masked()); n.IsValid() {
			list = append(list, addressRange{n.Addr(), lastOf(n)})
		}
	}
	slices.SortFunc(list, func(a, b addressRange) int { return a.first.Compare(b.first) })
	merged := list[:0]
	for _, r := range list {
		if n := len(merged); n > 0 && r.first.BitLen() == merged[n-1].last.BitLen() && r.first.Compare(merged[n-1].last) <= 0 {
			if merged[n-1].last.Less(r.last) {
				merged[n-1].last = r.last
			}
			continue
		}
		merged = append(merged, r)
	}
	return slices.Clip(merged)
}

// unmapped returns a network of IPv4-mapped addresses as one of IPv4.
func unmapped(n netip.Prefix) netip.Prefix {
	if n.Addr().Is4In6() && n.Bits() >= 96 {
		return netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
	}
	return n
}

// lastOf returns the last address of a network.
func lastOf(n netip.Prefix) netip.Addr {
	b := n.Addr().AsSlice()
	for i := n.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// contains says whether an address is in one of the ranges.
func contains(list []addressRange, addr netip.Addr) bool {
	_, in := find(list, addr)
	return in
}

// find returns the range that an address is in.
func find(list []addressRange, addr netip.Addr) (i int, in bool) {
	low, high := 0, len(list) // the first range that ends at addr or behind it
	for low < high {
		if middle := int(uint(low+high) / 2); list[middle].last.Less(addr) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(list) && !addr.Less(list[low].first) && list[low].first.BitLen() == addr.BitLen()
}
