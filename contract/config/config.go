// Package config owns what a user can write into proxy.toml: the keys, their defaults, ranges and meaning, and every
// message about a file that says something else. Validator, deploy and proxyd all call Load, so they cannot disagree.
package config

import (
	"fmt"
	"time"
)

// Config is a checked configuration. Nobody changes it once Load has returned it, so it may be read from anywhere.
type Config struct {
	Enabled bool // false: no rule is applied
	Client  Client
	NextHop NextHop
	Log     Log
	Rules   []Rule
	Tests   []Test
}

// Place is where something is written.
type Place struct {
	File         string // relative to the directory
	Line, Column int    // from 1
}

func (p Place) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Client holds the limits of the clients' side.
type Client struct {
	AddressFrom []string // the fields that name the client's address, the best first; none: the connection's address counts

	HeaderTimeout time.Duration // from the first byte of a request to the end of its header section
	BodyTimeout   time.Duration // between two reads of a request's body
	WriteTimeout  time.Duration // between two writes of a response
	IdleTimeout   time.Duration // of a connection without a request

	MaxRequestLine     int64 // bytes of the request line
	MaxHeaderSize      int64 // bytes of request line and header section
	MaxFields          int64 // field lines of a request
	MaxBodySize        int64 // bytes of a request's body; 0: no limit
	MaxChunkExtensions int64 // bytes of all chunk extensions of a request's body

	MaxRequests              int64 // on one connection; 0: no limit
	MaxConnections           int64 // open at once
	MaxConnectionsPerAddress int64 // open at once from one address; 0: no limit
}

// NextHop holds the limits of the side of next-hop.
type NextHop struct {
	ConnectTimeout time.Duration // for resolution, all attempts to connect, and waiting for a free connection
	HeaderTimeout  time.Duration // from the end of the request to the end of the response's header section
	BodyTimeout    time.Duration // between two reads of a response's body, and two writes of a request's
	IdleTimeout    time.Duration // of a pooled connection
	MaxConnections int64         // open at once
	ResolveEvery   time.Duration // between two resolutions of the name
}

// Log says where the logs go and what is in them.
type Log struct {
	To            LogTo
	ClientAddress ClientAddress
	Level         string // debug, info, warn, error
}

// LogTo is where the logs go.
type LogTo string

// The places where logs can go.
const (
	LogToFiles  LogTo = "files"  // access.log, and error.log beside stderr
	LogToStdout LogTo = "stdout" // the access log on stdout, diagnostics on stderr, no files
	LogToBoth   LogTo = "both"
)

// ClientAddress is what the access log shows of a client's address.
type ClientAddress string

// What the access log can show of a client's address.
const (
	AddressMasked ClientAddress = "masked" // the last octet zeroed; of IPv6 the last 80 bits
	AddressFull   ClientAddress = "full"
	AddressNone   ClientAddress = "none" // an empty string
)

// Default returns the configuration of an empty directory.
func Default() Config {
	return Config{
		Enabled: true,
		Client: Client{
			AddressFrom:   []string{"True-Client-IP", "X-Forwarded-For"},
			HeaderTimeout: 15 * time.Second, BodyTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
			MaxRequestLine: 32 << 10, MaxHeaderSize: 64 << 10, MaxFields: 256, MaxBodySize: 0, MaxChunkExtensions: 16 << 10,
			MaxRequests: 0, MaxConnections: 16384, MaxConnectionsPerAddress: 0,
		},
		NextHop: NextHop{
			// The edge gives up at 120 s; proxyd must be first, so that the error says which hop made it.
			ConnectTimeout: 10 * time.Second, HeaderTimeout: 115 * time.Second, BodyTimeout: 115 * time.Second,
			IdleTimeout: 30 * time.Second, MaxConnections: 4096, ResolveEvery: 10 * time.Second,
		},
		Log: Log{To: LogToFiles, ClientAddress: AddressMasked, Level: "info"},
	}
}
