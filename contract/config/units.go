package config

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// units are those of sizes; of two with which a size can be written equally short, the first is used.
var units = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

var (
	errNotASize = errors.New("not a size")
	errTooLarge = errors.New("too large for any range")
)

// ParseSize reads a size as proxy.toml writes it, for command lines that take one.
func ParseSize(s string) (int64, error) { return parseSize(s) }

// parseSize reads a size: a whole number of bytes, or of a unit that follows without a space.
func parseSize(s string) (int64, error) {
	digits := strings.TrimRight(s, "KMGTiB")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, errNotASize
	}
	scale := int64(1)
	if unit := s[len(digits):]; unit != "" {
		if scale = unitSize(unit); scale == 0 {
			return 0, errNotASize
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/scale {
		return 0, errTooLarge // digits alone: nothing but the range can be wrong
	}
	return n * scale, nil
}

// unitSize returns the bytes of a unit, or 0 when there is no such unit.
func unitSize(name string) int64 {
	for _, u := range units {
		if u.name == name {
			return u.bytes
		}
	}
	return 0
}

// formatSize writes a size exactly, as short as it can be; with a unit where that is as short as without.
func formatSize(n int64) string {
	best := strconv.FormatInt(n, 10)
	if n == 0 {
		return best
	}
	for _, u := range units {
		if n%u.bytes != 0 || u.bytes == 1 {
			continue
		}
		s := strconv.FormatInt(n/u.bytes, 10) + u.name
		if len(s) < len(best) || len(s) == len(best) && !strings.HasSuffix(best, "B") {
			best = s
		}
	}
	return best
}

// meantSize returns the size that somebody meant who wrote a unit in another case, cut it short or put a space before it; ""
// when that is not to be told.
func meantSize(s string) string {
	s = strings.ReplaceAll(s, " ", "")
	digits := strings.TrimRight(s, "kKmMgGtTiIbB")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return ""
	}
	unit := s[len(digits):]
	for _, u := range units {
		if strings.EqualFold(unit, u.name) || strings.EqualFold(unit, u.name[:1]) || strings.EqualFold(unit, strings.TrimSuffix(u.name, "B")) {
			return digits + u.name
		}
	}
	return ""
}

// aDuration is the syntax of durations, which parseDuration needs to tell what is too long from what is no duration.
var aDuration = regexp.MustCompile(`^[-+]?([0-9]+(\.[0-9]*)?(ns|us|µs|μs|ms|s|m|h))+$`)

// parseDuration reads a duration in Go's syntax.
func parseDuration(s string) (int64, error) {
	d, err := time.ParseDuration(s)
	if err != nil && aDuration.MatchString(s) {
		return 0, errTooLarge
	}
	return int64(d), err
}

// meantDuration returns the duration that somebody meant who left the unit out, spelled it in full or put spaces around it; ""
// when that is not to be told.
func meantDuration(s string) string {
	s = strings.ToLower(strings.ReplaceAll(s, " ", ""))
	unit := strings.TrimLeft(s, "0123456789.")
	number := strings.TrimSuffix(s, unit)
	switch unit {
	case "", "sec", "secs", "second", "seconds":
		return number + "s"
	case "min", "mins", "minute", "minutes":
		return number + "m"
	case "hour", "hours":
		return number + "h"
	default:
		return s
	}
}

// formatDuration writes a duration exactly, without the zero parts that Duration.String adds: "2m" and not "2m0s".
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
