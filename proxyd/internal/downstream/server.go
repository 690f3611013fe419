// Package downstream owns the side of the clients: accepting connections, how many there may be, how long they may idle, and
// how they end.
package downstream

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"section.internal/contract/config"
	"section.internal/proxyd/internal/exchange"
	"section.internal/proxyd/internal/socket"
)

// Handler carries out one exchange, of which the first bytes are in the connection's buffer; see exchange.Engine.
type Handler interface {
	Exchange(*socket.Conn) exchange.Verdict
	Refuse(*socket.Conn)
}

// Server serves the clients of one listener. Its methods may be called from any goroutine.
type Server struct {
	handler  Handler
	settings func() config.Client
	sweeper  *socket.Sweeper
	log      *slog.Logger

	draining  atomic.Bool
	idle      atomic.Int64
	total     atomic.Uint64
	serving   sync.WaitGroup // one a connection
	accepting sync.WaitGroup // Serve

	mu       sync.Mutex
	listener *net.TCPListener
	clients  map[*client]struct{}
}

// client is a connection and what it is doing.
type client struct {
	*socket.Conn
	idle atomic.Bool // waits for a request
}

// NewServer returns a server, whose Serve is to be called.
func NewServer(handler Handler, settings func() config.Client, sweeper *socket.Sweeper, log *slog.Logger) *Server {
	s := &Server{handler: handler, settings: settings, sweeper: sweeper, log: log, clients: map[*client]struct{}{}}
	s.accepting.Add(1)
	return s
}

// Serve accepts connections until Drain, which is no error, and closes l. It may be called once.
func (s *Server) Serve(l *net.TCPListener) error {
	s.mu.Lock()
	s.listener = l
	s.mu.Unlock()
	defer s.accepting.Done()
	defer l.Close()
	for pause := time.Duration(0); ; {
		tcp, err := l.AcceptTCP()
		switch {
		case err == nil:
			pause = 0
			s.accept(tcp)
		case s.draining.Load():
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
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

func (s *Server) accept(tcp *net.TCPConn) {
	conn, err := socket.New(tcp, s.sweeper)
	if err != nil {
		tcp.Close()
		return
	}
	s.total.Add(1)
	c := &client{Conn: conn}
	full := s.add(c)
	s.serving.Go(func() {
		defer s.remove(c)
		if full {
			s.handler.Refuse(c.Conn)
			s.linger(c)
			return
		}
		s.serve(c)
	})
}

// add makes room for c where there are as many connections as may be, and says whether that failed.
func (s *Server) add(c *client) (full bool) {
	limit := s.settings().MaxConnections
	s.mu.Lock()
	defer s.mu.Unlock()
	full = int64(len(s.clients)) >= limit && !s.endOneIdle()
	s.clients[c] = struct{}{}
	return full
}

// endOneIdle ends a connection that waits for a request, if one is found soon. A map is walked from a random place.
func (s *Server) endOneIdle() bool {
	looked := 0
	for c := range s.clients {
		if s.takeIdle(c) {
			c.Interrupt()
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
	s.mu.Unlock()
	c.Close()
}

// serve carries out the exchanges of one connection, one after the other.
func (s *Server) serve(c *client) {
	for s.awaitRequest(c) {
		switch s.handler.Exchange(c.Conn) {
		case exchange.Keep:
		case exchange.Close:
			return
		case exchange.Linger:
			s.linger(c)
			return
		case exchange.Reset:
			c.Reset()
			return
		}
	}
}

// awaitRequest waits for the first byte of a request. A connection that never sends one is closed without a word.
func (s *Server) awaitRequest(c *client) bool {
	if len(c.Buffered()) > 0 {
		return true
	}
	if s.draining.Load() {
		return s.lastRequest(c)
	}
	c.LimitWrite(0)
	c.LimitRead(s.settings().IdleTimeout)
	s.idle.Add(1)
	c.idle.Store(true)
	if s.draining.Load() && s.takeIdle(c) { // Drain may have looked before we said that we idle
		return s.lastRequest(c)
	}
	err := c.Fill(1)
	if s.takeIdle(c) {
		return err == nil
	}
	// Somebody wants this connection to end, and holds the lock until it is interrupted.
	s.mu.Lock()
	s.mu.Unlock() //nolint:staticcheck // only to wait
	c.Resume()
	return err == nil || s.lastRequest(c)
}

// takeIdle ends the idling of c, and says whether it did: the connection's own goroutine and one that wants it to end may both
// try, and one of them succeeds.
func (s *Server) takeIdle(c *client) bool {
	taken := c.idle.CompareAndSwap(true, false)
	if taken {
		s.idle.Add(-1)
	}
	return taken
}

// lastRequest says whether a request came just as the connection was to be ended: it is still answered. It waits for one for
// the shortest time that the sweeper knows.
func (s *Server) lastRequest(c *client) bool {
	c.LimitRead(time.Nanosecond)
	return c.Fill(1) == nil
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
// when all have ended. When ctx ends first, those left are cut off, and it returns their number.
func (s *Server) Drain(ctx context.Context) (cut int) {
	s.draining.Store(true)
	s.mu.Lock()
	if s.listener != nil {
		s.listener.SetDeadline(time.Now().Add(lastAccepts))
	}
	for c := range s.clients {
		if s.takeIdle(c) {
			c.Interrupt()
		}
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.accepting.Wait()
		s.serving.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return 0
	case <-ctx.Done():
	}
	s.mu.Lock()
	cut = len(s.clients)
	for c := range s.clients {
		c.Cut()
	}
	s.mu.Unlock()
	<-ended
	return cut
}

// Status counts connections.
type Status struct {
	Open, Idle int64
	Total      uint64
}

// Status returns a snapshot.
func (s *Server) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Open: int64(len(s.clients)), Idle: s.idle.Load(), Total: s.total.Load()}
}
