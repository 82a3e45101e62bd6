package server_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// A tunnel of a client behind a proxy that says who it is by a PROXY header: no
// byte of what comes behind it is lost, and the client is the one it names.
func TestTunnelBehindPROXY(t *testing.T) {
	s := start(t, `
wstunnel.server = ("/ws" => `+hosts(wstest.Backend(t, wstest.Echo))+`)
server.modules += ("mod_extforward")
extforward.forwarder = ("127.0.0.1" => "trust")
extforward.hap-PROXY = "enable"
`)
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	c := wstest.NewClient(t, conn)
	c.Send([]byte("PROXY TCP4 192.0.2.7 192.0.2.1 4000 80\r\n"), wstest.Request("/ws"), wstest.Text("early"))
	if head := c.ReadHead(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatalf("answer %q, want 101", head)
	}
	c.WantData(ws.OpText, "early")
	c.Send(wstest.Close(1000, ""))
	c.WantClose(1000)
	c.WantEOF()
	c.Close()
	if line := s.accessLog(1)[0]; !strings.HasPrefix(line, "192.0.2.7 ") {
		t.Errorf("access log line %q, want the client of the PROXY header", line)
	}
}

// Without the header, a connection of the proxy is closed without an answer.
func TestMissingPROXY(t *testing.T) {
	s := start(t, `
server.modules += ("mod_extforward")
extforward.forwarder = ("127.0.0.1" => "trust")
extforward.hap-PROXY = "enable"
`)
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if b, _ := io.ReadAll(conn); len(b) > 0 {
		t.Errorf("got %q, want nothing", b)
	}
	s.stop()
	s.wait()
	if log := s.stderr.String(); !strings.Contains(log, "without a PROXY header") {
		t.Errorf("logged %q, want that the header is missing", log)
	}
}

// A listener can begin and cease to expect PROXY headers, and change its limits
// meanwhile: nothing of that closes its socket.
func TestReloadPROXY(t *testing.T) {
	s := start(t, "")
	port := 0
	fmt.Sscan(s.addr[strings.LastIndexByte(s.addr, ':')+1:], &port)
	const trust = "server.modules += (\"mod_extforward\")\nextforward.forwarder = (\"127.0.0.1\" => \"trust\")\n"
	const request = "GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	const header = "PROXY TCP4 192.0.2.7 192.0.2.1 4000 80\r\n"
	for _, tt := range []struct{ conf, header string }{
		{trust + "extforward.hap-PROXY = \"enable\"\n", header},
		{trust + "extforward.hap-PROXY = \"enable\"\nserver.max-keep-alive-idle = 3\n", header},
		{"", ""},
		{"server.max-keep-alive-idle = 4\n", ""},
	} {
		s.reload(reloadConf(port, tt.conf))
		if got := s.roundTrip(tt.header + request); !strings.HasPrefix(got, "HTTP/1.1 404 ") {
			t.Errorf("with %q: answer %q, want 404", tt.conf, got)
		}
	}
}
