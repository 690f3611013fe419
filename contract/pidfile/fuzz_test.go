package pidfile

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// FuzzRead: of a file that nobody has claimed no number is ever believed, whatever stands in it. It is foreign when it is that of a
// living process, which the test's own certainly is, and stale otherwise.
func FuzzRead(f *testing.F) {
	self := strconv.Itoa(os.Getpid())
	for _, text := range []string{"", "\n", "0\n", "-1", "1", "+1", " 7 ", "0x10", "99999999999999999999", "1\n2", strings.Repeat("0", 40) + "1", "PID", " PID\n\n", "\x00PID"} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "pid")
		text = []byte(strings.ReplaceAll(string(text), "PID", self))
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		pid, err := Read(path)
		if pid != 0 || err != nil && !errors.Is(err, ErrForeign) {
			t.Fatalf("%q: %d, %v", text, pid, err)
		}
		if strings.TrimSpace(string(text)) == self && err == nil && len(text) < 32 {
			t.Errorf("%q: a living process is not foreign", text)
		}
		if named, parseErr := strconv.Atoi(strings.TrimSpace(string(text))); err != nil && len(text) < 32 && (parseErr != nil || named <= 0) {
			t.Errorf("%q: %v", text, err)
		}
		if held, err := Held(path); held || err != nil {
			t.Errorf("%q: held %v, %v", text, held, err)
		}
	})
}
