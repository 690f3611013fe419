package main

import (
	"fmt"
	"strings"
)

// HAProxy writes its log to stdout, which is a file here: that spares it the syslog daemon that it would need otherwise. The log has
// the platform's fields (see logFields): what of them is in the heads has to be captured, since those are gone by then. It
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
	log-format %[9]s
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
	http-request capture req.fhdr(Host) len 64
	http-request capture req.fhdr(Referer) len 256
	http-request capture req.fhdr(User-Agent) len 256
	http-request capture req.fhdr(X-Forwarded-Proto) len 8
	http-request capture req.fhdr(section-io-id) len 64
	declare capture response len 64
	declare capture response len 256
	http-response capture res.fhdr(Content-Type) id 0
	http-response capture res.fhdr(section-io-tag) id 1
	default_backend origin
backend origin
	%[8]s
	server origin %[4]s pool-max-conn 256
`

// haproxyLog says where HAProxy has the log's fields. It counts the bytes of an answer only as a whole.
var haproxyLog = map[string]string{
	"time": "%[date,utime(%Y-%m-%dT%H:%M:%SZ)]", "time_taken_ms": "%Ta", "request": "%HM %[capture.req.uri,json(utf8s)] %HV", "status": "%ST",
	"bytes": "%B", "response_body_bytes": "%B", "content_type": "%[capture.res.hdr(0),json(utf8s)]",
	"hostname": "%[capture.req.hdr(0),json(utf8s)]", "referrer": "%[capture.req.hdr(1),json(utf8s)]",
	"useragent": "%[capture.req.hdr(2),json(utf8s)]", "http_x_forwarded_proto": "%[capture.req.hdr(3),json(utf8s)]", "upstream_status": "%ST",
	"section_io_tag": "%[capture.res.hdr(1),json(utf8s)]", "section_io_id": "%[capture.req.hdr(4),json(utf8s)]", "uri_path": "%HPO",
	"cache": "%s",
}

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
				global, defaults, cache, store, `"`+strings.ReplaceAll(logLine(haproxyLog), `"`, `\"`)+`"`))
			if err != nil {
				return nil, err
			}
			return []part{{"haproxy", []string{p.program, "-db", "-f", file}}}, nil
		},
		accessLog: func(dir string) string { return stdoutFile(dir, "haproxy") },
	}
}
