package policy

// maxKept is how much room a decision that is forgotten keeps for the next, in elements of a list.
const maxKept = 1024

// Forget lets go of the policy, the rules and the request, so that a decision that waits to be used again keeps no former
// configuration in memory. It keeps room for the next decision, unless that is out of the ordinary.
func (d *Decision) Forget() {
	*d = Decision{
		Matched: emptied(d.Matched), Charges: emptied(d.Charges), Request: emptied(d.Request), Response: emptied(d.Response),
		lists: emptied(d.lists), requestOf: d.requestOf, responseOf: d.responseOf, view: d.view,
	}
	if len(d.requestOf) > maxKept {
		d.requestOf, d.responseOf = nil, nil
	}
	if v := d.view; v != nil {
		*v = view{
			stamp: v.stamp, buffer: v.buffer[:0],
			fields: v.fields.emptied(), cookiesOf: v.cookiesOf.emptied(), params: v.params.emptied(),
		}
		if cap(v.buffer) > 8*maxKept {
			v.buffer = nil
		}
	}
}

// emptied forgets what was found. What stays of it are numbers, and by the stamps those of an earlier request.
func (f *found) emptied() found {
	kept := found{of: f.of, values: emptied(f.values)}
	if len(kept.of) > maxKept {
		kept.of = nil
	}
	return kept
}

// emptied returns a list's room without what was in it.
func emptied[T any](list []T) []T {
	if cap(list) > maxKept {
		return nil
	}
	clear(list)
	return list[:0]
}
