//go:build !race

package exchange_test

const allowedAllocs = 0
