package pidfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// claimEnv names the pidfile that this test binary claims, instead of running tests. It then says so, says each signal USR1
// that it gets, and releases the file when its stdin ends. Where oftenEnv is set it claims and releases it all the time until then.
const (
	claimEnv = "PIDFILE_TEST_CLAIM"
	oftenEnv = "PIDFILE_TEST_OFTEN"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(claimEnv); path != "" {
		os.Exit(claimer(path))
	}
	os.Exit(m.Run())
}

func claimer(path string) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	file, err := Claim(path)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("claimed")
	go func() {
		for range signals {
			fmt.Println("signalled")
		}
	}()
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	for often := os.Getenv(oftenEnv) != ""; often; {
		if err := file.Release(); err != nil {
			fmt.Println(err)
			return 1
		}
		if file, err = Claim(path); err != nil {
			fmt.Println(err)
			return 1
		}
		select {
		case <-ended:
			often = false
		default:
		}
	}
	<-ended
	if err := file.Release(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// process is another process that has claimed a pidfile, or tried to.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Reader
}

func start(t *testing.T, path string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), claimEnv+"="+path, "GORACE=atexit_sleep_ms=0")
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	p := &process{t, cmd, stdin, bufio.NewReader(stdout)}
	t.Cleanup(func() { p.release() })
	return p
}

// says waits for the next line of the process.
func (p *process) says() string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("%q, %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (p *process) release() {
	p.stdin.Close()
	p.cmd.Wait()
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func claimed(t *testing.T, path string) *process {
	t.Helper()
	p := start(t, path)
	if line := p.says(); line != "claimed" {
		t.Fatal(line)
	}
	return p
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantRead(t *testing.T, path string, wantPID int, wantErr error) {
	t.Helper()
	pid, err := Read(path)
	if pid != wantPID || !errors.Is(err, wantErr) {
		t.Errorf("Read = %d, %v, want %d, %v", pid, err, wantPID, wantErr)
	}
}

func wantHeld(t *testing.T, path string, want bool) {
	t.Helper()
	if held, err := Held(path); held != want || err != nil {
		t.Errorf("Held = %v, %v, want %v", held, err, want)
	}
}

func TestClaim_NamesTheHolderUntilItReleases(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	wantRead(t, path, 0, nil)
	wantHeld(t, path, false)
	p := claimed(t, path)
	wantRead(t, path, p.pid(), nil)
	wantHeld(t, path, true)
	if text, _ := os.ReadFile(path); string(text) != strconv.Itoa(p.pid())+"\n" {
		t.Errorf("the file holds %q", text)
	}
	p.release()
	wantRead(t, path, 0, nil)
	wantHeld(t, path, false)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestClaim_SecondProcessIsToldWhoHoldsItAndHarmsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	first := claimed(t, path)
	if got, want := start(t, path).says(), fmt.Sprintf("another proxyd runs: pid %d holds %s", first.pid(), path); got != want {
		t.Errorf("the second says %q, want %q", got, want)
	}
	wantRead(t, path, first.pid(), nil)
	if pid, err := Signal(path, syscall.SIGUSR1); pid != first.pid() || err != nil {
		t.Errorf("Signal = %d, %v", pid, err)
	}
	if got := first.says(); got != "signalled" {
		t.Errorf("the first says %q", got)
	}
}

func TestClaim_TakesOverWhatAKillLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	first := claimed(t, path)
	first.kill()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the kill left no file: %v", err)
	}
	wantRead(t, path, 0, nil)
	wantHeld(t, path, false)
	second := claimed(t, path)
	wantRead(t, path, second.pid(), nil)
}

func TestClaim_TakesOverAnyContent(t *testing.T) {
	f := func(text string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "pid")
		write(t, path, text)
		p := claimed(t, path)
		wantRead(t, path, p.pid(), nil)
		if got, _ := os.ReadFile(path); string(got) != strconv.Itoa(p.pid())+"\n" {
			t.Errorf("over %.20q: the file holds %q", text, got)
		}
	}
	f("")
	f("not a number\n")
	f("1\n") // a living process
	f(strings.Repeat("9", 1000))
}

