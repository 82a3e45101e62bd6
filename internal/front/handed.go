package front

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
)

// A Handed is a listener for connections that someone else has accepted, and of
// which bytes may have been read.
type Handed struct {
	addr net.Addr

	mu     sync.Mutex
	wake   sync.Cond
	queue  []handed
	closed bool
}

// A handed is a connection for Handed.Accept to return.
type handed struct {
	socket *os.File
	client netip.AddrPort
	first  []byte
}

// NewHanded returns a listener that says it listens at addr.
func NewHanded(addr net.Addr) *Handed {
	h := &Handed{addr: addr}
	h.wake.L = &h.mu
	return h
}

// HandOver has Accept return the connection whose socket is fd, and of which first
// has been read. Client is the address at its other end, which a socket forgets
// when it is reset; it is not valid if that is a Unix socket. HandOver does not
// block. It owns fd, and closes it if h is closed.
func (h *Handed) HandOver(fd int, client netip.AddrPort, first []byte) {
	socket := os.NewFile(uintptr(fd), "")
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		socket.Close()
		return
	}
	h.queue = append(h.queue, handed{socket, client, first})
	h.wake.Signal()
}

// Accept returns the next connection. An error for want of descriptors is
// temporary: the connection is still to come.
func (h *Handed) Accept() (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.queue) == 0 && !h.closed {
		h.wake.Wait()
	}
	if h.closed {
		return nil, net.ErrClosed
	}
	next := h.queue[0]
	nc, err := net.FileConn(next.socket) // with a descriptor of its own
	if isTemporary(err) {
		return nil, err
	}
	h.queue = slices.Delete(h.queue, 0, 1)
	next.socket.Close()
	if err != nil {
		return nil, err
	}
	c := &conn{Stream: nc.(Stream), first: next.first}
	if next.client.IsValid() {
		c.remote = net.TCPAddrFromAddrPort(next.client)
	}
	return c, nil
}

func isTemporary(err error) bool {
	t, ok := err.(interface{ Temporary() bool })
	return ok && t.Temporary()
}

// Close makes Accept return, and closes what it has not returned.
func (h *Handed) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.queue {
		c.socket.Close()
	}
	h.queue, h.closed = nil, true
	h.wake.Broadcast()
	return nil
}

func (h *Handed) Addr() net.Addr { return h.addr }
