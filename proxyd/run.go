package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"section.internal/contract/command"
	"section.internal/contract/config"
	"section.internal/contract/control"
	"section.internal/contract/pidfile"
	"section.internal/contract/place"
	"section.internal/proxyd/internal/accesslog"
	"section.internal/proxyd/internal/admin"
	"section.internal/proxyd/internal/downstream"
	"section.internal/proxyd/internal/exchange"
	"section.internal/proxyd/internal/limiter"
	"section.internal/proxyd/internal/logfile"
	"section.internal/proxyd/internal/socket"
	"section.internal/proxyd/internal/upstream"
)

// options are what the command line says.
type options struct {
	listen, nextHop           string
	configDir, logDir, runDir string
	drainTimeout              time.Duration
}

// proxy is a proxyd in the making, and then the running one. Its fields are set by the steps of run, in their order, and not
// changed once it serves.
type proxy struct {
	options
	started time.Time
	user    *unprivileged // nil: proxyd stays who it is

	listener    *net.TCPListener
	generations generations
	diagnostics *logfile.Diagnostics
	log         *slog.Logger
	access      *accesslog.Log
	nextHop     *upstream.Pool
	engine      *exchange.Engine
	clients     *downstream.Server
}

// run is the story of a proxyd: it starts, serves until a signal says otherwise, and stops. The error says what kept it from
// starting; each step undoes itself when a later one fails.
func run(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	signals := make(chan os.Signal, 16) // before the first read of the configuration: a HUP during the start is not lost
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(signals)
	signal.Ignore(syscall.SIGPIPE) // a reader of our stdout that goes away costs log lines, not the proxy

	p := &proxy{options: o, started: time.Now()}
	closing := closers{}
	defer func() { err = errors.Join(err, closing.close()) }()

	p.user, err = findUser(place.User)
	if err != nil {
		return err
	}
	for _, dir := range []string{o.logDir, o.runDir} {
		if err := p.user.makeDir(dir); err != nil {
			return err
		}
	}
	if p.listener, err = listen(o.listen); err != nil {
		return err
	}
	closing.add(func() error { return ignoreClosed(p.listener.Close()) })
	pid, err := pidfile.Claim(place.Pidfile(o.runDir))
	if err != nil {
		return err
	}
	closing.add(pid.Release)
	// From here on a deploy finds the pidfile and waits for the control socket, so it cannot miss that this configuration is read.
	if err := p.generations.load(o.configDir); err != nil {
		return err
	}
	if err := p.openLogs(stdout, stderr, &closing); err != nil {
		return err
	}
	if err := p.build(&closing); err != nil {
		return err
	}
	admin, err := admin.Listen(place.ControlSocket(o.runDir), admin.Functions{
		Status: p.status, Config: p.generations.describe, Reload: p.reload, SetLogLevel: p.diagnostics.SetLevel,
	}, p.log)
	if err != nil {
		return err
	}
	closing.add(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := admin.Close(ctx); err != nil {
			p.log.Warn("the control socket was closed on a caller", "error", err)
		}
		return nil
	})
	if err := mapProgram(); err != nil {
		p.log.Debug("the program is not read in as a whole", "error", err) // it comes as it is needed
	}
	if err := p.user.become(); err != nil {
		p.log.Warn("proxyd keeps its user", "uid", os.Getuid(), "error", err)
	}
	if os.Getpid() == 1 {
		closing.add(reapOrphans())
	}
	return p.serve(ctx, signals)
}

// listen binds the port. Keep-alive probes of the kernel are left out: idle connections end by client.idle_timeout.
func listen(address string) (*net.TCPListener, error) {
	l, err := (&net.ListenConfig{KeepAlive: -1}).Listen(context.Background(), "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot listen on %s: the port is in use by another process", address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("cannot listen on %s: not permitted: ports below 1024 need the capability NET_BIND_SERVICE", address)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: want HOST:PORT or :PORT of this machine: %w", address, err)
	}
	return l.(*net.TCPListener), nil
}

func (p *proxy) openLogs(stdout, stderr io.Writer, closing *closers) error {
	p.diagnostics = logfile.NewDiagnostics(stderr, place.ErrorLog(p.logDir))
	p.log = slog.New(p.diagnostics.Handler())
	settings := p.generations.config().Log
	if err := p.diagnostics.Apply(settings); err != nil {
		return err
	}
	closing.add(p.diagnostics.Close)
	var err error
	p.access, err = accesslog.New(accesslog.Options{
		Path: place.AccessLog(p.logDir), Stdout: stdout, Logger: p.log, Config: settings,
	})
	if err != nil {
		return err
	}
	closing.add(p.access.Close)
	return p.user.own(place.AccessLog(p.logDir), place.ErrorLog(p.logDir))
}

