//go:build image

package image

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"

	"section.internal/contract/place"
	"section.internal/e2e/proxydtest"
)

func TestContract_WritesLogsUnderVarLogOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	connect(t, h.proxyd).get(t, "/logged")
	awaitLogged(t, h.proxyd, "/logged", 1)
	wantSilence(t, "logrotate.sh", h.proxyd.exec(t, "/opt/section/logrotate.sh"))
	stop(t, h.proxyd)

	lines := accessLog(t, h.proxyd)
	if len(lines) == 0 || lines[len(lines)-1]["uri_path"] != "/logged" {
		t.Errorf("the access log is %v: want the request of /logged at its end", lines)
	}
	// What changed in the container's file system since its start is in the place for logs, or in that for what only lives
	// while the process does.
	for change := range strings.Lines(must(t)(docker("diff", h.proxyd.id))) {
		name := strings.TrimSpace(change[1:])
		if inside(name, "/var/log") || inside(name, "/run") || name == "/var" {
			continue
		}
		t.Errorf("docker diff: %s: want changes below /var/log and /run only", strings.TrimSpace(change))
	}
}

func TestContract_CreatesLogDirectoriesAtStartUp(t *testing.T) {
	t.Parallel()
	// The image brings no directory of its own below /var/log, and here the platform mounts an empty one.
	for _, options := range [][]string{nil, {"--tmpfs", "/var/log"}} {
		c := startProxyd(t, append([]string{"--network", "none"}, options...)...)
		c.awaitControl(t)
		for _, name := range []string{place.AccessLog(place.LogDir.Default), place.ErrorLog(place.LogDir.Default)} {
			if e := c.exec(t, "test", "-f", name); e.code != 0 {
				t.Errorf("with %q, before the first request: there is no %s", options, name)
			}
		}
	}
	e := run3(t, "run", "--rm", "--label", label+"="+lab.name, "--network", "none", "--entrypoint", "ls", lab.image, "-A", "/var/log", "/run")
	if e.code != 0 || strings.Contains(e.stdout, "proxyd") {
		t.Errorf("ls of the image's /var/log and /run: %s: want nothing of proxyd's before its start", e)
	}
}

func TestContract_LogrotateRotatesAndReopensWhileRequestsRun(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	const clients, rotations = 4, 4
	var sent [clients]int // by each of them
	awaitAll := func() {
		t.Helper()
		total := 0
		for _, n := range sent {
			total += n
		}
		awaitLogged(t, h.proxyd, "/load/", total)
	}

	// Before each rotation every client sends a request, so that there is a line to rotate, and then others until it is over.
	for range rotations {
		var conns [clients]*client
		for c := range conns {
			conns[c] = connect(t, h.proxyd)
			if err := conns[c].load(c, &sent[c]); err != nil {
				t.Fatal(err)
			}
		}
		awaitAll()
		var group sync.WaitGroup
		over := make(chan struct{})
		for c, conn := range conns {
			group.Go(func() {
				for running := true; running; {
					if err := conn.load(c, &sent[c]); err != nil {
						t.Error(err)
						return
					}
					select {
					case <-over:
						running = false
					default:
					}
				}
			})
		}
		wantSilence(t, "logrotate.sh", h.proxyd.exec(t, "/opt/section/logrotate.sh"))
		close(over)
		group.Wait()
	}
	t.Logf("the clients sent %d requests beside %d rotations", sent, rotations)
	// One more in quiet, after which new lines go to a new file.
	awaitAll()
	wantSilence(t, "logrotate.sh", h.proxyd.exec(t, "/opt/section/logrotate.sh"))
	connect(t, h.proxyd).get(t, "/last")
	stop(t, h.proxyd)

	files := logFiles(t, h.proxyd)
	rotated := 0
	for name := range files {
		if strings.HasPrefix(name, place.AccessLogName+".") || strings.HasPrefix(name, place.AccessLogName+"-") {
			rotated++
		}
	}
	if rotated != rotations+1 {
		t.Errorf("%d rotated access logs: want one of each of %d rotations", rotated, rotations+1)
	}
	if live := decode(t, files[place.AccessLogName]); len(live) != 1 || live[0]["uri_path"] != "/last" {
		t.Errorf("the live access log holds %v: want the one request that came after the last rotation", live)
	}
	lines := accessLog(t, h.proxyd)
	paths, seqs := map[string]int{}, map[string]int{}
	for _, l := range lines {
		paths[l["uri_path"]]++
		seqs[l["seq"]]++
	}
	for c, requests := range sent {
		for i := range requests {
			if name := fmt.Sprintf("/load/%d/%d", c, i); paths[name] != 1 {
				t.Errorf("%s is logged %d times: want once", name, paths[name])
			}
		}
	}
	for n := 1; n <= len(lines); n++ {
		if seqs[strconv.Itoa(n)] != 1 {
			t.Errorf("seq %d is in %d of %d lines: want each from 1 on exactly once", n, seqs[strconv.Itoa(n)], len(lines))
		}
	}
}