func TestClaim_SaysWhatIsInTheWay(t *testing.T) {
	if _, err := Claim(filepath.Join(t.TempDir(), "missing", "pid")); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrHeld) {
		t.Error(err)
	}
	if _, err := Claim(t.TempDir()); !errors.Is(err, syscall.EISDIR) {
		t.Error(err)
	}
}

func TestRelease_LeavesAFileThatIsNotItsOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	p := claimed(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, path, "somebody else's\n")
	p.release()
	if text, err := os.ReadFile(path); string(text) != "somebody else's\n" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}

func TestRead_StaleIsNobody(t *testing.T) {
	f := func(text string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "pid")
		write(t, path, text)
		wantRead(t, path, 0, nil)
		wantHeld(t, path, false)
		if pid, err := Signal(path, syscall.SIGKILL); pid != 0 || err != nil {
			t.Errorf("%q: Signal = %d, %v", text, pid, err)
		}
	}
	f("")
	f("\n")
	f("hello\n")
	f("0\n")  // kill(2) would mean the caller's process group
	f("-1\n") // kill(2) would mean everybody
	f("999999999\n")
	f("99999999999999999999999999\n")
}

func TestRead_ForeignIsNeverSignalled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	bystander := claimed(t, filepath.Join(t.TempDir(), "other"))
	write(t, path, strconv.Itoa(bystander.pid()))
	wantRead(t, path, 0, ErrForeign)
	wantHeld(t, path, false)
	if pid, err := Signal(path, syscall.SIGKILL); pid != 0 || !errors.Is(err, ErrForeign) {
		t.Errorf("Signal = %d, %v, want ErrForeign", pid, err)
	}
	if err := bystander.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if got := bystander.says(); got != "signalled" {
		t.Errorf("the bystander says %q", got)
	}
}

func TestRead_ANumberThatIsNotTheHoldersIsForeignOnlyWhenItLives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	p := claimed(t, path)
	write(t, path, strconv.Itoa(os.Getppid())) // the same file, so it is still held
	wantRead(t, path, 0, ErrForeign)
	wantHeld(t, path, true)
	// This is what a reader sees between the lock of a claimer and its first write.
	write(t, path, "999999999\n")
	wantRead(t, path, p.pid(), nil)
	write(t, path, "")
	wantRead(t, path, p.pid(), nil)
}

func TestRead_AZombieIsDead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	zombie := claimed(t, path)
	if err := zombie.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	zombie.out.ReadString('\n') // until its end of the pipe is closed: it has ended, and nobody has waited for it
	for held := true; held; {
		var err error
		if held, err = Held(path); err != nil {
			t.Fatal(err)
		}
	}
	wantRead(t, path, 0, nil)
}

func TestRead_AProxydThatStartsOrEndsIsNeverForeign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "proxyd.pid")
	t.Setenv(oftenEnv, "yes")
	p := claimed(t, path)
	for range 20_000 {
		if pid, err := Read(path); err != nil || pid != 0 && pid != p.pid() {
			t.Fatalf("%d, %v; want 0 or %d", pid, err, p.pid())
		}
	}
}

func TestRead_AnUnreadableFileIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file", "pid")
	write(t, filepath.Dir(path), "")
	if _, err := Read(path); !errors.Is(err, syscall.ENOTDIR) {
		t.Error(err)
	}
	if _, err := Held(path); !errors.Is(err, syscall.ENOTDIR) {
		t.Error(err)
	}
}

func TestClaim_OfManyAtOnceOneWins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	write(t, path, "1\n")
	var all []*process
	for range 8 {
		all = append(all, start(t, path))
	}
	var winners []int
	for _, p := range all {
		switch line := p.says(); {
		case line == "claimed":
			winners = append(winners, p.pid())
		case !strings.HasPrefix(line, ErrHeld.Error()):
			t.Error(line)
		}
	}
	if len(winners) != 1 {
		t.Fatalf("%v claimed it, want one", winners)
	}
	wantRead(t, path, winners[0], nil)
}
