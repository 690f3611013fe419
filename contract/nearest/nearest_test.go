package nearest

import "testing"

func TestOf_FindsWhatWasMeantAndNothingElse(t *testing.T) {
	names := []string{"ping", "updateenvironment", "log-level"}
	f := func(s, want string) {
		t.Helper()
		if got := Of(s, names); got != want {
			t.Errorf("Of(%q) = %q, want %q", s, got, want)
		}
	}
	f("pong", "ping")
	f("pnig", "ping") // a swap is one edit
	f("PINGG", "ping")
	f("loglevel", "log-level")
	f("log_level", "log-level")
	f("update-environment", "updateenvironment")
	f("updatenvironement", "updateenvironment")
	f("Update", "updateenvironment") // the only one that begins so
	f("ping-proxyd", "ping")
	f("", "")
	f("p", "") // three of four letters are missing
	f("purge", "")
	f("environment", "")
}
