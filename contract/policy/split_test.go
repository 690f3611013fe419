package policy

import (
	"fmt"
	"math"
	"testing"

	"section.internal/contract/config"
)

func abc(name string) *config.Split {
	return &config.Split{Name: name, Variants: []config.Variant{{Name: "a", Weight: 50}, {Name: "b", Weight: 30}, {Name: "c", Weight: 20}, {Name: "d", Weight: 0}}}
}

// The values were computed from the description by another program. They may never change: a client keeps its variant across
// updates, and replicas of different versions agree.
func TestVariant_IsTheSameForever(t *testing.T) {
	f := func(name, key, want string) {
		t.Helper()
		if got := Variant(abc(name), []byte(key)); got != want {
			t.Errorf("%s, %q: %s, want %s", name, key, got, want)
		}
	}
	f("hero", "", "c")
	f("hero", "192.0.2.1", "b")
	f("hero", "192.0.2.2", "b")
	f("hero", "192.0.2.3", "a")
	f("hero", "192.0.2.4", "b")
	f("hero", "2001:db8::1", "b")
	f("hero", "www.example.com", "b")
	f("hero", "0123456789abcdef", "a")
	f("button", "", "a")
	f("button", "192.0.2.1", "a")
	f("button", "192.0.2.2", "b")
	f("button", "192.0.2.3", "a")
	f("button", "192.0.2.4", "c")
	f("button", "2001:db8::1", "a")
	f("button", "www.example.com", "b")
	f("button", "0123456789abcdef", "b")
}

// Neighbouring addresses get variants by the weights, and independently for two splits.
func TestVariant_FollowsTheWeights(t *testing.T) {
	const keys = 100_000
	got, pairs := map[string]int{}, map[string]int{}
	for i := range keys {
		key := fmt.Appendf(nil, "10.%d.%d.%d", i>>16, i>>8&255, i&255)
		hero, button := Variant(abc("hero"), key), Variant(abc("button"), key)
		got[hero]++
		pairs[hero+button]++
	}
	weights := map[string]float64{"a": 0.5, "b": 0.3, "c": 0.2, "d": 0}
	// Five standard deviations: the keys are fixed, so the test cannot fail by chance.
	near := func(n int, p float64) bool {
		return math.Abs(float64(n)-p*keys) <= 5*math.Sqrt(p*(1-p)*keys)
	}
	for v, p := range weights {
		if !near(got[v], p) {
			t.Errorf("%s: %d of %d, want about %.0f", v, got[v], keys, p*keys)
		}
		for w, q := range weights {
			if !near(pairs[v+w], p*q) {
				t.Errorf("%s and %s: %d of %d, want about %.0f", v, w, pairs[v+w], keys, p*q*keys)
			}
		}
	}
}

func TestVariant_OneOfOneAndTheLargestWeights(t *testing.T) {
	if got := Variant(&config.Split{Name: "s", Variants: []config.Variant{{Name: "a", Weight: 0}, {Name: "b", Weight: 1}}}, nil); got != "b" {
		t.Errorf("%q", got)
	}
}
