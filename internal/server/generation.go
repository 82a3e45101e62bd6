package server

import (
	"context"
	"log/slog"
	"sync"

	"github.com/wstunneld/wstunneld/internal/backend"
	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/config/syntax"
	"github.com/wstunneld/wstunneld/internal/files"
)

// A generation is one configuration at work: what requests need of it, and the
// logs. A request and the tunnel that it becomes stay with the generation that was
// current when it came.
type generation struct {
	cfg       *config.Config
	listeners map[address]*config.Listener

	logs

	exts  map[*config.Ext]*backend.Ext
	types map[*config.MimeAssign]*files.Types

	throttles sync.Map // *config.Throttle to its *rate.Limiter

	users int // requests and tunnels; guarded by Server.mu
}

// newGeneration returns a generation whose logs are still to be opened.
func newGeneration(cfg *config.Config, o Options) *generation {
	g := &generation{
		cfg:       cfg,
		listeners: make(map[address]*config.Listener),
		logs:      newLogs(cfg, o),
		exts:      make(map[*config.Ext]*backend.Ext),
		types:     make(map[*config.MimeAssign]*files.Types),
	}
	cfg.OnPatternLimit(func(pos syntax.Pos, expr string) {
		g.log.Warn("pattern takes too long, and counts as no match", slog.String("at", pos.String()), slog.String("pattern", expr))
	})
	for _, l := range cfg.Listeners {
		g.listeners[addressOf(l)] = l
	}
	for _, e := range cfg.Exts {
		g.exts[e] = newExt(e)
	}
	for _, m := range cfg.MimeAssigns {
		g.types[m] = newTypes(m)
	}
	return g
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

// currentLog is a slog.Handler that writes to the error log of the server's
// current generation.
type currentLog struct {
	s    *Server
	with func(slog.Handler) slog.Handler // nil: as it is
}

func (h currentLog) Enabled(context.Context, slog.Level) bool { return true }

func (h currentLog) Handle(ctx context.Context, r slog.Record) error {
	g := h.s.acquire()
	defer h.s.release(g)
	to := g.log.Handler()
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
