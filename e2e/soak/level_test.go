package soak

import (
	"fmt"
	"testing"

	"section.internal/e2e/proxydtest"
)

// level is what a proxyd holds when nobody wants anything from it.
type level struct {
	goroutines  int
	descriptors proxydtest.Descriptors // without those of pooled connections to next-hop
	resident    int64                  // bytes
}

func (l level) String() string {
	return fmt.Sprintf("%d goroutines, descriptors %+v, %.1f MiB", l.goroutines, l.descriptors, float64(l.resident)/(1<<20))
}

// levels returns what each proxyd holds, once it holds that for two looks: asking it takes a goroutine and a socket, too.
func (m *mix) levels(t *testing.T) (all []level) {
	t.Helper()
	for _, p := range m.parties {
		p.proxyd.Settle()
		var now level
		proxydtest.Eventually(t, fmt.Sprintf("%s to come to rest", p), func() error {
			last := now
			if now = look(p); now.goroutines != last.goroutines || now.descriptors != last.descriptors {
				return fmt.Errorf("it held %v and holds %v", last, now)
			}
			return nil
		})
		all = append(all, now)
	}
	return all
}

func look(p *party) level {
	s := p.proxyd.Status()
	l := level{s.Goroutines, p.proxyd.Descriptors(), p.proxyd.ResidentBytes()}
	l.descriptors.Sockets -= int(s.NextHop.Connections.Open)
	return l
}

// mostGrowth is by how much the resident memory may be above what it was. The heap's size at a moment depends on when the last
// collection was, and freed memory goes back to the system slowly: after a minute under load it was up to 2.7 MiB above 13.6 MiB.
// A hundred bytes that each scenario and each request left behind would make 20 MiB of that minute.
func mostGrowth(before int64) int64 { return before/4 + 8<<20 }

func (m *mix) mustBeBackAt(t *testing.T, before []level) {
	t.Helper()
	for i, p := range m.parties {
		p.proxyd.Settle()
		var now level
		proxydtest.Eventually(t, fmt.Sprintf("%s to be back where it was", p), func() error {
			now = look(p)
			switch b := before[i]; {
			case now.goroutines > b.goroutines:
				return fmt.Errorf("it had %d goroutines and has %d", b.goroutines, now.goroutines)
			case now.descriptors.Sockets > b.descriptors.Sockets, now.descriptors.Files > b.descriptors.Files,
				now.descriptors.Pipes > b.descriptors.Pipes, now.descriptors.Others > b.descriptors.Others:
				return fmt.Errorf("it had the descriptors %+v and has %+v", b.descriptors, now.descriptors)
			case p.bench == &plain && now.resident > b.resident+mostGrowth(b.resident):
				return fmt.Errorf("it had %d MiB resident and has %d MiB", b.resident>>20, now.resident>>20)
			}
			return nil
		})
		t.Logf("%s held %v and holds %v", p, before[i], now)
	}
}
