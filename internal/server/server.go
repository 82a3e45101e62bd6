// Package server wires a configuration to a running program: listeners, the
// answer to each request, tunnels, logs, the change to another configuration, and
// the orderly end of it all.
//
// What a request's settings are, package config finds; what goes over the wire
// is done by packages front, handshake, tunnel and files. This package decides
// who does what, and writes the logs.
package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/front"
	"github.com/wstunneld/wstunneld/internal/tunnel/loop"
)

// Options are what the configuration does not say.
type Options struct {
	Stderr        io.Writer // the error log if server.errorlog is not set
	SyslogSockets []string  // paths of the syslog daemon's socket; nil: where systems have it
}

// A Server is a configuration at work, and what is left of those before it.
type Server struct {
	log     *slog.Logger // to the error log of the current generation
	options Options

	loops   *loop.Group     // for tunnels between system sockets; nil: not on this system
	started chan struct{}   // closed when Run has set what follows
	ctx     context.Context // of Run, for dials and the other tunnels
	fail    context.CancelCauseFunc
	running sync.WaitGroup // what serve started
	tunnels sync.WaitGroup
	closing sync.WaitGroup // generations

	root        bool        // it was started as root
	confinement confinement // what it gave up; zero if it is root, or never was
	limit       front.Limit // server.max-connections

	current atomic.Pointer[generation]

	change  sync.Mutex          // guards changes of current, sockets, and pid
	sockets map[address]*socket // of current
	pid     *pidFile            // of current

	mu  sync.Mutex               // guards old, and users of each generation
	old map[*generation]struct{} // with requests or tunnels left
}

// New starts the server up to the first request: it sets the limit of open files,
// opens the listeners and the pid file, gives up root's rights as server.chroot,
// server.username and server.groupname say, and opens the logs. If it fails,
// nothing is left open, but the process may have lost its rights. The error is one
// of each thing that failed, joined by [errors.Join], as a [*syntax.Error] where it
// has a place in the configuration.
func New(cfg *config.Config, o Options) (*Server, error) {
	id, err := cfg.Identity() // while the files are in reach that say so
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, old: make(map[*generation]struct{}), started: make(chan struct{}), root: isRoot()}
	s.log = slog.New(currentLog{s: s})
	s.limit.Set(cfg.Server.MaxConnections)
	s.limit.Reached = s.limitReached
	if s.root {
		s.confinement = confinementOf(cfg)
	}
	errFiles := setMaxFiles(cfg)
	sockets, errSockets := s.listen(cfg)
	g := newGeneration(cfg, o)
	pid, errPID := openPID(cfg.Server.PidFile)
	err = errors.Join(errPID, errSockets)
	if s.confinement == (confinement{}) {
		err = errors.Join(g.openLogs(cfg), err)
	} else if err == nil { // or the logs would be root's
		if err = confine(cfg, id, sockets); err == nil {
			err = g.openLogs(cfg)
		}
	}
	if err == nil {
		err = pid.write()
	}
	if err != nil {
		closeNew(sockets)
		pid.discard()
		g.close()
		return nil, err
	}
	s.sockets, s.pid = sockets, pid
	s.current.Store(g)
	s.warnMaxFiles(cfg, errFiles)
	for _, addr := range s.Addrs() {
		s.log.Info("listening", slog.String("address", addr.String()))
	}
	return s, nil
}

// limitReached is told that server.max-connections are open.
func (s *Server) limitReached(most int) {
	s.log.Warn("as many connections are open as may be: more clients wait until some end", slog.Int("server.max-connections", most))
}

// Addrs returns the addresses of the listeners, in the order of
// [config.Config.Listeners].
func (s *Server) Addrs() []net.Addr {
	s.change.Lock()
	defer s.change.Unlock()
	var addrs []net.Addr
	for _, l := range s.current.Load().cfg.Listeners {
		addrs = append(addrs, s.sockets[addressOf(l)].ln.Addr())
	}
	return addrs
}

// ErrTerminate is the cause of a context whose server has but a second to end.
var ErrTerminate = errors.New("terminate")

// flushTime is what ErrTerminate leaves.
const flushTime = time.Second

// Run serves until ctx is done, then drains: it accepts no more, each tunnel
// sends close code 1001 (going away), and everything has
// server.graceful-shutdown-timeout to end, or all the time it takes if that is 0;
// but only a second if the cause of ctx is [ErrTerminate]. The pid file is removed
// as the drain begins. When Run returns, every goroutine it started has ended and
// all that New opened is closed. A clean shutdown returns nil, anything else the
// first failure. Run may be called once.
func (s *Server) Run(ctx context.Context) error {
	ctx, s.fail = context.WithCancelCause(ctx)
	defer s.fail(nil)
	endLoops, err := s.runLoops(ctx)
	if err != nil {
		s.fail(err)
	}
	s.change.Lock()
	s.ctx = ctx
	close(s.started)
	g := s.current.Load()
	for _, l := range g.cfg.Listeners {
		s.serve(s.sockets[addressOf(l)], g, l)
	}
	s.change.Unlock()

	<-ctx.Done()
	s.change.Lock() // from now on, Reload refuses
	g = s.current.Load()
	s.pid.remove()
	if s.loops != nil {
		s.loops.Stop(s.grace())
	}
	for _, sock := range s.sockets {
		sock.close()
	}
	s.change.Unlock()
	s.running.Wait()
	s.tunnels.Wait()
	s.closing.Wait()
	endLoops()
	s.log.Info("server stopped")
	g.close()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, ErrTerminate) {
		return err
	}
	return nil
}

