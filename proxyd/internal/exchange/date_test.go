package exchange

import (
	"testing"
	"time"
)

func TestDateCache_IsNeverOfAnotherSecond(t *testing.T) {
	var d dateCache
	now := time.Date(1994, 11, 6, 8, 49, 37, 999_999_999, time.FixedZone("", 3600))
	for range 2 {
		if got := string(d.at(now)); got != "Sun, 06 Nov 1994 07:49:37 GMT" {
			t.Errorf("%s", got)
		}
	}
	if got := string(d.at(now.Add(1))); got != "Sun, 06 Nov 1994 07:49:38 GMT" {
		t.Errorf("a nanosecond later: %s", got)
	}
	if got := string(d.at(now)); got != "Sun, 06 Nov 1994 07:49:37 GMT" {
		t.Errorf("back again: %s", got)
	}
}
