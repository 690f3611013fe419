package scenario

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"mime"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"section.internal/contract/addrtest"
	"section.internal/contract/place"
	"section.internal/e2e/proxydtest"
)

// RunFile runs the scenario in a file against a proxyd of its own.
func RunFile(tb testing.TB, bench *proxydtest.Bench, path string) {
	tb.Helper()
	s := ParseFile(tb, path)
	r := &run{name: filepath.Base(path), tb: tb, bench: bench, clients: map[int]*conn{}, origins: map[int]*conn{}}
	r.listen(s.OriginAbsent)
	r.proxyd = bench.Start(tb, proxydtest.Options{
		NextHop: r.nextHop, Files: s.Files, Flags: append([]string{"--drain-timeout", "5s"}, s.Flags...),
	})
	defer r.close()
	if err := r.doAll(s.Steps); err != nil {
		tb.Error(err)
		if text := r.proxyd.Stderr(); text != "" {
			tb.Logf("proxyd on stderr:\n%s", text)
		}
		return
	}
	r.finish()
	r.checkLog(s.logged())
}

// ParseFile reads the scenario in a file, which must be one.
func ParseFile(tb testing.TB, path string) *Scenario {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := Parse(string(text))
	if err != nil {
		tb.Fatalf("%s:%v", path, err)
	}
	if s.Directory != "" {
		s.addFiles(tb, filepath.Join(filepath.Dir(path), "../../..", s.Directory))
	}
	return s
}

// logged returns the steps that tell of lines in the access log.
func (s *Scenario) logged() (steps []Step) {
	for _, step := range s.Steps {
		if step.Verb == MustHave {
			steps = append(steps, step)
		}
	}
	return steps
}

// addFiles adds the files below a directory, but for those that the scenario has a text for.
func (s *Scenario) addFiles(tb testing.TB, dir string) {
	tb.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if _, own := s.Files[name]; !own {
			s.Files[name] = string(text)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// run is one running scenario.
type run struct {
	name     string // of the file
	tb       testing.TB
	bench    *proxydtest.Bench // for the tools; nil when the proxyd is shared
	proxyd   *proxydtest.Proxyd
	nextHop  string
	listener *net.TCPListener                         // nil when the origin is absent, or shared
	accept   func(within time.Duration) (wire, error) // the next connection that proxyd opens; nil when the origin is absent
	clients  map[int]*conn
	origins  map[int]*conn
	stopping bool // proxyd has been sent TERM
}

// doAll carries out the steps, apart from those that look into the access log, up to the first that fails.
func (r *run) doAll(steps []Step) error {
	for _, step := range steps {
		if step.Verb == MustHave {
			continue
		}
		if err := r.do(step); err != nil {
			return fmt.Errorf("%s:%d: %w", r.name, step.Line, err)
		}
	}
	return nil
}

func (r *run) listen(absent bool) {
	r.tb.Helper()
	if absent {
		r.nextHop = addrtest.Nobody(r.tb)
		return
	}
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		r.tb.Fatal(err)
	}
	r.nextHop = l.Addr().String()
	r.listener = l
	r.accept = func(within time.Duration) (wire, error) {
		l.SetDeadline(time.Now().Add(within))
		return l.AcceptTCP()
	}
}

func (r *run) do(s Step) error {
	switch s.Verb {
	case Becomes:
		r.proxyd.WriteFile(r.tb, s.File, string(s.Bytes))
		return nil
	case Applies:
		r.bench.Silent(r.tb, "deploy", r.proxyd.Flags(place.ConfigDir, place.RunDir)...)
		return nil
	case Gets:
		r.stopping = r.stopping || s.Signal == "TERM"
		r.proxyd.Signal(map[string]syscall.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1}[s.Signal])
		return nil
	}
	c, err := r.conn(s.Who, s.Conn)
	if err != nil {
		return err
	}
	if shared, ok := c.net.(*sharedConn); ok {
		shared.ending = s.Verb == MustSeeEnd || s.Verb == MustSeeCut
	}
	switch s.Verb {
	case Says:
		c.say(s.Bytes)
	case MustSee:
		err = c.mustSee(s.Want)
		if err != nil {
			err = fmt.Errorf("%w%s", err, r.otherTraffic())
		}
	case MustSeeEnd:
		err = c.mustSeeEnd(false)
	case MustSeeCut:
		err = c.mustSeeEnd(true)
	case MustSeeError:
		err = c.mustSeeError(s)
	case HalfCloses:
		c.after(c.net.CloseWrite)
	case Closes:
		c.gone = true
		c.after(c.net.Close)
	case Resets:
		c.gone = true
		c.after(func() error { return errors.Join(c.net.SetLinger(0), c.net.Close()) })
	}
	return err
}

