package main

import (
	"fmt"
	"os"
	"path/filepath"

	"section.internal/bench/internal/origin"
	"section.internal/contract/place"
)

// proxydRespond has proxyd answer as a peer's cache does: with the fields of the origin's response.
const proxydRespond = `
[[rule]]
name = "answered here"
match = { path = "%s" }

[rule.respond]
status = 200
file = "body"
content_type = "application/octet-stream"
headers = { "Last-Modified" = "Sun, 02 Nov 2025 10:00:00 GMT", "Cache-Control" = "public, max-age=3600" }
`

// proxydRules all match, and each changes a header section.
const proxydRules = `
[[rule]]
name = "secret"
match = { path = "/**" }
request = { set = { "X-Edge-Secret" = "0123456789abcdef" } }

[[rule]]
name = "site"
match = { host = ["www.example.com", "*.example.org"] }
request = { set = { "X-Site" = "main" } }

[[rule]]
name = "no debugging"
request = { remove = ["X-Debug", "X-Trace"] }

[[rule]]
name = "client"
request = { set = { "X-Client" = "{client}" } }

[[rule]]
name = "secure"
match = { protocol = "https" }
request = { add = { "X-Secure" = "yes" } }

[[rule]]
name = "strict transport"
match = { protocol = "https" }
response = { set = { "Strict-Transport-Security" = "max-age=31536000" } }

[[rule]]
name = "no sniffing"
response = { set = { "X-Content-Type-Options" = "nosniff" } }

[[rule]]
name = "referrer"
match = { method = ["GET", "HEAD"] }
response = { set = { "Referrer-Policy" = "strict-origin-when-cross-origin" } }

[[rule]]
name = "who made it"
response = { remove = ["Server", "X-Powered-By"] }

[[rule]]
name = "life"
match = { path = ["/1k", "/static/**"], method = ["GET", "HEAD"] }
response = { set = { "Cache-Control" = "public, max-age=3600" } }
`

// proxydServer runs with its defaults, and rules where its task takes some. It has as many workers as the cores that it is pinned to.
func proxydServer() *server { return proxydNamed("proxyd", "proxyd") }

// proxydBefore is proxyd as it was before a change.
func proxydBefore(program string) *server {
	s := proxydNamed("proxyd-before", "proxyd before")
	s.program = program
	return s
}

func proxydNamed(name, title string) *server {
	logs := func(dir string) string { return dir + "/log" }
	return &server{
		name: name, title: title, ours: true, version: []string{"--version"},
		configure: func(p *placement) ([]part, error) {
			config := p.file("config")
			if err := os.Mkdir(config, 0o755); err != nil {
				return nil, err
			}
			rules := map[task]string{answer: fmt.Sprintf(proxydRespond, origin.Storable), rewrite: proxydRules}[p.task]
			if _, err := p.write(filepath.Join("config", place.ConfigFileName), rules); err != nil {
				return nil, err
			}
			if _, err := p.write("config/body", string(origin.Body(origin.Storable))); err != nil {
				return nil, err
			}
			return []part{{"proxyd", []string{
				p.program, "--" + place.Listen.Flag, p.listen.String(), "--" + place.NextHop.Flag, p.origin.String(),
				"--" + place.ConfigDir.Flag, config, "--" + place.LogDir.Flag, logs(p.dir), "--" + place.RunDir.Flag, p.file("run"),
				"--" + place.DrainTimeout.Flag, "1s",
			}}}, nil
		},
		accessLog: func(dir string) string { return place.AccessLog(logs(dir)) },
	}
}
