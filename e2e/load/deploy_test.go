package load

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"section.internal/contract/place"
	"section.internal/e2e/proxydtest"
)

// numbered returns a configuration that writes its number into the request, into the first and the last field that rules set in the
// response, and into the file whose text a rule answers with. Between its first and its last rule lie others, whose number differs from
// one configuration to the next.
func numbered(n int64) (config, page string) {
	var b strings.Builder
	fmt.Fprintf(&b, "[client]\nmax_body_size = %d\n", 1000+n)
	fmt.Fprintf(&b, "[[rule]]\nname = \"first\"\nrequest = { set = { X-Config = \"%d\" } }\nresponse = { set = { X-First = \"%d\" } }\n", n, n)
	for i := range 20 + n%10 {
		fmt.Fprintf(&b, "[[rule]]\nname = \"%d of %d\"\nmatch = { path = \"/%d/%d/**\", host = \"h%d.example.com\" }\nrespond = { status = 404 }\n", i, n, n, i, i)
	}
	fmt.Fprintf(&b, "[[rule]]\nname = \"last\"\nresponse = { set = { X-Last = \"%d\" } }\n", n)
	b.WriteString("[[rule]]\nname = \"own\"\nmatch = { path = \"/own/*\" }\nrespond = { status = 200, file = \"pages/own.txt\" }\n")
	return b.String(), fmt.Sprint(n)
}

// TestDeploy_ChangingConfigurationsUnderLoad applies E2E_DEPLOYS configurations while 64 connections load proxyd. No request may fail,
// none be answered by a mixture of two, and nothing be left behind.
func TestDeploy_ChangingConfigurationsUnderLoad(t *testing.T) {
	deploys := proxydtest.EnvInt(t, "E2E_DEPLOYS", 100)
	config, page := numbered(0)
	proxyd := bench.Start(t, proxydtest.Options{
		NextHop: NewOrigin(t), Config: config, Files: map[string]string{"pages/own.txt": page},
	})
	flags := proxyd.Flags(place.ConfigDir, place.RunDir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	// A few rounds first, so that what is only made once, or grows to what load and deployments take, is there when the base is taken.
	warm := &Client{Addr: proxyd.Addr, Connections: 64, Requests: 20_000, Numbered: true}
	if err := warm.Run(ctx); err != nil {
		t.Fatal(err)
	}
	apply := func(n int64) {
		config, page := numbered(n)
		proxyd.WriteFile(t, "pages/own.txt", page)
		proxyd.WriteConfig(t, config)
		bench.Silent(t, "deploy", flags...)
	}
	for n := range int64(3) {
		apply(n + 1)
	}
	proxyd.Settle()
	base, files := settledStatus(t, proxyd), proxyd.Descriptors()

	client := &Client{Addr: proxyd.Addr, Connections: 64, Numbered: true}
	done := make(chan error, 1)
	go func() { done <- client.Run(ctx) }()
	begin := time.Now()
	const warmUp = 10
	var resident []int64
	for n := range warmUp + deploys {
		answered := client.Answered.Load()
		apply(n + 4)
		if n >= warmUp {
			resident = append(resident, proxyd.ResidentBytes())
		}
		proxydtest.Eventually(t, "the new configuration to be asked", func() error {
			select {
			case err := <-done:
				t.Fatalf("the load ended: %v", err)
			default:
			}
			if n := client.Answered.Load() - answered; n < 64 {
				return fmt.Errorf("%d requests were answered since", n)
			}
			return nil
		})
	}
	t.Logf("%d deployments in %s beside %d requests", warmUp+deploys, time.Since(begin), client.Answered.Load())
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	proxyd.Settle()
	proxydtest.Eventually(t, "goroutines and descriptors to be as before", func() error {
		now, open := proxyd.Status(), proxyd.Descriptors()
		if now.Goroutines > base.Goroutines || open.Files > files.Files || open.Others > files.Others {
			return fmt.Errorf("there were %d goroutines and %+v, there are %d and %+v", base.Goroutines, files, now.Goroutines, open)
		}
		return nil
	})
	now := proxyd.Status()
	if want := base.Generation.Number + warmUp + uint64(deploys); now.Generation.Number != want {
		t.Errorf("generation %d, want %d", now.Generation.Number, want)
	}
	if now.Requests.Failed != 0 {
		t.Errorf("%d requests failed", now.Requests.Failed)
	}
	if deploys < 20 {
		return // too few to compare the last with the first
	}
	first, last := median(resident[:10]), median(resident[deploys-10:])
	t.Logf("resident at the first ten deployments %.1f MiB, at the last ten %.1f MiB", mebibytes(first), mebibytes(last))
	if last > first+first/20 {
		t.Errorf("resident memory grew from %.1f MiB at the first ten deployments to %.1f MiB at the last: want at most 5 %% more",
			mebibytes(first), mebibytes(last))
	}
}

func median(values []int64) int64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
