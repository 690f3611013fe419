package exchange

import (
	"sync/atomic"
	"time"
)

// dateCache formats the Date field once a second.
type dateCache struct{ current atomic.Pointer[date] }

type date struct {
	second int64
	text   []byte
}

// at returns now as an HTTP-date (RFC 9110 section 5.6.7). The slice is shared: it must not be changed.
func (d *dateCache) at(now time.Time) []byte {
	if c := d.current.Load(); c != nil && c.second == now.Unix() {
		return c.text
	}
	fresh := &date{second: now.Unix(), text: []byte(now.UTC().Format(httpDate))}
	d.current.Store(fresh)
	return fresh.text
}

var dateName = []byte("Date")

const httpDate = "Mon, 02 Jan 2006 15:04:05 GMT"
