package config

import (
	"testing"
	"time"
)

func TestFormatSize_WritesWhatPeopleWould(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 1: "1", 512: "512", 1000: "1KB", 1024: "1KiB", 1500: "1500", 1536: "1536", 65536: "64KiB", 10_000_000: "10MB",
		10_000_000_000: "10GB", 1 << 20: "1MiB", 1 << 40: "1TiB", 3 << 29: "1536MiB",
	} {
		if got := formatSize(n); got != want {
			t.Errorf("%d is written %q, want %q", n, got, want)
		}
	}
}

func TestFormatDuration_WritesWhatPeopleWould(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 10 * time.Millisecond: "10ms", time.Second: "1s", 15 * time.Second: "15s", 90 * time.Second: "1m30s", 2 * time.Minute: "2m",
		time.Hour: "1h", time.Hour + time.Second: "1h0m1s", 100 * time.Minute: "1h40m", 10 * time.Minute: "10m", 20 * time.Hour: "20h",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}

func TestMeant_ProposesOnlyWhatCanBeTold(t *testing.T) {
	for s, want := range map[string]string{
		"64k": "64KiB", "64K": "64KiB", "64kb": "64KB", "64 KiB": "64KiB", "64ki": "64KiB", "1g": "1GiB", "5b": "5B",
		"": "", "k": "", "64x": "", "1.5g": "", "-1k": "", "12 parsecs": "",
	} {
		if got := meantSize(s); got != want {
			t.Errorf("for the size %q %q is proposed, want %q", s, got, want)
		}
	}
	for s, want := range map[string]string{
		"15": "15s", "15 s": "15s", "15S": "15s", "1.5 min": "1.5m", "2 hours": "2h", "1 h 5 m": "1h5m",
	} {
		if got := meantDuration(s); got != want {
			t.Errorf("for the duration %q %q is proposed, want %q", s, got, want)
		}
	}
}

// FuzzUnits: what is read can be written, and is then read as the same.
func FuzzUnits(f *testing.F) {
	for _, s := range []string{"0", "64KiB", "10MB", "1536", "9223372036854775807", "8EiB", "1TiB", "007KB", "15s", "1m30s", "1.5h", "-1ms", "9999999h", "1h0m0s", "+5µs"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseSize(s); err == nil {
			if again, err := parseSize(formatSize(n)); err != nil || again != n || n < 0 {
				t.Errorf("size %q is %d, written %q, which is %d (%v)", s, n, formatSize(n), again, err)
			}
		}
		if n, err := parseDuration(s); err == nil {
			if again, err := parseDuration(formatDuration(time.Duration(n))); err != nil || again != n {
				t.Errorf("duration %q is %d, written %q, which is %d (%v)", s, n, formatDuration(time.Duration(n)), again, err)
			}
		}
	})
}

// FuzzMeantSize: what is proposed in the place of a size is one, and is proposed for itself.
func FuzzMeantSize(f *testing.F) {
	for _, s := range []string{"64k", "64 KiB", "15", "007kb", "99999999999999999999", "5b", "\u0661B", "1\u212a", "", " "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		meant := meantSize(s)
		if meant == "" {
			return
		}
		if _, err := parseSize(meant); err != nil && err != errTooLarge {
			t.Errorf("for %q %q is proposed: %v", s, meant, err)
		}
		if again := meantSize(meant); again != meant {
			t.Errorf("for %q %q is proposed, and for that %q", s, meant, again)
		}
	})
}
