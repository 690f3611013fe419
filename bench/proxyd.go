package main

import (
	"os"

	"section.internal/contract/place"
)

// proxyd runs with its defaults. It has as many workers as the cores that it is pinned to.
func proxydServer() *server {
	logs := func(dir string) string { return dir + "/log" }
	return &server{
		name: "proxyd", title: "proxyd", version: []string{"--version"},
		configure: func(p *placement) ([]part, error) {
			config := p.file("config")
			if err := os.Mkdir(config, 0o755); err != nil {
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
