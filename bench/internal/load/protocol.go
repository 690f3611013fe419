package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"section.internal/bench/internal/epoll"
	"section.internal/bench/internal/origin"
)

// Plan is what a generator's process is to do. Whoever started it
//
//   - reads the address of its origin, a line,
//   - starts a server before that origin and writes the server's address, a line,
//   - reads Ready when the warm-up is over and nothing is in flight, a line, and looks at the server,
//   - writes a command, a line, and reads its answer, a line, when again nothing is in flight, and looks at the server;
//   - the end of what it writes ends the process.
//
// The commands:
//
//   - Go measures; the answer is a Result in JSON.
//   - Gather opens the slow connections, which stay to the end; the answer is Ready.
//   - Refuse sends requests that are to be refused; the answer is a Refused in JSON.
type Plan struct {
	Target      Target // without an address
	Connections int
	Warmup      time.Duration // in a closed loop, whatever follows
	Duration    time.Duration
	Rate        float64 // requests a second; 0: a closed loop
	Hold        bool    // measure by opening the connections and sending one request over each; they stay open to the end

	Slow      int           // connections whose requests never end
	SlowEvery time.Duration // from byte to byte of each, in whole seconds
	Fields    int           // of the requests that are to be refused
}

// The commands of a generator's process.
const (
	Go     = "go"
	Gather = "gather"
	Refuse = "refuse"
)

// Ready is the line that a generator's process writes when it is ready to be measured.
const Ready = "ready"

// Run carries out a plan.
func Run(plan Plan, in io.Reader, out io.Writer) error {
	runtime.LockOSThread() // one thread does it all
	defer runtime.UnlockOSThread()
	poller, err := epoll.New()
	if err != nil {
		return err
	}
	behind, addr, err := origin.Listen(poller)
	if err != nil {
		return err
	}
	s := newSession(in, &Generator{poller: poller, origin: behind})
	defer close(s.more)
	fmt.Fprintln(out, addr)
	line, err := s.line()
	if err != nil {
		return err
	}
	if plan.Target.Addr, err = netip.ParseAddrPort(line); err != nil {
		return fmt.Errorf("cannot ask a server: %w", err)
	}
	g, err := warm(plan, poller, behind)
	if err != nil {
		return err
	}
	s.idle = g
	defer func() { g.slow.close() }()
	fmt.Fprintln(out, Ready)
	for {
		command, err := s.line()
		if errors.Is(err, errEnded) {
			return g.StillOpen()
		}
		if err != nil {
			return err
		}
		if err := obey(command, plan, g, out); err != nil {
			return err
		}
	}
}

// obey carries out a command and answers it.
func obey(command string, plan Plan, g *Generator, out io.Writer) error {
	switch command {
	case Go:
		result, err := measure(plan, g)
		if err != nil {
			return err
		}
		result.Renewed = g.slow.renewed()
		return json.NewEncoder(out).Encode(result)
	case Gather:
		if err := g.Gather(plan.Slow, plan.SlowEvery); err != nil {
			return err
		}
		_, err := fmt.Fprintln(out, Ready)
		return err
	case Refuse:
		refused, err := g.Refuse(plan.Fields, plan.Duration)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(refused)
	default:
		return fmt.Errorf("unknown command %q: want %s, %s or %s", command, Go, Gather, Refuse)
	}
}

// warm returns the generator that is to measure, once the server is warm.
func warm(plan Plan, poller *epoll.Poller, behind *origin.Origin) (*Generator, error) {
	connections := plan.Connections
	if plan.Hold {
		connections = 64
	}
	g, err := Open(poller, behind, plan.Target, connections)
	if err != nil {
		return nil, err
	}
	if _, err := g.Closed(plan.Warmup); err != nil || !plan.Hold {
		return g, err
	}
	g.Close()
	return Open(poller, behind, plan.Target, 0)
}

func measure(plan Plan, g *Generator) (Result, error) {
	switch {
	case plan.Hold:
		return g.Once(plan.Connections)
	case plan.Rate > 0:
		return g.Rate(plan.Rate, plan.Duration)
	default:
		return g.Closed(plan.Duration)
	}
}

// session is the talk with whoever started the process. The origin is served while it waits.
//
// Lines are read in a goroutine that lives as long as there are some. Under load it has nothing left to do but to wait: whatever it
// did then would stop the load for 10 ms, which is when Go's scheduler takes the processor away from who does not give it up.
type session struct {
	more  chan<- struct{}
	lines <-chan string
	idle  *Generator
}

func newSession(in io.Reader, idle *Generator) *session {
	more, lines := make(chan struct{}, 1), make(chan string, 1)
	go func() {
		defer close(lines)
		r := bufio.NewReader(in)
		for range more {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			lines <- strings.TrimSuffix(line, "\n")
		}
	}()
	return &session{more: more, lines: lines, idle: idle}
}

var errEnded = errors.New("nobody waits for a measurement any more")

func (s *session) line() (string, error) {
	s.more <- struct{}{}
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				return "", errEnded
			}
			return line, nil
		default:
			if err := s.idle.Idle(2 * time.Millisecond); err != nil {
				return "", err
			}
		}
	}
}
