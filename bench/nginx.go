package main

import (
	"fmt"
	"os"
	"os/user"
)

// nginx with its defaults, except that connections to the origin are kept, the log is buffered (as proxyd's is) and has the
// platform's fields (see logFields), and a body that a client does not take at once is not written to disk. Sockets and requests a
// connection are not limited, since the limits would end connections in the middle of a measurement.
const nginxConfig = `
daemon off;
%[1]s
worker_processes 1;
worker_rlimit_nofile %[2]d;
pid %[3]s/nginx.pid;
error_log %[3]s/error.log;
events {
	worker_connections %[4]d;
}
http {
	log_format platform escape=json %[9]s;
	access_log %[3]s/access.log platform buffer=64k flush=1s;
	client_body_temp_path %[3]s/tmp;
	proxy_temp_path %[3]s/tmp;
	fastcgi_temp_path %[3]s/tmp;
	uwsgi_temp_path %[3]s/tmp;
	scgi_temp_path %[3]s/tmp;
	%[8]s
	tcp_nodelay on;
	keepalive_timeout 300s;
	keepalive_requests 1000000000;
	upstream origin {
		server %[5]s;
		keepalive 256;
		keepalive_requests 1000000000;
		keepalive_timeout 300s;
	}
	server {
		listen %[6]s backlog=4096;
		location / {
			proxy_pass http://origin;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_max_temp_file_size 0;
			%[7]s
		}
	}
}
`

// nginxLog says where nginx has the log's fields.
var nginxLog = map[string]string{
	"time": "$time_iso8601", "time_taken_ms": "$request_time", "request": "$request", "status": "$status", "bytes": "$bytes_sent",
	"response_body_bytes": "$body_bytes_sent", "content_type": "$sent_http_content_type", "hostname": "$host", "referrer": "$http_referer",
	"useragent": "$http_user_agent", "http_x_forwarded_proto": "$http_x_forwarded_proto", "upstream_status": "$upstream_status",
	"section_io_tag": "$sent_http_section_io_tag", "section_io_id": "$http_section_io_id", "uri_path": "$uri",
	"cache": "$upstream_cache_status",
}

// nginxCache has nginx answer from a cache, whose files are in the memory where all its files are.
const (
	nginxCachePath = "proxy_cache_path %s/cache keys_zone=answers:1m;"
	nginxCache     = "proxy_cache answers;"
)

// nginxBuffers makes large bodies cheaper for nginx than its default of eight buffers of a page.
const nginxBuffers = "proxy_buffers 16 64k; proxy_busy_buffers_size 512k;"

func nginxServer() *server { return nginxWith("nginx", "nginx", "") }

// nginxBuffersServer is measured where there are bodies.
func nginxBuffersServer() *server {
	s := nginxWith("nginx-buffers", "nginx, large buffers", nginxBuffers)
	s.tuned = true
	return s
}

func nginxWith(name, title, more string) *server {
	return &server{
		name: name, title: title, program: "nginx", version: []string{"-v"}, pkg: "nginx-light",
		configure: func(p *placement) ([]part, error) {
			// As root it would let its worker be somebody else, who may not write here; as anybody else it must not name a user.
			who := ""
			if os.Getuid() == 0 {
				me, err := user.Current()
				if err != nil {
					return nil, fmt.Errorf("cannot name a user for nginx: %w", err)
				}
				who = "user " + me.Username + ";"
			}
			more, cachePath := more, ""
			if p.task == answer {
				more, cachePath = nginxCache, fmt.Sprintf(nginxCachePath, p.dir)
			}
			file, err := p.write("nginx.conf", fmt.Sprintf(nginxConfig, who, p.descriptors, p.dir, p.connections,
				p.origin, p.listen, more, cachePath, "'"+logLine(nginxLog)+"'"))
			if err != nil {
				return nil, err
			}
			return []part{{"nginx", []string{p.program, "-p", p.dir, "-e", p.file("error.log"), "-c", file}}}, nil
		},
		accessLog: func(dir string) string { return dir + "/access.log" },
	}
}
