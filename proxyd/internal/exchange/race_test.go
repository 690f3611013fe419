//go:build race

package exchange_test

// allowedAllocs makes up for the race detector, under which sync.Pool forgets one thing in four.
const allowedAllocs = 16
