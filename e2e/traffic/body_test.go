package traffic

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"section.internal/e2e/proxydtest"
)

// noise is a reader of size bytes that look random, but are the same for the same seed.
type noise struct {
	left  int64
	block []byte
	at    int
}

func newNoise(seed uint64, size int64) *noise {
	block := make([]byte, 64<<10+1) // one more than a power of two, so that shifted bytes never look right
	rng := rand.New(rand.NewPCG(seed, seed))
	for i := 0; i+8 <= len(block); i += 8 {
		binary.LittleEndian.PutUint64(block[i:], rng.Uint64())
	}
	return &noise{left: size, block: block}
}

func (n *noise) Read(p []byte) (int, error) {
	if n.left == 0 {
		return 0, io.EOF
	}
	took := copy(p[:min(int64(len(p)), n.left)], n.block[n.at:])
	n.at = (n.at + took) % len(n.block)
	n.left -= int64(took)
	return took, nil
}

// compare reads r to its end and says whether it held what newNoise makes of seed and size.
func compare(r io.Reader, seed uint64, size int64) error {
	want := newNoise(seed, size)
	got, expected := make([]byte, 128<<10), make([]byte, 128<<10)
	for total := int64(0); ; {
		n, err := r.Read(got)
		m, _ := io.ReadFull(want, expected[:n])
		if !bytes.Equal(got[:n], expected[:m]) {
			return fmt.Errorf("the body differs between byte %d and %d of %d", total, total+int64(n), size)
		}
		total += int64(n)
		switch {
		case err == io.EOF && total != size:
			return fmt.Errorf("the body has %d bytes, want %d", total, size)
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("after %d bytes: %w", total, err)
		}
	}
}

// framings are the ways in which a body's end can be told.
var framings = []struct {
	name     string
	announce bool // by Content-Length, otherwise by chunks
	spliced  bool // the kernel can move it all
}{
	{"length", true, true},
	{"chunked", false, false},
}

// TestBody_LargeOnesPassAtConstantMemory sends E2E_BODY_BYTES up and as many down at the same time, for each framing.
// E2E_BODY_BYTES=10GiB makes it the 10 GiB of the promise; the amount does not matter to proxyd, which is what this proves.
func TestBody_LargeOnesPassAtConstantMemory(t *testing.T) {
	size := proxydtest.EnvInt(t, "E2E_BODY_BYTES", 256<<20)
	for _, framing := range framings {
		t.Run(framing.name, func(t *testing.T) {
			origin := proxydtest.Origin(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/up":
					if err := compare(r.Body, 1, size); err != nil {
						http.Error(w, err.Error(), http.StatusBadRequest)
					}
				case "/down":
					if framing.announce {
						w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
					}
					io.Copy(w, newNoise(2, size))
				}
			}))
			proxyd := bench.Start(t, proxydtest.Options{NextHop: origin})
			client := proxydtest.Client(t)
			before, readBefore := proxyd.ResidentBytes(), proxyd.BytesRead()

			var both sync.WaitGroup
			both.Go(func() {
				req, err := http.NewRequest(http.MethodPut, "http://"+proxyd.Addr+"/up", newNoise(1, size))
				if err != nil {
					t.Error(err)
					return
				}
				if framing.announce {
					req.ContentLength = size
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
					t.Errorf("upload: %s: %s %v", resp.Status, text, err)
				}
			})
			both.Go(func() {
				resp, err := client.Get("http://" + proxyd.Addr + "/down")
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				if err := compare(resp.Body, 2, size); err != nil {
					t.Errorf("download: %v", err)
				}
			})
			both.Wait()

			// Buffers and goroutines of two exchanges cost far below this; a gathered body of this size costs far more.
			const most = 24 << 20
			if grown := proxyd.PeakResidentBytes() - before; grown > most {
				t.Errorf("proxyd's memory grew by %d bytes while %d passed each way, want at most %d", grown, size, most)
			}
			read := proxyd.BytesRead() - readBefore
			t.Logf("memory: %d KiB at first, %d KiB at most; %d of %d bytes were read into the process",
				before>>10, proxyd.PeakResidentBytes()>>10, read, 2*size)
			if framing.spliced && read > size/10 {
				t.Errorf("proxyd read %d bytes of %d that the kernel could have moved", read, 2*size)
			}
			client.CloseIdleConnections()
			proxyd.Settle()
		})
	}
}

