// Package downstream owns the side of the clients: accepting connections, how many there may be, how long they may idle, and
// how they end.
package downstream

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"section.internal/contract/config"
	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/exchange"
	"section.internal/proxyd/internal/socket"
)

// Handler carries out one exchange, of which the first bytes are in the connection's buffer, or goes on with one that is unfinished.
// Refuse answers a client whose connection is one too many. See exchange.Engine.
type Handler interface {
	Exchange(*exchange.Client) exchange.Verdict
	Refuse(*exchange.Client, httpcache.Reason)
}

// Server serves the clients of one listener. Its methods may be called from any goroutine.
type Server struct {
	handler  Handler
	settings func() *config.Client
	poller   *socket.Poller
	log      *slog.Logger

	draining  atomic.Bool
	total     atomic.Uint64
	serving   sync.WaitGroup // one a connection, whether it has a goroutine or is parked
	accepting sync.WaitGroup // Serve

	mu       sync.Mutex
	listener *socket.Listener
	clients  map[*client]struct{}
	refused  int                  // of them: those that are one too many
	from     map[netip.Addr]int64 // how many of the others each address has
}

// client is a connection and what it is doing.
type client struct {
	exchange.Client
	idle       atomic.Bool      // waits for a request
	unfinished bool             // waits for the rest of one
	refused    httpcache.Reason // not empty: is one too many
	resume     func()           // goes on when it was parked
}

// NewServer returns a server, whose Serve is to be called.
func NewServer(handler Handler, settings func() *config.Client, poller *socket.Poller,
	log *slog.Logger) *Server {
	s := &Server{handler: handler, settings: settings, poller: poller, log: log,
		clients: map[*client]struct{}{}, from: map[netip.Addr]int64{}}
	s.accepting.Add(1)
	return s
}

// Serve accepts connections until Drain, which is no error, and closes l. It may be called once.
func (s *Server) Serve(l *net.TCPListener) error {
	defer s.accepting.Done()
	listener, err := socket.NewListener(l, s.poller)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.listener = listener
	if s.draining.Load() { // Drain came first and found no listener
		listener.Limit(lastAccepts)
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.listener = nil
		s.mu.Unlock()
		listener.Close()
	}()
	for pause := time.Duration(0); ; {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			pause = 0
			s.accept(conn)
		case s.draining.Load():
			return nil
		default:
			// Out of descriptors, most likely: the connection waits in the kernel until some are free.
			if pause == 0 {
				s.log.Warn("cannot accept connections", "error", err)
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			time.Sleep(pause)
		}
	}
}

func (s *Server) accept(conn *socket.Conn) {
	c := &client{Client: exchange.Client{Conn: conn}}
	c.resume = func() { s.resume(c) }
	s.add(c)
	s.total.Add(1)
	s.serving.Add(1)
	go func() {
		if c.refused != "" {
			s.handler.Refuse(&c.Client, c.refused)
			s.linger(c)
			s.remove(c)
			return
		}
		s.serve(c, s.awaitRequest(c))
	}()
}

// add makes room for c where there are as many connections as may be, and refuses c where that fails. Refused ones take no room:
// however many come, the next one after a place is free gets it.
func (s *Server) add(c *client) {
	settings, addr := s.settings(), c.Remote().Addr()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c] = struct{}{}
	switch {
	case settings.MaxConnectionsPerAddress > 0 && s.from[addr] >= settings.MaxConnectionsPerAddress:
		c.refused = httpcache.TooManyFromClient
	case int64(len(s.clients)-1-s.refused) >= settings.MaxConnections && !s.endOneIdle():
		c.refused = httpcache.TooManyConnections
	default:
		s.from[addr]++
		return
	}
	s.refused++
}

// endOneIdle ends a connection that waits for a request, if one is found soon. A map is walked from a random place.
func (s *Server) endOneIdle() bool {
	looked := 0
	for c := range s.clients {
		if s.endIdle(c) {
			return true
		}
		if looked++; looked == 100 {
			break
		}
	}
	return false
}

func (s *Server) remove(c *client) {
	s.mu.Lock()
	delete(s.clients, c)
	if addr := c.Remote().Addr(); c.refused != "" {
		s.refused--
	} else if s.from[addr]--; s.from[addr] == 0 {
		delete(s.from, addr)
	}
	s.mu.Unlock()
	c.Close()
	s.serving.Done()
}

// awaited is what came of waiting for a request.
type awaited int

const (
	came   awaited = iota // its first bytes are in the buffer; or one that has begun is to be looked at again
	ended                 // none will come
	silent                // the connection is parked; whoever wakes it goes on
)

// serve carries out the exchanges of one connection, one after the other, until it has ended or is parked.
func (s *Server) serve(c *client, request awaited) {
	for request == came {
		request = ended
		verdict := s.handler.Exchange(&c.Client)
		c.unfinished = verdict == exchange.Unfinished
		switch verdict {
		case exchange.Keep:
			request = s.awaitRequest(c)
		case exchange.Unfinished:
			request = s.awaitRest(c)
		case exchange.Linger:
			s.linger(c)
		case exchange.Reset:
			c.Reset()
		}
	}
	if request != silent {
		s.remove(c)
	}
}

