package server

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/front"
	"github.com/wstunneld/wstunneld/internal/handshake"
	"github.com/wstunneld/wstunneld/internal/proxyproto"
	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/tunnel/loop"
)

// entrance has the loops accept the connections of ln, and open tunnels where
// nothing is to be said against it. It returns the listener on which everything
// else comes in, to be answered by net/http: all of ln if the loops cannot accept
// from it. Stop ends both, and leaves ln open.
func (s *Server) entrance(ln net.Listener, l *config.Listener, base *config.Settings) (rest net.Listener, stop func(), err error) {
	lc, ok := ln.(loop.Conn)
	if s.loops == nil || !ok || l.HAProxyPROXY {
		rest = s.limit.Listener(front.Lease(ln))
		stop = func() { rest.Close() }
		if l.HAProxyPROXY {
			return s.behindProxy(rest, l, base), stop, nil
		}
		return rest, stop, nil
	}
	handed, local := front.NewHanded(ln.Addr(), &s.limit), addrPort(ln.Addr().String())
	stop, err = s.loops.Accept(lc, &loop.Entrance{
		Limit:    &s.limit,
		Timeout:  base.MaxReadIdle,
		Request:  func(client netip.AddrPort, b []byte) *loop.Plan { return s.plan(addressOf(l), client, local, b) },
		HandOver: handed.HandOver,
		Failed: func(err error) {
			s.log.Error("accepting a connection", slog.String("listener", l.Address), slog.Any("error", err))
		},
	})
	return handed, stop, err
}

// behindProxy returns a listener for the connections of ln, of which those from
// trusted proxies have to begin with a PROXY header.
func (s *Server) behindProxy(ln net.Listener, l *config.Listener, base *config.Settings) net.Listener {
	return &proxyproto.Listener{
		Listener: ln,
		Timeout:  base.MaxReadIdle,
		Trusted: func(peer netip.Addr) bool {
			g := s.acquire()
			defer s.release(g)
			var addr string
			if peer.IsValid() {
				addr = peer.String()
			}
			set := g.cfg.Resolve(&config.Request{Listener: g.listeners[addressOf(l)], RemoteIP: peer, RemoteAddr: addr})
			return set.Forwarded.Trust.Has(peer)
		},
		Refused: func(peer net.Addr, err error) {
			s.log.Error("connection without a PROXY header refused", slog.String("proxy", peer.String()), slog.Any("error", err))
		},
	}
}

// plan returns how to open the tunnel that the request at the start of b asks
// for. It returns nil if b is not plainly such a request, or if the answer is
// another: handler finds it.
func (s *Server) plan(at address, from, local netip.AddrPort, b []byte) *loop.Plan {
	g := s.acquire()
	p := g.plan(s, at, from, local, b)
	if p == nil {
		s.release(g)
	}
	return p
}

func (g *generation) plan(s *Server, at address, from, local netip.AddrPort, b []byte) *loop.Plan {
	l := g.listeners[at]
	r, size := front.ParseUpgrade(b, g.cfg.Server.MaxRequestFieldSize)
	if l == nil || r == nil || !handshake.IsUpgrade(r) {
		return nil
	}
	q := &request{Request: r, g: g, l: l, begun: time.Now(), client: from, local: local, scheme: "http", size: size}
	if q.route() != 0 {
		return nil
	}
	ext := q.set.Wstunnel.Match(q.target.Path)
	if !q.set.ProtocolHTTP11 || ext == nil || !handshake.IsUpgrade(q.Request) || g.limiters(q.set) != nil {
		return nil
	}
	if q.set.Trace.RequestHeader || q.set.Trace.ResponseHeader {
		return nil // handler writes them
	}
	accept, err := handshake.Check(q.Header, q.set.Wstunnel.Origins)
	if err != nil {
		return nil
	}
	host := g.exts[ext].Hosts[0]
	tcp, unix, ok := host.Direct()
	if !ok {
		return nil
	}
	log, client := g.debugLog(q.set), q.clientText()
	answer := q.switching(accept)
	head := answer.Append(nil, time.Now())
	t := &openTunnel{g: g, set: q.set, client: client, host: host}
	if g.logsAccess(q.set) {
		t.entry = newEntry(q)
		t.entry.Status, t.entry.Response = http.StatusSwitchingProtocols, answer.Header
		t.entry.SentAll = int64(len(head))
		g.keep(q.set, t.entry)
	}
	s.tunnels.Add(1)
	return &loop.Plan{
		Backend:        loop.Addr{TCP: tcp, Unix: unix},
		ConnectTimeout: host.ConnectTimeout,
		Answer:         head,
		Size:           size,
		Config:         tunnelConfig(q.set, accept, trace(log, client)),
		Opened: func() {
			log.Warn("backend connected", slog.String("client", client), slog.String("backend", host.Address))
			t.start = time.Now()
		},
		Ended:   func(res tunnel.Result) { s.endedInLoop(t, res) },
		Dropped: func(error) { s.forget(t) },
	}
}
