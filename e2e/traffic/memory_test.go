package traffic

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

	"section.internal/e2e/binaries"
	"section.internal/e2e/proxydtest"
)

// raceFactor is how much more memory a binary may take that carries the race detector, which keeps a shadow of all memory.
func raceFactor() int64 {
	if os.Getenv(binaries.RaceEnv) != "" {
		return 6
	}
	return 1
}

// TestMemory_AFreshProxydIsSmall keeps proxyd within reach of a pod whose limit is 20 MiB.
func TestMemory_AFreshProxydIsSmall(t *testing.T) {
	proxyd := bench.Start(t, proxydtest.Options{NextHop: hello(t)})
	mustSay(t, proxyd.Addr, "hello")
	resident := proxyd.ResidentBytes()
	t.Logf("a fresh proxyd has %d KiB resident", resident>>10)
	if resident > 20<<20*raceFactor() {
		t.Errorf("a fresh proxyd has %d bytes resident, want at most 20 MiB", resident)
	}
}

// TestMemory_IdleConnectionsAreCheap opens connections that have had a request each and then do nothing.
func TestMemory_IdleConnectionsAreCheap(t *testing.T) {
	const connections = 400
	proxyd := bench.Start(t, proxydtest.Options{NextHop: hello(t)})
	use := func() {
		c := dial(t, proxyd.Addr)
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
	}
	for range 10 {
		use()
	}
	before := proxyd.ResidentBytes()
	for range connections {
		use()
	}
	each := (proxyd.ResidentBytes() - before) / connections
	t.Logf("an idle connection costs %d bytes resident", each)
	if each > 16<<10*raceFactor() {
		t.Errorf("an idle connection costs %d bytes, want at most 16 KiB", each)
	}
}
