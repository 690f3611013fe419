package policy

import "net/netip"

// maxKept is how much room a decision that is forgotten keeps for the next, in elements of a list.
const maxKept = 1024

// maxBuffer is the same of what is made of a request, in bytes.
const maxBuffer = 8 << 10

// Forget lets go of the policy and the rules, so that a decision that waits to be used again keeps no former configuration in memory.
// It keeps room for the next decision, unless that is out of the ordinary.
func (d *Decision) Forget() {
	if d.large() {
		*d = Decision{}
		return
	}
	d.Matched, d.Charges, d.Request, d.Response = emptied(d.Matched), emptied(d.Charges), emptied(d.Request), emptied(d.Response)
	d.lists = emptied(d.lists)
	d.End, d.end, d.Rewritten, d.Target, d.Client = nil, nil, nil, nil, netip.Addr{}
	if v := d.view; v != nil {
		v.policy, v.request, v.groups = nil, nil, nil
	}
}

// Forget does the same for an answer.
func (a *Answer) Forget() {
	a.room = emptied(a.room)
	a.Fields, a.Body = nil, nil
}

func (d *Decision) large() bool {
	return cap(d.Matched) > maxKept || cap(d.Charges) > maxKept || cap(d.Request) > maxKept || cap(d.Response) > maxKept ||
		cap(d.lists) > maxKept || len(d.requestOf) > maxKept || d.view != nil && d.view.large()
}

func (v *view) large() bool {
	return cap(v.buffer) > maxBuffer || v.fields.large() || v.cookiesOf.large() || v.params.large()
}

func (f *found) large() bool { return len(f.of) > maxKept || cap(f.values) > maxKept }

// emptied returns a list's room without what was in it.
func emptied[T any](list []T) []T {
	clear(list)
	return list[:0]
}
