package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// origin is the demonstration origin: a few pages that show what a proxy has to carry.
type origin struct {
	addr   string
	server *http.Server
	served chan struct{}
}

func startOrigin() (*origin, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot start the demonstration origin: %w", err)
	}
	o := &origin{addr: l.Addr().String(), server: &http.Server{Handler: pages(), ReadHeaderTimeout: time.Minute}, served: make(chan struct{})}
	go func() {
		defer close(o.served)
		o.server.Serve(l)
	}()
	return o, nil
}

// Close ends the origin with all that it is doing.
func (o *origin) Close() {
	o.server.Close()
	<-o.served
}

func pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, `<!doctype html><title>behind proxyd</title><h1>Behind proxyd</h1>
<ul><li><a href="/headers">/headers</a> what the origin was sent
<li><a href="/slow">/slow</a> ten lines, one a second
<li><a href="/big">/big</a> 1 GiB
<li>/echo gives back what it is sent
</ul>
`)
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "%s %s %s\r\nHost: %s\r\n", r.Method, r.RequestURI, r.Proto, r.Host)
		r.Header.Write(w)
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for i := range 10 {
			fmt.Fprintf(w, "line %d of 10\n", i+1)
			http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
			}
		}
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) {
		const lines, line = 1 << 20, 1 << 10
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", fmt.Sprint(lines*line))
		block := strings.Repeat("x", line)
		for range lines {
			if _, err := io.WriteString(w, block); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		http.NewResponseController(w).EnableFullDuplex()
		io.Copy(w, r.Body)
	})
	return mux
}
