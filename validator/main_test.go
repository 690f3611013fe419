package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"section.internal/contract/config"
)

// binary is the tool as it is built, made by TestMain.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "validator")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "validator")
		// Another user than the one who builds it runs it, too.
		if err := os.Chmod(dir, 0o755); err != nil {
			panic(err)
		}
		if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
			panic(string(out))
		}
		return m.Run()
	}())
}

// result is all that a caller of the tool gets to see, and what the run cost.
type result struct {
	stdout, stderr string
	code           int
	cpu            time.Duration
}

// nobody runs a command as a user who is not root, whom permissions bind.
func nobody(cmd *exec.Cmd) {
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
}

// start runs the tool with nothing in its environment but env.
func start(t *testing.T, prepare func(*exec.Cmd), env []string, args ...string) result {
	t.Helper()
	cmd := exec.Command(binary, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &stdout, &stderr, append([]string{}, env...)
	if prepare != nil {
		prepare(cmd)
	}
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	end := cmd.ProcessState
	return result{stdout.String(), stderr.String(), end.ExitCode(), end.UserTime() + end.SystemTime()}
}

// wants checks the streams and the exit code to the byte.
func (r result) wants(t *testing.T, code int, stdout, stderr string) {
	t.Helper()
	if r.code != code || r.stdout != stdout || r.stderr != stderr {
		t.Errorf("got exit code %d, stdout %q, stderr %q\nwant     %d,        %q,        %q", r.code, r.stdout, r.stderr, code, stdout, stderr)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scratch returns a new directory that every user can reach.
func scratch(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	must(t, os.Chmod(dir, 0o755))
	return dir
}

// with returns a config directory whose file has a content.
func with(t testing.TB, content string) string {
	t.Helper()
	dir := scratch(t)
	must(t, os.WriteFile(filepath.Join(dir, "proxy.toml"), []byte(content), 0o644))
	return dir
}

func TestValidator_PrintsNothingWhenTheConfigIsRight(t *testing.T) {
	for name, dir := range map[string]string{
		"missing directory":  filepath.Join(scratch(t), "none"),
		"empty directory":    scratch(t),
		"empty file":         with(t, ""),
		"comments alone":     with(t, "# nothing\n\n# at all"),
		"byte order mark":    with(t, "\ufeff[log]\nlevel = \"warn\"\n"),
		"ends of lines CRLF": with(t, "[log]\r\nlevel = \"warn\"\r\n"),
		"everything":         with(t, "client.idle_timeout = \"5s\"\n[next_hop]\nmax_connections = 1\n[log]\nto = \"stdout\"\n"),
	} {
		t.Run(name, func(t *testing.T) {
			start(t, nil, nil, "--config-dir", dir).wants(t, 0, "", "")
			start(t, nobody, []string{"PROXY_CONFIG_DIR=" + dir}).wants(t, 0, "", "")
		})
	}
}

func TestValidator_NamesEachProblemOnALineOfStderr(t *testing.T) {
	utf16 := ""
	for _, c := range "[client]\n" {
		utf16 += string(c) + "\x00"
	}
	for name, c := range map[string]struct{ content, want string }{
		"two mistakes": {"[client]\nheader_timout = \"5s\"\nmax_connections = 0\n",
			"proxy.toml:2:1: unknown key \"client.header_timout\"; did you mean \"client.header_timeout\"?\n" +
				"proxy.toml:3:19: client.max_connections = 0: want 1 to 1000000 connections\n"},
		"wrong type":  {"[client]\nmax_connections = \"many\"\n", "proxy.toml:2:19: client.max_connections = \"many\" is a string: want a whole number such as 16384\n"},
		"broken TOML": {"[client\n", "proxy.toml:1:8: not valid TOML: expected '.' or ']' to end table name, but got '\\n' instead\n"},
		"not UTF-8":   {"# caf\xe9\n", "proxy.toml:1:6: byte 0xe9 at offset 5: not UTF-8: save the file as UTF-8\n"},
		"UTF-16":      {"\xff\xfe" + utf16, "proxy.toml:1:1: byte 0xff at offset 0: this file looks like UTF-16: save it as UTF-8\n"},
		"bare UTF-16": {utf16, "proxy.toml:1:1: byte 0x5b at offset 0: this file looks like UTF-16: save it as UTF-8\n"},
		"a NUL byte":  {"[log]\nlevel = \"in\x00fo\"\n", "proxy.toml:2:12: byte 0x00 at offset 17: control character: remove it\n"},
		"NUL bytes":   {strings.Repeat("\x00", 64), "proxy.toml:1:1: byte 0x00 at offset 0: control character: remove it\n"},
		"escape codes": {"[log]\nlevel = \"\\u001b[2J\\r\\n\\u202e\"\n\"\\u0007\" = 1\n",
			"proxy.toml:2:9: log.level = \"\\x1b[2J\\r\\n\\u202e\": want one of \"debug\", \"info\", \"warn\", \"error\"\n" +
				"proxy.toml:3:1: unknown key log.\"\\a\"; the keys of [log] are to, client_address, level\n"},
	} {
		t.Run(name, func(t *testing.T) {
			start(t, nil, nil, "--config-dir", with(t, c.content)).wants(t, 1, "", c.want)
		})
	}
}

func TestValidator_SaysWhyItCannotRead(t *testing.T) {
	file := filepath.Join(with(t, ""), "proxy.toml")
	start(t, nil, nil, "--config-dir", file).wants(t, 1, "", file+": a regular file: want a directory that holds proxy.toml\n")

	closed := with(t, "")
	must(t, os.Chmod(closed, 0))
	t.Cleanup(func() { os.Chmod(closed, 0o755) })
	uid := "65534"
	if os.Geteuid() != 0 {
		uid = strings.TrimSpace(output(t, "id", "-u"))
	}
	start(t, nobody, nil, "--config-dir", closed).wants(t, 1, "", closed+": cannot read the directory: permission denied for uid "+uid+": make it readable\n")
	start(t, nobody, nil, "--config-dir", closed+"/below").wants(t, 1, "", closed+"/below: cannot read the directory: permission denied for uid "+uid+": make it readable\n")

	listed := with(t, "") // its names can be read, but nothing in it
	must(t, os.Chmod(listed, 0o744))
	hidden := with(t, "")
	must(t, os.Chmod(filepath.Join(hidden, "proxy.toml"), 0))
	if os.Geteuid() != 0 {
		must(t, os.Chmod(listed, 0o400))
		t.Cleanup(func() { os.Chmod(listed, 0o755) })
	}
	for _, dir := range []string{listed, hidden} {
		start(t, nobody, nil, "--config-dir", dir).wants(t, 1, "", "proxy.toml: cannot read the file: permission denied for uid "+uid+": make it readable\n")
	}

	pipe := scratch(t)
	must(t, syscall.Mkfifo(filepath.Join(pipe, "proxy.toml"), 0o644))
	start(t, nil, nil, "--config-dir", pipe).wants(t, 1, "", "proxy.toml: a FIFO: want a regular file\n")
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	must(t, err)
	return string(out)
}

func TestValidator_CallsAMisuseAMisuse(t *testing.T) {
	const try = "validator: try 'validator --help'\n"
	for _, c := range []struct {
		env, args []string
		want      string
	}{
		{nil, []string{"--confdir", "/"}, "validator: flag provided but not defined: -confdir\n"},
		{nil, []string{"--config-dir"}, "validator: flag needs an argument: -config-dir\n"},
		{nil, []string{"--config-dir="}, "validator: --config-dir (PROXY_CONFIG_DIR) is empty: leave it out for /opt/proxy_config\n"},
		{nil, []string{"/etc"}, "validator: unexpected argument \"/etc\": only flags are taken here\n"},
		{nil, []string{"--explain", "http://a/", "--schema"}, "validator: --explain and --schema: want one of them at a time\n"},
		{nil, []string{"--diff=/old", "--requests=-", "--warnings", "--explain=http://a/"}, "validator: --warnings and --explain and --diff: want one of them at a time\n"},
		{nil, []string{"-H", "A: b"}, "validator: --header without --explain: it adds a field to the request of --explain URL\n"},
		{nil, []string{"--method", "GET"}, "validator: --method without --explain: it is the method of the request of --explain URL\n"},
		{nil, []string{"--client", "192.0.2.1"}, "validator: --client without --explain: it is where the request of --explain URL comes from\n"},
		{nil, []string{"--requests", "-"}, "validator: --requests without --diff: it holds the requests for which --diff OLD_DIR tells the changes\n"},
		{nil, []string{"--diff", "/"}, "validator: --diff without --requests: --requests FILE names the access log for whose requests the changes are told\n"},
		{nil, []string{"--explain", "/a"}, "validator: --explain \"/a\": want a URL such as https://www.example.com/a?b=c\n"},
	} {
		start(t, nil, c.env, c.args...).wants(t, 2, "", c.want+try)
	}
}

func TestValidator_HelpAndVersionNeedNoConfig(t *testing.T) {
	start(t, nil, nil, "--version").wants(t, 0, "validator version devel\n", "")
	help := start(t, nil, nil, "--help")
	if help.code != 0 || help.stderr != "" {
		t.Errorf("%+v", help)
	}
	golden(t, "help.txt", help.stdout)
}

// The schema is for an editor, which may have no config directory.
func TestValidator_SchemaIsPrintedWhateverTheDirectoryHolds(t *testing.T) {
	start(t, nil, nil, "--schema", "--config-dir", with(t, "[clinet]\n")).wants(t, 0, string(config.Schema()), "")
	var document map[string]any
	if err := json.Unmarshal(config.Schema(), &document); err != nil || document["$schema"] == nil {
		t.Errorf("%v, %v", err, document["$schema"])
	}
}

// golden compares got with testdata/NAME, which -update rewrites.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if got != string(want) {
		t.Errorf("%s holds something else (-update rewrites it); got:\n%s", file, got)
	}
}

// TestValidator_DealsWithHostileRulesWithinASecondAnd64MiB runs the tool on rules and tests that cost most to prepare or to run: as many
// as the bounds of a file let through.
func TestValidator_DealsWithHostileRulesWithinASecondAnd64MiB(t *testing.T) {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.ReplaceAll(format, "#", strconv.Itoa(i)))
		}
		return b.String()
	}
	const (
		rule    = "[[rule]]\nname='#'\norigin='o'\nmatch="
		test    = "[[test]]\nname='#'\nrequest={url='http://a/"
		ends    = "'}\nexpect={rule=''}\n"
		tooLong = "takes too long; use fewer tests or shorter requests\n"
	)
	a := func(n int) string { return strings.Repeat("a", n) }
	var list strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&list, "10.%d.%d.%d\n", i>>16&255, i>>8&255, i&255)
	}
	lists := map[string]string{}
	for i := range 100 {
		lists[fmt.Sprintf("l%d", i)] = list.String()
	}
	page := map[string]string{"page.html": strings.Repeat("x", 1<<20)}
	for name, c := range map[string]struct {
		content string
		files   map[string]string
		want    string // "" for a configuration that is right
	}{
		"large regexes":         {many(10_000, rule+"{path_regex='a{1000}#'}\n"), nil, "MiB of memory to match: use fewer"},
		"small regexes":         {many(3400, rule+"{path_regex='(a|aa)+#$'}\n"), nil, ""},
		"regexes, many tests":   {many(3400, rule+"{path_regex='(a|aa)+#$'}\n") + many(4000, test+a(40)+ends), nil, tooLong},
		"regexes, a long test":  {many(3400, rule+"{path_regex='(a|aa)+#$'}\n") + test + a(500_000) + ends, nil, tooLong},
		"paths and tests":       {many(4800, rule+"{path='**a*a**a*#'}\n") + many(4800, test+a(40)+ends), nil, tooLong},
		"paths, a long test":    {many(4800, rule+"{path='**a*a**a*#'}\n") + test + a(500_000) + ends, nil, tooLong},
		"a long list of paths":  {strings.Replace(rule, "match=", "match.path=[", 1) + many(34_000, "'**#*',") + "]\n" + test + a(200_000) + ends, nil, tooLong},
		"headers and tests":     {many(3400, rule+"{header={a='*a*b*#'}}\n") + many(3400, "[[test]]\nname='#'\nrequest={url='http://a/',headers={a='"+a(23)+"'}}\nexpect={rule=''}\n"), nil, tooLong},
		"failing tests":         {many(3800, rule+"{path='/a**'}\n") + many(3800, test+"abc'}\nexpect={status=404,upstream={path='/b'}}\n"), nil, tooLong},
		"changes and tests":     {many(4600, "[[rule]]\nname='#'\nresponse.set.a#='b'\n") + many(4600, test+ends), nil, tooLong},
		"placeholders":          {many(4500, "[[rule]]\nname='#'\nresponse.set.a='{path}{path}{path}{path}'\n") + many(4500, test+a(90)+ends), nil, tooLong},
		"placeholders, at once": {many(60, "[[rule]]\nname='#'\nresponse.set.a#='"+strings.Repeat("{path}", 1300)+"'\n") + test + a(400_000) + ends, nil, tooLong},
		"nots":                  {many(3400, rule+"{not={not={not={not={not={path='/#'}}}}}}\n"), nil, ""},
		"hosts":                 {many(11_000, rule+"{host='a#'}\n"), nil, ""},
		"answers":               {many(7200, "[[rule]]\nname='#'\nmatch={path='/#'}\nrespond={status=200,body='x'}\n"), nil, ""},
		"networks":              {rule + "{client=[" + many(250, "'10.0.0.#',") + strings.Repeat("'10.1.2.3',", 33_000) + "]}\n", nil, ""},
		"a list many times":     {many(11_000, rule+"{client_list='l0'}\n"), map[string]string{"l0": list.String()}, ""},
		"many lists":            {many(100, rule+"{client_list='l#'}\n"), lists, "addresses and networks in all: use fewer"},
		"as many lists as may":  {many(6, rule+"{client_list='l#'}\n") + test + ends, lists, ""},
		"a page many times":     {many(7200, "[[rule]]\nname='#'\nmatch={path='/#'}\nrespond={status=200,file='page.html'}\n"), page, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := with(t, c.content)
			for name, content := range c.files {
				must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
			}
			r := bounded(t, dir)
			if c.want == "" {
				r.wants(t, 0, "", "")
			} else if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, c.want) || len(r.stderr) > 2_000_000 {
				t.Errorf("exit code %d, stdout %q, stderr of %d bytes %.300q, want %q", r.code, r.stdout, len(r.stderr), r.stderr, c.want)
			}
		})
	}
}

