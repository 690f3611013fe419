package config

import (
	"testing"

	"section.internal/contract/nearest"
)

func TestNearest_ProposesWhatWasMeantAndNothingElse(t *testing.T) {
	levels := []string{"debug", "info", "warn", "error"}
	for _, c := range []struct {
		s          string
		candidates []string
		want       string
	}{
		{"warning", levels, "warn"},
		{"err", levels, "error"},
		{"INFO", levels, "info"},
		{"ifno", levels, "info"},
		{"", levels, ""},
		{"verbose", levels, ""},
		{"in", levels, ""},
		{"cleint", tables(), "client"},
		{"nexthop", tables(), "next_hop"},
		{"logs", tables(), "log"},
		{"tls", tables(), ""},
		{"max_conections", keysOf("client"), "max_connections"},
		{"max", keysOf("client"), ""}, // three begin so
		{"resolve", keysOf("next_hop"), "resolve_every"},
	} {
		if got := nearest.Of(c.s, c.candidates); got != c.want {
			t.Errorf("for %q %q is proposed, want %q", c.s, got, c.want)
		}
	}
}