// build puts the engine together.
func (p *proxy) build(closing *closers) (err error) {
	poller, err := socket.NewPoller()
	if err != nil {
		return err
	}
	closing.add(func() error { poller.Close(); return nil })
	p.nextHop, err = upstream.NewPool(p.options.nextHop, upstream.SystemLookup,
		func() config.NextHop { return p.generations.config().NextHop }, poller, p.log)
	if err != nil {
		return err
	}
	closing.add(func() error { p.nextHop.Close(); return nil })
	p.engine = &exchange.Engine{
		NextHop: p.nextHop, Log: p.access, Limits: limiter.New(), InForce: p.generations.forRequest, Name: p.nextHop.Host(),
		Draining: func() bool { return p.clients.Draining() }, MaxWaiting: exchange.MaxWaiting,
	}
	p.clients = downstream.NewServer(p.engine, func() *config.Client { return &p.generations.config().Client },
		poller, p.log)
	return nil
}

// serve takes requests until a signal, or ctx, ends it; then it drains.
func (p *proxy) serve(ctx context.Context, signals <-chan os.Signal) error {
	served := make(chan error, 1)
	go func() { served <- p.clients.Serve(p.listener) }()
	p.log.Info("proxyd has started", "version", command.Version(), "pid", os.Getpid(), "uid", os.Getuid(),
		"listen", p.listener.Addr().String(), "next_hop", p.options.nextHop, "generation", p.generations.current().number)
	for {
		select {
		case err := <-served:
			return fmt.Errorf("cannot accept connections any more: %w", err)
		case <-ctx.Done():
			return p.drain(signals)
		case s := <-signals:
			switch s {
			case syscall.SIGHUP:
				p.reload(ctx) // which logs what came of it
			case syscall.SIGUSR1:
				p.reopenLogs()
			default:
				p.log.Info("proxyd drains", "signal", s.String(), "timeout", p.drainTimeout)
				return p.drain(signals)
			}
		}
	}
}

// drain lets the requests in flight end. It gives up at the drain timeout, or at a second TERM or INT; logs are still re-opened.
func (p *proxy) drain(signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), p.drainTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, p.nextHop.Abort)()
	var listening sync.WaitGroup
	defer listening.Wait()
	drained := make(chan struct{})
	defer close(drained)
	listening.Go(func() {
		for {
			select {
			case <-drained:
				return
			case s := <-signals:
				switch s {
				case syscall.SIGUSR1:
					p.reopenLogs()
				case syscall.SIGTERM, syscall.SIGINT:
					cancel()
				}
			}
		}
	})
	if cut := p.clients.Drain(ctx); cut > 0 {
		p.log.Warn("connections were cut off", "count", cut, "drain_timeout", p.drainTimeout)
	}
	p.log.Info("proxyd has stopped", "requests", p.engine.Requests.Load())
	return nil
}

func (p *proxy) reopenLogs() {
	if err := errors.Join(p.access.Reopen(), p.diagnostics.Reopen()); err != nil {
		p.log.Error("cannot re-open the logs: the old files stay in use", "error", err)
	}
}

func (p *proxy) status() control.Status {
	settings := p.generations.config()
	clients, up := p.clients.Status(), p.nextHop.Status()
	lines, dropped := p.access.Stats()
	s := control.Status{
		PID: os.Getpid(), Version: command.Version(), Started: p.started, Draining: p.clients.Draining(),
		Listen: p.listener.Addr().String(), Generation: p.generations.current().describe(),
		Requests: control.Requests{
			Total: p.engine.Requests.Load(), InFlight: p.engine.InFlight.Load(), Failed: p.engine.Failed.Load(),
		},
		Clients: control.Connections{
			Open: clients.Open, Idle: clients.Idle, Total: clients.Total, Limit: settings.Client.MaxConnections,
		},
		NextHop: control.NextHop{
			Name: up.Name, Addresses: up.Addresses, Resolved: up.Resolved,
			Connections: control.Connections{
				Open: int64(up.Open), Idle: int64(up.Idle), Total: up.Total, Limit: settings.NextHop.MaxConnections,
			},
		},
		Log: control.Log{
			To: string(settings.Log.To), Level: p.diagnostics.Level(), Lines: lines, Dropped: dropped,
		},
		Descriptors: countDescriptors(), Goroutines: countGoroutines(),
	}
	if up.Err != nil {
		s.NextHop.Error = up.Err.Error()
	}
	return s
}

// closers undo the steps of a start, the newest first.
type closers struct{ steps []func() error }

func (c *closers) add(step func() error) { c.steps = append(c.steps, step) }

func (c *closers) close() error {
	var errs []error
	for i := len(c.steps) - 1; i >= 0; i-- {
		errs = append(errs, c.steps[i]())
	}
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