// awaitRequest waits for the first byte of a request. A connection that never sends one is closed without a word.
func (s *Server) awaitRequest(c *client) awaited {
	if len(c.Buffered()) > 0 {
		return came
	}
	if s.draining.Load() {
		return s.lastRequest(c)
	}
	idleTimeout := s.settings().IdleTimeout
	c.LimitRead(min(socket.ParkAfter, idleTimeout))
	c.idle.Store(true)
	if s.draining.Load() && s.takeIdle(c) { // Drain may have looked before we said that we idle
		return s.lastRequest(c)
	}
	err := c.Fill(1)
	if err == socket.ErrTimeout && idleTimeout > socket.ParkAfter {
		c.LimitRead(idleTimeout - socket.ParkAfter)
		c.LimitWrite(0) // the limit of the last answer is of no use, and its end would be told again and again
		if c.Park(c.resume) {
			return silent
		}
		err = c.Fill(1)
	}
	return s.awoken(c, err)
}

// awaitRest waits for more of a request that has begun. Nobody ends this wait but the request's own limits and the end of a drain.
func (s *Server) awaitRest(c *client) awaited {
	if c.Park(c.resume) {
		return silent
	}
	return came
}

// resume goes on with a connection that was parked.
func (s *Server) resume(c *client) {
	if c.unfinished {
		s.serve(c, came)
		return
	}
	s.serve(c, s.awoken(c, c.Fill(1)))
}

// awoken says what it means that the wait for a request has ended with err.
func (s *Server) awoken(c *client, err error) awaited {
	if s.takeIdle(c) {
		if err != nil {
			return ended
		}
		c.Came = c.Told()
		return came
	}
	// Somebody wants this connection to end, and holds the lock until it is interrupted.
	s.mu.Lock()
	c.Resume()
	s.mu.Unlock()
	if err == nil {
		return came
	}
	return s.lastRequest(c)
}

// endIdle ends the wait of c, if it waits for a request. The lock must be held.
func (s *Server) endIdle(c *client) bool {
	if !s.takeIdle(c) {
		return false
	}
	c.Interrupt()
	return true
}

// takeIdle ends the idling of c, and says whether it did: the connection's own goroutine and one that wants it to end may both
// try, and one of them succeeds.
func (s *Server) takeIdle(c *client) bool { return c.idle.CompareAndSwap(true, false) }

// lastRequest says whether a request came just as the connection was to be ended: it is still answered. It waits for one for
// the shortest time that the poller knows.
func (s *Server) lastRequest(c *client) awaited {
	c.LimitRead(time.Nanosecond)
	if c.Fill(1) != nil {
		return ended
	}
	return came
}

const (
	lingerTime  = 2 * time.Second
	lingerBytes = 1 << 20
)

// linger ends our side and reads what the client still sends, for a while: closing at once would make the kernel send a reset,
// and the client might lose the answer that it has not read yet (RFC 9112 section 9.6).
func (s *Server) linger(c *client) {
	if c.CloseWrite() != nil {
		return
	}
	c.Resume()
	c.LimitRead(lingerTime)
	for read := 0; read < lingerBytes; {
		n := len(c.Buffered())
		read += n
		c.Consume(n)
		if c.Fill(1) != nil {
			return
		}
	}
}

// Draining says whether Drain was called.
func (s *Server) Draining() bool { return s.draining.Load() }

// lastAccepts is how long connections are still accepted once draining has begun: those that the kernel had already taken for us
// would otherwise be reset.
const lastAccepts = 20 * time.Millisecond

// Drain stops accepting, ends the connections that wait for a request, lets the others answer the one they have, and returns
// when all have ended. When ctx ends first, those left are cut off, and it returns their number; connections to next-hop are cut
// off with them, since most of who is still busy waits there.
func (s *Server) Drain(ctx context.Context) (cut int) {
	s.draining.Store(true)
	s.mu.Lock()
	if s.listener != nil {
		s.listener.Limit(lastAccepts)
	}
	for c := range s.clients {
		s.endIdle(c)
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.accepting.Wait()
		s.serving.Wait()
		close(done)
	}()
	select {
	case <-done:
		return 0
	case <-ctx.Done():
	}
	s.mu.Lock()
	cut = len(s.clients)
	s.mu.Unlock()
	s.poller.CutAll()
	<-done
	return cut
}

// Status counts connections.
type Status struct {
	Open, Idle int64
	Total      uint64
}

// Status returns a snapshot. It looks at every connection, so that a request does not have to count.
func (s *Server) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := Status{Open: int64(len(s.clients)), Total: s.total.Load()}
	for c := range s.clients {
		if c.idle.Load() {
			status.Idle++
		}
	}
	return status
}
