//go:build linux

package load

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"sync/atomic"

	"github.com/wstunneld/wstunneld/internal/ws"
)

// A Protocol is what client and server speak.
type Protocol int

const (
	WebSocket Protocol = iota // binary messages of one frame
	Plain                     // the bytes alone, without a handshake: for a proxy that does not know WebSockets
)

// The opening handshake, with the key of RFC 6455 section 1.3.
const (
	request = "GET / HTTP/1.1\r\n" +
		"Host: localhost\r\n" +
		"Connection: Upgrade\r\n" +
		"Upgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"\r\n"
	accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// AppendMessage appends to dst what a client sends to carry payload: for a
// WebSocket a masked frame.
func (p Protocol) AppendMessage(dst, payload []byte) []byte {
	if p == WebSocket {
		h := ws.Header{Fin: true, Opcode: ws.OpBinary, Masked: true, Length: int64(len(payload))}
		binary.NativeEndian.PutUint32(h.Mask[:], rand.Uint32())
		dst = append(ws.AppendHeader(dst, h), payload...)
		ws.ApplyMask(dst[len(dst)-len(payload):], h.Mask, 0)
		return dst
	}
	return append(dst, payload...)
}

// A Tunnel is the client's end of one. It writes what AppendMessage made, and
// reads payload.
type Tunnel struct {
	conn     *net.TCPConn
	protocol Protocol
	decoder  ws.Decoder
	closed   bool // the server's close frame has come
	release  func() bool
}

// Dial opens a tunnel through the server at addr. It is reset when ctx is done.
func Dial(ctx context.Context, addr string, p Protocol) (*Tunnel, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp4", addr)
	if err != nil {
		return nil, err
	}
	t := &Tunnel{conn: conn.(*net.TCPConn), protocol: p}
	t.decoder.FromServer = true
	t.release = context.AfterFunc(ctx, func() { reset(conn) })
	if p == WebSocket {
		if err := t.handshake(); err != nil {
			t.Close()
			return nil, err
		}
	}
	return t, nil
}

func (t *Tunnel) handshake() error {
	if _, err := t.conn.Write([]byte(request)); err != nil {
		return err
	}
	var buf [2 << 10]byte
	for n := 0; ; {
		m, err := t.conn.Read(buf[n:])
		n += m
		head, behind, whole := bytes.Cut(buf[:n], []byte("\r\n\r\n"))
		switch {
		case whole && (!bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) || !bytes.Contains(head, []byte(accept))):
			return fmt.Errorf("opening a WebSocket: answer %q", head)
		case whole && len(behind) > 0:
			return fmt.Errorf("opening a WebSocket: %d bytes behind the answer, but the client was to speak first", len(behind))
		case whole:
			return nil
		case err != nil:
			return fmt.Errorf("opening a WebSocket: %w behind %q", err, buf[:n])
		}
	}
}

// Write sends bytes as they are: whole messages, or pieces of them.
func (t *Tunnel) Write(b []byte) (int, error) { return t.conn.Write(b) }

// Read reads once from the connection, and returns the payload in it, which may
// be none. The end of the stream is io.EOF behind a close frame only, else
// io.ErrUnexpectedEOF.
func (t *Tunnel) Read(b []byte) (n int, err error) {
	m, err := t.conn.Read(b)
	if t.protocol == Plain {
		return m, err
	}
	for rest := b[:m]; len(rest) > 0; {
		var part ws.Part
		var broken error
		if part, rest, broken = t.decoder.Next(rest); broken != nil {
			return n, broken
		}
		switch part.Opcode {
		case ws.OpBinary:
			n += copy(b[n:], part.Payload)
		case ws.OpText:
			return n, errors.New("a text frame; want binary ones")
		case ws.OpClose:
			t.closed = true
		}
	}
	if err == io.EOF && !t.closed {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Drain takes payload without looking at it, and adds its size to n, until the
// tunnel breaks. Nothing must have been read by Read.
func (t *Tunnel) Drain(n *atomic.Int64) error {
	d, err := newDiscarder(t.conn)
	if err != nil {
		return err
	}
	for {
		length := int64(math.MaxInt64)
		if t.protocol == WebSocket {
			h, err := t.readHeader()
			if err != nil {
				return err
			}
			if h.Opcode != ws.OpBinary {
				return fmt.Errorf("a %v frame; want binary ones", h.Opcode)
			}
			length = h.Length
		}
		for length > 0 {
			m, err := d.discard(length)
			if err != nil {
				return err
			}
			n.Add(int64(m))
			length -= int64(m)
		}
	}
}

// readHeader reads the header of a frame and no more.
func (t *Tunnel) readHeader() (ws.Header, error) {
	var b [ws.MaxHeaderSize]byte
	for from, to := 0, 2; ; from, to = to, headerSize(b[1]) {
		if _, err := io.ReadFull(t.conn, b[from:to]); err != nil {
			return ws.Header{}, err
		}
		if h, _, err := ws.ParseHeader(b[:to]); err != io.ErrUnexpectedEOF {
			return h, err
		}
	}
}

// headerSize returns the size of a server's frame header by its second byte.
func headerSize(second byte) int {
	switch second {
	case 126:
		return 2 + 2
	case 127:
		return 2 + 8
	}
	return 2
}

// Finish ends the tunnel in good order: it sends a close frame (a plain tunnel
// half-closes) and waits for the server's and for the end of the stream.
func (t *Tunnel) Finish() error {
	defer t.Close()
	if t.protocol == WebSocket {
		h := ws.Header{Fin: true, Opcode: ws.OpClose, Masked: true, Length: 2}
		frame := ws.AppendHeader(nil, h) // the mask is zero
		if _, err := t.conn.Write(ws.AppendClose(frame, ws.CloseNormal, "")); err != nil {
			return err
		}
	} else if err := t.conn.CloseWrite(); err != nil {
		return err
	}
	var b [128]byte
	for {
		n, err := t.Read(b[:])
		if n > 0 {
			return fmt.Errorf("%d bytes of payload where the tunnel should end", n)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("closing a tunnel: %w", err)
		}
	}
}

// Close closes the connection, without a close frame.
func (t *Tunnel) Close() {
	t.release()
	t.conn.Close()
}

// SetReadBuffer sets the size of the kernel's buffer for what the client has not read.
func (t *Tunnel) SetReadBuffer(n int) error { return t.conn.SetReadBuffer(n) }
