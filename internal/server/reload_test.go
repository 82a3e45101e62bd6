package server_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// reload loads conf, in which DIR is s.dir, in the place of what s serves.
func (s *site) reload(conf string) {
	s.t.Helper()
	conf = strings.ReplaceAll(conf, "DIR", s.dir)
	s.srv.Reload(func() (*config.Config, error) {
		return config.Load("-", config.LoadOptions{Stdin: strings.NewReader(conf), Dir: s.dir, ServerTag: "wstunneld/test"})
	})
}

func reloadConf(port int, rest string) string {
	return fmt.Sprintf(`
server.document-root = "DIR/root"
server.bind = "127.0.0.1"
server.port = %d
server.modules = ("mod_wstunnel", "mod_accesslog")
`, port) + rest
}

// Listeners come and go with the configuration; those that stay are not
// interrupted, and neither are tunnels.
func TestReloadListeners(t *testing.T) {
	tunnel := `wstunnel.server = ("/ws" => ` + hosts(wstest.Backend(t, wstest.Echo)) + ")\n"
	s := start(t, tunnel)
	_, port, _ := net.SplitHostPort(s.addr)
	staying := 0
	fmt.Sscan(port, &staying)
	added := freePort(t)
	addedAddr := fmt.Sprint("127.0.0.1:", added)
	socket := fmt.Sprintf("$SERVER[\"socket\"] == %q { }\n", addedAddr)

	s.reload(reloadConf(staying, tunnel+socket))
	old, _ := wstest.Dial(t, "tcp", s.addr, "/ws")
	moved, head := wstest.Dial(t, "tcp", addedAddr, "/ws")
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatalf("at the listener that was added: %q", head)
	}

	s.reload(reloadConf(added, tunnel))
	if conn, err := net.Dial("tcp", s.addr); err == nil {
		conn.Close()
		t.Error("the listener that is no more in the configuration accepts")
	}
	for _, c := range []*wstest.Client{old, moved} {
		c.Send(wstest.Text("still here"))
		c.WantData(ws.OpText, "still here")
	}
	if _, head := wstest.Dial(t, "tcp", addedAddr, "/ws"); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Errorf("at the listener that stays: %q", head)
	}
}

// A configuration that cannot be put to work changes nothing.
func TestReloadFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tunnel := `wstunnel.server = ("/ws" => ` + hosts(wstest.Backend(t, wstest.Echo)) + ")\n"
	s := start(t, tunnel)
	for name, conf := range map[string]string{
		"syntax":  "server.port = = 1",
		"address": reloadConf(freePort(t), fmt.Sprintf("$SERVER[\"socket\"] == %q { }", taken.Addr())),
		"log":     reloadConf(freePort(t), `server.errorlog = "/nonexistent/log"`),
	} {
		t.Run(name, func(t *testing.T) {
			before := len(s.stderr.String())
			s.reload(conf)
			log := s.stderr.String()[before:]
			if !strings.Contains(log, "configuration not loaded") || strings.Count(log, "\n") < 2 {
				t.Errorf("logged %q, want that it is not loaded, and why", log)
			}
			if _, head := wstest.Dial(t, "tcp", s.addr, "/ws"); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
				t.Errorf("a request is answered %q", head)
			}
		})
	}
}

// The timeouts of a listener are those of the new configuration.
func TestReloadTimeouts(t *testing.T) {
	s := start(t, "")
	port := 0
	fmt.Sscan(s.addr[strings.LastIndexByte(s.addr, ':')+1:], &port)
	const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	s.reload(reloadConf(port, "server.max-keep-alive-idle = 0\n"))
	if got := s.roundTrip(request); !strings.Contains(got, "Connection: close") { // and it ends
		t.Errorf("without keep-alive: %q", got)
	}
}

// A tunnel is logged where the configuration said under which it began.
func TestReloadLogs(t *testing.T) {
	tunnel := `wstunnel.server = ("/ws" => ` + hosts(wstest.Backend(t, wstest.Echo)) + ")\n"
	s := start(t, tunnel)
	port := 0
	fmt.Sscan(s.addr[strings.LastIndexByte(s.addr, ':')+1:], &port)
	old, _ := wstest.Dial(t, "tcp", s.addr, "/ws")
	s.reload(reloadConf(port, tunnel+`accesslog.filename = "DIR/second.log"`))
	for _, c := range []*wstest.Client{old, dial(t, s)} {
		c.Send(wstest.Close(1000, ""))
		c.WantClose(1000)
		c.WantEOF()
		c.Close()
	}
	s.stop()
	s.wait()
	for _, name := range []string{"access.log", "second.log"} {
		b, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil || strings.Count(string(b), "\n") != 1 {
			t.Errorf("%s: %q, %v; want the line of one tunnel", name, b, err)
		}
	}
}

func dial(t *testing.T, s *site) *wstest.Client {
	c, _ := wstest.Dial(t, "tcp", s.addr, "/ws")
	return c
}
