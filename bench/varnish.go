package main

import "fmt"

// Varnish passes everything on, or does what it does by default, which is to cache. Its threads start few and grow with the load; its
// queue for a thread is long enough that the growing loses no connection. Its log is in shared memory, and varnishncsa, which counts as
// a part of it, writes the file.
const varnishVCL = `vcl 4.1;
backend origin {
	.host = "%s";
	.port = "%d";
}
`

const varnishPass = `sub vcl_recv {
	return (pass);
}
`

// varnishLog says where varnishncsa has the log's fields.
var varnishLog = map[string]string{
	"time": "%{%Y-%m-%dT%H:%M:%SZ}t", "time_taken_ms": "%{ms}T", "request": "%r", "status": "%s", "bytes": "%O",
	"response_body_bytes": "%b", "content_type": "%{Content-Type}o", "hostname": "%{Host}i", "referrer": "%{Referer}i",
	"useragent": "%{User-Agent}i", "http_x_forwarded_proto": "%{X-Forwarded-Proto}i", "upstream_status": "%s",
	"section_io_tag": "%{section-io-tag}o", "section_io_id": "%{section-io-id}i", "uri_path": "%U",
	"cache": "%{Varnish:handling}x",
}

func varnishServer() *server {
	return &server{
		name: "varnish", title: "Varnish", program: "varnishd", version: []string{"-V"}, pkg: "varnish",
		configure: func(p *placement) ([]part, error) {
			ncsa, err := find("varnishncsa", "varnish")
			if err != nil {
				return nil, err
			}
			text := fmt.Sprintf(varnishVCL, p.origin.Addr(), p.origin.Port())
			if p.task != answer {
				text += varnishPass
			}
			vcl, err := p.write("bench.vcl", text)
			if err != nil {
				return nil, err
			}
			work := p.file("work")
			return []part{
				{"varnishd", []string{
					p.program, "-F", "-n", work, "-a", p.listen.String(), "-f", vcl, "-s", "malloc,64m", "-j", "none", "-T", "none",
					"-p", "thread_pools=1", "-p", "thread_pool_min=10", "-p", "thread_queue_limit=10000",
					"-p", "timeout_idle=300", "-p", "backend_idle_timeout=300", "-p", "listen_depth=4096",
				}},
				{"varnishncsa", []string{ncsa, "-n", work, "-w", p.file("access.log"), "-j", "-F", logLine(varnishLog)}},
			}, nil
		},
		accessLog: func(dir string) string { return dir + "/access.log" },
	}
}