// collection matches what the runtime says of a garbage collection: the heap at its start, what it leaves, and the next start.
var collection = regexp.MustCompile(`(?m)^gc \d+ @.* (\d+)->\d+->(\d+) MB, (\d+) MB goal, .*\n`)

// size is how large a file may be.
const size = 1 << 20

// bounded runs the tool and checks what a run costs.
func bounded(t *testing.T, dir string) result {
	t.Helper()
	r := start(t, nil, nil, "--config-dir", dir)
	// A busy machine makes a run dearer, never cheaper: the cheapest one is what the tool needs.
	const runs = 4
	for n := 1; n < runs && r.cpu > time.Second; n++ {
		if again := start(t, nil, nil, "--config-dir", dir); again.cpu < r.cpu {
			r = again
		}
	}
	if r.cpu > time.Second {
		t.Errorf("%v of processor time, the least of %d runs", r.cpu, runs)
	}
	const runtimeMiB = 8 // what a Go process takes beside its heap, with some to spare
	if heap := heapMiB(t, dir); heap > 64-runtimeMiB {
		t.Errorf("%d MiB of heap", heap)
	}
	return r
}

// heapMiB returns how large the tool's heap gets. It is the runtime's own account, since the kernel's starts with the memory of the
// process that forked. The run is one for that alone: what the runtime says is mixed with what the tool says.
func heapMiB(t *testing.T, dir string) int {
	t.Helper()
	traced, heap := start(t, nil, []string{"GODEBUG=gctrace=1"}, "--config-dir", dir), 0
	for _, gc := range collection.FindAllStringSubmatch(traced.stderr, -1) {
		before, err := strconv.Atoi(gc[1])
		must(t, err)
		goal, err := strconv.Atoi(gc[3])
		must(t, err)
		heap = max(heap, before, goal)
	}
	return heap
}

