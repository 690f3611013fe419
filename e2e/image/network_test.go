//go:build image

package image

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"section.internal/contract/place"
	"section.internal/e2e/proxydtest"
)

func TestContract_ListensOnPort80ForHTTP11(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	a := connect(t, h.proxyd).get(t, "/")
	if a.Proto != "HTTP/1.1" {
		t.Errorf("the answer's version is %s: want HTTP/1.1", a.Proto)
	}
	// Docker's own name server has a port in each network; everything else that listens must be proxyd on port 80.
	if got := listening(t, h.proxyd, "127.0.0.11"); !slices.Equal(got, []string{"80"}) {
		t.Errorf("listening TCP ports: %q: want 80 alone", got)
	}
}

func TestContract_NeverHTTPSOrAnyOtherPort(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	conn, err := tls.Dial("tcp", h.proxyd.addr, &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		conn.Close()
		t.Fatal("port 80 speaks TLS")
	}
	// An answer in plain HTTP, which says what is wrong, is welcome; a server's part of a TLS handshake is not.
	if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok && string(plain.RecordHeader[:4]) != "HTTP" {
		t.Errorf("the answer to a TLS handshake starts with %q: want HTTP, or an end", plain.RecordHeader)
	}
	connect(t, h.proxyd).get(t, "/after")

	// Without a network nothing but proxyd can listen, so nothing has to be overlooked here.
	alone := startProxyd(t, "--network", "none")
	alone.awaitControl(t)
	if got := listening(t, alone); !slices.Equal(got, []string{"80"}) {
		t.Errorf("listening TCP ports: %q: want 80 alone", got)
	}
}

func TestContract_ConnectsToNextHopPort80AsPlainHTTP(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	client := connect(t, h.proxyd)
	// What the browser spoke does not matter on this hop.
	for _, scheme := range []string{"http", "https"} {
		a := client.get(t, "/path?query", "X-Forwarded-Proto: "+scheme)
		if got, want := a.lines()[0], "GET /path?query HTTP/1.1"; got != want {
			t.Errorf("the origin's port 80 got %q: want %q", got, want)
		}
		if got := a.Header.Get("Origin-TLS-Attempts"); got != "0" {
			t.Errorf("%s connections to the origin's port 443: want none", got)
		}
	}
}

