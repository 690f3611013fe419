package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"section.internal/e2e/proxydtest"
)

// Shared is an origin behind a proxyd that many scenarios use at once. proxyd pools its connections to next-hop, so that those
// of one scenario carry another's requests the next moment. What tells the origin whose request it sees is a mark, a field that
// is put into each request before the Host line and taken out again before the scenario sees it. A connection of the scenario's
// origin is then whatever connection its request has come over: which one that is, is left to proxyd.
//
// A request without a mark is answered by the origin itself, with its target as the body.
type Shared struct {
	sockets *sockets

	mu     sync.Mutex     // guards what follows
	last   int            // the newest mark
	visits map[int]*visit // the running ones, by their mark
}

// visit is a running scenario, as the origin knows it.
type visit struct {
	arrived chan *request
	over    chan struct{} // closed at its end
}

// Run runs a scenario against a proxyd that was started with what the scenario wants of config and flags, and with this origin,
// unless it should be absent. It may be called from several goroutines. It returns how many lines the access log must have got,
// and what has gone wrong.
func (o *Shared) Run(name string, s *Scenario, proxyd *proxydtest.Proxyd) (logged int, err error) {
	r := &run{name: name, proxyd: proxyd, clients: map[int]*conn{}, origins: map[int]*conn{}}
	mark, v := o.enter()
	defer o.leave(mark, v)
	if !s.OriginAbsent {
		r.accept = v.accept
	}
	defer func() {
		for _, c := range r.clients {
			c.close()
		}
		for _, c := range r.origins {
			if err != nil {
				c.net.Close()
			}
			c.forget() // it belongs to proxyd's pool
		}
	}()
	if err := r.doAll(marked(s.Steps, mark)); err != nil {
		return 0, err
	}
	return len(s.logged()), r.nothingMore(v)
}

// nothingMore checks at the end of a scenario that nobody was sent more than it says. proxyd goes on.
func (r *run) nothingMore(v *visit) error {
	var errs []error
	for _, c := range r.clients {
		if c.ended || c.gone {
			continue
		}
		c.after(c.net.CloseWrite)
		c.net.SetReadDeadline(time.Now().Add(patience))
		rest, err := io.ReadAll(c.in)
		if len(rest) > 0 || err != nil {
			errs = append(errs, fmt.Errorf("%s: %s ends its connection and is still sent %q, %v: want nothing, and the end", r.name, c.name, shorten(rest), err))
		}
	}
	for _, c := range r.origins {
		if rest := c.in.Buffered(); rest > 0 && !c.gone {
			errs = append(errs, fmt.Errorf("%s: %s was also sent: %s", r.name, c.name, c.pending()))
		}
	}
	select {
	case q := <-v.arrived:
		errs = append(errs, fmt.Errorf("%s: proxyd sent another request to next-hop: %s", r.name, shorten(<-q.said)))
	default:
	}
	return errors.Join(errs...)
}

// markName is the field that carries the mark.
const markName = "X-Scenario-Run"

var hostLine = regexp.MustCompile(`(?i)(?:^|\n)Host:`)

// longestHead is above the size of a piece that may hold a request's head; a larger one is all body, and searching it takes long.
const longestHead = 64 << 10

// marked returns the steps with a mark in each request that a client sends.
func marked(steps []Step, mark int) []Step {
	out := slices.Clone(steps)
	for i, s := range out {
		if s.Who != "client" || s.Verb != Says {
			continue
		}
		head := s.Bytes[:min(len(s.Bytes), longestHead)]
		at := hostLine.FindAllIndex(head, -1)
		if at == nil {
			continue
		}
		var b []byte
		from := 0
		for _, m := range at {
			line := m[1] - len("Host:")
			b = fmt.Appendf(append(b, s.Bytes[from:line]...), "%s: %d\r\n", markName, mark)
			from = line
		}
		out[i].Bytes = append(b, s.Bytes[from:]...)
	}
	return out
}

var markLine = regexp.MustCompile(`\r\n` + markName + `: ([0-9]+)(\r\n)`)

// unmark takes the mark out of a head; mark is 0 when there is none.
func unmark(head []byte) (mark int, rest []byte) {
	m := markLine.FindSubmatchIndex(head)
	if m == nil {
		return 0, head
	}
	mark, _ = strconv.Atoi(string(head[m[2]:m[3]]))
	return mark, append(bytes.Clone(head[:m[0]]), head[m[4]:]...)
}

func (o *Shared) enter() (int, *visit) {
	v := &visit{arrived: make(chan *request), over: make(chan struct{})}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last++
	o.visits[o.last] = v
	return o.last, v
}

func (o *Shared) leave(mark int, v *visit) {
	o.mu.Lock()
	delete(o.visits, mark)
	o.mu.Unlock()
	close(v.over)
}

func (o *Shared) visit(mark int) *visit {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.visits[mark]
}

// accept returns a connection for the next request of the scenario.
func (v *visit) accept(within time.Duration) (wire, error) {
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case q := <-v.arrived:
		c := &sharedConn{visit: v}
		c.now.Store(q)
		return c, nil
	case <-late.C:
		return nil, errors.New("no request has come")
	}
}
