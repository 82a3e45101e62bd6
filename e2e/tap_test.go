//go:build unix

package e2e

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
)

// A tap passes connections on to a port and keeps what goes over them, so that a
// test sees the frames that a client library does not show.
type tap struct {
	port   int
	mu     sync.Mutex
	client bytes.Buffer // what the client sent
	server bytes.Buffer // what the server sent
}

// startTap returns a tap in front of a port.
func startTap(t *testing.T, port int) *tap {
	t.Helper()
	tp := &tap{}
	tp.port = serve(t, func(c *net.TCPConn) {
		s, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return
		}
		defer s.Close()
		var wg sync.WaitGroup
		wg.Go(func() { tp.pass(s.(*net.TCPConn), c, &tp.client) })
		wg.Go(func() { tp.pass(c, s.(*net.TCPConn), &tp.server) })
		wg.Wait()
	})
	return tp
}

// pass copies src to dst and to keep. A connection that src's peer has reset is
// reset towards dst's peer too.
func (tp *tap) pass(dst, src *net.TCPConn, keep *bytes.Buffer) {
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		tp.mu.Lock()
		keep.Write(buf[:n])
		tp.mu.Unlock()
		if _, err := dst.Write(buf[:n]); err != nil {
			src.Close()
			return
		}
		switch {
		case errors.Is(err, io.EOF):
			dst.CloseWrite()
			return
		case err != nil:
			dst.SetLinger(0)
			dst.Close()
			return
		}
	}
}

// frames returns the frames that client and server have sent so far.
func (tp *tap) frames(t *testing.T) (client, server frames) {
	t.Helper()
	tp.mu.Lock()
	defer tp.mu.Unlock()
	client, err := parseFrames(tp.client.Bytes())
	if err != nil {
		t.Fatalf("client: %v", err)
	}
	server, err = parseFrames(tp.server.Bytes())
	if err != nil {
		t.Fatalf("server: %v", err)
	}
	return client, server
}

// Opcodes of RFC 6455 section 5.2.
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// A frame is one frame of RFC 6455 section 5.2, its payload unmasked.
type frame struct {
	fin     bool
	opcode  byte
	payload []byte
}

func (f frame) String() string {
	if f.opcode == opClose && len(f.payload) >= 2 {
		return fmt.Sprintf("close %d %q", binary.BigEndian.Uint16(f.payload), f.payload[2:])
	}
	return fmt.Sprintf("opcode %d, %d bytes", f.opcode, len(f.payload))
}

// parseFrames decodes the frames after the HTTP header at the start of b. It leaves
// out a frame that is not whole. It is written from the picture in the RFC, without
// package ws, which it is to judge.
func parseFrames(b []byte) (frames, error) {
	_, b, _ = bytes.Cut(b, []byte("\r\n\r\n"))
	var fs frames
	for len(b) >= 2 {
		if b[0]&0x70 != 0 {
			return nil, fmt.Errorf("frame %d has RSV bits: % x", len(fs), b[:2])
		}
		f := frame{fin: b[0]&0x80 != 0, opcode: b[0] & 0xf}
		masked, n, head := b[1]&0x80 != 0, uint64(b[1]&0x7f), 2
		switch n {
		case 126:
			head = 4
		case 127:
			head = 10
		}
		if len(b) < head {
			break
		}
		switch n {
		case 126:
			n = uint64(binary.BigEndian.Uint16(b[2:]))
		case 127:
			n = binary.BigEndian.Uint64(b[2:])
		}
		var mask [4]byte
		if masked {
			head += copy(mask[:], b[head:])
		}
		if uint64(len(b)) < uint64(head)+n {
			break
		}
		f.payload = make([]byte, n)
		subtle.XORBytes(f.payload, b[head:head+int(n)], bytes.Repeat(mask[:], int(n+3)/4))
		fs = append(fs, f)
		b = b[head+int(n):]
	}
	return fs, nil
}

// frames are what one side sent.
type frames []frame

// with returns the frames that have one of the opcodes.
func (fs frames) with(opcodes ...byte) frames {
	var found frames
	for _, f := range fs {
		if slices.Contains(opcodes, f.opcode) {
			found = append(found, f)
		}
	}
	return found
}

// closed reports whether the last frame is a Close, and the only one.
func (fs frames) closed() bool {
	return len(fs.with(opClose)) == 1 && fs[len(fs)-1].opcode == opClose
}

// String shows the last frames.
func (fs frames) String() string {
	const few = 5
	return fmt.Sprintf("%d frames, at the end %v", len(fs), []frame(fs[max(0, len(fs)-few):]))
}
