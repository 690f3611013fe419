// Package traffic tests what proxyd promises about amounts, about many at once, and about its own start and stop.
package traffic

import (
	"os"
	"testing"

	"section.internal/e2e/proxydtest"
)

var bench proxydtest.Bench

func TestMain(m *testing.M) { os.Exit(proxydtest.Main(m, &bench)) }
