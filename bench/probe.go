package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"section.internal/bench/internal/origin"
)

// probe asks for a path once and compares the whole body with what the origin gives. The load generator does not look into
// bodies; this is done before and after it.
func probe(ctx context.Context, addr netip.AddrPort, path string) error {
	body, err := get(ctx, addr, path)
	if err != nil {
		return err
	}
	if !bytes.Equal(body, origin.Body(path)) {
		return fmt.Errorf("GET %s: the body is not the origin's", path)
	}
	return nil
}

// originCount asks the origin how many responses it has given.
func originCount(ctx context.Context, addr netip.AddrPort) (int, error) {
	body, err := get(ctx, addr, origin.CountPath)
	if err != nil {
		return 0, fmt.Errorf("cannot ask the origin: %w", err)
	}
	return strconv.Atoi(string(body))
}

// get returns the body of a response, which must be a 200 with a Content-Length.
func get(ctx context.Context, addr netip.AddrPort, path string) (_ []byte, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("GET %s: %w", path, err)
		}
	}()
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: www.example.com\r\n\r\n", path); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	length := -1
	for first := true; ; first = false {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("no whole response: %w", err)
		}
		line = strings.TrimRight(line, "\r\n")
		name, value, _ := strings.Cut(line, ":")
		switch {
		case first && !strings.HasPrefix(line, "HTTP/1.1 200 "):
			return nil, fmt.Errorf("want status 200, got %q", line)
		case strings.EqualFold(name, "Content-Length"):
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil || length < 0 || length > 1<<30 {
				return nil, fmt.Errorf("not a length: %q", line)
			}
		case line == "":
			if length < 0 {
				return nil, errors.New("no Content-Length")
			}
			body := make([]byte, length)
			if _, err := io.ReadFull(in, body); err != nil {
				return nil, fmt.Errorf("no whole body: %w", err)
			}
			return body, nil
		}
	}
}
