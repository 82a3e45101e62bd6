package front

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A lease is a listener whose Close leaves the socket open, for who accepts from
// it next.
type lease struct {
	net.Listener
	accepting sync.Mutex
	closed    atomic.Bool
}

// Lease returns a listener for the connections of ln that can be closed without
// closing ln, which must be a socket of TCP or a Unix socket. When its Close has
// returned, nobody accepts from ln any more.
func Lease(ln net.Listener) net.Listener { return &lease{Listener: ln} }

func (l *lease) Accept() (net.Conn, error) {
	l.accepting.Lock()
	defer l.accepting.Unlock()
	if l.closed.Load() {
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil && l.closed.Load() {
		return nil, net.ErrClosed
	}
	return c, err
}

func (l *lease) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	ln := l.Listener.(interface{ SetDeadline(time.Time) error })
	ln.SetDeadline(time.Unix(1, 0)) // ends an Accept that waits
	l.accepting.Lock()
	defer l.accepting.Unlock()
	return ln.SetDeadline(time.Time{})
}
