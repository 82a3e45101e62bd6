// Package loop drives many tunnels over raw descriptors: an epoll loop per core.
// It exists on Linux; elsewhere [New] returns [errors.ErrUnsupported].
//
// An idle tunnel has a few hundred bytes of state here, and neither a buffer nor
// a goroutine. A large read from the backend goes to the client by splice, without
// passing through this process; a small one is one read and one send. What the
// bytes mean is package tunnel's. For connections that are no TCP or Unix
// sockets, package stream does the same work.
package loop

import (
	"io"
	"syscall"

	"github.com/wstunneld/wstunneld/internal/tunnel"
)

// A Tunnel is what [Group.Start] takes over.
type Tunnel struct {
	Client, Backend Conn
	First           []byte // what the client sent behind the opening handshake
	Config          *tunnel.Config

	// Ended is called once, in a goroutine of its own, when the tunnel is over
	// and both ends are closed.
	Ended func(tunnel.Result)
}

// A Conn is a *net.TCPConn or a *net.UnixConn.
type Conn interface {
	syscall.Conn
	io.Closer
}