func TestContract_FollowsNextHopToAnotherAddress(t *testing.T) {
	t.Parallel()
	// A request that goes to the address that has just fallen silent must not wait for long.
	h := newHouse(t, "[next_hop]\nresolve_every = \"200ms\"\nconnect_timeout = \"2s\"\nheader_timeout = \"1s\"\n")
	client := connect(t, h.proxyd)
	if got := client.get(t, "/").Header.Get("Origin-Name"); got != "first" {
		t.Fatalf("the origin is %q: want first", got)
	}
	// The second has an address of its own, since it comes while the first still has its.
	second := startOrigin(t, h.network, "second", "--network-alias", place.NextHopHost)
	if a, b := address(t, h.origin), address(t, second); a == b {
		t.Fatalf("both origins have the address %s", a)
	}
	must(t)(docker("network", "disconnect", "--force", h.network, h.origin.id))
	proxydtest.Eventually(t, "requests to reach the second origin alone", func() error {
		for range 10 {
			a, err := client.do("GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
			if err != nil {
				t.Fatal(err)
			}
			if got := a.Header.Get("Origin-Name"); got != "second" {
				return fmt.Errorf("%s from %q: %s", a.Status, got, a.body)
			}
		}
		return nil
	})
}

func TestContract_StartsBeforeNextHopCanBeResolved(t *testing.T) {
	t.Parallel()
	network := newNetwork(t)
	config := newConfig(t, "[next_hop]\nresolve_every = \"200ms\"\nconnect_timeout = \"2s\"\n")
	c := startProxyd(t, "--network", network, "--volume", config+":/opt/proxy_config:ro")
	c.awaitControl(t)
	client := connect(t, c)
	a, err := client.do("GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if a.StatusCode != http.StatusBadGateway && a.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("without next-hop: %s: want 502 or 504", a.Status)
	}
	if a.Header.Get("Proxy-Status") == "" {
		t.Error("no Proxy-Status says which hop made this answer")
	}
	startOrigin(t, network, "late", "--network-alias", place.NextHopHost)
	c.awaitOrigin(t)
}

func TestContract_PassesXForwardedProtoUnchanged(t *testing.T) {
	t.Parallel()
	client := connect(t, newHouse(t, "").proxyd)
	for _, sent := range []string{"X-Forwarded-Proto: https", "x-forwarded-proto: https", "X-Forwarded-Proto: http"} {
		if a := client.get(t, "/", sent); !slices.Contains(a.lines(), sent) {
			t.Errorf("the origin got %q: want the line %q in it", a.lines(), sent)
		}
	}
	// Without the field the browser spoke HTTP: so the origin must read, and nothing may be made up.
	if a := client.get(t, "/"); strings.Contains(strings.ToLower(a.body), "x-forwarded-proto") {
		t.Errorf("the origin got %q: want no X-Forwarded-Proto", a.lines())
	}
}

func TestContract_PassesXForwardedForUnchanged(t *testing.T) {
	t.Parallel()
	client := connect(t, newHouse(t, "").proxyd)
	sent := "X-Forwarded-For: 203.0.113.7, 2001:db8::1"
	a := client.get(t, "/", sent, "section-io-id: abc", "Odd_Name:  kept")
	if !slices.Contains(a.lines(), sent) || strings.Count(strings.ToLower(a.body), "x-forwarded-for") != 1 {
		t.Errorf("the origin got %q: want the line %q and no other X-Forwarded-For", a.lines(), sent)
	}
	if got := a.lines()[1]; got != "Host: www.example.com" {
		t.Errorf("the origin's second line is %q: want the client's Host", got)
	}
	if !slices.Contains(a.lines(), "section-io-id: abc") {
		t.Errorf("the origin got %q: want section-io-id in it", a.lines())
	}
}

func TestContract_KeepsConnectionsAliveDownstreamAndUpstream(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	client := connect(t, h.proxyd)
	const requests = 20
	first := client.get(t, "/")
	begin := number(t, first.Header.Get("Origin-Connection-Request"))
	var last answer
	for range requests - 1 {
		last = client.get(t, "/") // each on the same connection of the client
		if last.Close {
			t.Fatal("the answer closes the client's connection")
		}
	}
	if a, b := first.Header.Get("Origin-Connection"), last.Header.Get("Origin-Connection"); a != b {
		t.Errorf("the origin's connection was %s and became %s: want one for all requests", a, b)
	}
	if got, want := number(t, last.Header.Get("Origin-Connection-Request")), begin+requests-1; got != want {
		t.Errorf("the origin's connection has carried %d requests: want %d", got, want)
	}
	// Another client finds the origin's connection open too, once the last request is over: the log tells.
	client.get(t, "/the-last-one")
	awaitLogged(t, h.proxyd, "/the-last-one", 1)
	if got, want := connect(t, h.proxyd).get(t, "/").Header.Get("Origin-Connection"), last.Header.Get("Origin-Connection"); got != want {
		t.Errorf("a second client's request took the origin's connection %s: want %s, which was idle", got, want)
	}
}

func TestContract_ClientsConnectionWaitsIdleForItsNextRequest(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	client := connect(t, h.proxyd)
	client.get(t, "/before")
	// An end of the connection would be seen within the time; silence is what keep-alive looks like.
	if err := client.conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if b, err := client.in.ReadByte(); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Fatalf("an idle connection brought %q, %v: want silence", b, err)
	}
	if err := client.conn.SetReadDeadline(time.Now().Add(proxydtest.Patience)); err != nil {
		t.Fatal(err)
	}
	client.in = bufio.NewReader(client.conn)
	client.get(t, "/after")
}

// listening returns the TCP ports on which something in the container listens, as the kernel lists them, each once; ports
// of the given addresses are left out.
func listening(t *testing.T, c container, except ...string) []string {
	t.Helper()
	e := c.exec(t, "sh", "-c", "cat /proc/net/tcp; [ ! -e /proc/net/tcp6 ] || cat /proc/net/tcp6")
	if e.code != 0 {
		t.Fatal(e)
	}
	const listen = "0A"
	var ports []string
	for line := range strings.Lines(e.stdout) {
		columns := strings.Fields(line)
		if len(columns) < 4 || columns[3] != listen {
			continue
		}
		host, port, ok := strings.Cut(columns[1], ":")
		n, err := strconv.ParseUint(port, 16, 16)
		if !ok || err != nil {
			t.Fatalf("/proc/net/tcp: %q", line)
		}
		if !slices.Contains(except, dotted(host)) {
			ports = append(ports, strconv.FormatUint(n, 10))
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// dotted returns an IPv4 address of /proc/net/tcp, where it stands as a number in the machine's byte order, as people write it.
func dotted(hex string) string {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		return hex // IPv6
	}
	return fmt.Sprintf("%d.%d.%d.%d", byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
}

// address returns the address that a container has in its only network.
func address(t *testing.T, c container) string {
	t.Helper()
	return must(t)(docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", c.id))
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
