// Package place owns every name the platform, the tools and the people who operate them share: paths, addresses, file names,
// flags and environment variables. Nobody else spells them.
package place

import "path/filepath"

// NextHopHost is the host name that the platform resolves to the next proxy in the chain or to the origin.
const NextHopHost = "next-hop"

// HealthCheckPath is the request path by which the platform checks the whole chain up to the origin. It is passed on like any
// other request; never cached, blocked, limited or answered here.
const HealthCheckPath = "/.well-known/section-io/aee-hc/healthz"

// User is the unprivileged user that proxyd becomes once it has bound its port, where the system has such a user.
const User = "proxyd"

// Setting is one value that several tools take, each by the same flag, environment variable and default.
type Setting struct {
	Flag    string // without dashes
	Env     string
	Default string
	Usage   string // one sentence without a full stop
}

// The settings that the tools share. They are constants in all but syntax: nobody assigns to them.
var (
	ConfigDir = Setting{
		Flag: "config-dir", Env: "PROXY_CONFIG_DIR", Default: "/opt/proxy_config",
		Usage: "`DIR` that holds proxy.toml; read only",
	}
	LogDir = Setting{
		Flag: "log-dir", Env: "PROXY_LOG_DIR", Default: "/var/log/proxyd",
		Usage: "`DIR` that holds access.log and error.log",
	}
	RunDir = Setting{
		Flag: "run-dir", Env: "PROXY_RUN_DIR", Default: "/run/proxyd",
		Usage: "`DIR` that holds the pidfile and the control socket",
	}
	Listen = Setting{
		Flag: "listen", Env: "PROXY_LISTEN", Default: ":80",
		Usage: "`ADDRESS` on which requests are taken, as HOST:PORT or :PORT",
	}
	DrainTimeout = Setting{
		Flag: "drain-timeout", Env: "PROXY_DRAIN_TIMEOUT", Default: "30s",
		Usage: "how `LONG` a stop waits for the requests in flight, such as 30s",
	}
	NextHop = Setting{
		Flag: "next-hop", Env: "PROXY_NEXT_HOP", Default: NextHopHost + ":80",
		Usage: "`ADDRESS` to which requests are sent, as HOST:PORT",
	}
	Timeout = Setting{
		Flag: "timeout", Env: "PROXY_CONTROL_TIMEOUT", Default: "20s",
		Usage: "give up when proxyd has not answered for this `TIME`, such as 20s",
	}
)

// ConfigFileName is the name of the configuration file inside the config directory.
const ConfigFileName = "proxy.toml"

// The names of the log files inside the log directory.
const (
	AccessLogName = "access.log"
	ErrorLogName  = "error.log"
)

// ConfigFile returns the path of the configuration file.
func ConfigFile(configDir string) string { return filepath.Join(configDir, ConfigFileName) }

// AccessLog returns the path of the access log.
func AccessLog(logDir string) string { return filepath.Join(logDir, AccessLogName) }

// ErrorLog returns the path of the log of diagnostics.
func ErrorLog(logDir string) string { return filepath.Join(logDir, ErrorLogName) }

// Pidfile returns the path of proxyd's pidfile.
func Pidfile(runDir string) string { return filepath.Join(runDir, "proxyd.pid") }

// ControlSocket returns the path of proxyd's control socket.
func ControlSocket(runDir string) string { return filepath.Join(runDir, "control.sock") }
