package wstest_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDial(t *testing.T) {
	request := make(chan string, 1)
	addr := wstest.Backend(t, func(conn net.Conn) {
		b := make([]byte, 4096)
		n, _ := conn.Read(b)
		request <- string(b[:n])
		// The first frames may come in one write with the head.
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n\x82\x05hello\x8a\x01p\x82\x02, \x82\x05world\x88\x05\x03\xe9bye")
	})
	c, head := wstest.Dial(t, "tcp", addr, "/path?q", "host: example.com", "Origin: x")
	want := "GET /path?q HTTP/1.1\r\nhost: example.com\r\nOrigin: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + wstest.Key + "\r\n\r\n"
	if got := <-request; got != want {
		t.Errorf("request %q, want %q", got, want)
	}
	if want := "HTTP/1.1 101 Switching Protocols\r\n\r\n"; head != want {
		t.Errorf("head %q, want %q", head, want)
	}
	c.WantData(ws.OpBinary, "hello")
	c.Want(ws.OpPong, "p")
	if data, code, reason := c.ReadAll(); string(data) != ", world" || code != 1001 || reason != "bye" {
		t.Errorf("ReadAll() = %q, %d, %q; want %q, 1001, %q", data, code, reason, ", world", "bye")
	}
	c.WantEOF()
}

func TestBackends(t *testing.T) {
	for network, backend := range map[string]func(testing.TB, func(net.Conn)) string{
		"tcp":  wstest.Backend,
		"unix": wstest.UnixBackend,
	} {
		t.Run(network, func(t *testing.T) {
			dial := func(serve func(net.Conn)) net.Conn {
				conn, err := net.Dial(network, backend(t, serve))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { conn.Close() })
				return conn
			}
			dial(wstest.Mute) // stays open until the test is over

			echo := dial(wstest.Echo)
			io.WriteString(echo, "hello")
			wstest.CloseWrite(echo)
			if got, err := io.ReadAll(echo); string(got) != "hello" || err != nil {
				t.Errorf("echo: %q, %v; want %q", got, err, "hello")
			}

			got := make([]byte, 100000)
			if _, err := io.ReadFull(dial(wstest.Flood), got); err != nil {
				t.Errorf("flood: %v", err)
			}

			reset := dial(func(conn net.Conn) {
				// Read one of two bytes: on a Unix socket, the other one makes the reset.
				conn.Read(make([]byte, 1))
				wstest.Reset(conn)
			})
			io.WriteString(reset, "ab")
			if _, err := reset.Read(got); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("reset: %v, want ECONNRESET", err)
			}
		})
	}
}

func TestRefusing(t *testing.T) {
	addr := wstest.Refusing(t)
	if conn, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Dial(%s) = %v, %v; want ECONNREFUSED", addr, conn, err)
	}
	if ln, err := net.Listen("tcp", addr); err == nil {
		ln.Close()
		t.Errorf("%s can be listened on", addr)
	}
}

func TestFrames(t *testing.T) {
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{"text", wstest.Text("abcd"), "\x81\x84\x37\xfa\x21\x3d\x56\x98\x42\x59"},
		{"empty close", wstest.Close(ws.CloseNoStatus, ""), "\x88\x80\x37\xfa\x21\x3d"},
		{"close", wstest.Close(1000, ""), "\x88\x82\x37\xfa\x21\x3d\x34\x12"},
		{"invalid header, and a length that is not the payload's", wstest.Encode(ws.Header{RSV: 5, Opcode: 3, Length: 126}, "x"), "\x53\x7e\x00\x7ex"},
	}
	for _, tt := range tests {
		if string(tt.got) != tt.want {
			t.Errorf("%s: % x, want % x", tt.name, tt.got, tt.want)
		}
	}
	if p := wstest.Pattern(1 << 20); len(p) != 1<<20 || strings.Contains(p[9:], p[:9]) {
		t.Errorf("a pattern of %d bytes that repeats itself, or has not 1 MiB", len(p))
	}
}
