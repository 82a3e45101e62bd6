package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/wstunneld/wstunneld/internal/accesslog"
	"github.com/wstunneld/wstunneld/internal/backend"
	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/front"
	"github.com/wstunneld/wstunneld/internal/handshake"
	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/tunnel/loop"
	"github.com/wstunneld/wstunneld/internal/tunnel/stream"
	"github.com/wstunneld/wstunneld/internal/ws"
)

// answerTunnel answers a request for a WebSocket at ext: with a tunnel, or with
// an error page. The backend is connected first, so that its failure is an HTTP
// status. It reports whether there is a tunnel, which then goes on without q's
// request and keeps q.g and entry.
func (s *Server) answerTunnel(q *request, w *recorder, ext *config.Ext, entry *accesslog.Entry) bool {
	log, client := q.g.debugLog(q.set), q.clientText()
	accept, err := handshake.Check(q.Header, q.set.Wstunnel.Origins)
	if err != nil {
		log.Error("handshake refused", slog.String("client", client), slog.String("path", q.target.Path), slog.Any("error", err))
		var he *handshake.Error
		errors.As(err, &he) // Check's error is always one
		for name, values := range he.Header {
			w.Header()[name] = append(w.Header()[name], values...)
		}
		s.errorPage(w, q, he.Status)
		return false
	}
	// The request's own context ends when the client half-closes, which it may do
	// behind its request and some frames.
	conn, host, err := q.g.exts[ext].Connect(s.ctx)
	if err != nil {
		q.g.errorLog(q.set).Error("backend unreachable", slog.String("client", client), slog.String("ext", ext.Key), slog.Any("error", err))
		s.errorPage(w, q, http.StatusServiceUnavailable)
		return false
	}
	log.Warn("backend connected", slog.String("client", client), slog.String("backend", host.Address))
	s.tunnels.Add(1) // before net/http forgets the connection, so that Run misses none
	answer := q.switching(accept)
	peer, first, err := front.Upgrade(w, answer)
	q.g.traceAnswer(q.set, q.Request, answer)
	if entry != nil {
		entry.Status, entry.Response = http.StatusSwitchingProtocols, answer.Header
		entry.SentAll = int64(len(answer.Append(nil, time.Now())))
		q.g.keep(q.set, entry)
	}
	t := &openTunnel{start: time.Now(), g: q.g, set: q.set, client: client, entry: entry, host: host}
	if err != nil {
		conn.Close()
		s.ended(t, tunnel.Result{Cause: tunnel.CauseClientError, Err: err})
		return true
	}
	s.drive(t, tunnelConfig(q.set, accept, trace(log, client)), peer, conn, first)
	return true
}

// switching returns the 101 for q.
func (q *request) switching(accept handshake.Accept) *front.Answer {
	a := &front.Answer{Accept: accept.Key, Subprotocol: accept.Subprotocol, Server: q.set.ServerTag}
	if len(q.set.SetResponseHeader)+len(q.set.AddResponseHeader) > 0 {
		a.Header = make(http.Header)
		q.setResponseHeader(a.Header)
		a.Subprotocol = cmp.Or(a.Header.Get("Sec-WebSocket-Protocol"), a.Subprotocol)
	}
	return a
}

func tunnelConfig(set *config.Settings, accept handshake.Accept, trace func(bool, ws.Opcode, int)) *tunnel.Config {
	return &tunnel.Config{
		Text:             !set.Wstunnel.Binary && accept.Subprotocol != "binary",
		PingInterval:     set.Wstunnel.PingInterval,
		IdleTimeout:      set.MaxReadIdle,
		WriteIdleTimeout: set.MaxWriteIdle,
		MaxClientBytes:   set.MaxRequestSize,
		Trace:            trace,
	}
}

