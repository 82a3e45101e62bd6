// Package front is the side of the clients: listening sockets, HTTP/1.1, and the
// step from a request to a byte stream.
//
// It knows nothing of tunnels, backends or directives: a handler decides what to
// answer, and calls [Upgrade] if that is a WebSocket. What a valid opening
// handshake is, package handshake knows.
package front

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// A Server answers the requests of one listener. Times of 0 are no limit.
type Server struct {
	Handler http.Handler
	Log     *slog.Logger // what goes wrong with connections

	// Refused is told of requests that net/http could not read and has answered
	// itself; sent is the size of the answer's body. It may be nil.
	Refused func(remote string, status int, sent int64)

	MaxHeaderBytes int           // of a request line and its header, at least 4097
	ReadTimeout    time.Duration // for a whole request
	WriteIdle      time.Duration // for a piece of an answer of at most 1 MiB
	KeepAliveIdle  time.Duration // for the next request; 0: one request a connection

	handlers gate
}

type connKey struct{}

// Run serves ln until ctx is done. Then it accepts no more, and waits for the
// requests under way until the time that grace then returns is over, or as long as
// it takes if that is 0.
// After that it closes their connections, and waits for the handlers to see it.
// It closes ln, and has ended all it started when it returns, except for the
// connections that [Upgrade] took. It may be called once.
func (s *Server) Run(ctx context.Context, ln net.Listener, grace func() time.Duration) error {
	hs := &http.Server{
		Handler: s.counted(s.Handler),
		// net/http allows 4096 bytes more than it is told.
		MaxHeaderBytes:               max(s.MaxHeaderBytes-4096, 1),
		ReadTimeout:                  s.ReadTimeout,
		ReadHeaderTimeout:            s.ReadTimeout,
		IdleTimeout:                  s.KeepAliveIdle,
		ErrorLog:                     slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
		DisableGeneralOptionsHandler: true, // or the handler would not see OPTIONS *
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
	hs.SetKeepAlivesEnabled(s.KeepAliveIdle > 0)
	silent := silentConns{conns: make(map[net.Conn]struct{})}
	hs.ConnState = silent.track
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		silent.close()
		ctx, cancel := context.Background(), func() {}
		if limit := grace(); limit > 0 {
			ctx, cancel = context.WithTimeout(ctx, limit)
		}
		defer cancel()
		hs.Shutdown(ctx)
	})
	err := hs.Serve(&listener{ln, s})
	if !stop() {
		<-stopped
	}
	hs.Close() // what Shutdown has left; everything if Serve failed
	s.handlers.close()
	if ctx.Err() != nil { // Serve has ended because it had to
		return nil
	}
	return err
}

// counted returns h as Run can wait for it. Once Run has waited, it does nothing.
func (s *Server) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.handlers.enter() {
			defer s.handlers.leave()
			h.ServeHTTP(w, r)
		}
	})
}

// A gate counts who is inside, until it is closed. net/http tells the state of
// connections, but does not wait for handlers whose connections are closed or
// taken.
type gate struct {
	mu     sync.Mutex
	closed bool
	inside sync.WaitGroup
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.inside.Add(1)
	}
	return !g.closed
}

func (g *gate) leave() { g.inside.Done() }

// close lets nobody in any more, and waits until all have left.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.inside.Wait()
}

// silentConns are the connections that have not begun a request. Shutdown would
// wait for them.
type silentConns struct {
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// track is a ConnState hook.
func (s *silentConns) track(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(s.conns, c)
	case s.closed:
		c.Close()
	default:
		s.conns[c] = struct{}{}
	}
}

// close closes the connections, and those that come late.
func (s *silentConns) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
}

// CountRequest counts a request of its connection and returns the number, from 1.
func CountRequest(r *http.Request) int {
	c := r.Context().Value(connKey{}).(*conn)
	c.requests++
	return c.requests
}

// Written returns how many bytes were sent on the connection of r since it was
// asked last.
func Written(r *http.Request) int64 {
	c := r.Context().Value(connKey{}).(*conn)
	n := c.written
	c.written = 0
	return n
}

// IsTLS reports whether the client of r speaks TLS with the proxy that the
// connection comes from.
func IsTLS(r *http.Request) bool {
	p, ok := r.Context().Value(connKey{}).(*conn).Stream.(proxied)
	return ok && p.TLS()
}
