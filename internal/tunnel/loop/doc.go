// Package loop drives many tunnels over raw descriptors: an epoll loop per core.
// It exists on Linux; elsewhere [New] returns [errors.ErrUnsupported].
//
// An idle tunnel has a few hundred bytes of state here, and neither a buffer nor
// a goroutine. A large read from the backend goes to the client by splice, without
// passing through this process; a small one is one read and one send. What the
// bytes mean is package tunnel's. For connections that are no TCP or Unix
// sockets, package stream does the same work.
//
// A tunnel comes in by [Group.Start] with both its connections, or is opened
// here, by [Group.Accept]: the loop accepts the client, has what it sent looked
// at, and connects the backend. That costs a third of what a goroutine would that
// does the same in order. What is not plainly the opening of a tunnel goes to such
// a goroutine after all, with the bytes read.
package loop

import (
	"io"
	"net/netip"
	"syscall"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
)

// A Tunnel is what [Group.Start] takes over.
type Tunnel struct {
	Client, Backend Conn
	First           []byte // what the client sent behind the opening handshake
	Config          *tunnel.Config

	// Ended is called once, when the tunnel is over and both ends are closed. It
	// must not block: other tunnels wait for it.
	Ended func(tunnel.Result)
}

// A Conn is a *net.TCPConn, a *net.UnixConn or a listener of such.
type Conn interface {
	syscall.Conn
	io.Closer
}

// An Entrance says what becomes of the connections of a listener. The functions
// are called in the loops' goroutines and must not block.
type Entrance struct {
	Timeout time.Duration // for the first bytes of a client; 0: no limit

	// Request looks at the first bytes that a client sent. If they are the opening
	// handshake of a tunnel, and nothing is to be said against it, it returns what
	// to do; otherwise nil. It must not keep b. The address of a client of a Unix
	// socket is not valid.
	Request func(client netip.AddrPort, b []byte) *Plan

	// HandOver gets a connection for whose first bytes there is no plan, or whose
	// backend could not be connected. It owns fd, which does not block.
	HandOver func(fd int, client netip.AddrPort, first []byte)

	// Failed is told of errors in accepting connections.
	Failed func(error)
}

// A Plan is how a tunnel begins.
type Plan struct {
	Backend        Addr
	ConnectTimeout time.Duration // 0: the system's
	Answer         []byte        // for the client when the backend is connected: less than 2 KiB
	Size           int           // of the handshake; the bytes behind it are the tunnel's
	Config         *tunnel.Config

	Opened  func()              // called when the tunnel begins
	Ended   func(tunnel.Result) // called once after Opened, see Tunnel.Ended
	Dropped func(error)         // called instead: the connection was handed over or closed
}

// An Addr is the address of a backend: one of the two.
type Addr struct {
	TCP  netip.AddrPort
	Unix string
}
