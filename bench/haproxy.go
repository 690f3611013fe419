package main

import "fmt"

// HAProxy writes its log to stdout, which is a file here: that spares it the syslog daemon that it would need otherwise. It
// shares idle connections to the origin among all clients. It wants two sockets for each client's connection, which idle ones do
// not take (no strict-limits).
const haproxyConfig = `
global
	nbthread 1
	maxconn %[1]d
	ulimit-n %[2]d
	no strict-limits
	log stdout format raw local0
	%[5]s
defaults
	mode http
	log global
	option httplog
	option http-keep-alive
	%[6]s
	http-reuse always
	timeout connect 10s
	timeout client 300s
	timeout server 300s
	timeout http-keep-alive 300s
%[7]s
frontend clients
	bind %[3]s
	maxconn %[1]d
	default_backend origin
backend origin
	%[8]s
	server origin %[4]s pool-max-conn 256
`

// What has the kernel move bodies for HAProxy, as proxyd does by itself, through pipes as large as the kernel allows.
const (
	haproxyPipes  = "tune.pipesize 1048576"
	haproxySplice = "option splice-response"
)

// haproxyCache has HAProxy answer from a cache in memory.
const (
	haproxyCache = "cache answers\n\ttotal-max-size 16\n\tmax-age 3600"
	haproxyStore = "http-request cache-use answers\n\thttp-response cache-store answers"
)

func haproxyServer() *server { return haproxyWith("haproxy", "HAProxy", "", "") }

// haproxySpliceServer is measured where there are bodies.
func haproxySpliceServer() *server {
	s := haproxyWith("haproxy-splice", "HAProxy, splice", haproxyPipes, haproxySplice)
	s.tuned = true
	return s
}

func haproxyWith(name, title, global, defaults string) *server {
	return &server{
		name: name, title: title, program: "haproxy", version: []string{"-v"}, pkg: "haproxy",
		configure: func(p *placement) ([]part, error) {
			cache, store := "", ""
			if p.task == answer {
				cache, store = haproxyCache, haproxyStore
			}
			file, err := p.write("haproxy.cfg", fmt.Sprintf(haproxyConfig, p.connections, p.descriptors, p.listen, p.origin,
				global, defaults, cache, store))
			if err != nil {
				return nil, err
			}
			return []part{{"haproxy", []string{p.program, "-db", "-f", file}}}, nil
		},
		accessLog: func(dir string) string { return stdoutFile(dir, "haproxy") },
	}
}
