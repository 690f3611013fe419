package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const (
	withPage = "[[rule]]\nname = 'a'\nrespond = { status = 200, file = 'pages/a' }\n"
	withList = "[[rule]]\nname = 'a'\nmatch.client_list = 'lists/a'\norigin = 'x'\n"
)

// tree returns a new directory with files: their content by name.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "d")
	must(t, os.Mkdir(dir, 0o755))
	for name, content := range files {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	return dir
}

// TestFiles_ThatAreNoPlainFilesInTheDirectoryAreRefusedWithoutWaiting prepares what rule.respond.file names. A FIFO that is waited for
// makes it run into the time-out of all tests.
func TestFiles_ThatAreNoPlainFilesInTheDirectoryAreRefusedWithoutWaiting(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(dir string) error
		want    string
	}{
		"FIFO": {func(dir string) error { return syscall.Mkfifo(dir+"/pages/a", 0o644) }, "a FIFO: want a regular file"},
		"link out": {func(dir string) error {
			os.WriteFile(filepath.Dir(dir)+"/outside", nil, 0o644)
			return os.Symlink("../../outside", dir+"/pages/a")
		}, `symbolic link to "../../outside", which leads out of the directory: put the file itself here`},
		"absolute link": {func(dir string) error { return os.Symlink("/etc/passwd", dir+"/pages/a") },
			`symbolic link to "/etc/passwd", which leads out of the directory: put the file itself here`},
		"directory that is a link out": {func(dir string) error {
			os.Remove(dir + "/pages")
			os.Mkdir(filepath.Dir(dir)+"/pages", 0o755)
			os.WriteFile(filepath.Dir(dir)+"/pages/a", nil, 0o644)
			return os.Symlink("../pages", dir+"/pages")
		}, "a directory on the way is a symbolic link that leads out of the directory: put the directory itself here"},
		"link to nothing": {func(dir string) error { return os.Symlink("gone", dir+"/pages/a") },
			`symbolic link to "gone", which does not exist: put the file itself here`},
		"link in a circle": {func(dir string) error { return os.Symlink("a", dir+"/pages/a") },
			`symbolic link to "a", which leads in a circle: put the file itself here`},
		"too large": {func(dir string) error {
			os.WriteFile(dir+"/pages/a", nil, 0o644)
			return os.Truncate(dir+"/pages/a", 1<<40)
		}, "the file is larger than 1 MiB (1099511627776 bytes): want at most 1048576 bytes"},
		"file in place of the directory": {func(dir string) error {
			os.Remove(dir + "/pages")
			return os.WriteFile(dir+"/pages", nil, 0o644)
		}, "there is no such file in the directory: add it, or name one that is there"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tree(t, map[string]string{"proxy.toml": withPage})
			must(t, os.Mkdir(dir+"/pages", 0o755))
			must(t, c.prepare(dir))
			want := `proxy.toml:3:34: rule.respond.file = "pages/a": ` + c.want
			if _, err := Load(dir); err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestFiles_LinksThatStayInTheDirectoryAreFollowed(t *testing.T) {
	dir := tree(t, map[string]string{"proxy.toml": withPage, "..data/a": "body"})
	must(t, os.Symlink("..data", dir+"/pages"))
	loaded, err := Load(dir)
	must(t, err)
	if got := string(loaded.Config.Rules[0].Respond.Body); got != "body" {
		t.Errorf("%q", got)
	}
}

func TestFiles_OfExactlyTheLargestSizeAreTaken(t *testing.T) {
	dir := tree(t, map[string]string{"proxy.toml": withPage, "pages/a": strings.Repeat("b", maxNamed)})
	if _, err := Load(dir); err != nil {
		t.Error(err)
	}
}

func TestFiles_TogetherAreBounded(t *testing.T) {
	files, toml := map[string]string{}, ""
	for i := range 17 {
		files[fmt.Sprint(i)] = strings.Repeat("b", maxNamed)
		toml += fmt.Sprintf("[[rule]]\nname = '%d'\nrespond = { status = 200, file = '%d' }\n", i, i)
	}
	files["proxy.toml"] = toml
	_, err := Load(tree(t, files))
	want := `proxy.toml:51:34: rule.respond.file = "16": with this file, those that are named are larger than 16 MiB together: use fewer or smaller ones`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}

	toml = ""
	clear(files)
	for i := range maxFiles + 1 {
		files[fmt.Sprint(i)] = ""
		toml += fmt.Sprintf("[[rule]]\nname = '%d'\nrespond = { status = 200, file = '%d' }\n", i, i)
	}
	files["proxy.toml"] = toml
	_, err = Load(tree(t, files))
	want = `proxy.toml:3003:34: rule.respond.file = "1000": more than 1000 files are named: use fewer`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestLoad_HashFollowsTheFilesThatAreNamed(t *testing.T) {
	hash := func(files map[string]string) string {
		t.Helper()
		loaded, err := Load(tree(t, files))
		must(t, err)
		return loaded.Hash
	}
	first := hash(map[string]string{"proxy.toml": withPage, "pages/a": "b"})
	if again := hash(map[string]string{"proxy.toml": withPage, "pages/a": "b", "other": "c"}); again != first {
		t.Errorf("a file that is not named changes the hash")
	}
	for name, files := range map[string]map[string]string{
		"another page":    {"proxy.toml": withPage, "pages/a": "c"},
		"an empty page":   {"proxy.toml": withPage, "pages/a": ""},
		"a list in place": {"proxy.toml": withList, "lists/a": "192.0.2.1"},
		"another comment": {"proxy.toml": withList, "lists/a": "192.0.2.1#"},
		"another name":    {"proxy.toml": strings.ReplaceAll(withPage, "pages/a", "pages/b"), "pages/b": "b"},
	} {
		if hash(files) == first {
			t.Errorf("%s does not change the hash", name)
		}
	}
}

func TestLists_AreBounded(t *testing.T) {
	lines := strings.Repeat("::/0\n", maxEntries)
	loaded, err := Load(tree(t, map[string]string{"proxy.toml": withList, "lists/a": lines}))
	must(t, err)
	if n := len(loaded.Config.Rules[0].Match.Conditions[0].Clients); n != maxEntries {
		t.Errorf("%d networks", n)
	}
	_, err = Load(tree(t, map[string]string{"proxy.toml": withList, "lists/a": lines + "\n ::1 \n"}))
	if want := "lists/a:100002:2: more than 100000 addresses and networks in one list: use fewer"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// Every rule may name the same large lists: the memory for them is spent once.
func TestLists_ThatSeveralRulesNameAreHeldOnce(t *testing.T) {
	var toml strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&toml, "[[rule]]\nname = '%d'\nmatch.client_list = ['lists/a', 'lists/b']\norigin = 'x'\n", i)
	}
	lines := strings.Repeat("::/0\n", maxEntries)
	dir := tree(t, map[string]string{"proxy.toml": toml.String(), "lists/a": lines, "lists/b": lines})
	loaded, err := Load(dir)
	must(t, err)
	first, last := loaded.Config.Rules[0].Match.Conditions[0].Clients, loaded.Config.Rules[2999].Match.Conditions[0].Clients
	if len(last) != 2*maxEntries || &first[0] != &last[0] {
		t.Error("two rules hold the same lists twice")
	}
}

func TestLists_InManyCombinationsAreBounded(t *testing.T) {
	files := map[string]string{}
	var toml strings.Builder
	for i := range 20 {
		files[fmt.Sprintf("l%d", i)] = strings.Repeat("::/0\n", 20_000)
		for j := range 20 {
			fmt.Fprintf(&toml, "[[rule]]\nname = '%d %d'\nmatch.client_list = ['l%d', 'l%d']\norigin = 'x'\n", i, j, i, j)
		}
	}
	files["proxy.toml"] = toml.String()
	_, err := Load(tree(t, files))
	problems, _ := err.(Problems)
	if len(problems) == 0 || !strings.Contains(problems[0].Message, "more than 400000 addresses and networks") {
		t.Errorf("%v", err)
	}
}

// replace writes proxy.toml in a directory.
func replace(t testing.TB, dir, content string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, "proxy.toml"), []byte(content), 0o644))
}
