package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/wstunneld/wstunneld/internal/accesslog"
	"github.com/wstunneld/wstunneld/internal/backend"
	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/files"
	"github.com/wstunneld/wstunneld/internal/logfile"
)

// A generation is one configuration at work: what requests need of it, and the
// logs. A request and the tunnel that it becomes stay with the generation that was
// current when it came.
type generation struct {
	cfg       *config.Config
	listeners map[address]*config.Listener

	log        *slog.Logger
	debugLogs  [maxDebug + 1]*slog.Logger // by wstunnel.debug
	errorFile  *logfile.File              // nil: stderr
	accessLogs map[string]*logfile.File   // by accesslog.filename

	exts  map[*config.Ext]*backend.Ext
	types map[*config.MimeAssign]*files.Types

	throttles sync.Map // *config.Throttle to its *rate.Limiter

	users int // requests and tunnels; guarded by Server.mu
}

// newGeneration opens the logs of cfg. Stderr is the error log if it names none.
// If there is an error, the generation holds what could be opened.
func newGeneration(cfg *config.Config, stderr io.Writer) (*generation, error) {
	g := &generation{
		cfg:        cfg,
		listeners:  make(map[address]*config.Listener),
		accessLogs: make(map[string]*logfile.File),
		exts:       make(map[*config.Ext]*backend.Ext),
		types:      make(map[*config.MimeAssign]*files.Types),
	}
	for _, l := range cfg.Listeners {
		g.listeners[addressOf(l)] = l
	}
	for _, e := range cfg.Exts {
		g.exts[e] = newExt(e)
	}
	for _, m := range cfg.MimeAssigns {
		g.types[m] = newTypes(m)
	}
	return g, g.openLogs(stderr)
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

func (g *generation) openLogs(stderr io.Writer) error {
	var errs []error
	w := stderr
	if f := g.cfg.Server.ErrorLog; f.File != "" {
		l, err := logfile.Open(f.File)
		if err != nil {
			errs = append(errs, fmt.Errorf("%v: server.errorlog: %w: %s", f.Pos, err, fileHint))
		} else {
			g.errorFile, w = l, l
		}
	}
	text := slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})
	g.log = slog.New(atLeast{text, slog.LevelInfo})
	for i, level := range debugLevels {
		g.debugLogs[i] = slog.New(atLeast{text, level})
	}
	for _, f := range g.cfg.AccessLogs {
		l, err := logfile.Open(f.File)
		if err != nil {
			errs = append(errs, fmt.Errorf("%v: accesslog.filename: %w: %s", f.Pos, err, fileHint))
			continue
		}
		g.accessLogs[f.File] = l
	}
	return errors.Join(errs...)
}

// reopen opens the log files again.
func (g *generation) reopen() error {
	var errs []error
	if g.errorFile != nil {
		errs = append(errs, g.errorFile.Reopen())
	}
	for _, l := range g.accessLogs {
		errs = append(errs, l.Reopen())
	}
	return errors.Join(errs...)
}

func (g *generation) close() {
	for _, l := range g.accessLogs {
		l.Close()
	}
	if g.errorFile != nil {
		g.errorFile.Close()
	}
}

// debugLog returns the logger of what wstunnel.debug asks for: client faults
// from 1, connected backends from 2, tunnels that end from 3, frames from 4.
func (g *generation) debugLog(set *config.Settings) *slog.Logger {
	return g.debugLogs[min(set.Wstunnel.Debug, maxDebug)]
}

// access writes the access log's line of e.
func (g *generation) access(set *config.Settings, e *accesslog.Entry) {
	l := g.accessLogs[set.AccessLog.File]
	if l == nil {
		return
	}
	e.End = time.Now()
	if _, err := l.Write(accesslog.Default.Append(nil, e, accesslog.EscapeDefault)); err != nil {
		g.log.Error("writing the access log", slog.Any("error", err))
	}
}

// currentLog is a slog.Handler that writes to the error log of the server's
// current generation.
type currentLog struct {
	s    *Server
	with func(slog.Handler) slog.Handler // nil: as it is
}

func (h currentLog) Enabled(context.Context, slog.Level) bool { return true }

func (h currentLog) Handle(ctx context.Context, r slog.Record) error {
	to := h.s.current.Load().log.Handler()
	if !to.Enabled(ctx, r.Level) {
		return nil
	}
	if h.with != nil {
		to = h.with(to)
	}
	return to.Handle(ctx, r)
}

func (h currentLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.then(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

func (h currentLog) WithGroup(name string) slog.Handler {
	return h.then(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h currentLog) then(f func(slog.Handler) slog.Handler) slog.Handler {
	before := h.with
	h.with = func(to slog.Handler) slog.Handler {
		if before != nil {
			to = before(to)
		}
		return f(to)
	}
	return h
}

func (g *generation) logsAccess(set *config.Settings) bool {
	return g.accessLogs[set.AccessLog.File] != nil
}

func (g *generation) keep(set *config.Settings, e *accesslog.Entry) { set.AccessLog.Format.Keep(e) }

func (g *generation) errorLog(set *config.Settings) *slog.Logger { return g.log }
func traceFileNotFound(*slog.Logger, *request)                   {}
func traceResponseHeader(*slog.Logger, int, http.Header)         {}
