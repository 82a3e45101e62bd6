// Package proxyproto accepts connections that start with a PROXY header, version
// 1 or 2, by which a proxy says who its client is: lighttpd's
// extforward.hap-PROXY.
//
// What proxies say in header fields of requests, package forwarded knows. This
// package is the only importer of the library that knows the header's form.
package proxyproto

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
)

// A Listener hands out connections that have to start with a PROXY header as a
// [*Conn], and others as they are. Its own listener is one for TCP or for Unix
// stream sockets.
type Listener struct {
	net.Listener

	// Trusted says whether a connection from peer has to start with a header.
	// One that does not is as any other: what it sends is no header. The
	// address of a peer on a Unix socket is invalid.
	Trusted func(peer netip.Addr) bool

	// Timeout bounds the time from the first look at a connection to the end of
	// its header. 0 is no limit.
	Timeout time.Duration

	// Refused is told of connections without a header, on the goroutine of who
	// looks at the connection first. It is not told of peers that connect and
	// close, to see that somebody listens, nor of what we close ourselves. It
	// may be nil.
	Refused func(peer net.Addr, err error)
}

// Accept does not wait for headers: see [Conn].
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	var peer netip.Addr
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		peer = a.AddrPort().Addr().Unmap()
	}
	if !l.Trusted(peer) {
		return c, nil
	}
	return &Conn{stream: c.(stream), listener: l}, nil
}

type stream interface {
	net.Conn
	CloseWrite() error
}

// A Conn is a connection that has to start with a PROXY header.
//
// The first call of Read, Write, ReadFrom, RemoteAddr or TLS waits for the
// header, and needs the read deadline for that: until then it cannot be set, and
// afterwards there is none. Close and the other methods do not wait. LocalAddr
// is that of the socket, whatever the header says.
//
// Without a valid header of at most 4112 bytes, Read, Write and ReadFrom return
// an error, a [*net.OpError]. Nothing can be sent then, and closing the
// connection is left to do. lighttpd refuses such connections so, too. Unlike
// it, a Conn waits for a header that comes in pieces.
type Conn struct {
	stream
	listener *Listener

	once   sync.Once
	err    error
	remote net.Addr
	tls    bool
	behind []byte // read behind the header, and not yet given to Read
}

// header waits for the header, once.
func (c *Conn) header() error {
	c.once.Do(func() {
		c.remote = c.stream.RemoteAddr()
		if t := c.listener.Timeout; t > 0 {
			c.SetReadDeadline(time.Now().Add(t))
			defer c.SetReadDeadline(time.Time{})
		}
		r := bufio.NewReaderSize(c.stream, 256) // more than a header without extensions has
		h, err := read(r)
		if err != nil {
			c.err = &net.OpError{Op: "read", Net: c.remote.Network(), Addr: c.remote, Err: fmt.Errorf("PROXY header: %w", err)}
			if c.listener.Refused != nil && err != io.EOF && !errors.Is(err, net.ErrClosed) {
				c.listener.Refused(c.remote, c.err)
			}
			return
		}
		// The proxy may speak for itself, and name what is no stream.
		if h.Command.IsProxy() && h.TransportProtocol.IsStream() {
			c.remote = h.SourceAddr
		}
		// As in lighttpd, extensions that cannot be read are none.
		tlvs, _ := h.TLVs()
		for _, tlv := range tlvs {
			const clientSSL = 1
			if tlv.Type == proxyproto.PP2_TYPE_SSL && len(tlv.Value) > 0 {
				c.tls = tlv.Value[0]&clientSSL != 0
			}
		}
		c.behind, _ = r.Peek(r.Buffered())
	})
	return c.err
}

// read reads a header. The error is io.EOF if nothing comes at all. The library
// wants a header of version 1 in one piece.
func read(r *bufio.Reader) (*proxyproto.Header, error) {
	if _, err := r.Peek(1); err != nil {
		return nil, err
	}
	const most = 107 // bytes of version 1
	for n := len("PROXY "); n <= most; n++ {
		b, err := r.Peek(n)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		if !bytes.HasPrefix(b, []byte("PROXY ")) || b[n-1] == '\n' {
			break
		}
	}
	return proxyproto.Read(r)
}

// Read reads what comes behind the header.
func (c *Conn) Read(b []byte) (int, error) {
	if err := c.header(); err != nil {
		return 0, err
	}
	if len(c.behind) == 0 {
		return c.stream.Read(b)
	}
	n := copy(b, c.behind)
	if c.behind = c.behind[n:]; len(c.behind) == 0 {
		c.behind = nil // and its buffer
	}
	return n, nil
}

// Write writes to the proxy.
func (c *Conn) Write(b []byte) (int, error) {
	if err := c.header(); err != nil {
		return 0, err
	}
	return c.stream.Write(b)
}

// ReadFrom keeps sendfile and splice of a TCP connection.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	if err := c.header(); err != nil {
		return 0, err
	}
	return io.Copy(c.stream, r)
}

// RemoteAddr returns the address of the proxy's client, a *net.TCPAddr or
// *net.UnixAddr. It is that of the proxy if the header does not name a client,
// or is not valid.
func (c *Conn) RemoteAddr() net.Addr {
	c.header()
	return c.remote
}

// TLS reports whether the client speaks TLS with the proxy, as a header of
// version 2 may say.
func (c *Conn) TLS() bool {
	c.header()
	return c.tls
}

// Unwrap returns the connection to the proxy, a *net.TCPConn or *net.UnixConn,
// and what was read of it behind the header, at most 256 bytes, that Read has
// not returned. It may be called behind a Read that succeeded, and Read not
// behind it.
func (c *Conn) Unwrap() (conn net.Conn, behind []byte) {
	behind, c.behind = c.behind, nil
	return c.stream, behind
}
