package proxydtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Descriptors are the open descriptors of a process as the kernel shows them, by kind.
type Descriptors struct {
	Sockets int
	Files   int // with a path of their own
	Pipes   int // the engine keeps a few between uses, to move bodies through
	Others  int // epoll, eventfd and the like
}

// Descriptors counts proxyd's open descriptors. One that is closed in the middle of it may have been replaced by another that was not
// counted, as the listener is at the start: then they are counted again, unless that goes on and on.
func (p *Proxyd) Descriptors() (d Descriptors) {
	p.tb.Helper()
	for range 100 {
		var still bool
		if d, still = p.countDescriptors(); still {
			break
		}
	}
	return d
}

// countDescriptors says also whether none was closed meanwhile.
func (p *Proxyd) countDescriptors() (d Descriptors, still bool) {
	p.tb.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", p.PID)
	entries, err := os.ReadDir(dir)
	if err != nil {
		p.tb.Fatal(err)
	}
	still = true
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		switch {
		case err != nil:
			still = false
		case strings.HasPrefix(target, "socket:"):
			d.Sockets++
		case strings.HasPrefix(target, "pipe:"):
			d.Pipes++
		case strings.HasPrefix(target, "/"):
			d.Files++
		default:
			d.Others++
		}
	}
	return d, still
}

// Settle waits until no client is connected and no request is under way, and then checks that proxyd holds no descriptor
// more than when it had started, apart from its pool of connections to next-hop.
func (p *Proxyd) Settle() {
	p.tb.Helper()
	Eventually(p.tb, "proxyd to let go of all that its clients used", func() error {
		s, err := p.status()
		if err != nil {
			return err
		}
		if s.Clients.Open != 0 || s.Requests.InFlight != 0 {
			return fmt.Errorf("%d client connections and %d requests remain", s.Clients.Open, s.Requests.InFlight)
		}
		if s.NextHop.Connections.Open != s.NextHop.Connections.Idle {
			return fmt.Errorf("%d connections to next-hop are open, %d idle", s.NextHop.Connections.Open, s.NextHop.Connections.Idle)
		}
		now, pool := p.Descriptors(), int(s.NextHop.Connections.Open)
		if now.Sockets > p.base.Sockets+pool || now.Files > p.base.Files {
			return fmt.Errorf("descriptors were %+v and are %+v, with %d connections to next-hop", p.base, now, pool)
		}
		return nil
	})
}

// ResidentBytes returns how much memory proxyd has resident.
func (p *Proxyd) ResidentBytes() int64 { return p.procStatus("VmRSS") }

// PeakResidentBytes returns the most that proxyd ever had resident.
func (p *Proxyd) PeakResidentBytes() int64 { return p.procStatus("VmHWM") }

func (p *Proxyd) procStatus(key string) int64 {
	p.tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID))
	if err != nil {
		p.tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			if err != nil {
				p.tb.Fatalf("/proc/%d/status: %s: %v", p.PID, key, err)
			}
			return kib << 10
		}
	}
	p.tb.Fatalf("/proc/%d/status has no %s", p.PID, key)
	return 0
}

// BytesRead returns how many bytes proxyd has read by read calls. What the kernel splices does not count.
func (p *Proxyd) BytesRead() int64 {
	p.tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.PID))
	if err != nil {
		p.tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "rchar: "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err != nil {
				p.tb.Fatal(err)
			}
			return n
		}
	}
	p.tb.Fatal("no rchar")
	return 0
}

// EnvInt returns the number in an environment variable that scales a test, such as 1000 or 10GiB, or the default.
func EnvInt(tb testing.TB, name string, otherwise int64) int64 {
	tb.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	digits, unit := text, int64(1)
	for suffix, bytes := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			digits, unit = rest, bytes
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > (1<<62)/unit {
		tb.Fatalf("%s = %q: want a whole number above 0, which may end in KiB, MiB or GiB", name, text)
	}
	return n * unit
}

// NoProcess checks that no process is left that was started on these directories.
func NoProcess(tb testing.TB, d Dirs) {
	tb.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		tb.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), d.Run) {
			tb.Errorf("%s is left: %q", filepath.Dir(path), text)
		}
	}
}
