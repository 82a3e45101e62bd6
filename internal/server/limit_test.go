package server_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/wstest"
)

const limitReached = `msg="as many connections are open as may be: more clients wait until some end" server.max-connections=`

// connect returns a client that has sent nothing.
func (s *site) connect(network, addr string) *wstest.Client {
	s.t.Helper()
	conn, err := net.DialTimeout(network, addr, wstest.Patience)
	if err != nil {
		s.t.Fatal(err)
	}
	return wstest.NewClient(s.t, conn)
}

// ask returns a client that has sent a request for a file that does not exist.
func (s *site) ask(network, addr string) *wstest.Client {
	s.t.Helper()
	c := s.connect(network, addr)
	c.Send([]byte("GET /none HTTP/1.1\r\nHost: x\r\n\r\n"))
	return c
}

func wantAnswer(t *testing.T, c *wstest.Client) {
	t.Helper()
	if head := c.ReadHead(); !strings.HasPrefix(head, "HTTP/1.1 404 ") {
		t.Errorf("answer %q, want 404", head)
	}
}

// wantWaiting checks that c is not answered.
func wantWaiting(t *testing.T, c *wstest.Client) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a client above the limit reads %d bytes, %v; want none yet", n, err)
	}
}

// waitLog waits until the error log has text.
func (s *site) waitLog(text string) {
	s.t.Helper()
	for deadline := time.Now().Add(wstest.Patience); !strings.Contains(s.stderr.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the log lacks %s:\n%s", text, s.stderr)
		}
	}
}

// Whatever three connections do, a fourth waits until one of them ends, at any
// listener.
func TestMaxConnections(t *testing.T) {
	for _, tt := range []struct {
		name string
		open func(s *site, network, addr string) *wstest.Client
	}{
		{"silent", func(s *site, network, addr string) *wstest.Client {
			return s.connect(network, addr)
		}},
		{"kept alive", func(s *site, network, addr string) *wstest.Client {
			c := s.ask(network, addr)
			wantAnswer(s.t, c)
			return c
		}},
		{"tunnels", func(s *site, network, addr string) *wstest.Client {
			c, _ := wstest.Dial(s.t, network, addr, "/ws")
			return c
		}},
		{"tunnels after another request", func(s *site, network, addr string) *wstest.Client {
			c := s.ask(network, addr)
			wantAnswer(s.t, c)
			body := make([]byte, 1)
			for tail := ""; !strings.HasSuffix(tail, "</html>\n"); tail += string(body) {
				if _, err := c.Read(body); err != nil {
					s.t.Fatal(err)
				}
			}
			c.Send(wstest.Request("/ws"))
			if head := c.ReadHead(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
				s.t.Errorf("answer %q, want a tunnel", head)
			}
			return c
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			socket := wstest.SocketPath(t)
			s := start(t, `
server.max-connections = 3
server.max-keep-alive-idle = 60
wstunnel.server = ("/ws" => `+hosts(wstest.Backend(t, wstest.Echo))+`)
$SERVER["socket"] == "`+socket+`" { }
`)
			held := []*wstest.Client{tt.open(s, "tcp", s.addr), tt.open(s, "tcp", s.addr), tt.open(s, "unix", socket)}
			s.waitLog(limitReached + "3")
			waiting := []*wstest.Client{s.ask("tcp", s.addr), s.ask("unix", socket)}
			for _, c := range waiting {
				wantWaiting(t, c)
			}
			if n := strings.Count(s.stderr.String(), limitReached); n != 1 {
				t.Errorf("the log tells %d times that the limit is reached, want once:\n%s", n, s.stderr)
			}
			held[0].Close()
			held[2].Close()
			for _, c := range waiting {
				wantAnswer(t, c)
			}
			another := s.ask("tcp", s.addr)
			wantWaiting(t, another)
			held[1].Close()
			wantAnswer(t, another)
		})
	}
}

// Connections that fail in any way leave their place to others.
func TestMaxConnectionsLeave(t *testing.T) {
	s := start(t, `
server.max-connections = 1
server.max-read-idle = 1
wstunnel.server = ("/ws" => `+hosts(wstest.Backend(t, wstest.Echo))+`, "/down" => `+hosts(wstest.Refusing(t))+`)
`)
	for name, visit := range map[string]func(){
		"gone before its request": func() {
			s.connect("tcp", s.addr).Close()
		},
		"too late with its request": func() {
			s.connect("tcp", s.addr)
		},
		"not HTTP":         func() { s.roundTrip("nonsense\r\n\r\n") },
		"backend down":     func() { c, _ := wstest.Dial(t, "tcp", s.addr, "/down"); c.Close() },
		"handshake wrong":  func() { c, _ := wstest.Dial(t, "tcp", s.addr, "/ws", "Sec-WebSocket-Version: 12"); c.Close() },
		"tunnel reset":     func() { c, _ := wstest.Dial(t, "tcp", s.addr, "/ws"); c.Reset() },
		"closed by itself": func() { s.roundTrip("GET / HTTP/1.0\r\n\r\n") },
	} {
		visit()
		c := s.ask("tcp", s.addr)
		c.SetReadDeadline(time.Now().Add(wstest.Patience))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Errorf("%s: its place stays taken: %v", name, err)
		}
		c.Close()
	}
}

// A change of the limit lets in who waits.
func TestReloadMaxConnections(t *testing.T) {
	s := start(t, "server.max-connections = 1\n")
	_, port, _ := net.SplitHostPort(s.addr)
	staying := 0
	fmt.Sscan(port, &staying)
	first := s.ask("tcp", s.addr)
	wantAnswer(t, first)
	second := s.ask("tcp", s.addr)
	wantWaiting(t, second)
	s.reload(reloadConf(staying, "server.max-connections = 2\n"))
	wantAnswer(t, second)
	third := s.ask("tcp", s.addr)
	wantWaiting(t, third)
	s.reload(reloadConf(staying, "server.max-connections = 1\n")) // two stay
	first.Close()
	wantWaiting(t, third)
	s.reload(reloadConf(staying, ""))
	wantAnswer(t, third)
	wantAnswer(t, s.ask("tcp", s.addr))
}

// Tunnels that no loop drives or accepts count as well.
func TestMaxConnectionsOtherTunnels(t *testing.T) {
	for _, tt := range []struct{ name, conf, first string }{
		{"throttled", "connection.kbytes-per-second = 100", ""},
		{"behind a proxy", `
server.modules += ("mod_extforward")
extforward.forwarder = ("127.0.0.1" => "trust")
extforward.hap-PROXY = "enable"`, "PROXY TCP4 192.0.2.7 192.0.2.1 4000 80\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, "server.max-connections = 1\nwstunnel.server = (\"/ws\" => "+hosts(wstest.Backend(t, wstest.Echo))+")\n"+tt.conf)
			dial := func() *wstest.Client {
				c := s.connect("tcp", s.addr)
				c.Send([]byte(tt.first), wstest.Request("/ws"))
				return c
			}
			first := dial()
			first.ReadHead()
			second := dial()
			wantWaiting(t, second)
			first.Close()
			if head := second.ReadHead(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
				t.Errorf("answer %q, want a tunnel", head)
			}
		})
	}
}
