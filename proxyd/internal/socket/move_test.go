package socket

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"section.internal/proxyd/internal/watchtest"
)

type moved struct {
	n              int64
	srcErr, dstErr error
}

type mover func(dst, src *Conn, first []byte, n int64, readWait, writeWait time.Duration, taken func()) (int64, error, error)

// movers are the two ways to move; what holds for one holds for the other.
var movers = map[string]mover{"splice": Move, "copy": moveByCopy}

func (m mover) do(dst, src *Conn, n int64, readWait, writeWait time.Duration) (r moved) {
	r.n, r.srcErr, r.dstErr = m(dst, src, nil, n, readWait, writeWait, nil)
	return r
}

func eachMover(t *testing.T, f func(t *testing.T, move mover)) {
	for name, move := range movers {
		t.Run(name, func(t *testing.T) { f(t, move) })
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

func TestMove_MovesExactlyNAndLeavesTheRest(t *testing.T) {
	eachMover(t, func(t *testing.T, move mover) {
		s := newPoller(t)
		src, from := pair(t, s)
		dst, to := pair(t, s)
		body := noise(3 << 20)
		go func() {
			from.Write(body)
			from.Write([]byte("next request"))
		}()
		done := make(chan moved, 1)
		go func() { done <- move.do(dst, src, int64(len(body)), patience, patience) }()
		got := make([]byte, len(body))
		if _, err := io.ReadFull(to, got); err != nil || !bytes.Equal(got, body) {
			t.Fatalf("other bytes came: %v", err)
		}
		if r := <-done; r != (moved{n: int64(len(body))}) {
			t.Errorf("%+v", r)
		}
		for string(src.Buffered()) != "next request" {
			if err := src.Fill(bufferSize); err != nil {
				t.Fatalf("%v with %q left in src", err, src.Buffered())
			}
		}
	})
}

// Whoever gets the last byte may answer at once, and the answer must find that there is no more to come.
func TestMove_TellsThatAllIsTakenBeforeTheLastByteIsGiven(t *testing.T) {
	eachMover(t, func(t *testing.T, move mover) {
		s := newPoller(t)
		src, from := pair(t, s)
		dst, to := pair(t, s)
		body := noise(600 << 10)
		got := make([]byte, len(body))
		for range 10 {
			var taken atomic.Bool
			done := make(chan moved, 1)
			go func() {
				var r moved
				r.n, r.srcErr, r.dstErr = move(dst, src, nil, int64(len(body)), patience, patience, func() { taken.Store(true) })
				done <- r
			}()
			if _, err := from.Write(body[:1]); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(to, got[:1]); err != nil || taken.Load() {
				t.Fatalf("after the first byte: %v, taken %v", err, taken.Load())
			}
			go from.Write(body[1:])
			if _, err := io.ReadFull(to, got[1:]); err != nil || !taken.Load() {
				t.Fatalf("after the last byte: %v, taken %v", err, taken.Load())
			}
			if r := <-done; r != (moved{n: int64(len(body))}) {
				t.Errorf("%+v", r)
			}
		}
	})
}

// The first bytes go before all else, and at once where nothing else is there.
func TestMove_WritesWhatComesFirst(t *testing.T) {
	eachMover(t, func(t *testing.T, move mover) {
		s := newPoller(t)
		src, from := pair(t, s)
		dst, to := pair(t, s)
		for _, n := range []int{1, 100, 5000, 70_000, 600_000} {
			for _, before := range []bool{true, false} {
				body := noise(n)
				if before {
					meanwhile(t, func() { from.Write(body) })
					watchtest.Eventually(t, "the body is on its way", src.readable)
				}
				done := make(chan moved, 1)
				go func() {
					var r moved
					r.n, r.srcErr, r.dstErr = move(dst, src, []byte("the head"), int64(n), patience, patience, nil)
					done <- r
				}()
				expect(t, to, "the head")
				if !before {
					meanwhile(t, func() { from.Write(body) })
				}
				got := make([]byte, n)
				if _, err := io.ReadFull(to, got); err != nil || !bytes.Equal(got, body) {
					t.Fatalf("%d bytes: others came: %v", n, err)
				}
				if r := <-done; r != (moved{n: int64(len("the head") + n)}) {
					t.Errorf("%d bytes: %+v", n, r)
				}
			}
		}
	})
}

// What goes out together must not wait in the kernel for more to come.
func TestMove_LeavesNothingUnsent(t *testing.T) {
	const unsent = 0x894b // SIOCOUTQNSD: bytes that the kernel has not sent
	eachMover(t, func(t *testing.T, move mover) {
		s := newPoller(t)
		src, from := pair(t, s)
		dst, to := pair(t, s)
		for range 10 {
			send(t, from, "the body")
			watchtest.Eventually(t, "the body is there", src.readable)
			if given, srcErr, dstErr := move(dst, src, []byte("the head"), 8, patience, patience, nil); given != 16 {
				t.Fatal(given, srcErr, dstErr)
			}
			if left, err := unix.IoctlGetInt(dst.fd, unsent); err != nil || left != 0 {
				t.Errorf("%d bytes are held back, %v", left, err)
			}
			expect(t, to, "the headthe body")
		}
	})
}

func TestMove_WritesWhatComesFirstEvenWhereNothingFollows(t *testing.T) {
	for name, c := range map[string]struct {
		leave func(*net.TCPConn)
		want  error
	}{
		"an end":  {func(from *net.TCPConn) { from.CloseWrite() }, io.ErrUnexpectedEOF},
		"a reset": {func(from *net.TCPConn) { from.SetLinger(0); from.Close() }, syscall.ECONNRESET},
	} {
		eachMover(t, func(t *testing.T, move mover) {
			s := newPoller(t)
			src, from := pair(t, s)
			dst, to := pair(t, s)
			c.leave(from)
			watchtest.Eventually(t, name+" is known", src.hungUp.Load)
			var r moved
			r.n, r.srcErr, r.dstErr = move(dst, src, []byte("the head"), 100, patience, patience, nil)
			if r.n != int64(len("the head")) || !errors.Is(r.srcErr, c.want) || r.dstErr != nil {
				t.Errorf("%s: %+v; want %v", name, r, c.want)
			}
			expect(t, to, "the head")
		})
	}
}

// The kernel refuses pipes beyond the user's quota, which are then as large as one page.
func TestMove_WorksThroughAPipeThatIsNotAsLargeAsWanted(t *testing.T) {
	s := newPoller(t)
	src, from := pair(t, s)
	dst, to := pair(t, s)
	p, err := newPipe()
	if err != nil {
		t.Fatal(err)
	}
	if size, err := unix.FcntlInt(uintptr(p.r), unix.F_SETPIPE_SZ, 4096); err != nil || size != 4096 {
		t.Fatalf("a pipe of %d bytes, %v", size, err)
	}
	s.pipes.put(p)
	body := noise(1 << 20)
	meanwhile(t, func() { from.Write(body) })
	done := make(chan moved, 1)
	go func() { done <- mover(Move).do(dst, src, int64(len(body)), patience, patience) }()
	got := make([]byte, len(body))
	if _, err := io.ReadFull(to, got); err != nil || !bytes.Equal(got, body) {
		t.Fatalf("other bytes came: %v", err)
	}
	if r := <-done; r != (moved{n: int64(len(body))}) {
		t.Errorf("%+v", r)
	}
}

func TestMove_GoesBothWaysAtOnce(t *testing.T) {
	eachMover(t, func(t *testing.T, move mover) {
		s := newPoller(t)
		a, outerA := pair(t, s)
		b, outerB := pair(t, s)
		var all sync.WaitGroup
		for _, way := range []struct {
			dst, src *Conn
			in, out  *net.TCPConn
		}{{a, b, outerB, outerA}, {b, a, outerA, outerB}} {
			body := noise(2<<20 + 13)
			all.Go(func() {
				if r := move.do(way.dst, way.src, -1, patience, patience); r != (moved{n: int64(len(body))}) {
					t.Errorf("%+v", r)
				}
				way.dst.CloseWrite()
			})
			all.Go(func() {
				way.in.Write(body)
				way.in.CloseWrite()
			})
			all.Go(func() {
				if got, err := io.ReadAll(way.out); err != nil || !bytes.Equal(got, body) {
					t.Errorf("%d other bytes came, %v", len(got), err)
				}
			})
		}
		all.Wait()
	})
}

func TestMove_SaysThatSrcEndedEarly(t *testing.T) {
	eachMover(t, func(t *testing.T, move mover) {
		s := newPoller(t)
		src, from := pair(t, s)
		dst, to := pair(t, s)
		send(t, from, "only this")
		from.CloseWrite()
		r := within(t, func() moved { return move.do(dst, src, 100<<10, patience, patience) })
		if r.n != 9 || r.srcErr != io.ErrUnexpectedEOF || r.dstErr != nil {
			t.Errorf("%+v", r)
		}
		expect(t, to, "only this")
	})
}

func TestMove_SaysThatSrcWasReset(t *testing.T) {
	eachMover(t, func(t *testing.T, move mover) {
		s := newPoller(t)
		src, from := pair(t, s)
		dst, _ := pair(t, s)
		from.SetLinger(0)
		from.Close()
		// Even where the end of the stream is the end of the message: a reset is not such an end.
		r := within(t, func() moved { return move.do(dst, src, -1, patience, patience) })
		if !errors.Is(r.srcErr, syscall.ECONNRESET) || r.dstErr != nil {
			t.Errorf("%+v", r)
		}
	})
}

// What was taken for dst must not be left in src, to be read as the next message.
func TestMove_LeavesNothingInSrcThatDstDidNotTake(t *testing.T) {
	eachMover(t, func(t *testing.T, move mover) {
		s := newPoller(t)
		src, from := pair(t, s)
		dst, _ := pair(t, s)
		dst.CloseWrite()
		send(t, from, "the body")
		if r := move.do(dst, src, 8, patience, patience); r.dstErr == nil || len(src.Buffered()) > 0 {
			t.Errorf("%+v, and %q is left", r, src.Buffered())
		}
	})
}

func TestMove_SaysThatDstIsGoneAndKeepsNoPipeWithBytes(t *testing.T) {
	s := newPoller(t)
	src, from := pair(t, s)
	dst, to := pair(t, s)
	to.SetLinger(0)
	to.Close()
	var feeding sync.WaitGroup
	feeding.Go(func() {
		for {
			if _, err := from.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	r := within(t, func() moved { return mover(Move).do(dst, src, -1, patience, patience) })
	if r.dstErr == nil || r.srcErr != nil {
		t.Errorf("%+v", r)
	}
	from.Close()
	feeding.Wait()
	s.pipes.mu.Lock() // against the trimming
	for _, p := range s.pipes.idle {
		if p.held != 0 {
			t.Error("a pipe with another message's bytes waits for the next Move")
		}
	}
	s.pipes.mu.Unlock()
	// And what the next Move moves is its own.
	src, from = pair(t, s)
	dst, to = pair(t, s)
	send(t, from, "fresh")
	if r := mover(Move).do(dst, src, 5, patience, patience); r != (moved{n: 5}) {
		t.Errorf("%+v", r)
	}
	expect(t, to, "fresh")
}

func TestMove_LimitsEachWaitForSrc(t *testing.T) {
	eachMover(t, func(t *testing.T, move mover) {
		s := newPoller(t)
		src, from := pair(t, s)
		dst, to := pair(t, s)
		send(t, from, "then silence")
		r := within(t, func() moved { return move.do(dst, src, 100<<10, 10*time.Millisecond, patience) })
		if r.n != 12 || r.srcErr != ErrTimeout || r.dstErr != nil {
			t.Errorf("%+v", r)
		}
		expect(t, to, "then silence")
	})
}

func TestMove_LimitsEachWaitForDst(t *testing.T) {
	eachMover(t, func(t *testing.T, move mover) {
		s := newPoller(t)
		src, from := pair(t, s)
		dst, _ := pair(t, s) // whose peer reads nothing
		var feeding sync.WaitGroup
		feeding.Go(func() {
			for {
				if _, err := from.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		})
		r := within(t, func() moved { return move.do(dst, src, -1, patience, 10*time.Millisecond) })
		if r.srcErr != nil || r.dstErr != ErrTimeout {
			t.Errorf("%+v", r)
		}
		from.Close()
		feeding.Wait()
	})
}

// A limit is for a pause, not for how long a whole pipe takes to get empty.
func TestMove_DoesNotCutOffAPeerThatTakesLittleAtATime(t *testing.T) {
	s := stoppedPoller(t)
	src, from := pair(t, s)
	dst, to := pair(t, s)
	syscall.SetsockoptInt(dst.fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 16<<10)
	to.SetReadBuffer(32 << 10)
	body := noise(2 << 20)
	var feeding sync.WaitGroup
	feeding.Go(func() { from.Write(body) })
	done := make(chan moved, 1)
	go func() { done <- mover(Move).do(dst, src, int64(len(body)), 0, time.Minute) }()
	part := make([]byte, 8<<10)
	for got := 0; got < len(body); {
		n, err := io.ReadFull(to, part) // of which up to 16 are on their way at once, and 32 fill a pipe
		if err != nil || !bytes.Equal(part, body[got:got+n]) {
			t.Fatalf("%v after %d bytes", err, got)
		}
		got += n
		advance(s, 3*time.Second)
	}
	feeding.Wait()
	if r := <-done; r != (moved{n: int64(len(body))}) {
		t.Errorf("%+v", r)
	}
}

func TestMove_EndsWhenInterruptedOrCut(t *testing.T) {
	eachMover(t, func(t *testing.T, move mover) {
		s := newPoller(t)
		src, _ := pair(t, s)
		dst, _ := pair(t, s)
		for _, end := range []struct {
			how  func()
			want error
		}{{src.Interrupt, ErrInterrupted}, {src.Cut, ErrCut}} {
			done := make(chan moved, 1)
			go func() { done <- move.do(dst, src, -1, 0, 0) }()
			end.how()
			if r := within(t, func() moved { return <-done }); !errors.Is(r.srcErr, end.want) || r.dstErr != nil {
				t.Errorf("%+v; want %v", r, end.want)
			}
			src.Resume()
		}
	})
}

func TestPipes_AreUsedAgainAndTrimmedWhenNobodyNeedsThem(t *testing.T) {
	moveThrice := func(s *Poller) (before int) {
		src, from := pair(t, s)
		dst, to := pair(t, s)
		before = watchtest.Descriptors(t)
		for range 3 {
			send(t, from, "abc")
			if r := mover(Move).do(dst, src, 3, patience, patience); r.n != 3 {
				t.Fatalf("%+v", r)
			}
			expect(t, to, "abc")
		}
		return before
	}
	before := moveThrice(stoppedPoller(t)) // which does not trim
	if n := watchtest.Descriptors(t) - before; n != 2 {
		t.Errorf("three moves one after the other left %d descriptors; want one pipe", n)
	}
	before = moveThrice(newPoller(t))
	watchtest.Eventually(t, "the idle pipe is closed", func() bool { return watchtest.Descriptors(t) == before })
}

func TestPipes_OfALoadAreTrimmedOldestFirst(t *testing.T) {
	var pp pipePool
	var taken []*pipe
	for range 5 {
		p, err := pp.take()
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, p)
	}
	for i, p := range taken {
		pp.put(p)
		if i < 3 {
			p.used = p.used.Add(-2 * pipeIdleTime)
		} else {
			p.used = p.used.Add(time.Hour) // however long the test takes
		}
	}
	pp.trim()
	if len(pp.idle) != 2 || pp.idle[0] != taken[3] || pp.idle[1] != taken[4] {
		t.Errorf("%d pipes are left; want the two that were used last", len(pp.idle))
	}
	pp.close()
}

func BenchmarkMove_64KiB(b *testing.B) {
	s := newPoller(b)
	src, from := pair(b, s)
	dst, to := pair(b, s)
	to.SetDeadline(time.Time{})
	from.SetDeadline(time.Time{})
	part := make([]byte, 64<<10)
	go func() {
		for {
			if _, err := from.Write(part); err != nil {
				return
			}
		}
	}()
	go io.Copy(io.Discard, to)
	b.SetBytes(int64(len(part)))
	b.ReportAllocs()
	for b.Loop() {
		if _, srcErr, dstErr := Move(dst, src, nil, int64(len(part)), patience, patience, nil); srcErr != nil || dstErr != nil {
			b.Fatal(srcErr, dstErr)
		}
	}
}
