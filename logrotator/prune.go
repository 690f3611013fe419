package main

import (
	"errors"
	"slices"
)

// prune deletes compressed files: of each log all but the newest, then the oldest of all until what is left has room. A moved
// file that could not be compressed counts, but stays: it may still be written to.
func (r rotation) prune() error {
	files, err := listRotated(r.logDir)
	if err != nil {
		return err
	}
	var failures []error
	for _, f := range excess(files, r.keep, r.maxSize) {
		failures = append(failures, remove(f.path(r.logDir)))
		r.at()
	}
	return errors.Join(failures...)
}

// excess returns which of the files, given with the oldest first, are too many or too large.
func excess(files []rotated, keep int, maxSize int64) []rotated {
	var total int64
	for _, f := range files {
		total += f.size
	}
	var out []rotated
	newer := map[string]int{} // files of each log that are newer than the one looked at
	for _, f := range slices.Backward(files) {
		newer[f.log]++
		if f.kind == copied && newer[f.log] > keep {
			out = append(out, f)
			total -= f.size
		}
	}
	for _, f := range files {
		if total <= maxSize {
			break
		}
		if f.kind == copied && !slices.Contains(out, f) {
			out = append(out, f)
			total -= f.size
		}
	}
	return out
}
