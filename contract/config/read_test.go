package config

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

// must ends the test when the preparation of a case fails.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLoad_WhatDoesNotExistStandsForTheDefaults(t *testing.T) {
	empty := t.TempDir()
	for name, dir := range map[string]string{
		"empty directory":   empty,
		"no directory":      filepath.Join(empty, "none"),
		"no parent either":  filepath.Join(empty, "none", "none"),
		"empty file":        dirWith(t, nil),
		"other files alone": func() string { d := t.TempDir(); must(t, os.WriteFile(d+"/other.toml", []byte("="), 0o644)); return d }(),
	} {
		loaded, err := Load(dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !reflect.DeepEqual(loaded.Config, Default()) {
			t.Errorf("%s: %+v is not the default", name, loaded.Config)
		}
		if loaded.Hash != "e3b0c44298fc" {
			t.Errorf("%s: hash %q is not that of nothing", name, loaded.Hash)
		}
		for _, v := range loaded.Values {
			if v.Source != SourceDefault {
				t.Errorf("%s: %s comes from %q", name, v.Key, v.Source)
			}
		}
	}
}

func TestLoad_HashFollowsTheContent(t *testing.T) {
	seen := map[string]string{}
	for _, content := range []string{"", "#", `log.level = "warn"`, "log.level = 'warn'"} {
		loaded, err := Load(dirWith(t, []byte(content)))
		must(t, err)
		again, err := Load(dirWith(t, []byte(content)))
		must(t, err)
		if loaded.Hash != again.Hash {
			t.Errorf("%q has the hashes %s and %s", content, loaded.Hash, again.Hash)
		}
		if other, ok := seen[loaded.Hash]; ok {
			t.Errorf("%q and %q have the hash %s", content, other, loaded.Hash)
		}
		seen[loaded.Hash] = content
	}
}

// TestLoad_RefusesWhatIsNoPlainFileAndNeverWaits prepares something in a directory and wants one problem of a whole file. A FIFO
// that is waited for makes it run into the time-out of all tests.
func TestLoad_RefusesWhatIsNoPlainFileAndNeverWaits(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(dir string) error
		want    string
	}{
		"FIFO":      {func(dir string) error { return syscall.Mkfifo(dir+"/proxy.toml", 0o644) }, "proxy.toml: a FIFO: want a regular file"},
		"directory": {func(dir string) error { return os.Mkdir(dir+"/proxy.toml", 0o755) }, "proxy.toml: a directory: want a regular file"},
		"socket": {func(dir string) error {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/proxy.toml"})
			if err != nil {
				return err
			}
			l.SetUnlinkOnClose(false)
			return l.Close()
		}, "proxy.toml: a socket: want a regular file"},
		"link to a FIFO": {func(dir string) error {
			os.Symlink("pipe", dir+"/proxy.toml")
			return syscall.Mkfifo(dir+"/pipe", 0o644)
		}, "proxy.toml: a FIFO: want a regular file"},
		"link to a device": {func(dir string) error { return os.Symlink("/dev/zero", dir+"/proxy.toml") },
			`proxy.toml: symbolic link to "/dev/zero", which leads out of the directory: put the file itself here`},
		"link out": {func(dir string) error {
			os.WriteFile(filepath.Dir(dir)+"/outside.toml", nil, 0o644)
			return os.Symlink("../outside.toml", dir+"/proxy.toml")
		}, `proxy.toml: symbolic link to "../outside.toml", which leads out of the directory: put the file itself here`},
		"link out over a link": {func(dir string) error {
			os.Symlink("..", dir+"/up")
			return os.Symlink("up/outside.toml", dir+"/proxy.toml")
		}, `proxy.toml: symbolic link to "up/outside.toml", which leads out of the directory: put the file itself here`},
		"link to nothing": {func(dir string) error { return os.Symlink("gone\x1b[31m", dir+"/proxy.toml") },
			`proxy.toml: symbolic link to "gone\x1b[31m", which does not exist: put the file itself here`},
		"link to itself": {func(dir string) error { return os.Symlink("proxy.toml", dir+"/proxy.toml") },
			`proxy.toml: symbolic link to "proxy.toml", which leads in a circle: put the file itself here`},
		"too large": {func(dir string) error {
			os.WriteFile(dir+"/proxy.toml", nil, 0o644)
			return os.Truncate(dir+"/proxy.toml", 1<<40)
		}, "proxy.toml: the file is larger than 1 MiB (1099511627776 bytes): want at most 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			must(t, os.Mkdir(dir, 0o755))
			must(t, c.prepare(dir))
			if _, err := Load(dir); err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestLoad_RefusesWhatIsNoDirectoryAndNeverWaits(t *testing.T) {
	d := t.TempDir()
	must(t, os.WriteFile(d+"/file", nil, 0o644))
	must(t, syscall.Mkfifo(d+"/pipe", 0o644))
	must(t, os.Symlink("gone", d+"/link"))
	for name, want := range map[string]string{
		"file":       "a regular file: want a directory that holds proxy.toml",
		"file/below": "cannot read the directory: not a directory",
		"pipe":       "a FIFO: want a directory that holds proxy.toml",
		"link":       "symbolic link that leads nowhere: want a directory, or nothing at all",
	} {
		dir := filepath.Join(d, name)
		if _, err := Load(dir); err == nil || err.Error() != dir+": "+want {
			t.Errorf("%s:\ngot  %v\nwant %s", name, err, want)
		}
	}
}

// A Kubernetes config map is a directory of links to ..data, which links to the newest version.
func TestLoad_FollowsLinksThatStayInTheDirectory(t *testing.T) {
	d := t.TempDir()
	must(t, os.Mkdir(d+"/..2026_01_01", 0o755))
	must(t, os.WriteFile(d+"/..2026_01_01/proxy.toml", []byte(`log.level = "warn"`), 0o644))
	must(t, os.Symlink("..2026_01_01", d+"/..data"))
	must(t, os.Symlink("..data/proxy.toml", d+"/proxy.toml"))
	must(t, os.Symlink(d, d+"-link"))
	t.Cleanup(func() { os.Remove(d + "-link") })
	for _, dir := range []string{d, d + "-link"} {
		loaded, err := Load(dir)
		if err != nil || loaded.Config.Log.Level != "warn" {
			t.Errorf("%+v, %v", loaded, err)
		}
	}
}

func TestLoad_TakesAFileOfExactlyTheLargestSize(t *testing.T) {
	if _, err := Load(dirWith(t, []byte(strings.Repeat("#", maxFile)))); err != nil {
		t.Error(err)
	}
}
