package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Lookup returns the addresses of a host name.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// SystemLookup asks /etc/hosts and then the nameservers and options of /etc/resolv.conf, both of which it reads again when
// they change.
func SystemLookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return (&net.Resolver{PreferGo: true}).LookupNetIP(ctx, "ip", host)
}

// lookupTimeout bounds one resolution, whatever resolv.conf says about timeouts and attempts.
const lookupTimeout = 20 * time.Second

// retryAfter is the shortest time between two resolutions: a name that does not resolve is asked for again soon, but an outage
// of the name server is not made worse by it.
const retryAfter = time.Second

// answer is what is known of the name. Answers never change; a new one takes the old one's place.
type answer struct {
	addrs []netip.AddrPort // the last good resolution
	at    time.Time        // when that was; zero: never
	err   error            // of the newest resolution
	tries uint64           // resolutions that have ended, good or bad
}

// resolver keeps the addresses of next-hop: asks at the start, on an interval and on demand, and keeps the last good answer
// while the name server has none.
type resolver struct {
	name      string // host:port
	host      string
	hostField string // host as HTTP writes it
	port      uint16
	lookup    Lookup
	every     func() time.Duration
	log       *slog.Logger
	kick      chan struct{}

	mu      sync.Mutex
	current answer
	news    chan struct{} // closed when current changes; then a new one
}

func newResolver(name string, lookup Lookup, every func() time.Duration, log *slog.Logger) (*resolver, error) {
	host, service, err := net.SplitHostPort(name)
	if err != nil {
		return nil, fmt.Errorf("next-hop %q: want HOST:PORT: %w", name, err)
	}
	port, err := net.LookupPort("tcp", service)
	if err != nil || host == "" || port == 0 {
		return nil, fmt.Errorf("next-hop %q: want HOST:PORT with a port from 1 to 65535", name)
	}
	r := &resolver{name: name, host: host, hostField: host, port: uint16(port), lookup: lookup, every: every, log: log,
		kick: make(chan struct{}, 1), news: make(chan struct{})}
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil:
		r.lookup = func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{ip}, nil }
		if ip.Is6() {
			r.hostField = "[" + ip.WithZone("").String() + "]" // RFC 3986 section 3.2.2; a zone means nothing to next-hop
		}
	case strings.Trim(host, nameBytes) != "":
		return nil, fmt.Errorf("next-hop %q: want HOST:PORT with a HOST that is an IP address or of letters, digits, \"-\", \"_\" and \".\"", name)
	}
	return r, nil
}

// nameBytes are those that a name of next-hop may have: it becomes the Host field of requests that have none.
const nameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// run resolves until ctx ends.
func (r *resolver) run(ctx context.Context) {
	for {
		started := time.Now()
		r.resolve(ctx)
		next := r.every()
		if r.answer().err != nil {
			next = min(next, retryAfter)
		}
		if !sleep(ctx, next, r.kick) {
			return
		}
		if !sleep(ctx, time.Until(started.Add(min(retryAfter, next))), nil) {
			return
		}
	}
}

// sleep waits for d or for wake, and says whether ctx still lives.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
	}
	return true
}

func (r *resolver) resolve(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	ips, err := r.lookup(ctx, r.host)
	if err == nil && len(ips) == 0 {
		err = errors.New("no addresses")
	}
	var addrs []netip.AddrPort
	for _, ip := range ips {
		if addr := netip.AddrPortFrom(ip.Unmap(), r.port); !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	if err != nil && context.Cause(ctx) == context.Canceled {
		return
	}
	r.publish(addrs, err)
}

func (r *resolver) publish(addrs []netip.AddrPort, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.current
	r.current.tries++
	r.current.err = err
	if err == nil {
		r.current.addrs, r.current.at = addrs, time.Now()
	}
	close(r.news)
	r.news = make(chan struct{})
	switch {
	case err != nil && before.err == nil:
		r.log.Warn("next-hop does not resolve", "name", r.name, "error", err, "kept", before.addrs)
	case err == nil && !sameAddrs(before.addrs, addrs):
		r.log.Info("next-hop resolved", "name", r.name, "addresses", addrs)
	case err == nil && before.err != nil:
		r.log.Info("next-hop resolves again", "name", r.name, "addresses", addrs)
	}
}

// sameAddrs compares without regard to order: name servers rotate their answers.
func sameAddrs(a, b []netip.AddrPort) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x netip.AddrPort) bool { return !slices.Contains(b, x) })
}

func (r *resolver) answer() answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current
}

// again asks for a resolution soon, without waiting for it.
func (r *resolver) again() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// newer waits for the end of a resolution that seen does not know, good or bad, or for ctx.
func (r *resolver) newer(ctx context.Context, seen answer) (answer, error) {
	for {
		r.mu.Lock()
		current, news := r.current, r.news
		r.mu.Unlock()
		if current.tries > seen.tries {
			return current, nil
		}
		r.again()
		select {
		case <-ctx.Done():
			return current, ctx.Err()
		case <-news:
		}
	}
}
