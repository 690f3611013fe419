package hook

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestExit_ReasonAndCode(t *testing.T) {
	f := func(err error, wantCode int, wantStderr string) {
		t.Helper()
		var stderr strings.Builder
		if code := Exit(&stderr, "deploy", err); code != wantCode || stderr.String() != wantStderr {
			t.Errorf("%v: exit %d with %q, want %d with %q", err, code, stderr.String(), wantCode, wantStderr)
		}
	}
	f(nil, OK, "")
	f(errors.New("no way"), Failed, "deploy: no way\n")
	f(errors.Join(errors.New("one"), errors.New("two")), Failed, "deploy: one\ndeploy: two\n")
	f(errors.New("one\r\n\n\ntwo\n"), Failed, "deploy: one\ndeploy: two\n")
	f(&Plain{errors.New("a.toml:1:1: x\na.toml:2:1: y")}, Failed, "a.toml:1:1: x\na.toml:2:1: y\n")
	f(fmt.Errorf("in between: %w", &Plain{errors.New("a")}), Failed, "in between: a\n")
	f(Misuse("--x = %q: want y", "z"), Misused, "deploy: --x = \"z\": want y\ndeploy: try 'deploy --help'\n")
	f(fmt.Errorf("in between: %w", Misuse("a")), Misused, "deploy: in between: a\ndeploy: try 'deploy --help'\n")
}

func TestErrors_KeepWhatTheyWrap(t *testing.T) {
	cause := errors.New("cause")
	if !errors.Is(&Plain{cause}, cause) || !errors.Is(&MisuseError{cause}, cause) || !errors.Is(Misuse("x: %w", cause), cause) {
		t.Error("the cause is lost")
	}
}
