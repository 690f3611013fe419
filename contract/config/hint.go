package config

import (
	"fmt"
	"strings"

	"section.internal/contract/nearest"
)

// hint returns what to do about an unknown name: the nearest of those that are known or, when none is near, all of them.
func hint(unknown, whatTheyAre string, known []string, full func(string) string) string {
	if near := nearest.Of(unknown, known); near != "" {
		return fmt.Sprintf("did you mean %q?", full(near))
	}
	return whatTheyAre + " " + strings.Join(known, ", ")
}