// grace returns how long what is under way has to end when the server stops or a
// listener is closed; 0: no limit.
func (s *Server) grace() time.Duration {
	d := s.current.Load().cfg.Server.GracefulShutdownTimeout
	if errors.Is(context.Cause(s.ctx), ErrTerminate) && (d == 0 || d > flushTime) {
		return flushTime
	}
	return d
}

// runLoops starts s.loops. When all tunnels have ended, call end.
func (s *Server) runLoops(ctx context.Context) (end func(), err error) {
	procs := runtime.GOMAXPROCS(0)
	s.loops, err = loop.New(procs)
	if errors.Is(err, errors.ErrUnsupported) {
		return func() {}, nil
	}
	if err != nil {
		return func() {}, err
	}
	// A loop that waits for events keeps its place in the scheduler as long as
	// another place is free; if none is, a thread of the runtime stays awake to
	// take places away, which costs up to a fourth of the time of small messages.
	runtime.GOMAXPROCS(procs + 1)
	running, quit := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { s.loops.Run(running) })
	return func() {
		quit()
		wg.Wait()
		runtime.GOMAXPROCS(procs)
	}, nil
}

// Reload puts the configuration that load returns in the place of the one at
// work. New requests are answered by it at once. Listeners that it has no more are
// closed, and their requests have server.graceful-shutdown-timeout to end; open
// tunnels go on as they began. If it cannot be loaded or put to work, nothing
// changes. The error log tells of either. It waits for Run to begin.
func (s *Server) Reload(load func() (*config.Config, error)) {
	<-s.started
	s.change.Lock()
	defer s.change.Unlock()
	if s.ctx.Err() != nil {
		return // it stops
	}
	cfg, err := load()
	if cfg != nil {
		for _, w := range cfg.Warnings {
			s.log.Warn("configuration", slog.String("warning", w.Error()))
		}
	}
	if err == nil {
		err = s.replace(cfg)
	}
	if err == nil {
		s.log.Info("configuration loaded")
		return
	}
	s.log.Error("configuration not loaded: the one before stays at work")
	for line := range strings.Lines(err.Error()) {
		s.log.Error("configuration", slog.String("error", strings.TrimSuffix(line, "\n")))
	}
	if dir := s.confinement.chroot; dir != "" {
		s.log.Error("configuration", slog.String("hint", "server.chroot keeps the server inside "+dir+", and it looks for the configuration and for all that this names in there: restart it to load another"))
	}
}

// replace puts cfg to work. The caller holds s.change.
func (s *Server) replace(cfg *config.Config) error {
	sockets, errSockets := s.listen(cfg)
	g := newGeneration(cfg, s.options)
	if err := errors.Join(g.openLogs(cfg), errSockets); err != nil {
		closeNew(sockets)
		g.close()
		return err
	}
	before := s.current.Load()
	if before.cfg.Server.PidFile.Name != cfg.Server.PidFile.Name {
		s.movePID(cfg)
	}
	s.limit.Set(cfg.Server.MaxConnections)
	s.warnMaxFiles(cfg, setMaxFiles(cfg))
	s.warnConfinement(cfg)
	s.mu.Lock()
	s.current.Store(g)
	s.retire(before)
	s.mu.Unlock()
	for a, sock := range s.sockets {
		if sockets[a] != sock {
			sock.close()
			s.log.Info("listener closed", slog.String("address", a.String()))
		}
	}
	s.sockets = sockets
	for _, l := range cfg.Listeners {
		sock := sockets[addressOf(l)]
		if sock.stop == nil {
			s.log.Info("listening", slog.String("address", sock.ln.Addr().String()))
		}
		s.serve(sock, g, l)
	}
	return nil
}

// movePID goes on with the pid file of cfg, if it can be written.
func (s *Server) movePID(cfg *config.Config) {
	pid, err := openPID(cfg.Server.PidFile)
	if err == nil {
		if err = pid.write(); err != nil {
			pid.discard()
			pid = nil
		}
	}
	if err != nil {
		s.log.Error("writing the pid file", slog.Any("error", err))
	}
	s.pid.remove()
	s.pid = pid
}

// ReopenLogs opens the log files again, after they were rotated.
func (s *Server) ReopenLogs() {
	s.mu.Lock()
	err := s.current.Load().reopen()
	for g := range s.old {
		err = errors.Join(err, g.reopen())
	}
	s.mu.Unlock()
	if err != nil {
		s.log.Error("reopening logs", slog.Any("error", err))
		return
	}
	s.log.Info("logs reopened")
}

// acquire returns the current generation, which stays open until it is released.
func (s *Server) acquire() *generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.current.Load()
	g.users++
	return g
}

// release is told that a request or tunnel has ended.
func (s *Server) release(g *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g.users--
	if _, ok := s.old[g]; ok {
		s.retire(g)
	}
}

// retire closes g, which is not current, when nobody uses it any more. The caller
// holds s.mu.
func (s *Server) retire(g *generation) {
	if g.users > 0 {
		s.old[g] = struct{}{}
		return
	}
	delete(s.old, g)
	s.closing.Go(g.close) // commands that read logs may take their time
}
