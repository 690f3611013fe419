package upstream

import (
	"log/slog"
	"net"
	"strconv"
	"testing"
	"time"

	"section.internal/proxyd/internal/http1"
)

// FuzzName: a name of next-hop that is taken has a host and a port, and says the same when it is put together from them again.
func FuzzName(f *testing.F) {
	for _, name := range []string{"next-hop:80", "[::1]:80", "[fe80::1%lo]:8080", "a:http", ":80", "a:", "a:0", "a:65536", "a:+80", "a:-1", "a b:80", "a\n:80", "a/b:80", "[]:80", "a:080"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		r, err := newResolver(name, nil, func() time.Duration { return time.Hour }, slog.New(slog.DiscardHandler))
		if err != nil {
			return
		}
		if r.host == "" || r.port == 0 {
			t.Fatalf("%q is host %q and port %d", name, r.host, r.port)
		}
		joined := net.JoinHostPort(r.host, strconv.Itoa(int(r.port)))
		again, err := newResolver(joined, nil, func() time.Duration { return time.Hour }, slog.New(slog.DiscardHandler))
		if err != nil || again.host != r.host || again.port != r.port {
			t.Fatalf("%q is host %q and port %d; %q is %+v, %v", name, r.host, r.port, joined, again, err)
		}
		request := http1.Request{}
		if err := http1.ParseRequest([]byte("GET / HTTP/1.1\r\nHost: "+r.hostField+"\r\n\r\n"), 1, &request); err != nil || string(request.Host) != r.hostField {
			t.Fatalf("%q is taken, but %q is no Host field: %v", name, r.hostField, err)
		}
	})
}

func TestName_BecomesAHostField(t *testing.T) {
	for name, want := range map[string]string{
		"next-hop:80": "next-hop", "shop_origin.internal:8080": "shop_origin.internal", "192.0.2.1:80": "192.0.2.1",
		"[2001:db8::1]:80": "[2001:db8::1]", "[fe80::1%lo]:80": "[fe80::1]", "a b:80": "", "a/b:80": "", "\u00e4:80": "", "a%20b:80": "",
	} {
		r, err := newResolver(name, nil, nil, nil)
		if err != nil && want != "" || err == nil && r.hostField != want {
			t.Errorf("%q: %+v, %v; want the field %q", name, r, err, want)
		}
	}
}
