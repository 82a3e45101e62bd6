package server

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/wstunneld/wstunneld/internal/accesslog"
	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/front"
	"github.com/wstunneld/wstunneld/internal/handshake"
	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/tunnel/loop"
)

// entrance has the loops accept the connections of ln, and open tunnels where
// nothing is to be said against it. It returns the listener on which everything
// else comes in, to be answered by net/http: all of ln if the loops cannot accept
// from it. When the server stops, call stop.
func (s *Server) entrance(ln net.Listener, l *config.Listener, base *config.Settings) (rest net.Listener, stop func(), err error) {
	lc, ok := ln.(loop.Conn)
	if s.loops == nil || !ok {
		return s.limit.Listener(ln), func() {}, nil
	}
	handed := front.NewHanded(ln.Addr(), &s.limit)
	stop, err = s.loops.Accept(lc, &loop.Entrance{
		Limit:    &s.limit,
		Timeout:  base.MaxReadIdle,
		Request:  func(client netip.AddrPort, b []byte) *loop.Plan { return s.plan(addressOf(l), client, b) },
		HandOver: handed.HandOver,
		Failed: func(err error) {
			s.log.Error("accepting a connection", slog.String("listener", l.Address), slog.Any("error", err))
		},
	})
	return handed, stop, err
}

// plan returns how to open the tunnel that the request at the start of b asks
// for. It returns nil if b is not plainly such a request, or if the answer is
// another: handler finds it.
func (s *Server) plan(at address, from netip.AddrPort, b []byte) *loop.Plan {
	g := s.acquire()
	p := g.plan(s, at, from, b)
	if p == nil {
		s.release(g)
	}
	return p
}

func (g *generation) plan(s *Server, at address, from netip.AddrPort, b []byte) *loop.Plan {
	l := g.listeners[at]
	r, size := front.ParseUpgrade(b, g.cfg.Server.MaxRequestFieldSize)
	if l == nil || r == nil || !handshake.IsUpgrade(r) {
		return nil
	}
	var client string
	if from.IsValid() {
		client = from.Addr().String()
	}
	urlPath, ok := cleanPath(r.URL)
	if !ok {
		return nil
	}
	set := g.resolve(l, r, urlPath, from.Addr(), client)
	ext := set.Wstunnel.Match(urlPath)
	if !set.ProtocolHTTP11 || ext == nil {
		return nil
	}
	accept, err := handshake.Check(r.Header, set.Wstunnel.Origins)
	if err != nil {
		return nil
	}
	host := g.exts[ext].Hosts[0]
	tcp, unix, ok := host.Direct()
	if !ok {
		return nil
	}
	log := g.debugLog(set)
	answer := front.Answer{Accept: accept.Key, Subprotocol: accept.Subprotocol, Server: set.ServerTag}
	t := &openTunnel{g: g, set: set, client: client, host: host}
	if g.accessLogs[set.AccessLog.File] != nil {
		t.entry = newEntry(r, client)
		t.entry.Status = http.StatusSwitchingProtocols
		accesslog.Default.Keep(t.entry)
	}
	s.tunnels.Add(1)
	return &loop.Plan{
		Backend:        loop.Addr{TCP: tcp, Unix: unix},
		ConnectTimeout: host.ConnectTimeout,
		Answer:         answer.Append(nil, time.Now()),
		Size:           size,
		Config:         tunnelConfig(set, accept, trace(log, client)),
		Opened: func() {
			log.Warn("backend connected", slog.String("client", client), slog.String("backend", host.Address))
			t.start = time.Now()
		},
		Ended:   func(res tunnel.Result) { s.endedInLoop(t, res) },
		Dropped: func(error) { s.forget(t) },
	}
}
