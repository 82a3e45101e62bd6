//go:build linux

package load_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/bench/internal/load"
	"github.com/wstunneld/wstunneld/internal/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend starts a backend for the test and returns it with a plain tunnel to it.
func backend(t *testing.T) (*load.Backend, *load.Tunnel) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	b, err := load.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	tunnel, err := load.Dial(ctx, fmt.Sprintf("127.0.0.1:%d", b.Port()), load.Plain)
	if err != nil {
		t.Fatal(err)
	}
	return b, tunnel
}

func send(t *testing.T, tunnel *load.Tunnel, b ...byte) {
	t.Helper()
	if _, err := tunnel.Write(b); err != nil {
		t.Fatal(err)
	}
}

func TestBackendEcho(t *testing.T) {
	_, tunnel := backend(t)
	want := append([]byte{load.Echo}, load.Data(1, 5000)...)
	send(t, tunnel, want...)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(tunnel, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("echo of %d bytes: %v, equal: %v", len(want), err, bytes.Equal(got, want))
	}
	if err := tunnel.Finish(); err != nil {
		t.Errorf("Finish: %v", err)
	}
}

func TestBackendFloods(t *testing.T) {
	for _, command := range []byte{load.Flood, load.Trickle} {
		_, tunnel := backend(t)
		send(t, tunnel, command)
		var n atomic.Int64
		drained := make(chan error)
		go func() { drained <- tunnel.Drain(&n) }()
		for n.Load() < 10<<20 {
			select {
			case err := <-drained:
				t.Fatalf("%q: Drain ended behind %d bytes: %v", command, n.Load(), err)
			default:
			}
		}
		tunnel.Close()
		<-drained
	}
}

func TestBackendSink(t *testing.T) {
	b, tunnel := backend(t)
	const size = 1_000_000
	send(t, tunnel, append([]byte{load.Sink}, make([]byte, size-1)...)...)
	if err := tunnel.Finish(); err != nil {
		t.Fatal(err)
	}
	if got := b.Received.Load(); got != size {
		t.Errorf("received %d, want %d", got, size)
	}
}

func TestBackendGive(t *testing.T) {
	_, tunnel := backend(t)
	send(t, tunnel, load.Give, 7)
	got := make([]byte, load.DataSize)
	if _, err := io.ReadFull(tunnel, got); err != nil || !bytes.Equal(got, load.Data(7, load.DataSize)) {
		t.Errorf("%v, or not the pattern of seed 7", err)
	}
	tunnel.Close()
}

func TestBackendTake(t *testing.T) {
	_, tunnel := backend(t)
	data := load.Data(3, load.DataSize)
	send(t, tunnel, append([]byte{load.Take}, data...)...)
	var got [sha256.Size]byte
	if _, err := io.ReadFull(tunnel, got[:]); err != nil || got != sha256.Sum256(data) {
		t.Errorf("%v, or not the hash", err)
	}
	tunnel.Close()
}

const answer = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

// server plays a WebSocket server: it writes reply to one connection when a
// request has come, reads up to the end and closes. What came behind the request
// is sent to the channel.
func server(t *testing.T, reply string) (addr string, got <-chan []byte) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan []byte, 1)
	go func() {
		defer ln.Close()
		conn, err := ln.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		var in []byte
		b := make([]byte, 4096)
		for replied := false; ; {
			n, err := conn.Read(b)
			in = append(in, b[:n]...)
			if _, behind, whole := bytes.Cut(in, []byte("\r\n\r\n")); whole && !replied {
				head, frames, _ := strings.Cut(reply, "\r\n\r\n")
				io.WriteString(conn, head+"\r\n\r\n")
				in, replied = behind, true
				if frames != "" {
					n, err = conn.Read(b) // the client speaks first
					in = append(in, b[:n]...)
					io.WriteString(conn, frames)
					conn.(*net.TCPConn).CloseWrite()
				}
			}
			if err != nil {
				received <- in
				return
			}
		}
	}()
	return ln.Addr().String(), received
}

func TestDialRefused(t *testing.T) {
	tests := []struct{ name, answer, want string }{
		{"no upgrade", "HTTP/1.1 503 Service Unavailable\r\n\r\n", "503"},
		{"wrong accept", strings.Replace(answer, "s3p", "S3p", 1), "S3p"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr, got := server(t, tt.answer)
			tunnel, err := load.Dial(t.Context(), addr, load.WebSocket)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Dial with answer %q: %v, %v; want an error with %q", tt.answer, tunnel, err, tt.want)
			}
			<-got
		})
	}
}