// TestBody_ManyAtOnceAreNeverMixedUp sends bodies of many sizes and framings both ways over many connections.
func TestBody_ManyAtOnceAreNeverMixedUp(t *testing.T) {
	origin := proxydtest.Origin(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The answer is the sum of the body and the same body again, so that the client can tell both ways.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("X-Sum", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 16))
		w.Header().Set("X-Who", r.Header.Get("X-Who"))
		if r.URL.Query().Has("length") {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		}
		w.WriteHeader(http.StatusOK)
		if f, ok := w.(http.Flusher); ok && !r.URL.Query().Has("length") {
			f.Flush()
		}
		w.Write(body)
	}))
	proxyd := bench.Start(t, proxydtest.Options{NextHop: origin})
	client := proxydtest.Client(t)
	sizes := []int64{0, 1, 100, 4095, 4096, 16 << 10, 65537, 300_000}
	var all sync.WaitGroup
	for worker := range 32 {
		all.Go(func() {
			for i := range 25 {
				id := uint64(worker*1000 + i)
				size := sizes[(worker+i)%len(sizes)]
				if err := echo(client, proxyd.Addr, id, size, i%2 == 0, i%3 == 0); err != nil {
					t.Errorf("worker %d, request %d, %d bytes: %v", worker, i, size, err)
					return
				}
			}
		})
	}
	all.Wait()
	client.CloseIdleConnections()
	proxyd.Settle()
}

func echo(client *http.Client, addr string, id uint64, size int64, announceUp, announceDown bool) error {
	target := "http://" + addr + "/echo"
	if announceDown {
		target += "?length"
	}
	body := io.Reader(newNoise(id, size))
	req, err := http.NewRequest(http.MethodPost, target, body)
	if err != nil {
		return err
	}
	if announceUp {
		if req.ContentLength = size; size == 0 {
			req.Body = http.NoBody
		}
	}
	who := strconv.FormatUint(id, 10)
	req.Header.Set("X-Who", who)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("X-Who"); got != who || resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("%s for %q: %s", resp.Status, got, text)
	}
	return compare(resp.Body, id, size)
}

// TestBody_AQuickAnswerCostsNoConnection has the origin answer the moment it has the body: proxyd must not take the body for
// unfinished because the answer is there before it has noticed its end. Pipelined requests behind it would be lost.
func TestBody_AQuickAnswerCostsNoConnection(t *testing.T) {
	proxyd := bench.Start(t, proxydtest.Options{NextHop: hello(t)})
	for _, c := range []struct{ name, head, body string }{
		{"length", "Content-Length: 4", "body"},
		{"chunked", "Transfer-Encoding: chunked", "4\r\nbody\r\n0\r\n\r\n"},
	} {
		conn := dial(t, proxyd.Addr)
		in := bufio.NewReader(conn)
		for i := range 1000 {
			conn.SetDeadline(time.Now().Add(proxydtest.Patience))
			// In two writes, so that the body does not come with the head.
			fmt.Fprintf(conn, "POST /%d HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", i, c.head)
			fmt.Fprint(conn, c.body)
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("%s: request %d: %v", c.name, i, err)
			}
			io.Copy(io.Discard, resp.Body)
			if resp.StatusCode != http.StatusOK || resp.Close {
				t.Errorf("%s: request %d, which was sent as a whole, is answered with %s and close %v", c.name, i, resp.Status, resp.Close)
				break
			}
		}
		conn.Close()
	}
}

// TestBody_ASlowReaderHoldsNobodyUp has one client take its response at a crawl while others are served at once, and bounds
// what proxyd keeps for the slow one.
func TestBody_ASlowReaderHoldsNobodyUp(t *testing.T) {
	const size = 64 << 20
	sent := make(chan struct{})
	origin := proxydtest.Origin(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			w.Header().Set("Content-Length", strconv.Itoa(size))
			io.Copy(w, newNoise(3, size))
			close(sent)
		}
	}))
	proxyd := bench.Start(t, proxydtest.Options{NextHop: origin})
	slow, fast := proxydtest.Client(t), proxydtest.Client(t)
	before := proxyd.ResidentBytes()
	resp, err := slow.Get("http://" + proxyd.Addr + "/large")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for range 200 {
		begin := time.Now()
		quick, err := fast.Get("http://" + proxyd.Addr + "/quick")
		if err != nil {
			t.Fatal(err)
		}
		quick.Body.Close()
		if took := time.Since(begin); took > 5*time.Second {
			t.Fatalf("a request took %s beside a client that does not read", took)
		}
	}
	select {
	case <-sent:
		t.Error("the origin could send all of its body although the client has read none of it")
	default:
	}
	if grown := proxyd.ResidentBytes() - before; grown > 16<<20 {
		t.Errorf("proxyd's memory grew by %d bytes for a client that does not read", grown)
	}
	if err := compare(resp.Body, 3, size); err != nil {
		t.Error(err)
	}
}
