package front

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net"
	"strconv"
	"time"

	"github.com/wstunneld/wstunneld/internal/proxyproto"
)

// A listener hands out connections of type conn.
type listener struct {
	net.Listener
	server *Server
}

func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	var c *conn
	switch nc := nc.(type) {
	case *conn: // of Handed
		c = nc
	case *proxyproto.Conn:
		c = &conn{Stream: proxied{nc}}
	default:
		c = &conn{Stream: nc.(Stream)}
	}
	c.server = l.server
	return c, nil
}

// A proxied is a connection that began with a PROXY header. Upgrade unwraps it
// before somebody can half-close it.
type proxied struct{ *proxyproto.Conn }

func (proxied) CloseWrite() error { return errors.ErrUnsupported }

// A conn is an accepted connection whose writes may take as long as they make
// progress.
type conn struct {
	Stream
	server   *Server
	remote   net.Addr // nil: Stream knows it
	first    []byte   // what was read before, and comes first
	requests int      // see CountRequest
	written  int64    // see Written
}

func (c *conn) RemoteAddr() net.Addr {
	if c.remote != nil {
		return c.remote
	}
	return c.Stream.RemoteAddr()
}

func (c *conn) Read(b []byte) (int, error) {
	if len(c.first) == 0 {
		return c.Stream.Read(b)
	}
	n := copy(b, c.first)
	if c.first = c.first[n:]; len(c.first) == 0 {
		c.first = nil // let go of it
	}
	return n, nil
}

func (c *conn) extend() {
	if c.server.WriteIdle > 0 {
		c.SetWriteDeadline(time.Now().Add(c.server.WriteIdle))
	}
}

func (c *conn) Write(b []byte) (int, error) {
	c.extend()
	n, err := c.Stream.Write(b)
	c.written += int64(n)
	if c.server.Refused != nil {
		if status, body := refusal(b); status != 0 {
			c.server.Refused(c.RemoteAddr().String(), status, int64(len(body)))
		}
	}
	return n, err
}

// refusal tells the answer that net/http writes of its own accord, below every
// handler, when it cannot read a request: its header is always the same, and
// lacks the Date that every other answer has. For any other b, status is 0.
func refusal(b []byte) (status int, body []byte) {
	const header = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
	rest, ok := bytes.CutPrefix(b, []byte("HTTP/1.1 "))
	if !ok || len(rest) < 3 {
		return 0, nil
	}
	line, _, _ := bytes.Cut(rest, []byte("\r\n"))
	if body, ok = bytes.CutPrefix(rest[len(line):], []byte(header)); !ok {
		return 0, nil
	}
	status, _ = strconv.Atoi(string(rest[:3]))
	return status, body
}

// ReadFrom keeps sendfile for net/http, in pieces that each have WriteIdle.
func (c *conn) ReadFrom(r io.Reader) (n int64, err error) {
	const piece = 1 << 20
	to, ok := c.Stream.(io.ReaderFrom)
	if !ok { // a Unix socket
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	whole, ok := r.(*io.LimitedReader)
	if !ok {
		whole = &io.LimitedReader{R: r, N: math.MaxInt64}
	}
	for whole.N > 0 {
		c.extend()
		m, err := to.ReadFrom(&io.LimitedReader{R: whole.R, N: min(whole.N, piece)})
		n += m
		c.written += m
		whole.N -= m
		if m == 0 || err != nil {
			return n, err
		}
	}
	return n, nil
}
