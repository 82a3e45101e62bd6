package server

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/config/syntax"
	"github.com/wstunneld/wstunneld/internal/front"
)

// An address tells listeners of two configurations apart.
type address struct{ network, address string }

func addressOf(l *config.Listener) address { return address{l.Network, l.Address} }

func (a address) String() string { return a.address }

// A socket is a listening socket. It outlives the configuration that opened it if
// the next one has the address too.
type socket struct {
	ln     net.Listener
	limits limits // by which it is served
	stop   func() // ends that; nil: it is not served yet
}

// limits are what cannot be changed while a socket is served.
type limits struct {
	proxied                            bool // see config.Listener.HAProxyPROXY
	headerBytes                        int
	readIdle, writeIdle, keepAliveIdle time.Duration
}

func limitsOf(cfg *config.Config, l *config.Listener, base *config.Settings) limits {
	return limits{
		proxied:       l.HAProxyPROXY,
		headerBytes:   cfg.Server.MaxRequestFieldSize,
		readIdle:      base.MaxReadIdle,
		writeIdle:     base.MaxWriteIdle,
		keepAliveIdle: base.MaxKeepAliveIdle,
	}
}

// listen returns a socket for each listener of cfg: the one there is, or a new one.
// If there is an error, it returns those that could be opened.
func (s *Server) listen(cfg *config.Config) (map[address]*socket, error) {
	sockets := make(map[address]*socket)
	var errs []error
	for _, l := range cfg.Listeners {
		if sock := s.sockets[addressOf(l)]; sock != nil {
			sockets[addressOf(l)] = sock
			continue
		}
		ln, err := front.Listen(context.Background(), l.Network, l.Address, l.SocketPerms)
		if err != nil {
			errs = append(errs, &syntax.Error{Pos: l.Pos, Msg: err.Error(), Hint: "is another server running on it, and may this user bind it?"})
			continue
		}
		sockets[addressOf(l)] = &socket{ln: ln}
	}
	return sockets, errors.Join(errs...)
}

// closeNew closes those of sockets that are not served yet.
func closeNew(sockets map[address]*socket) {
	for _, sock := range sockets {
		if sock.stop == nil {
			sock.ln.Close()
		}
	}
}

// close ends what is served on the socket, and closes it.
func (sock *socket) close() {
	if sock.stop != nil {
		sock.stop()
	}
	sock.ln.Close()
}

// serve serves the connections of sock by l, a listener of g. It does nothing if
// they are served in this way already.
func (s *Server) serve(sock *socket, g *generation, l *config.Listener) {
	base := g.cfg.Resolve(&config.Request{Listener: l})
	lim := limitsOf(g.cfg, l, base)
	if sock.stop != nil {
		if lim == sock.limits {
			return
		}
		sock.stop()
	}
	rest, stopAccepting, err := s.entrance(sock.ln, l, base)
	if err != nil {
		s.fail(err)
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.ctx))
	sock.limits = lim
	sock.stop = func() {
		cancel() // first, so that the end of rest is no failure
		stopAccepting()
	}
	fs := &front.Server{
		Handler:        s.handler(addressOf(l)),
		Log:            s.log,
		Refused:        s.refused(addressOf(l)),
		MaxHeaderBytes: lim.headerBytes,
		ReadTimeout:    lim.readIdle,
		WriteIdle:      lim.writeIdle,
		KeepAliveIdle:  lim.keepAliveIdle,
	}
	s.running.Go(func() {
		if err := fs.Run(ctx, rest, s.grace); err != nil {
			s.fail(err)
		}
	})
}
