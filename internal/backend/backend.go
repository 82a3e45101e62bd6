// Package backend connects to the hosts of one ext: the byte streams that
// tunnels lead to.
//
// It speaks no WebSocket and knows no directive: hosts come as plain values.
package backend

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// A Host is one address of an ext.
type Host struct {
	Network        string        // "tcp" or "unix"
	Address        string        // "host:port", or the path of a socket
	ConnectTimeout time.Duration // 0: no limit
}

// Direct returns where h can be connected without looking up a name: an address,
// or the path of a socket.
func (h *Host) Direct() (tcp netip.AddrPort, unix string, ok bool) {
	if h.Network == "unix" {
		return tcp, h.Address, true
	}
	tcp, err := netip.ParseAddrPort(h.Address)
	return tcp, "", err == nil && tcp.Addr().Zone() == ""
}

// An Ext is a list of hosts that serve the same thing.
type Ext struct {
	Hosts []*Host // in the order in which they are tried
}

// A Conn is a connection to a host.
type Conn interface {
	net.Conn
	CloseWrite() error
}

// ErrAllDown means that no host of an ext could be reached, which the client is
// told as 503. It is wrapped in an error that names each host and what failed.
var ErrAllDown = errors.New("no backend host can be reached")

// Connect connects to the first host that can be reached. When ctx is done, it
// returns the context's error.
func (e *Ext) Connect(ctx context.Context) (Conn, *Host, error) {
	var failed []string
	for _, h := range e.Hosts {
		c, err := h.dial(ctx)
		if err == nil {
			return c, h, nil
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		failed = append(failed, err.Error())
	}
	return nil, nil, fmt.Errorf("%w: %s", ErrAllDown, strings.Join(failed, "; "))
}

func (h *Host) dial(ctx context.Context) (Conn, error) {
	d := net.Dialer{Timeout: h.ConnectTimeout}
	c, err := d.DialContext(ctx, h.Network, h.Address)
	if err != nil {
		return nil, err
	}
	s, ok := c.(Conn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("dial %s %s: not a byte stream", h.Network, h.Address)
	}
	return s, nil
}
