// Package wstest has what tests of a tunnel need at its two ends: a [Client]
// that sends any bytes as frames, and backends that echo, flood or never read.
//
// It knows frames (package ws) and sockets, but nothing of the server, and it
// does not use net/http, so that tests see what is on the wire. Everything that
// it opens is closed, and every goroutine has ended, when the test is over.
package wstest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/ws"
)

// Patience is how long a read of a [Client] waits. No test should come near it.
const Patience = 10 * time.Second

// Key is the Sec-WebSocket-Key that [Dial] sends, and Accept what a server must
// answer.
const (
	Key    = "dGhlIHNhbXBsZSBub25jZQ=="
	Accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// A Client is the client's end of a connection. Its own methods fail the test
// when something goes wrong, so they belong into the goroutine of the test;
// those of net.Conn return errors and may be used anywhere. Read gives the bytes
// that no other method has taken.
type Client struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

// NewClient returns a client on conn, which is closed when the test is over.
func NewClient(t testing.TB, conn net.Conn) *Client {
	t.Cleanup(func() { conn.Close() })
	return &Client{conn, t, bufio.NewReaderSize(conn, 64<<10)}
}

// Dial connects, asks for a WebSocket at path, and returns the client and the
// head of the response, from the status line to the empty line. It does not
// judge the answer; [Client.Read] gives the body that a refusal may have. Each
// header is "Name: value" and takes the place of Dial's own of that name.
func Dial(t testing.TB, network, addr, path string, headers ...string) (c *Client, head string) {
	t.Helper()
	conn, err := net.DialTimeout(network, addr, Patience)
	if err != nil {
		t.Fatal(err)
	}
	c = NewClient(t, conn)
	c.Send(Request(path, headers...))
	return c, c.ReadHead()
}

// Request returns the opening handshake that [Dial] sends.
func Request(path string, headers ...string) []byte {
	b := fmt.Appendf(nil, "GET %s HTTP/1.1\r\n", path)
	for _, h := range []string{
		"Host: localhost",
		"Connection: Upgrade",
		"Upgrade: websocket",
		"Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: " + Key,
	} {
		if !hasHeader(headers, h) {
			headers = append(headers[:len(headers):len(headers)], h)
		}
	}
	for _, h := range headers {
		b = append(b, h+"\r\n"...)
	}
	return append(b, "\r\n"...)
}

// hasHeader reports whether headers has one of the name of h.
func hasHeader(headers []string, h string) bool {
	name, _, _ := strings.Cut(h, ":")
	for _, other := range headers {
		if n, _, _ := strings.Cut(other, ":"); strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// ReadHead reads the head of an HTTP response, its empty line included.
func (c *Client) ReadHead() string {
	c.t.Helper()
	var head strings.Builder
	c.SetReadDeadline(time.Now().Add(Patience))
	for {
		line, err := c.r.ReadString('\n')
		head.WriteString(line)
		if err != nil {
			c.t.Fatalf("reading the response: %v behind %q", err, head.String())
		}
		if line == "\r\n" {
			return head.String()
		}
	}
}

// Read reads what the server sent and no other method has taken.
func (c *Client) Read(b []byte) (int, error) { return c.r.Read(b) }

// CloseWrite half-closes the connection.
func (c *Client) CloseWrite() error { return CloseWrite(c.Conn) }

// Reset ends the connection by a reset. See [Reset].
func (c *Client) Reset() { Reset(c.Conn) }

// Send sends the frames, or whatever else the bytes are, in one write.
func (c *Client) Send(frames ...[]byte) {
	c.t.Helper()
	c.SetWriteDeadline(time.Now().Add(Patience))
	if _, err := c.Write(Join(frames...)); err != nil {
		c.t.Fatalf("sending: %v", err)
	}
	c.SetWriteDeadline(time.Time{})
}

// A Frame is a frame that the server sent.
type Frame struct {
	ws.Header
	Payload []byte
}

// ReadFrame reads a frame. The error is io.EOF at the end of the stream, which
// must not lie within a frame, or a breach of RFC 6455: the server must not mask
// and has no use for fragments. ReadFrame may be used anywhere.
func (c *Client) ReadFrame() (Frame, error) {
	c.SetReadDeadline(time.Now().Add(Patience))
	var f Frame
	n := 0
	for size := 2; n == 0; size++ {
		b, err := c.r.Peek(size)
		if err != nil {
			if err == io.EOF && len(b) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return Frame{}, err
		}
		if f.Header, n, err = ws.ParseHeader(b); err != nil && err != io.ErrUnexpectedEOF {
			return Frame{}, err
		}
	}
	if err := ws.Check(f.Header, false, true); err != nil {
		return f, err
	}
	if !f.Fin {
		return f, fmt.Errorf("a fragment: %+v", f.Header)
	}
	c.r.Discard(n)
	f.Payload = make([]byte, f.Length)
	if _, err := io.ReadFull(c.r, f.Payload); err != nil {
		return f, fmt.Errorf("reading the payload of %+v: %w", f.Header, err)
	}
	return f, nil
}

// Next reads a frame.
func (c *Client) Next() Frame {
	c.t.Helper()
	f, err := c.ReadFrame()
	if err != nil {
		c.t.Fatalf("reading a frame: %v", err)
	}
	return f
}

// Want reads a frame, which must be op with that payload.
func (c *Client) Want(op ws.Opcode, payload string) {
	c.t.Helper()
	if f := c.Next(); f.Opcode != op || string(f.Payload) != payload {
		c.t.Fatalf("got %v %.100q, want %v %.100q", f.Opcode, f.Payload, op, payload)
	}
}

// WantData reads data frames of type op, which together must hold data; how it
// is cut into frames is the server's choice.
func (c *Client) WantData(op ws.Opcode, data string) {
	c.t.Helper()
	for got := 0; got < len(data); {
		f := c.Next()
		if f.Opcode != op || !strings.HasPrefix(data[got:], string(f.Payload)) {
			c.t.Fatalf("got %v %.100q at byte %d, want %v %.100q", f.Opcode, f.Payload, got, op, data[got:])
		}
		got += len(f.Payload)
	}
}

// WantClose reads a frame, which must be a close frame with that code
// (ws.CloseNoStatus if it must have none), and returns its reason.
func (c *Client) WantClose(code ws.CloseCode) (reason string) {
	c.t.Helper()
	f := c.Next()
	if f.Opcode != ws.OpClose {
		c.t.Fatalf("got %v %.100q, want a close frame with code %d", f.Opcode, f.Payload, code)
	}
	got, reason, err := ws.ParseClose(f.Payload)
	if err != nil || got != code {
		c.t.Fatalf("got close code %d, %q, %v; want %d", got, reason, err, code)
	}
	return reason
}

// WantEOF reads the end of the stream.
func (c *Client) WantEOF() {
	c.t.Helper()
	if f, err := c.ReadFrame(); err != io.EOF {
		c.t.Fatalf("got %v %.100q, %v; want the end of the stream", f.Opcode, f.Payload, err)
	}
}

// ReadAll reads up to the close frame or, without one, the end of the stream,
// and returns the data of all data frames, and the close frame's code (0: none
// came) and reason. It drops pings and pongs.
func (c *Client) ReadAll() (data []byte, code ws.CloseCode, reason string) {
	c.t.Helper()
	for {
		f, err := c.ReadFrame()
		if err == io.EOF {
			return data, 0, ""
		}
		if err != nil {
			c.t.Fatalf("reading a frame behind %d bytes: %v", len(data), err)
		}
		switch f.Opcode {
		case ws.OpText, ws.OpBinary:
			data = append(data, f.Payload...)
		case ws.OpClose:
			if code, reason, err = ws.ParseClose(f.Payload); err != nil {
				c.t.Fatalf("close frame % x: %v", f.Payload, err)
			}
			return data, code, reason
		}
	}
}
