package load

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"section.internal/contract/addrtest"
	"section.internal/contract/control"
	"section.internal/contract/place"
	"section.internal/e2e/proxydtest"
)

var bench proxydtest.Bench

func TestMain(m *testing.M) { os.Exit(proxydtest.Main(m, &bench)) }

// TestRotation_EveryRequestIsLoggedExactlyOnce sends E2E_REQUESTS over 64 connections while logrotator runs every second.
func TestRotation_EveryRequestIsLoggedExactlyOnce(t *testing.T) {
	requests := proxydtest.EnvInt(t, "E2E_REQUESTS", 200_000)
	proxyd := bench.Start(t, proxydtest.Options{NextHop: NewOrigin(t)})
	flags := append(proxyd.Flags(place.LogDir, place.RunDir), "--keep", "100000", "--max-size", "100GiB")
	bench.Binary(t, "logrotator")

	client := &Client{Addr: proxyd.Addr, Connections: 64, Requests: requests}
	begin, done := time.Now(), make(chan error, 1)
	go func() { done <- client.Run(t.Context()) }()
	rotations, every := 0, time.NewTicker(time.Second)
	defer every.Stop()
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		case <-every.C:
		}
		bench.Silent(t, "logrotator", flags...)
		rotations++
	}
	t.Logf("%d requests in %s, %d rotations", requests, time.Since(begin), rotations)
	proxyd.Settle()
	if s := proxyd.Status(); s.Log.Dropped != 0 || s.Log.Lines != uint64(requests) || s.Requests.Failed != 0 {
		t.Errorf("proxyd says %+v, %+v", s.Log, s.Requests)
	}
	proxyd.Stop()

	seqs, asked := make([]uint8, requests+1), make([]uint8, requests+1)
	count := func(counts []uint8, l proxydtest.Line, text string) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 || n > requests {
			t.Fatalf("a line that was not asked for: %v", l)
		}
		counts[n]++
	}
	proxyd.EachLogged(t, func(l proxydtest.Line) {
		count(seqs, l, l["seq"])
		count(asked, l, strings.TrimPrefix(l["uri_path"], "/r/"))
	})
	wrong := 0
	for n := int64(1); n <= requests && wrong < 10; n++ {
		if seqs[n] != 1 || asked[n] != 1 {
			t.Errorf("seq %d is in the logs %d times, request %d is %d times, want each once", n, seqs[n], n, asked[n])
			wrong++
		}
	}
}

// settledStatus returns a status with as few goroutines as there are when nothing happens.
func settledStatus(t *testing.T, proxyd *proxydtest.Proxyd) control.Status {
	t.Helper()
	least := proxyd.Status()
	for range 20 {
		if s := proxyd.Status(); s.Goroutines < least.Goroutines {
			least = s
		}
	}
	return least
}

// TestKill_CyclesUnderLoadLeaveNothingBehind kills and restarts proxyd E2E_KILLS times on the same port and directories while
// clients keep coming back.
func TestKill_CyclesUnderLoadLeaveNothingBehind(t *testing.T) {
	kills := proxydtest.EnvInt(t, "E2E_KILLS", 200)
	options := proxydtest.Options{NextHop: NewOrigin(t), Listen: addrtest.Nobody(t)}
	proxyd := bench.Start(t, options)
	options.Dirs = &proxyd.Dirs
	flags := proxyd.Flags(place.ConfigDir, place.RunDir)

	ctx, cancel := context.WithCancel(t.Context())
	client := &Client{Addr: proxyd.Addr, Connections: 16, Reconnect: true}
	var running sync.WaitGroup
	running.Go(func() {
		if err := client.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer cancel()
	for i := range kills {
		answered := client.Answered.Load()
		proxydtest.Eventually(t, "proxyd to answer 200 requests", func() error {
			if n := client.Answered.Load() - answered; n < 200 {
				return fmt.Errorf("it has answered %d", n)
			}
			return nil
		})
		if i%5 == 0 {
			bench.Silent(t, "deploy", flags...)
		}
		proxyd.Kill()
		if i%5 == 1 {
			bench.Silent(t, "deploy", flags...) // nobody is there: it only validates
		}
		proxyd = bench.Start(t, options)
	}
	cancel()
	running.Wait()
	t.Logf("%d requests were answered over %d connections that broke", client.Answered.Load(), client.Broken.Load())
	proxyd.Settle()
	proxyd.Stop()
	proxydtest.NoProcess(t, proxyd.Dirs)

	// Each life counts from 1 without a gap; what a killed proxyd had not written yet is gone. The kernel may cut the write that
	// is under way when the process is killed, so the last line of a life may be torn, and no other.
	text, err := os.ReadFile(place.AccessLog(proxyd.Log))
	if err != nil {
		t.Fatal(err)
	}
	last, torn, lives := int64(0), 0, 0
	for text := range strings.Lines(string(text)) {
		var l proxydtest.Line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			torn++
			last = -1
			continue
		}
		seq, err := strconv.ParseInt(l["seq"], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if seq == 1 {
			lives++
		} else if seq != last+1 {
			t.Errorf("seq %d follows seq %d (-1: a torn line)", seq, last)
		}
		last = seq
	}
	t.Logf("%d lives have left lines, %d of them a torn one", lives, torn)
	if lives < 1 || torn > lives {
		t.Errorf("%d lives have left lines, and there are %d torn lines", lives, torn)
	}
}
