package server_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// slowHost renders a host that has a second to be connected.
func slowHost(addr string) string {
	return strings.TrimSuffix(hosts(addr)[1:], "))") + `, "connect-timeout" => 1)`
}

// connecting waits until so many connections to addr are under way.
func connecting(t *testing.T, addr string, n int) {
	t.Helper()
	const synSent = "02"
	_, port, _ := net.SplitHostPort(addr)
	p, _ := strconv.Atoi(port)
	want := fmt.Sprintf(" 0100007F:%04X %s ", p, synSent)
	for begin := time.Now(); ; time.Sleep(time.Millisecond) { // a table tells nobody that it grew
		table, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(table), want) >= n {
			return
		}
		if time.Since(begin) > wstest.Patience {
			t.Fatalf("no %d connections to %s are under way", n, addr)
		}
	}
}

// A plain request is answered without net/http.
func TestWays(t *testing.T) {
	for i, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			slow := wstest.FullBacklog(t)
			s := start(t, `wstunnel.server = ("/ws" => (`+slowHost(slow)+`))
server.feature-flags = ("server.graceful-shutdown-timeout" => 1)`)
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			c := wstest.NewClient(t, conn)
			c.Send(wstest.Request("/ws", way.field))
			connecting(t, slow, 1)
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			if http := strings.Contains(string(stacks), "answerTunnel"); http != (i == 1) {
				t.Errorf("net/http has the request: %v", http)
			}
		})
	}
}

// A host that does not answer in time is passed over.
func TestConnectTimeout(t *testing.T) { eachWay(t, testConnectTimeout) }

func testConnectTimeout(t *testing.T, way string) {
	slow, up := wstest.FullBacklog(t), wstest.Backend(t, wstest.Echo)
	s := start(t, `wstunnel.server = ("/two" => (`+slowHost(slow)+`, `+hosts(up)[1:]+`, "/one" => (`+slowHost(slow)+`))`)
	one := make(chan string, 1)
	go func() {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			one <- err.Error()
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(wstest.Patience))
		c.Write(wstest.Request("/one", way, "Connection: Upgrade, close"))
		b, _ := io.ReadAll(c)
		one <- string(b)
	}()
	c, head := wstest.Dial(t, "tcp", s.addr, "/two", way)
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatalf("got %q", head)
	}
	c.Send(wstest.Text("hello"))
	c.WantData(ws.OpText, "hello")
	c.Send(wstest.Close(1000, ""))
	c.WantClose(1000)
	c.Close()
	if got := <-one; !strings.HasPrefix(got, "HTTP/1.1 503 ") {
		t.Errorf("got %q, want 503", got)
	}
	s.stop()
	if err := s.wait(); err != nil {
		t.Error(err)
	}
	if log := s.stderr.String(); strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, "backend unreachable") || !strings.Contains(log, "timeout") {
		t.Errorf("log:\n%s\nwant one error, of a timeout", log)
	}
	if lines := s.accessLog(2); len(lines) != 2 {
		t.Errorf("access log: %q, want two lines", lines)
	}
}

// A client that goes while its backend is connected is in the logs with its
// address, and in nobody's way.
func TestClientGoesWhileConnecting(t *testing.T) { eachWay(t, testClientGoesWhileConnecting) }

func testClientGoesWhileConnecting(t *testing.T, way string) {
	slow := wstest.FullBacklog(t)
	s := start(t, `wstunnel.server = ("/ws" => (`+slowHost(slow)+`), "/echo" => `+hosts(wstest.Backend(t, wstest.Echo))+`)`)
	const n = 5
	clients := make([]*wstest.Client, n)
	for i := range clients {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		clients[i] = wstest.NewClient(t, conn)
		clients[i].Send(wstest.Request("/ws", way))
	}
	connecting(t, slow, n)
	for _, c := range clients {
		c.Reset()
	}
	c, _ := wstest.Dial(t, "tcp", s.addr, "/echo", way)
	c.Send(wstest.Text("hello"))
	c.WantData(ws.OpText, "hello")
	for _, line := range s.accessLog(n) {
		if !strings.HasPrefix(line, "127.0.0.1 localhost - [") || !strings.Contains(line, `"GET /ws HTTP/1.1" 503 `) {
			t.Errorf("access log: %s", line)
		}
	}
	if log := s.stderr.String(); strings.Count(log, "level=ERROR") != n || strings.Contains(log, "panic") {
		t.Errorf("log:\n%s\nwant %d errors", log, n)
	}
}

// When the server stops, it does not wait for who has said nothing, or half a
// request, or waits for a backend.
func TestStopBeforeTunnels(t *testing.T) { eachWay(t, testStopBeforeTunnels) }

func testStopBeforeTunnels(t *testing.T, way string) {
	slow := wstest.FullBacklog(t)
	s := start(t, `wstunnel.server = ("/slow" => `+hosts(slow)+`)
server.feature-flags = ("server.graceful-shutdown-timeout" => 1)`)
	request := string(wstest.Request("/slow", way))
	var clients []net.Conn
	for _, b := range []string{"", request[:1], request[:len(request)-2], request, request + string(wstest.Text("hello"))} {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(wstest.Patience))
		io.WriteString(conn, b)
		clients = append(clients, conn)
	}
	connecting(t, slow, 2)
	begin := time.Now()
	s.stop()
	if err := s.wait(); err != nil {
		t.Error(err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("stopping took %v, with a timeout of 1 s", d)
	}
	for i, c := range clients {
		b, err := io.ReadAll(c)
		if strings.HasPrefix(string(b), "HTTP/1.1 101 ") || err != nil && err.(net.Error).Timeout() {
			t.Errorf("client %d: got %q, %v", i, b, err)
		}
	}
}