// Small runs collect nothing, so a bound on the heap alone would not show that the runtime's lines look different now.
func TestHeapMiB_UnderstandsTheRuntime(t *testing.T) {
	var rules strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&rules, "[[rule]]\nname='%d'\nmatch.path='/%d'\nrespond={status=200,body='x'}\n", i, i)
	}
	if heap := heapMiB(t, with(t, rules.String())); heap == 0 {
		t.Error("no collection is told of")
	}
}

// TestValidator_DealsWithHostileFilesWithinASecondAnd64MiB runs the tool on files of the largest size that cost a reader most.
func TestValidator_DealsWithHostileFilesWithinASecondAnd64MiB(t *testing.T) {
	lines := func(n int, format func(i string) string) string {
		var b strings.Builder
		for i := 0; i < n && b.Len() < size-100; i++ {
			b.WriteString(format(string([]byte{'a' + byte(i/17576%26), 'a' + byte(i/676%26), 'a' + byte(i/26%26), 'a' + byte(i%26)})))
		}
		return b.String()
	}
	fill := func(s string) string { return strings.Repeat(s, (size-16)/len(s)) }
	name := strings.Repeat("n", 500)
	for name, c := range map[string]struct{ content, want string }{
		"open brackets":      {"a=" + fill("["), "nested more than 10 deep"},
		"open braces":        {"a=" + fill("{a="), "nested more than 10 deep"},
		"dots":               {fill("a.") + "a=1", "nested more than 10 deep"},
		"keys":               {lines(size, func(i string) string { return i + "=1\n" }), "more than 80000 keys and array elements"},
		"elements":           {"a=[" + fill("1,") + "]", "more than 80000 keys and array elements"},
		"unknown keys":       {"[client]\n" + lines(49_000, func(i string) string { return "idle_timeou" + i + "=1\n" }), "48000 more problems"},
		"deep keys":          {lines(59_000, func(i string) string { return "a.b.c.d.e.f.g.h.i." + i + "=1\n" }), "too many keys that are deep or have long names"},
		"deep headers":       {lines(59_000, func(i string) string { return "[" + i + ".b.c.d.e.f.g.h.i]\n" }), "too many keys that are deep or have long names"},
		"just not too many":  {lines(16_000, func(i string) string { return "a.b.c.d.e.f.g.h." + i + "=1\n" }), "unknown table \"a\""},
		"deep braces":        {"a=[" + fill("{b={c={d={e={f={g={h=1}}}}}}},") + "]", "too many keys that are deep or have long names"},
		"long table":         {"[" + name + "]\n" + strings.Repeat("k=1\n", 200_000), "is set a second time"},
		"long paths":         {"[" + name + "]\n" + lines(59_000, func(i string) string { return i + "=1\n" }), "too many keys that are deep or have long names"},
		"long key":           {fill("k") + "=1", "longer than 512 bytes"},
		"rules":              {fill("[[r]]\n"), "more than 80000 keys and array elements"},
		"long number":        {"a=" + fill("1"), "is out of the range of all numbers"},
		"long word":          {"a=" + fill("w"), "is no value"},
		"late mistake":       {fill("\n") + "a=\n", "the value is missing"},
		"inline answers":     {lines(12_000, func(i string) string { return "[[rule]]\nname=\"" + i + "\"\nrespond={status=1,body='b'}\n" }), "1000 more problems"},
		"wrong placeholders": {lines(10_000, func(i string) string { return "[[rule]]\nname='" + i + "'\nrequest.set.a='{abcdefghijkl}'\n" }), "unknown placeholder"},
		"missing files":      {lines(12_000, func(i string) string { return "[[rule]]\nname='" + i + "'\nrespond={status=200,file='" + i + "'}\n" }), "there is no such file"},
		"unknown rules": {lines(4000, func(i string) string {
			return "[[rule]]\nname='" + i + strings.Repeat("a", 60) + "'\norigin='x'\n[[test]]\nname='" + i + "'\nrequest.url='http://a'\nexpect.rule='" + strings.Repeat("b", 60) + "'\n"
		}), "there is no such rule"},
		"large names of files": {"[[rule]]\nname='a'\nrespond={status=200,file='" + strings.Repeat("a/", size/2-100) + "'}\n", "longer than 1024 bytes"},
		"regex of a megabyte":  {"[[rule]]\nname='a'\norigin='x'\nmatch.path_regex='" + strings.Repeat("(a|b)*", size/6-100) + "'\n", "want at most 1024"},
		"regexes that expand": {lines(9000, func(i string) string {
			return "[[rule]]\nname='" + i + "'\norigin='x'\nmatch.path_regex='(((a{100}){100}){100})'\n"
		}), "repeats too often"},
		"regexes just large enough": {lines(8000, func(i string) string {
			return "[[rule]]\nname='" + i + "'\norigin='x'\nmatch.path_regex='.{1000}.{1000}'\n"
		}), "more than 16 MiB of memory"},
		"regexes too large": {lines(1000, func(i string) string {
			return "[[rule]]\nname='" + i + "'\norigin='x'\nmatch.path_regex='" + strings.Repeat("(a{1000})", 100) + "'\n"
		}), "of memory to match"},
		"regexes of unicode": {lines(1000, func(i string) string {
			return "[[rule]]\nname='" + i + "'\norigin='x'\nmatch.path_regex='" + strings.Repeat(`\pL`, 300) + "'\n"
		}), "of memory to match"},
		"regexes that fold": {lines(1000, func(i string) string {
			return "[[rule]]\nname='" + i + "'\norigin='x'\nmatch.path_regex='(?i)" + strings.Repeat(`[\x{42}-\x{1e942}]`, 50) + "'\n"
		}), "of memory to match"},
		"wrong regexes": {lines(1000, func(i string) string {
			return "[[rule]]\nname='" + i + "'\norigin='x'\nmatch.path_regex='" + strings.Repeat(`[**]`, 200) + "**'\n"
		}), "invalid nested repetition operator"},
		"larger than it": {fill("#") + strings.Repeat("#", 100), "the file is larger than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			r := bounded(t, with(t, c.content))
			if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, c.want) || len(r.stderr) > 400_000 {
				t.Errorf("exit code %d, stdout %q, stderr of %d bytes %.300q, want %q", r.code, r.stdout, len(r.stderr), r.stderr, c.want)
			}
		})
	}
}