// load sends a client's next request, and counts it.
func (c *client) load(number int, sent *int) error {
	a, err := c.do(fmt.Sprintf("GET /load/%d/%d HTTP/1.1\r\nHost: www.example.com\r\n\r\n", number, *sent))
	if err != nil {
		return err
	}
	if a.StatusCode != 200 {
		return fmt.Errorf("request %d of client %d: %s: %s", *sent, number, a.Status, a.body)
	}
	*sent++
	return nil
}

func TestImage_LogsToStdoutWhereTheConfigurationSaysSo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "[log]\nto = \"stdout\"\n")
	connect(t, h.proxyd).get(t, "/streamed")
	wantSilence(t, "logrotate.sh", h.proxyd.exec(t, "/opt/section/logrotate.sh"))
	stop(t, h.proxyd)
	stdout, err := exec.Command("docker", "logs", h.proxyd.id).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := decode(t, stdout)
	if len(lines) == 0 || lines[len(lines)-1]["uri_path"] != "/streamed" {
		t.Errorf("stdout holds %q: want the access log, with /streamed at its end", stdout)
	}
	for name := range logFiles(t, h.proxyd) {
		t.Errorf("there is the log file %s: want none", name)
	}
}

// awaitLogged waits until a number of lines that hold text is in the access logs, rotated or not: proxyd writes in batches.
func awaitLogged(t *testing.T, c container, text string, lines int) {
	t.Helper()
	proxydtest.Eventually(t, fmt.Sprintf("%d lines with %s in the access logs", lines, text), func() error {
		e := c.exec(t, "sh", "-c", `for f in /var/log/proxyd/access.log*; do case $f in *.gz) zcat "$f" ;; *) cat "$f" ;; esac; done | grep -cF "$0"`, text)
		if got := strings.TrimSpace(e.stdout); got != strconv.Itoa(lines) {
			return fmt.Errorf("there are %s", got)
		}
		return nil
	})
}

// stop ends a container as Docker does, with more patience than proxyd takes to drain, and wants exit code 0.
func stop(t *testing.T, c container) {
	t.Helper()
	must(t)(docker("stop", "--time", "40", c.id))
	if code := must(t)(docker("inspect", "--format", "{{.State.ExitCode}}", c.id)); code != "0" {
		t.Errorf("the container ended with %s: want 0\n%s", code, c.logs())
	}
}

// accessLog returns the lines of all access logs of a container.
func accessLog(t *testing.T, c container) (lines []proxydtest.Line) {
	t.Helper()
	for name, text := range logFiles(t, c) {
		if strings.HasPrefix(name, place.AccessLogName) {
			lines = append(lines, decode(t, text)...)
		}
	}
	return lines
}

// logFiles returns the log files of a container, unpacked where they are compressed, by name.
func logFiles(t *testing.T, c container) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	stream, err := exec.Command("docker", "cp", c.id+":"+place.LogDir.Default, "-").Output()
	if err != nil {
		t.Fatalf("cannot copy the logs out of the container: %v", err)
	}
	in := tar.NewReader(bytes.NewReader(stream))
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		name := path.Base(header.Name)
		if header.Typeflag != tar.TypeReg || !strings.Contains(name, ".log") {
			continue
		}
		var from io.Reader = in
		if strings.HasSuffix(name, ".gz") {
			if from, err = gzip.NewReader(in); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if files[name], err = io.ReadAll(from); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// decode returns the lines of an access log. They are in order.
func decode(t *testing.T, text []byte) (lines []proxydtest.Line) {
	t.Helper()
	in := bufio.NewScanner(bytes.NewReader(text))
	for in.Scan() {
		var line proxydtest.Line
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			t.Fatalf("an access log's line is not a JSON object of strings: %v: %q", err, in.Bytes())
		}
		lines = append(lines, line)
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// inside says whether a file is a directory or something in it.
func inside(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }
