// Package e2e holds what must be true of the whole source tree. The tests of the running product are in the folders below.
package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// module is what the import paths of this workspace start with.
const module = "section.internal/"

// Libraries, each by the import path of its module without the version.
const (
	cli       = "github.com/urfave/cli"
	toml      = "github.com/BurntSushi/toml"
	retryable = "github.com/hashicorp/go-retryablehttp"
	gopsutil  = "github.com/shirou/gopsutil"
	sys       = "golang.org/x/sys"

	jsonschema = "github.com/santhosh-tekuri/jsonschema"
)

// imports says what each package may import beside the standard library: packages of the workspace and libraries. Imports
// point down only. A package that is not here has no place in the house yet: give it a row, and its importers the right to
// it, once it is clear that the direction is right.
var imports = map[string][]string{
	// What the tools share. The first ones stand on the standard library alone.
	"contract/place":          {},
	"contract/ascii":          {},
	"contract/hook":           {},
	"contract/ipliteral":      {},
	"contract/httpcache":      {},
	"contract/nearest":        {},
	"contract/pidfile":        {},
	"contract/percent":        {},
	"contract/printable":      {},
	"contract/token":          {},
	"contract/control":        {},
	"contract/command":        {"contract/hook", "contract/place", cli},
	"contract/pattern":        {"contract/ascii", "contract/ipliteral", "contract/percent"},
	"contract/template":       {"contract/ipliteral", "contract/nearest", "contract/percent", "contract/token"},
	"contract/config":         {"contract/ipliteral", "contract/nearest", "contract/pattern", "contract/place", "contract/printable", "contract/template", "contract/token", toml},
	"contract/policy":         {"contract/ascii", "contract/config", "contract/pattern", "contract/percent", "contract/place", "contract/printable", "contract/template"},
	"contract/control/client": {"contract/control", "contract/pidfile", "contract/place", retryable},
	"contract/deployment":     {"contract/config", "contract/control/client", "contract/hook", "contract/policy"},

	// proxyd. accesslog and upstream do not know each other; only exchange knows both, and only main knows all.
	"proxyd/internal/socket":     {sys},
	"proxyd/internal/http1":      {"contract/ascii", "contract/httpcache", "contract/ipliteral", "contract/percent", "contract/token"},
	"proxyd/internal/logfile":    {"contract/config"},
	"proxyd/internal/accesslog":  {"contract/ascii", "contract/config", "contract/httpcache", "proxyd/internal/logfile"},
	"proxyd/internal/upstream":   {"contract/config", "contract/httpcache", "proxyd/internal/socket"},
	"proxyd/internal/limiter":    {"contract/config"},
	"proxyd/internal/exchange":   {"contract/ascii", "contract/config", "contract/httpcache", "contract/policy", "proxyd/internal/accesslog", "proxyd/internal/http1", "proxyd/internal/socket", "proxyd/internal/upstream"},
	"proxyd/internal/downstream": {"contract/config", "contract/httpcache", "proxyd/internal/exchange", "proxyd/internal/socket"},
	"proxyd/internal/admin":      {"contract/control"},
	"proxyd": {
		"contract/command", "contract/config", "contract/control", "contract/hook", "contract/pidfile", "contract/place", "contract/policy",
		"proxyd/internal/accesslog", "proxyd/internal/admin", "proxyd/internal/downstream", "proxyd/internal/exchange",
		"proxyd/internal/limiter", "proxyd/internal/logfile", "proxyd/internal/socket", "proxyd/internal/upstream", cli, sys,
	},

	// The tools behind the hooks, and the one for people.
	"validator":  {"contract/command", "contract/config", "contract/hook", "contract/place", "contract/policy", "contract/printable", "contract/token", cli},
	"deploy":     {"contract/command", "contract/deployment", "contract/place", cli},
	"logrotator": {"contract/command", "contract/config", "contract/hook", "contract/pidfile", "contract/place", cli, sys},
	"msghandler": {
		"contract/command", "contract/control", "contract/control/client", "contract/deployment", "contract/hook",
		"contract/nearest", "contract/place", cli,
	},
	"sectionctl": {
		"contract/command", "contract/config", "contract/control", "contract/control/client", "contract/hook",
		"contract/nearest", "contract/pidfile", "contract/place", "contract/printable", cli, gopsutil, sys,
	},

	// A test alone: it reads our JSON schema as an editor does.
	"e2e/schema": {jsonschema, toml},

	// The benchmark beside other servers.
	"bench/internal/epoll":   {sys},
	"bench/internal/origin":  {"bench/internal/epoll"},
	"bench/internal/load":    {"bench/internal/epoll", "bench/internal/origin"},
	"bench/internal/network": {sys},
	"bench/internal/proc":    {},
	"bench": {
		"bench/internal/epoll", "bench/internal/load", "bench/internal/network", "bench/internal/origin", "bench/internal/proc", "contract/command",
		"contract/hook", "contract/place", cli, sys,
	},
}