func frame(op ws.Opcode, payload string) string {
	h := ws.Header{Fin: true, Opcode: op, Length: int64(len(payload))}
	return string(ws.AppendHeader(nil, h)) + payload
}

var normal = string(ws.AppendClose(nil, ws.CloseNormal, ""))

func TestTunnelReads(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	tests := []struct {
		name, frames string
		want         string
		err          error // nil: any
	}{
		{"two frames and a close", frame(ws.OpBinary, "hello") + frame(ws.OpBinary, long) + frame(ws.OpClose, normal), "hello" + long, io.EOF},
		{"a ping between", frame(ws.OpBinary, "a") + frame(ws.OpPing, "p") + frame(ws.OpBinary, "b") + frame(ws.OpClose, ""), "ab", io.EOF},
		{"no close frame", frame(ws.OpBinary, "hello"), "hello", io.ErrUnexpectedEOF},
		{"cut in a frame", frame(ws.OpBinary, long)[:30_000], "", io.ErrUnexpectedEOF},
		{"text", frame(ws.OpText, "hello"), "", nil},
		{"masked", "\x82\x81aaaab", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr, got := server(t, answer+tt.frames)
			tunnel, err := load.Dial(t.Context(), addr, load.WebSocket)
			if err != nil {
				t.Fatal(err)
			}
			send(t, tunnel, 0)
			var data []byte
			b := make([]byte, 8<<10)
			for err == nil {
				var n int
				n, err = tunnel.Read(b)
				data = append(data, b[:n]...)
			}
			if tt.want != "" && string(data) != tt.want {
				t.Errorf("got %d bytes, %.50q; want %d, %.50q", len(data), data, len(tt.want), tt.want)
			}
			if tt.err != nil && !errors.Is(err, tt.err) || err == io.EOF && tt.err != io.EOF {
				t.Errorf("got error %v, want %v", err, tt.err)
			}
			tunnel.Close()
			<-got
		})
	}
}

func TestTunnelDrains(t *testing.T) {
	sizes := []int{0, 1, 125, 126, 65_535, 65_536, 300_000}
	var frames strings.Builder
	want := int64(0)
	for _, n := range sizes {
		frames.WriteString(frame(ws.OpBinary, strings.Repeat("x", n)))
		want += int64(n)
	}
	addr, got := server(t, answer+frames.String()+frame(ws.OpClose, normal))
	tunnel, err := load.Dial(t.Context(), addr, load.WebSocket)
	if err != nil {
		t.Fatal(err)
	}
	send(t, tunnel, 0)
	var n atomic.Int64
	if err := tunnel.Drain(&n); err == nil || n.Load() != want {
		t.Errorf("Drain of frames of %v bytes: %d, %v; want %d and an error at the close frame", sizes, n.Load(), err, want)
	}
	tunnel.Close()
	<-got
}

func TestTunnelFinishes(t *testing.T) {
	tests := []struct {
		name, frames string
		well         bool
	}{
		{"answered", frame(ws.OpClose, normal), true},
		{"data left", frame(ws.OpBinary, "x") + frame(ws.OpClose, normal), false},
		{"another frame alone", frame(ws.OpPing, ""), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr, got := server(t, answer+tt.frames)
			tunnel, err := load.Dial(t.Context(), addr, load.WebSocket)
			if err != nil {
				t.Fatal(err)
			}
			if err := tunnel.Finish(); (err == nil) != tt.well {
				t.Errorf("Finish with %q from the server: %v, want success: %v", tt.frames, err, tt.well)
			}
			if sent, want := <-got, "\x88\x82\x00\x00\x00\x00"+normal; string(sent) != want {
				t.Errorf("Finish sent % x, want % x", sent, want)
			}
		})
	}
}

func TestAppendMessage(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65_535, 65_536} {
		payload := load.Data(1, size)
		message := load.WebSocket.AppendMessage([]byte("before"), payload)
		var d ws.Decoder
		part, rest, err := d.Next(message[len("before"):])
		if err != nil || len(rest) > 0 || part.Opcode != ws.OpBinary || !part.Final || !bytes.Equal(part.Payload, payload) {
			t.Errorf("a message of %d bytes decodes to %v, %d bytes, final: %v, %d behind it, %v",
				size, part.Opcode, len(part.Payload), part.Final, len(rest), err)
		}
		if got := load.Plain.AppendMessage(nil, payload); !bytes.Equal(got, payload) {
			t.Errorf("a plain message of %d bytes has %d", size, len(got))
		}
	}
}
