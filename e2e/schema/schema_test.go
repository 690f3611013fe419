// Package schema holds the JSON schema of proxy.toml against what the configuration's own checks take and refuse, through a validator
// that is not ours, as an editor has one.
package schema

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"section.internal/contract/config"
)

const cases = "../../contract/config/testdata"

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("proxy.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("proxy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// instance returns a file as an editor sees it: TOML as JSON. nil: it is not TOML.
func instance(t *testing.T, file string) any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if _, err := toml.Decode(strings.TrimPrefix(string(text), "\ufeff"), &tree); err != nil {
		return nil
	}
	if tree == nil {
		tree = map[string]any{}
	}
	asJSON, err := json.Marshal(tree)
	if err != nil {
		return nil // JSON has no infinity
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// files returns the files of a folder of cases by the name of the case.
func files(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"*.toml", "*/proxy.toml"} {
		names, err := filepath.Glob(filepath.Join(cases, folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			found[strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(name, filepath.Join(cases, folder)+"/"), "/proxy.toml"), ".toml")] = name
		}
	}
	if len(found) < 8 {
		t.Fatalf("%d cases in %s", len(found), folder)
	}
	return found
}

func TestSchema_TakesWhatLoadTakes(t *testing.T) {
	schema := compiled(t)
	for name, file := range files(t, "good") {
		if err := schema.Validate(instance(t, file)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := schema.Validate(instance(t, "../../container/opt/proxy_config/proxy.toml")); err != nil {
		t.Error(err)
	}
}

// TestSchema_RefusesMistakesOfForm goes by the names of the cases: of these kinds a schema can tell all.
func TestSchema_RefusesMistakesOfForm(t *testing.T) {
	schema := compiled(t)
	held := 0
	for name, file := range files(t, "bad") {
		kind, _, _ := strings.Cut(name, "-")
		if kind != "type" && kind != "unknown" && kind != "choice" && kind != "count" && kind != "enabled" &&
			!strings.HasPrefix(name, "rule-unknown") && !strings.Contains(name, "-is-") && !strings.HasSuffix(name, "-missing") &&
			!strings.HasSuffix(name, "-empty") && !strings.HasSuffix(name, "bad-status") {
			continue
		}
		value := instance(t, file)
		if value == nil || notForASchema[name] != "" {
			continue
		}
		held++
		if schema.Validate(value) == nil {
			t.Errorf("%s: the schema takes it", name)
		}
	}
	if held < 80 {
		t.Errorf("%d cases are held: the names of the cases no longer say what they are", held)
	}
}

// notForASchema are the cases whose name is that of a mistake of form, and why they are none.
var notForASchema = map[string]string{
	"list-is-a-directory":  "a schema does not see files",
	"match-list-missing":   "a schema does not see files",
	"respond-file-missing": "a schema does not see files",
	"respond-type-empty":   "other fields may be empty",
	"type-count-is-float":  "JSON does not tell 5.0 from 5",
}