// conn returns the n-th connection of a side. The client's is made when it is first named; the origin's is the next that
// proxyd opens.
func (r *run) conn(who string, n int) (*conn, error) {
	name := fmt.Sprintf("%s %d", who, n)
	if who == "client" {
		if c, ok := r.clients[n]; ok {
			return c, nil
		}
		c, err := net.DialTimeout("tcp", r.proxyd.Addr, patience)
		if err != nil {
			return nil, fmt.Errorf("%s cannot connect to proxyd: %w", name, err)
		}
		r.clients[n] = newConn(name, c.(*net.TCPConn))
		return r.clients[n], nil
	}
	if c, ok := r.origins[n]; ok {
		return c, nil
	}
	if r.accept == nil {
		return nil, errors.New("the origin is absent in this scenario")
	}
	c, err := r.accept(patience)
	if err != nil {
		return nil, fmt.Errorf("%s: proxyd opens no connection to next-hop: %w%s", name, err, r.otherTraffic())
	}
	r.origins[n] = newConn(name, c)
	return r.origins[n], nil
}

// otherTraffic tells what else has come, which often explains why a step waited in vain.
func (r *run) otherTraffic() string {
	var b strings.Builder
	for _, c := range r.clients {
		if rest := c.pending(); rest != "" {
			fmt.Fprintf(&b, "\n%s has: %s", c.name, rest)
		}
	}
	for _, c := range r.origins {
		if rest := c.pending(); rest != "" {
			fmt.Fprintf(&b, "\n%s has: %s", c.name, rest)
		}
	}
	if r.accept != nil {
		if c, err := r.accept(10 * time.Millisecond); err == nil {
			extra := newConn("a new connection to the origin", c)
			fmt.Fprintf(&b, "\n%s has: %s", extra.name, extra.pending())
			extra.close()
		}
	}
	return b.String()
}

// errorTypes are the proxy error types of RFC 9209 section 2.3.
var errorTypes = strings.Fields(`dns_timeout dns_error destination_not_found destination_unavailable destination_ip_prohibited
	destination_ip_unroutable connection_refused connection_terminated connection_timeout connection_read_timeout
	connection_write_timeout connection_limit_reached tls_protocol_error tls_certificate_error tls_alert_received
	http_request_error http_request_denied http_response_incomplete http_response_header_section_size
	http_response_header_size http_response_body_size http_response_trailer_section_size http_response_trailer_size
	http_response_transfer_coding http_response_content_coding http_response_timeout http_upgrade_failed
	http_protocol_error proxy_internal_response proxy_internal_error proxy_configuration_error proxy_loop_detected`)

// mustSeeError reads a response that proxyd made itself.
func (c *conn) mustSeeError(s Step) error {
	c.net.SetReadDeadline(time.Now().Add(patience))
	var trouble []string
	complain := func(format string, args ...any) { trouble = append(trouble, fmt.Sprintf(format, args...)) }
	start, err := c.in.ReadString('\n')
	if err != nil {
		return fmt.Errorf("%s must see error %d, and sees %q: %w%s", c.name, s.Status, start, err, c.sendTrouble())
	}
	if !strings.HasPrefix(start, fmt.Sprintf("HTTP/1.1 %d ", s.Status)) {
		return fmt.Errorf("%s must see error %d %s, and sees %q\n%s", c.name, s.Status, s.Reason, start, c.pending())
	}
	fields, err := textproto.NewReader(bufio.NewReader(oneByte{c.in})).ReadMIMEHeader()
	if err != nil {
		return fmt.Errorf("%s must see error %d, and sees a broken head: %w", c.name, s.Status, err)
	}
	if media, _, _ := mime.ParseMediaType(fields.Get("Content-Type")); media != "text/plain" {
		complain("Content-Type %q: want text/plain", fields.Get("Content-Type"))
	}
	if _, err := time.Parse(time.RFC1123, fields.Get("Date")); err != nil {
		complain("Date %q", fields.Get("Date"))
	}
	kind, details, ok := strings.Cut(strings.TrimPrefix(fields.Get("Proxy-Status"), "proxyd; error="), "; details=")
	known := false
	for _, t := range errorTypes {
		known = known || t == kind
	}
	if !ok || !known || !strings.HasPrefix(fields.Get("Proxy-Status"), "proxyd; error=") {
		complain("Proxy-Status %q: want proxyd; error=TYPE; details=\"%s\" with a type of RFC 9209", fields.Get("Proxy-Status"), s.Reason)
	}
	if details, _, _ = strings.Cut(details, ";"); details != strconv.Quote(s.Reason) {
		complain("Proxy-Status %q: want details %q", fields.Get("Proxy-Status"), s.Reason)
	}
	if s.Type != "" && kind != s.Type {
		complain("Proxy-Status %q: want error=%s", fields.Get("Proxy-Status"), s.Type)
	}
	size, err := strconv.Atoi(fields.Get("Content-Length"))
	if err != nil || size == 0 || size > 512 {
		complain("Content-Length %q: want that of a short body", fields.Get("Content-Length"))
		size = 0
	}
	if !s.NoBody {
		body := make([]byte, size)
		if _, err := io.ReadFull(c.in, body); err != nil {
			complain("the body ends early: %v", err)
		}
		for _, b := range body {
			if b < ' ' && b != '\n' || b > '~' || b == '<' {
				complain("the body is not plain: %q", body)
				break
			}
		}
	}
	if trouble != nil {
		return fmt.Errorf("%s sees error %d with flaws:\n\t%s", c.name, s.Status, strings.Join(trouble, "\n\t"))
	}
	return nil
}

