package main

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"section.internal/contract/addrtest"
	"section.internal/contract/control"
	"section.internal/contract/control/controltest"
)

// listenTCP returns the address of a port that answers.
func listenTCP(t testing.TB, address string) string {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

func TestCheck_HealthyProxydIsOk(t *testing.T) {
	for _, bound := range []string{"127.0.0.1:0", "0.0.0.0:0", ":0"} {
		dir := runDir(t)
		status := healthy(4711)
		status.Listen = listenTCP(t, bound)
		serve(t, dir, status, control.Config{})
		// What --listen says does not count where proxyd says where it listens.
		code, stdout, stderr := call(t, fixed(), "--run-dir", dir, "--listen", addrtest.Nobody(t), "check")
		if code != 0 || stdout != "ok\n" || stderr != "" {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", bound, code, stdout, stderr)
		}
		code, stdout, stderr = call(t, fixed(), "--run-dir", dir, "check", "--json")
		var r checkReport
		decode(t, stdout, &r)
		if code != 0 || stderr != "" || !r.OK || len(r.Checks) != 3 {
			t.Errorf("%s: exit %d, stderr %q, %+v", bound, code, stderr, r)
		}
	}
}

// The port is in use for nothing but the connection: a request would be logged and sent on to next-hop.
func TestCheck_SendsNotOneByteToThePort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	got := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			got <- err.Error()
			return
		}
		defer conn.Close()
		n, err := conn.Read(make([]byte, 10))
		got <- fmt.Sprint(n, " ", err)
	}()
	dir := runDir(t)
	status := healthy(4711)
	status.Listen = listener.Addr().String()
	serve(t, dir, status, control.Config{})
	if code, _, stderr := call(t, fixed(), "--run-dir", dir, "check"); code != 0 {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	if g := <-got; g != "0 EOF" {
		t.Errorf("the port got %s", g)
	}
}

func TestCheck_NamesEveryFailedCheck(t *testing.T) {
	dir, closed := runDir(t), addrtest.Nobody(t)
	f := func(want []string, args ...string) {
		t.Helper()
		args = append([]string{"--run-dir", dir}, args...)
		code, stdout, stderr := call(t, fixed(), append(args, "check", "--timeout", "2s")...)
		lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
		matches := slices.EqualFunc(lines, want, func(line, want string) bool { return strings.HasPrefix(line, "sectionctl: "+want) })
		if code != 1 || stdout != "" || !matches {
			t.Errorf("%q: exit %d, stdout %q, stderr %q; want exit 1 and %q", args, code, stdout, lines, want)
		}
	}
	f([]string{
		"socket: proxyd is not running: no pidfile at " + dir,
		"port: cannot connect to " + closed + ": connect: connection refused",
		"next_hop: cannot resolve no-such-name.invalid: ",
	}, "--listen", closed, "--next-hop", "no-such-name.invalid:80")
	f([]string{
		"socket: proxyd is not running",
		"port: only proxyd knows which port it got",
		`next_hop: --next-hop = "next-hop": want HOST:PORT`,
	}, "--listen", "127.0.0.1:0", "--next-hop", "next-hop")
	f([]string{
		"socket: proxyd is not running",
		`port: --listen = "80": want HOST:PORT or :PORT`,
	}, "--listen", "80", "--next-hop", "127.0.0.1:80")

	status := healthy(4711)
	status.Listen = closed
	status.NextHop.Addresses = nil
	status.NextHop.Error = "no such host"
	serve(t, dir, status, control.Config{})
	f([]string{"port: cannot connect to " + closed, "next_hop: proxyd knows no address of next-hop:80: no such host"}, "--next-hop", "next-hop:80")
	f([]string{"port: cannot connect to " + closed, "next_hop: cannot resolve no-such-name.invalid"}, "--next-hop", "no-such-name.invalid:80")
	f([]string{"port: cannot connect to " + closed}, "--next-hop", "127.0.0.1:80")
}

func TestCheck_DrainingProxydIsNotHealthy(t *testing.T) {
	dir := runDir(t)
	status := healthy(4711)
	status.Draining = true
	serve(t, dir, status, control.Config{})
	code, stdout, stderr := call(t, fixed(), "--run-dir", dir, "check", "--json")
	var r checkReport
	decode(t, stdout, &r)
	if code != 1 || stderr != "sectionctl: port: proxyd drains and takes no new connections\n" || r.OK {
		t.Errorf("exit %d, stderr %q, %+v", code, stderr, r)
	}
}

// A proxyd that hangs must not use up the time of the other checks.
func TestCheck_HungProxydLeavesTimeForTheOthers(t *testing.T) {
	dir := runDir(t)
	controltest.Listen(t, dir)
	open := listenTCP(t, "127.0.0.1:0")
	code, _, stderr := call(t, fixed(), "--run-dir", dir, "--listen", open, "--next-hop", "127.0.0.1:80", "check", "--timeout", "4s")
	if code != 1 || !strings.HasPrefix(stderr, "sectionctl: socket: proxyd hangs: ") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
}

func TestReachable_TurnsAListenAddressIntoOnesToConnectTo(t *testing.T) {
	f := func(listen string, want ...string) {
		t.Helper()
		got, err := reachable(listen)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("reachable(%q) = %q, %v; want %q", listen, got, err, want)
		}
	}
	f(":80", "127.0.0.1:80", "[::1]:80")
	f("[::]:80", "127.0.0.1:80", "[::1]:80")
	f("0.0.0.0:80", "127.0.0.1:80")
	f("10.0.0.1:8080", "10.0.0.1:8080")
	f("[fd00::1]:80", "[fd00::1]:80")
	f("localhost:80", "localhost:80")
}