// TestValidator_DealsWithHostileDirectoriesWithinASecondAnd64MiB is the same for what a file names.
func TestValidator_DealsWithHostileDirectoriesWithinASecondAnd64MiB(t *testing.T) {
	rules := func(n int, format func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(format(i))
		}
		return b.String()
	}
	list := strings.Repeat("::/0\n", 100_000)
	for name, c := range map[string]struct {
		file  string // the content of each of 40 files
		rules string
		want  string // "" for a configuration that is right
	}{
		"large lists": {list, rules(40, func(i int) string {
			return fmt.Sprintf("[[rule]]\nname='%d'\norigin='x'\nmatch.client_list='%d'\n", i, i)
		}), "addresses and networks in all"},
		"large lists in many combinations": {list, rules(400, func(i int) string {
			return fmt.Sprintf("[[rule]]\nname='%d'\norigin='x'\nmatch.client_list=['%d', '%d']\n", i, i%3, i/3%3)
		}), "addresses and networks, with those of the lists above"},
		"lists of mistakes": {strings.Repeat("x\n", size/2), rules(16, func(i int) string {
			return fmt.Sprintf("[[rule]]\nname='%d'\norigin='x'\nmatch.client_list='%d'\n", i, i)
		}), "15016 more problems from here on"},
		"lists of comments": {strings.Repeat("#\n", size/2), rules(16, func(i int) string {
			return fmt.Sprintf("[[rule]]\nname='%d'\norigin='x'\nmatch.client_list='%d'\n", i, i)
		}), ""},
		"large pages": {strings.Repeat("x", size), rules(40, func(i int) string {
			return fmt.Sprintf("[[rule]]\nname='%d'\nrespond={status=200,file='%d'}\n", i, i)
		}), "larger than 16 MiB together"},
		"files too large": {strings.Repeat("x", 2*size), rules(40, func(i int) string {
			return fmt.Sprintf("[[rule]]\nname='%d'\nrespond={status=200,file='%d'}\n", i, i)
		}), "the file is larger than 1 MiB"},
		"as many pages as may be": {strings.Repeat("x", size), rules(6000, func(i int) string {
			return fmt.Sprintf("[[rule]]\nname='%d'\nmatch.path='/%d'\nrespond={status=200,file='%d'}\n", i, i, i%16)
		}), ""},
		"ten thousand rules": {"", rules(10_000, func(i int) string {
			return fmt.Sprintf("[[rule]]\nname='%d'\nmatch.host='h%d.example.com'\nresponse.set.X-Env='%d'\n", i, i, i)
		}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := with(t, c.rules)
			for i := range 40 {
				must(t, os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), []byte(c.file), 0o644))
			}
			r := bounded(t, dir)
			if c.want == "" {
				r.wants(t, 0, "", "")
			} else if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, c.want) || len(r.stderr) > 400_000 {
				t.Errorf("exit code %d, stdout %q, stderr of %d bytes %.300q, want %q", r.code, r.stdout, len(r.stderr), r.stderr, c.want)
			}
		})
	}
}
