package main

import (
	"path/filepath"
	"testing"

	"section.internal/contract/config"
	"section.internal/contract/control"
	"section.internal/contract/place"
)

func TestConfig_ShowsEachValueWithItsSource(t *testing.T) {
	dir := runDir(t)
	serve(t, dir, control.Status{}, inForce("9f2b7c01d4e5"))
	configDir := filepath.Join(dir, "config")
	for name, args := range map[string][]string{"config.txt": {"config"}, "config.json": {"config", "--json"}} {
		code, stdout, stderr := call(t, fixed(), append([]string{"--run-dir", dir, "--config-dir", configDir}, args...)...)
		if code != 0 || stderr != "" {
			t.Errorf("%q: exit %d, stderr %q", args, code, stderr)
		}
		golden(t, name, stdout, dir, 1)
	}
}

// A push that was refused, or never deployed, is the usual reason why a change shows no effect.
func TestConfig_TellsWhenTheDirectoryHoldsSomethingElse(t *testing.T) {
	dir, configDir := runDir(t), t.TempDir()
	write(t, place.ConfigFile(configDir), "[log]\nlevel = \"warn\"\n")
	loaded, err := config.Load(configDir)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, dir, control.Status{}, inForce(loaded.Hash))
	f := func(text, want string) {
		t.Helper()
		write(t, place.ConfigFile(configDir), text)
		d := compareDirectory(configDir, loaded.Hash)
		if got := d.String(); got != configDir+want {
			t.Errorf("%q: %q, want %q", text, got, configDir+want)
		}
	}
	f("[log]\nlevel = \"warn\"\n", " holds what is in force")
	f("[log]\nlevel = \"wrong\"\n", " is not valid and cannot be applied")
	code, stdout, stderr := call(t, fixed(), "--run-dir", dir, "--config-dir", configDir, "config", "--json")
	var r configReport
	decode(t, stdout, &r)
	if code != 0 || stderr != "" || r.Directory.InForce || len(r.Directory.Problems) != 1 || len(r.Values) != 4 || len(r.Rules) != 2 {
		t.Errorf("exit %d, stderr %q, %+v", code, stderr, r)
	}
}

func inForce(hash string) control.Config {
	generation := healthy(1).Generation
	generation.Hash = hash
	return control.Config{
		Generation: generation,
		Values: []control.Value{
			{Key: "enabled", Value: "false", Source: "proxy.toml:1:11"},
			{Key: "client.header_timeout", Value: `"15s"`, Source: config.SourceDefault},
			{Key: "client.max_connections", Value: "100", Source: "proxy.toml:3:19"},
			{Key: "log.level", Value: "\"warn\x1b\"", Source: "proxy.toml:7:9"},
		},
		Rules: []control.Rule{
			{Name: "old blog", Source: "proxy.toml:10:8", Does: "redirect 301", Says: []string{`match.path = "/blog/**"`, `redirect.to = "/articles"`, `redirect.status = 301`}},
			{Name: "api", Source: "proxy.toml:15:8", Does: "request, rewrite, limit 100 per 1m", Says: []string{`rewrite.path = "/v2{path}"`}},
		},
	}
}
