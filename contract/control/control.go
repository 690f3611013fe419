// Package control owns the messages between the tools and a running proxyd: HTTP with JSON bodies over the Unix socket
// place.ControlSocket. The caller's side is in control/client, the server's in proxyd.
package control

import (
	"fmt"
	"time"
)

// The paths of the control socket. A request that fails is answered with a Failure.
const (
	PingPath     = "/v1/ping"      // GET: 204
	StatusPath   = "/v1/status"    // GET: 200 with a Status
	ConfigPath   = "/v1/config"    // GET: 200 with a Config
	ReloadPath   = "/v1/reload"    // POST: 200 with a Generation; 422 with a Failure when the old one stays in force
	LogLevelPath = "/v1/log-level" // PUT a LogLevel: 204; 400 with a Failure
)

// maxSocketPath is the longest path of a Unix socket on Linux, in bytes: sun_path has 108 with the closing zero (unix(7)).
const maxSocketPath = 107

// CheckSocketPath says why a socket could not have that path; both sides call it, as the system's own word for it is only
// "invalid argument".
func CheckSocketPath(path string) error {
	if len(path) > maxSocketPath {
		return fmt.Errorf("the control socket's path %s has %d bytes, a Unix socket takes %d: choose a shorter run directory",
			path, len(path), maxSocketPath)
	}
	return nil
}

// Failure is the body of every answer that is not a success.
type Failure struct {
	Error    string   `json:"error"`              // what could not be done
	Problems []string `json:"problems,omitempty"` // of the configuration, each a line that starts with its place
}

// Generation identifies one applied configuration.
type Generation struct {
	Number  uint64    `json:"number"` // 1 at start, one more with each that is applied
	Hash    string    `json:"hash"`   // of the directory's content, as config.Loaded has it
	Applied time.Time `json:"applied"`
}

// Status is what a running proxyd says of itself.
type Status struct {
	PID         int         `json:"pid"`
	Version     string      `json:"version"`
	Started     time.Time   `json:"started"`
	Draining    bool        `json:"draining"`
	Listen      string      `json:"listen"` // the address in fact bound
	Generation  Generation  `json:"generation"`
	Requests    Requests    `json:"requests"`
	Clients     Connections `json:"clients"`
	NextHop     NextHop     `json:"next_hop"`
	Log         Log         `json:"log"`
	Descriptors int         `json:"descriptors"` // open file descriptors, counted by proxyd itself
	Goroutines  int         `json:"goroutines"`
}

// Requests counts requests since the start.
type Requests struct {
	Total    uint64 `json:"total"`     // answered, or ended without an answer
	InFlight int64  `json:"in_flight"` // between the first byte of the request and the last of the response
	Failed   uint64 `json:"failed"`    // answered by proxyd itself with an error, or cut off
}

// Connections counts connections of one side.
type Connections struct {
	Open  int64  `json:"open"`
	Idle  int64  `json:"idle"`  // of the open ones: without a request
	Total uint64 `json:"total"` // since the start
	Limit int64  `json:"limit"` // 0: none
}

// NextHop is the upstream side.
type NextHop struct {
	Name        string      `json:"name"`              // as --next-hop has it
	Addresses   []string    `json:"addresses"`         // the last good answer of the resolver, with port
	Resolved    time.Time   `json:"resolved,omitzero"` // when that answer came; zero: never
	Error       string      `json:"error,omitempty"`   // of the newest resolution, when it failed
	Connections Connections `json:"connections"`
}

// Log is where the logs go and how that fares.
type Log struct {
	To      string `json:"to"`
	Level   string `json:"level"`
	Lines   uint64 `json:"lines"`   // of the access log: the newest seq
	Dropped uint64 `json:"dropped"` // access log lines lost because the disk refused them and the buffer was full
}

// Config is the configuration in force.
type Config struct {
	Generation Generation `json:"generation"`
	Values     []Value    `json:"values"` // in the order of the manual
	Rules      []Rule     `json:"rules"`  // in the order of the file
}

// Rule is one rule.
type Rule struct {
	Name   string   `json:"name"`
	Source string   `json:"source"` // file:line:column
	Does   string   `json:"does"`   // in a few words
	Says   []string `json:"says"`   // a line for each thing, in one spelling whatever the file's own: match.path = "/a*"
}

// Value is one effective setting.
type Value struct {
	Key    string `json:"key"`    // table.key
	Value  string `json:"value"`  // as it would be written in the file
	Source string `json:"source"` // "default" or file:line:column
}

// LogLevels returns the levels of the diagnostics, from the most lines to the fewest.
func LogLevels() []string { return []string{"debug", "info", "warn", "error"} }

// LogLevel asks for another level of the diagnostics until the next applied configuration.
type LogLevel struct {
	Level string `json:"level"` // one of LogLevels
}