// oneByte hands out one byte a read, so that a buffered reader on top of it takes no more than it needs.
type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

// finish stops proxyd and checks that nobody was sent more than the scenario says.
func (r *run) finish() {
	r.tb.Helper()
	for _, c := range r.clients {
		if c.ended {
			c.net.Close() // as any client does then; proxyd waits for that, and not for long
		}
	}
	if r.stopping {
		r.proxyd.AwaitStop()
	} else {
		r.proxyd.Stop()
	}
	check := func(c *conn) {
		if c.ended || c.gone {
			return
		}
		c.net.SetReadDeadline(time.Now().Add(patience))
		if rest, _ := io.ReadAll(c.in); len(rest) > 0 {
			r.tb.Errorf("%s: %s was also sent: %s", r.name, c.name, shorten(rest))
		}
	}
	for _, c := range r.clients {
		check(c)
	}
	for _, c := range r.origins {
		check(c)
	}
	if r.listener == nil {
		return
	}
	// What proxyd opened before it ended waits in the queue already.
	r.listener.SetDeadline(time.Now().Add(time.Millisecond))
	for {
		c, err := r.listener.AcceptTCP()
		if err != nil {
			return
		}
		said, _ := io.ReadAll(c)
		c.Close()
		r.tb.Errorf("%s: proxyd opened another connection to next-hop and said: %s", r.name, shorten(said))
	}
}

// checkLog checks that the access log holds exactly the lines that the scenario tells of, in any order, and that seq counts.
func (r *run) checkLog(steps []Step) {
	r.tb.Helper()
	lines := r.proxyd.AccessLog(r.tb)
	for i, l := range lines {
		if l["seq"] != strconv.Itoa(i+1) {
			r.tb.Errorf("%s: line %d of the access log has seq %q", r.name, i+1, l["seq"])
		}
	}
	left := append([]proxydtest.Line(nil), lines...)
	for _, s := range steps {
		found := false
		for i, l := range left {
			if has(l, s.Fields) {
				left, found = append(left[:i:i], left[i+1:]...), true
				break
			}
		}
		if !found {
			r.tb.Errorf("%s:%d: no line in the access log has %v; left are\n%s", r.name, s.Line, s.Fields, render(left))
		}
	}
	if len(steps) != len(lines) {
		r.tb.Errorf("%s: the access log has %d lines, and the scenario tells of %d:\n%s", r.name, len(lines), len(steps), render(lines))
	}
}

func has(l proxydtest.Line, fields map[string]string) bool {
	for key, want := range fields {
		if got, ok := l[key]; !ok || got != want {
			return false
		}
	}
	return true
}

func render(lines []proxydtest.Line) string {
	var b strings.Builder
	for _, l := range lines {
		for _, key := range slices.Sorted(maps.Keys(l)) {
			if l[key] != "" {
				fmt.Fprintf(&b, "\t%s=%q", key, l[key])
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// close gives up what a failed scenario left open, so that proxyd can stop.
func (r *run) close() {
	for _, c := range r.clients {
		c.close()
	}
	for _, c := range r.origins {
		c.close()
	}
	if r.listener != nil {
		r.listener.Close()
	}
}
