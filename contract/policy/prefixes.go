package policy

import (
	"slices"

	"section.internal/contract/pattern"
)

// prefixes finds the numbers that are noted under any beginning of a path, in one walk over it: a tree in which each node is a
// beginning that several share, or under which something is noted.
type prefixes struct {
	label    string // behind that of the node above
	below    []int32
	whole    []int32 // only where the path ends here
	children []*prefixes
}

// insert notes a number. Numbers come in rising order.
func (p *prefixes) insert(prefix string, whole bool, number int32) {
	for prefix != "" {
		i, found := p.child(prefix[0])
		if !found {
			p.children = slices.Insert(p.children, i, &prefixes{label: prefix})
		}
		child := p.children[i]
		n := commonLength(child.label, prefix)
		if n < len(child.label) {
			above := &prefixes{label: child.label[:n], children: []*prefixes{child}}
			child.label = child.label[n:]
			p.children[i], child = above, above
		}
		p, prefix = child, prefix[n:]
	}
	if whole {
		p.whole = append(p.whole, number)
	} else {
		p.below = append(p.below, number)
	}
}

func commonLength(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// child returns where the child is, or would be, whose label begins with c.
func (p *prefixes) child(c byte) (i int, found bool) {
	low, high := 0, len(p.children)
	for low < high {
		if middle := int(uint(low+high) / 2); p.children[middle].label[0] < c {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(p.children) && p.children[low].label[0] == c
}

// step returns the node for the next part of path, and what is left of path there; nil when there is none.
func (p *prefixes) step(path []byte) (*prefixes, []byte) {
	if len(path) == 0 {
		return nil, nil
	}
	i, found := p.child(path[0])
	if !found {
		return nil, nil
	}
	child := p.children[i]
	if n := len(child.label); len(path) >= n && string(path[:n]) == child.label {
		return child, path[n:]
	}
	return nil, nil
}

// lists appends the lists of all beginnings of path.
func (p *prefixes) lists(path []byte, lists [][]int32) [][]int32 {
	for ; p != nil; p, path = p.step(path) {
		if len(p.below) > 0 {
			lists = append(lists, p.below)
		}
		if len(path) == 0 && len(p.whole) > 0 {
			lists = append(lists, p.whole)
		}
	}
	return lists
}

// any says whether path fits one of the patterns, whose numbers are noted under their prefixes.
func (p *prefixes) any(path []byte, patterns []pattern.Path) bool {
	whole := path
	for ; p != nil; p, path = p.step(path) {
		if len(path) == 0 && len(p.whole) > 0 {
			return true
		}
		for _, i := range p.below {
			if patterns[i].Match(whole) {
				return true
			}
		}
	}
	return false
}
