package server_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// The directives that concern a request hold for tunnels, too, on both ways to
// one. A field that ParseUpgrade does not take leads to net/http.
func TestTunnelDirectives(t *testing.T) {
	s := start(t, `
server.modules += ("mod_access", "mod_redirect", "mod_rewrite", "mod_setenv", "mod_extforward")
wstunnel.server = ("/ws" => `+hosts(wstest.Backend(t, wstest.Echo))+`)
$HTTP["url"] =^ "/ws/header" {
	setenv.add-response-header = ("X-Added" => "yes")
	setenv.set-response-header = ("Server" => "another")
}
$HTTP["url"] =^ "/ws/denied" { url.access-deny = ("") }
$HTTP["remote-ip"] == "192.0.2.0/24" { url.access-deny = ("") }
url.redirect = ("^/ws/elsewhere/(.*)" => "wss://example.org/$1")
url.redirect-code = 307
url.rewrite-once = ("^/old/(.*)" => "/ws/$1", "^/out" => "/nothing")
extforward.forwarder = ("127.0.0.1" => "trust")
`)
	tests := []struct {
		name, path, field string
		status, header    string
	}{
		{"header", "/ws/header", "", "101", "X-Added: yes\r\n"},
		{"header in place of ours", "/ws/header", "", "101", "Server: another\r\n"},
		{"denied", "/ws/denied", "", "403", ""},
		{"denied by the client's address", "/ws/x", "X-Forwarded-For: 192.0.2.1\r\n", "403", ""},
		{"another client's address", "/ws/x", "X-Forwarded-For: 198.51.100.1\r\n", "101", ""},
		{"redirected", "/ws/elsewhere/a", "", "307", "Location: wss://example.org/a\r\n"},
		{"rewritten into a tunnel", "/old/a", "", "101", ""},
		{"rewritten out of one", "/out", "", "404", ""},
	}
	for _, tt := range tests {
		for way, field := range map[string]string{"loop": "", "net/http": "X-Way: \xe9\r\n"} {
			t.Run(tt.name+"/"+way, func(t *testing.T) {
				conn, err := net.Dial("tcp", s.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				c := wstest.NewClient(t, conn)
				request := string(wstest.Request(tt.path))
				c.Send([]byte(strings.TrimSuffix(request, "\r\n") + tt.field + field + "\r\n"))
				head := c.ReadHead()
				if !strings.HasPrefix(head, "HTTP/1.1 "+tt.status+" ") || !strings.Contains(head, tt.header) {
					t.Fatalf("answer %q, want status %s and %q", head, tt.status, tt.header)
				}
				if tt.status == "101" {
					c.Send(wstest.Text("hello"))
					c.WantData(ws.OpText, "hello")
				}
			})
		}
	}
}

// connection.kbytes-per-second bounds answers and tunnels.
func TestThrottle(t *testing.T) {
	const size = 96 << 10
	s := start(t, `
wstunnel.server = ("/ws" => `+hosts(wstest.Backend(t, func(c net.Conn) { c.Write(make([]byte, size)); c.Close() }))+`)
wstunnel.frame-type = "binary"
connection.kbytes-per-second = 100
`)
	if err := os.WriteFile(filepath.Join(s.dir, "root", "file"), make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	// 16 KiB are free, and the rest takes 0.8 s; nothing but the limit takes half
	// of that, and no machine is slower than its own clock.
	const least = 600 * time.Millisecond
	begin := time.Now()
	if got := s.roundTrip("GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); !strings.Contains(got, fmt.Sprint("Content-Length: ", size)) {
		t.Fatalf("answer %.200q", got)
	}
	if took := time.Since(begin); took < least {
		t.Errorf("the file took %v, want at least %v", took, least)
	}
	begin = time.Now()
	c, _ := wstest.Dial(t, "tcp", s.addr, "/ws")
	c.WantData(ws.OpBinary, string(make([]byte, size)))
	c.WantClose(1001)
	if took := time.Since(begin); took < least {
		t.Errorf("the tunnel took %v, want at least %v", took, least)
	}
}

// What setenv adds is no part of what the client sent, and bytes of an answer that
// is not logged are no part of the next one's.
func TestSizes(t *testing.T) {
	s := start(t, `
server.modules += ("mod_setenv")
setenv.add-request-header = ("X-Long" => "`+strings.Repeat("x", 9000)+`")
accesslog.format = "%I %O"
$HTTP["url"] == "/unlogged" { accesslog.filename = "" }
`)
	request := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }
	last := "GET /logged HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	got := s.roundTrip(request("/unlogged") + last)
	if strings.Count(got, "HTTP/1.1 404 ") != 2 {
		t.Fatalf("answers %q, want 404 twice", got)
	}
	second := got[strings.LastIndex(got, "HTTP/1.1 "):]
	if line, want := s.accessLog(1)[0], fmt.Sprint(len(last), " ", len(second)); line != want {
		t.Errorf("access log line %q, want %q", line, want)
	}
}
