// Package server wires a configuration to a running program: listeners, the
// answer to each request, tunnels, logs, and their orderly end.
//
// What a request's settings are, package config finds; what goes over the wire
// is done by packages front, handshake, tunnel and files. This package decides
// who does what, and writes the logs.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wstunneld/wstunneld/internal/backend"
	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/files"
	"github.com/wstunneld/wstunneld/internal/front"
	"github.com/wstunneld/wstunneld/internal/logfile"
	"github.com/wstunneld/wstunneld/internal/tunnel/loop"
)

// Options are what the configuration does not say.
type Options struct {
	Stderr io.Writer // the error log if server.errorlog is not set
}

// A Server is a configuration at work.
type Server struct {
	cfg       *config.Config
	log       *slog.Logger
	debugLogs [maxDebug + 1]*slog.Logger // by wstunnel.debug

	errorLog   *logfile.File            // nil: stderr
	accessLogs map[string]*logfile.File // by accesslog.filename
	listeners  []net.Listener           // of cfg.Listeners, in their order

	exts  map[*config.Ext]*backend.Ext
	types map[*config.MimeAssign]*files.Types

	tunnels sync.WaitGroup
	loops   *loop.Group     // for tunnels between system sockets; nil: not on this system
	ctx     context.Context // of Run, for dials and the other tunnels
}

// New opens the logs and listeners of cfg and writes the pid file. If it fails,
// nothing is left open; the error is one of each thing that failed, with the
// place in the configuration where it has one.
func New(cfg *config.Config, o Options) (*Server, error) {
	s := &Server{
		cfg:        cfg,
		accessLogs: make(map[string]*logfile.File),
		exts:       make(map[*config.Ext]*backend.Ext),
		types:      make(map[*config.MimeAssign]*files.Types),
	}
	for _, e := range cfg.Exts {
		s.exts[e] = newExt(e)
	}
	for _, m := range cfg.MimeAssigns {
		s.types[m] = newTypes(m)
	}
	err := errors.Join(s.openLogs(o.Stderr), s.listen())
	if err == nil {
		err = s.writePID() // last: until here another server may be running by the same file
	}
	if err != nil {
		s.closeAll()
		return nil, err
	}
	for _, addr := range s.Addrs() {
		s.log.Info("listening", slog.String("address", addr.String()))
	}
	return s, nil
}

func newExt(e *config.Ext) *backend.Ext {
	ext := &backend.Ext{}
	for _, h := range e.Hosts {
		ext.Hosts = append(ext.Hosts, &backend.Host{Network: h.Network, Address: h.Address, ConnectTimeout: h.ConnectTimeout})
	}
	return ext
}

func newTypes(m *config.MimeAssign) *files.Types {
	pairs := make([][2]string, len(m.Pairs))
	for i, p := range m.Pairs {
		pairs[i] = [2]string{p.Key, p.Value}
	}
	return files.NewTypes(pairs)
}

func (s *Server) listen() error {
	var errs []error
	for _, l := range s.cfg.Listeners {
		ln, err := front.Listen(context.Background(), l.Network, l.Address, l.SocketPerms)
		if err != nil {
			errs = append(errs, fmt.Errorf("%v: %w: is another server running on it, and may this user bind it?", l.Pos, err))
			continue
		}
		s.listeners = append(s.listeners, ln)
	}
	return errors.Join(errs...)
}

func (s *Server) writePID() error {
	f := s.cfg.Server.PidFile
	if f.Name == "" {
		return nil
	}
	if err := os.WriteFile(f.Name, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o644); err != nil {
		return fmt.Errorf("%v: server.pid-file: %w: %s", f.Pos, err, fileHint)
	}
	return nil
}

// removePID removes the pid file if it is ours.
func (s *Server) removePID() {
	name := s.cfg.Server.PidFile.Name
	if name == "" {
		return
	}
	if b, err := os.ReadFile(name); err == nil && string(b) == fmt.Sprintln(os.Getpid()) {
		os.Remove(name)
	}
}

// Addrs returns the addresses of the listeners, in the order of
// [config.Config.Listeners].
func (s *Server) Addrs() []net.Addr {
	addrs := make([]net.Addr, len(s.listeners))
	for i, ln := range s.listeners {
		addrs[i] = ln.Addr()
	}
	return addrs
}

// Run serves until ctx is done, then drains: it accepts no more, each tunnel
// sends close code 1001 (going away), and everything has
// server.graceful-shutdown-timeout to end, or all the time it takes if that is 0.
// The pid file is removed as the drain begins. When Run returns, every goroutine it
// started has ended and all that New opened is closed. A clean shutdown returns
// nil, anything else the first failure. Run may be called once.
func (s *Server) Run(ctx context.Context) error {
	defer s.closeAll()
	g, ctx := errgroup.WithContext(ctx)
	s.ctx = ctx
	grace := s.cfg.Server.GracefulShutdownTimeout
	endLoops, err := s.runLoops(grace)
	if err != nil {
		return err
	}
	defer endLoops()
	g.Go(func() error {
		<-ctx.Done()
		s.removePID()
		return nil
	})
	for i, ln := range s.listeners {
		l := s.cfg.Listeners[i]
		base := s.cfg.Resolve(&config.Request{Listener: l})
		ln, stop, err := s.entrance(ln, l, base)
		if err != nil {
			g.Go(func() error { return err })
			break
		}
		g.Go(func() error {
			<-ctx.Done()
			stop()
			return nil
		})
		fs := &front.Server{
			Handler:        s.handler(l),
			Log:            s.log,
			Refused:        s.refused(base),
			MaxHeaderBytes: s.cfg.Server.MaxRequestFieldSize,
			ReadTimeout:    base.MaxReadIdle,
			WriteIdle:      base.MaxWriteIdle,
			KeepAliveIdle:  base.MaxKeepAliveIdle,
		}
		g.Go(func() error { return fs.Run(ctx, ln, grace) })
	}
	err = g.Wait()
	s.tunnels.Wait()
	s.log.Info("server stopped")
	return err
}

// runLoops starts s.loops, which stop their tunnels when s.ctx is done. When all
// tunnels have ended, call end.
func (s *Server) runLoops(grace time.Duration) (end func(), err error) {
	procs := runtime.GOMAXPROCS(0)
	s.loops, err = loop.New(procs)
	if errors.Is(err, errors.ErrUnsupported) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	// A loop that waits for events keeps its place in the scheduler as long as
	// another place is free; if none is, a thread of the runtime stays awake to
	// take places away, which costs up to a fourth of the time of small messages.
	runtime.GOMAXPROCS(procs + 1)
	running, quit := context.WithCancel(context.WithoutCancel(s.ctx))
	var wg sync.WaitGroup
	wg.Go(func() { s.loops.Run(running) })
	wg.Go(func() {
		<-s.ctx.Done()
		s.loops.Stop(grace)
	})
	return func() {
		quit()
		wg.Wait()
		runtime.GOMAXPROCS(procs)
	}, nil
}

// closeAll closes what New opened.
func (s *Server) closeAll() {
	for _, ln := range s.listeners {
		ln.Close()
	}
	for _, l := range s.accessLogs {
		l.Close()
	}
	if s.errorLog != nil {
		s.errorLog.Close()
	}
}
