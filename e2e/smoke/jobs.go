package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"section.internal/contract/place"
	"section.internal/e2e/controlsocket"
)

// job is a tool's main job.
type job struct {
	tool  string
	does  func(*scene) error
	proof string // what is known once does has returned nil
}

// The tools in an order in which each finds what it needs: proxyd goes first and then runs for the others.
var jobs = []job{
	{"proxyd", proxydCarries, "carried a request to an origin and its answer back"},
	{"validator", validatorJudges, "took a valid configuration in silence, refused a wrong one and a failing test with the reason, and explained a request"},
	{"deploy", deployApplies, "had the running proxyd apply a changed configuration"},
	{"logrotator", logrotatorRotates, "rotated the access log of the running proxyd"},
	{"msghandler", msghandlerDelivers, "delivered a message, and refused an unknown one"},
	{"sectionctl", sectionctlLooks, "found proxyd healthy and told its status"},
}

func proxydCarries(s *scene) error {
	if err := s.start(); err != nil {
		return err
	}
	return s.request()
}

func validatorJudges(s *scene) error {
	if err := s.config("[client]\nmax_header_size = \"32KiB\"\n"); err != nil {
		return err
	}
	if err := s.silent("validator"); err != nil {
		return err
	}
	if err := s.config("[client]\nmax_heder_size = \"32KiB\"\n"); err != nil {
		return err
	}
	if err := s.refused("max_heder_size", "validator"); err != nil {
		return err
	}
	const rule = "[[rule]]\nname = \"old\"\nmatch = { path = \"/old/**\" }\nredirect = { to = \"/new\" }\n" +
		"[[test]]\nname = \"it moves\"\nrequest = { url = \"http://www.example.com/old/a\" }\nexpect = { status = %d }\n"
	if err := s.config(fmt.Sprintf(rule, http.StatusMovedPermanently)); err != nil {
		return err
	}
	if err := s.refused("it moves", "validator"); err != nil {
		return err
	}
	if err := s.config(fmt.Sprintf(rule, http.StatusFound)); err != nil {
		return err
	}
	if err := s.silent("validator"); err != nil {
		return err
	}
	told, err := s.tool("validator", "--explain", "http://www.example.com/old/a")
	if err == nil && !strings.Contains(told, "Location: /new") {
		err = fmt.Errorf("--explain does not tell of the redirect:\n%s", told)
	}
	return err
}

func deployApplies(s *scene) error {
	if err := s.config("[client]\nmax_header_size = \"32KiB\"\n"); err != nil {
		return err
	}
	before, err := controlsocket.Status(s.ctx, s.runDir())
	if err != nil {
		return err
	}
	if err := s.silent("deploy"); err != nil {
		return err
	}
	after, err := controlsocket.Status(s.ctx, s.runDir())
	if err != nil {
		return err
	}
	if was, is := before.Generation.Number, after.Generation.Number; is != was+1 {
		return fmt.Errorf("the configuration in force is generation %d after a deployment, %d before: want one more", is, was)
	}
	return s.request()
}

func logrotatorRotates(s *scene) error {
	// proxyd writes its access log in batches, and there is nothing to rotate in an empty file.
	if err := s.until("its access log holds a line", func() error {
		log, err := os.Stat(place.AccessLog(s.logDir()))
		if err == nil && log.Size() == 0 {
			err = errors.New("the access log is empty")
		}
		return err
	}); err != nil {
		return err
	}
	if err := s.silent("logrotator"); err != nil {
		return err
	}
	rotated, err := filepath.Glob(place.AccessLog(s.logDir()) + "?*")
	if err != nil {
		return err
	}
	if len(rotated) != 1 {
		return fmt.Errorf("there are %d rotated access logs after one rotation: %q", len(rotated), rotated)
	}
	if _, err := os.Stat(place.AccessLog(s.logDir())); err != nil {
		return fmt.Errorf("proxyd has not opened a new access log: %w", err)
	}
	return s.request()
}

func msghandlerDelivers(s *scene) error {
	if err := s.silent("msghandler", "ping", ""); err != nil {
		return err
	}
	return s.refused("no-such-message", "msghandler", "no-such-message", "")
}

func sectionctlLooks(s *scene) error {
	if _, err := s.tool("sectionctl", "check"); err != nil {
		return err
	}
	told, err := s.tool("sectionctl", "status")
	if err != nil {
		return err
	}
	if !strings.Contains(told, s.pid()) {
		return fmt.Errorf("status does not name the process %s:\n%s", s.pid(), told)
	}
	return nil
}

// request sends one request through proxyd and compares the answer with what the origin says.
func (s *scene) request() error {
	resp, err := s.client.Get("http://" + s.address + "/smoke")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	if want := "origin saw /smoke"; resp.StatusCode != http.StatusOK || string(body) != want {
		return fmt.Errorf("the answer is %s with %q: want 200 with %q", resp.Status, body, want)
	}
	return nil
}