// overHTTP lists who may use net/http: the control socket, which is off the data path. The engine speaks for itself.
var overHTTP = []string{"contract/control/client", "proxyd/internal/admin"}

// pkg is what `go list` says of a package; names of this workspace are without the module's prefix.
type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func TestImports_PointDownOnly(t *testing.T) {
	for _, p := range packages(t) {
		if outside(p.ImportPath) {
			continue
		}
		allowed, known := imports[p.ImportPath]
		if !known {
			t.Errorf("%s has no row in the table of imports: give it one", p.ImportPath)
			continue
		}
		for _, i := range p.Imports {
			if !standard(i) && !slices.ContainsFunc(allowed, func(a string) bool { return i == a || isLibrary(a) && strings.HasPrefix(i, a+"/") }) {
				t.Errorf("%s imports %s: the table allows %q", p.ImportPath, i, allowed)
			}
		}
	}
}

func TestImports_TheTableNamesOnlyWhatExists(t *testing.T) {
	there := map[string]bool{}
	for _, p := range packages(t) {
		there[p.ImportPath] = true
	}
	for name := range imports {
		if !there[name] {
			t.Errorf("the table has a row for %s, which does not exist", name)
		}
	}
	for _, name := range overHTTP {
		if !there[name] {
			t.Errorf("the list of who uses net/http has %s, which does not exist", name)
		}
	}
}

func TestImports_NoNetHTTPOnTheDataPath(t *testing.T) {
	for _, p := range packages(t) {
		if outside(p.ImportPath) || slices.Contains(overHTTP, p.ImportPath) {
			continue
		}
		for _, i := range p.Imports {
			if i == "net/http" || strings.HasPrefix(i, "net/http/") || i == "net/textproto" {
				t.Errorf("%s imports %s: only %q may", p.ImportPath, i, overHTTP)
			}
		}
	}
}

// Tests may look at more of their own binary than its code may, but not at another tool's, and they bring no library along that is not in the table.
func TestImports_TestsStayInTheirHouse(t *testing.T) {
	for _, p := range packages(t) {
		home, _, _ := strings.Cut(p.ImportPath, "/")
		for _, i := range slices.Concat(p.TestImports, p.XTestImports) {
			into, _, _ := strings.Cut(i, "/")
			allowed := standard(i) || into == home || into == "contract" ||
				slices.ContainsFunc(imports[p.ImportPath], func(a string) bool { return isLibrary(a) && strings.HasPrefix(i, a) })
			if !allowed {
				t.Errorf("the tests of %s import %s: want packages of %s and contract, and libraries of the package itself", p.ImportPath, i, home)
			}
		}
	}
}

// A package is named for what it gives.
func TestPackages_AreNamedForWhatTheyGive(t *testing.T) {
	for _, p := range packages(t) {
		switch path.Base(p.ImportPath) {
		case "util", "utils", "common", "helper", "helpers", "types", "models", "misc", "shared", "base":
			t.Errorf("%s: name it for what it gives", p.ImportPath)
		}
	}
}

// outside says whether a package is no part of the product: it tests, or serves only tests.
func outside(name string) bool {
	return name == "e2e" || strings.HasPrefix(name, "e2e/") || servesTests(name)
}

// servesTests says whether a package is for tests only, which its name shows.
func servesTests(name string) bool { return strings.HasSuffix(name, "test") }

func isLibrary(name string) bool {
	host, _, _ := strings.Cut(name, "/")
	return strings.Contains(host, ".")
}

// standard says whether an import path belongs to the standard library, whose first element never has a dot.
func standard(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "contract", "proxyd", "validator", "deploy", "logrotator", "msghandler", "sectionctl", "e2e", "bench", "tools":
		return false
	}
	return !isLibrary(name)
}

// packages returns all packages of the workspace, with all files that some target compiles.
func packages(t *testing.T) (all []pkg) {
	t.Helper()
	cmd := exec.Command("go", "list", "-tags", "image,realclients", "-json=ImportPath,Imports,TestImports,XTestImports", "work")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	in := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module)
		for _, list := range [][]string{p.Imports, p.TestImports, p.XTestImports} {
			for i := range list {
				list[i] = strings.TrimPrefix(list[i], module)
			}
		}
		all = append(all, p)
	}
	if len(all) < len(imports) {
		t.Fatalf("go list names %d packages: want the whole workspace", len(all))
	}
	return all
}
