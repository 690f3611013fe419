package control

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// The names in these texts are what tools of another version read: none may change unnoticed.
func TestMessages_KeepTheirNames(t *testing.T) {
	f := func(message any, want string) {
		t.Helper()
		text, err := json.Marshal(message)
		if err != nil || string(text) != want {
			t.Errorf("got %s, %v, want %s", text, err, want)
		}
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f(Failure{Error: "no"}, `{"error":"no"}`)
	f(Failure{Error: "no", Problems: []string{"a:1:1: x"}}, `{"error":"no","problems":["a:1:1: x"]}`)
	f(Generation{3, "abc", at}, `{"number":3,"hash":"abc","applied":"2026-01-02T03:04:05Z"}`)
	f(LogLevel{"debug"}, `{"level":"debug"}`)
	f(Config{Values: []Value{{"log.to", `"files"`, "default"}}, Rules: []Rule{{"a", "proxy.toml:2:8", "limit 1 per 1s", []string{`origin = "b"`}}}},
		`{"generation":{"number":0,"hash":"","applied":"0001-01-01T00:00:00Z"},"values":[{"key":"log.to","value":"\"files\"","source":"default"}],`+
			`"rules":[{"name":"a","source":"proxy.toml:2:8","does":"limit 1 per 1s","says":["origin = \"b\""]}]}`)
	f(NextHop{Name: "next-hop:80"}, `{"name":"next-hop:80","addresses":null,"connections":{"open":0,"idle":0,"total":0,"limit":0}}`)
	f(NextHop{Name: "n", Addresses: []string{"a:80"}, Resolved: at, Error: "e"},
		`{"name":"n","addresses":["a:80"],"resolved":"2026-01-02T03:04:05Z","error":"e","connections":{"open":0,"idle":0,"total":0,"limit":0}}`)
	f(Status{PID: 1, Version: "v", Started: at, Draining: true, Listen: ":80", Generation: Generation{1, "h", at}, Descriptors: 9, Goroutines: 8},
		`{"pid":1,"version":"v","started":"2026-01-02T03:04:05Z","draining":true,"listen":":80",`+
			`"generation":{"number":1,"hash":"h","applied":"2026-01-02T03:04:05Z"},`+
			`"requests":{"total":0,"in_flight":0,"failed":0},"clients":{"open":0,"idle":0,"total":0,"limit":0},`+
			`"next_hop":{"name":"","addresses":null,"connections":{"open":0,"idle":0,"total":0,"limit":0}},`+
			`"log":{"to":"","level":"","lines":0,"dropped":0},"descriptors":9,"goroutines":8}`)
}

func TestCheckSocketPath_TakesWhatTheKernelTakes(t *testing.T) {
	if err := CheckSocketPath(strings.Repeat("x", 107)); err != nil {
		t.Error(err)
	}
	path := strings.Repeat("x", 108)
	want := "the control socket's path " + path + " has 108 bytes, a Unix socket takes 107: choose a shorter run directory"
	if err := CheckSocketPath(path); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