// drive has a tunnel driven by a loop if both ends are system sockets, and
// otherwise by a goroutine per direction. It does not wait.
func (s *Server) drive(t *openTunnel, cfg *tunnel.Config, client front.Stream, conn backend.Conn, first []byte) {
	if limits := t.g.limiters(t.set); limits != nil {
		client = throttledStream{client, s.ctx, limits}
	}
	c, clientOK := client.(loop.Conn)
	b, backendOK := conn.(loop.Conn)
	if s.loops == nil || !clientOK || !backendOK {
		go func() {
			s.ended(t, stream.Run(s.ctx, s.grace, cfg, client, conn, first))
		}()
		return
	}
	s.limit.Add() // until Ended: Start closes client, which leaves
	err := s.loops.Start(loop.Tunnel{
		Client: c, Backend: b, First: first, Config: cfg,
		Ended: func(res tunnel.Result) { s.endedInLoop(t, res) },
	})
	if err != nil {
		s.limit.Leave()
		t.g.errorLog(t.set).Error("tunnel not started", slog.String("client", t.client), slog.Any("error", err))
		s.ended(t, tunnel.Result{Cause: tunnel.CauseClientError, Err: err})
	}
}

// An openTunnel is what the logs need of a tunnel's request.
type openTunnel struct {
	start  time.Time
	g      *generation
	set    *config.Settings
	client string
	entry  *accesslog.Entry // nil: there is no access log
	host   *backend.Host
}

// trace returns a logger of frames for wstunnel.debug 4, or nil.
func trace(log *slog.Logger, client string) func(bool, ws.Opcode, int) {
	if !log.Enabled(context.Background(), slog.LevelDebug) {
		return nil
	}
	return func(sent bool, op ws.Opcode, payload int) {
		msg := "frame received"
		if sent {
			msg = "frame sent"
		}
		log.LogAttrs(context.Background(), slog.LevelDebug, msg,
			slog.String("client", client), slog.String("opcode", op.String()), slog.Int("payload", payload))
	}
}

// endedInLoop is ended for a loop, which must not wait for a log.
func (s *Server) endedInLoop(t *openTunnel, res tunnel.Result) {
	s.limit.Leave()
	log, level, _, _ := t.verdict(res)
	if t.entry == nil && !log.Enabled(context.Background(), level) {
		s.forget(t)
		return
	}
	go s.ended(t, res)
}

// ended logs a tunnel.
func (s *Server) ended(t *openTunnel, res tunnel.Result) {
	defer s.forget(t)
	elapsed := time.Since(t.start)
	code := res.CloseSent
	if res.Cause == tunnel.CauseClientClose {
		code = res.CloseReceived
	}
	if t.entry != nil {
		t.entry.Sent = res.Sent
		t.entry.SentAll += res.Sent
		t.entry.Received += res.Received
		t.entry.Tunnel = &accesslog.Tunnel{
			Received:  res.Received,
			CloseCode: int(code),
			Cause:     res.Cause.String(),
			Duration:  elapsed,
		}
		t.g.access(t.set, t.entry)
	}

	log, level, msg, hint := t.verdict(res)
	attrs := []slog.Attr{
		slog.String("client", t.client),
		slog.String("backend", t.host.Address),
		slog.String("cause", res.Cause.String()),
		slog.Int("close_code", int(code)),
		slog.Int64("rx_bytes", res.Received),
		slog.Int64("tx_bytes", res.Sent),
		slog.Duration("elapsed", elapsed),
	}
	if res.Err != nil {
		attrs = append(attrs, slog.String("error", res.Err.Error()))
	}
	if hint != "" {
		attrs = append(attrs, slog.String("hint", hint))
	}
	log.LogAttrs(context.Background(), level, msg, attrs...)
}

// forget is the last that is done for a tunnel.
func (s *Server) forget(t *openTunnel) {
	s.release(t.g)
	s.tunnels.Done()
}

// verdict returns what the error log says of a tunnel's end. What an operator
// must mend is always logged, faults of clients and ordinary ends as
// wstunnel.debug says.
func (t *openTunnel) verdict(res tunnel.Result) (log *slog.Logger, level slog.Level, msg, hint string) {
	switch res.Cause {
	case tunnel.CauseBackendError:
		return t.g.errorLog(t.set), slog.LevelError, "backend failed", ""
	case tunnel.CauseNotUTF8:
		return t.g.errorLog(t.set), slog.LevelError, "backend sent bytes that are not UTF-8 in a text tunnel", `set wstunnel.frame-type = "binary"`
	case tunnel.CauseProtocolError, tunnel.CauseTooBig:
		return t.g.debugLog(t.set), slog.LevelError, "client broke the protocol", ""
	default:
		return t.g.debugLog(t.set), slog.LevelInfo, "tunnel closed", ""
	}
}
