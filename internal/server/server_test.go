package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/server"
	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

func TestMain(m *testing.M) {
	// The clock of the regular expressions ends a second after the last match.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock"))
}

// A site is a running server with a document root and an access log.
type site struct {
	t       *testing.T
	addr    string // of the first listener
	dir     string // holds root/ and access.log
	stderr  *syncBuffer
	srv     *server.Server
	stop    func()     // begins the shutdown
	stopped chan error // what Run returned
}

// start runs a server on a free port of 127.0.0.1 with the given configuration,
// in which DIR stands for a temporary directory; DIR/root is the document root.
func start(t *testing.T, conf string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), stderr: new(syncBuffer), stopped: make(chan error, 1)}
	if err := os.Mkdir(filepath.Join(s.dir, "root"), 0o755); err != nil {
		t.Fatal(err)
	}
	cfg := load(t, s.dir, conf)
	srv, err := server.New(cfg, server.Options{Stderr: s.stderr})
	if err != nil {
		t.Fatal(err)
	}
	s.srv = srv
	s.addr = srv.Addrs()[0].String()
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go func() { s.stopped <- srv.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := s.wait(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

// load loads conf with what every test needs in front.
func load(t *testing.T, dir, conf string) *config.Config {
	t.Helper()
	conf = fmt.Sprintf(`
server.document-root = "DIR/root"
server.bind = "127.0.0.1"
server.port = %d
server.modules = ("mod_wstunnel", "mod_accesslog")
accesslog.filename = "DIR/access.log"
`, freePort(t)) + conf
	conf = strings.ReplaceAll(conf, "DIR", dir)
	cfg, err := config.Load("-", config.LoadOptions{Stdin: strings.NewReader(conf), Dir: dir, ServerTag: "wstunneld/test"})
	if err != nil {
		t.Fatalf("%v\nin %s", err, conf)
	}
	for _, w := range cfg.Warnings {
		t.Errorf("warning: %v", w)
	}
	return cfg
}

func freePort(t *testing.T) int { return wstest.FreePort(t) }

// wait waits until Run has returned. It may be called again.
func (s *site) wait() error {
	s.t.Helper()
	select {
	case err := <-s.stopped:
		s.stopped <- err
		return err
	case <-time.After(20 * time.Second):
		s.t.Fatal("the server does not stop")
		return nil
	}
}

// accessLog waits until the access log has n lines and returns them.
func (s *site) accessLog(n int) []string {
	s.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		b, err := os.ReadFile(filepath.Join(s.dir, "access.log"))
		if err != nil {
			s.t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
		if len(b) == 0 {
			lines = nil
		}
		if len(lines) >= n {
			return lines
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the access log has %d lines, want %d:\n%s", len(lines), n, b)
		}
		time.Sleep(5 * time.Millisecond) // a file tells nobody that it grew
	}
}

// roundTrip sends a raw request and returns all that comes back until the end of
// the connection.
func (s *site) roundTrip(request string) string {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(wstest.Patience))
	if _, err := io.WriteString(conn, request); err != nil {
		s.t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		s.t.Fatalf("%q: %v behind %q", request, err, b)
	}
	return string(b)
}

// syncBuffer is a bytes.Buffer for concurrent use.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// hosts renders backends as the host list of an ext.
func hosts(addrs ...string) string {
	var list []string
	for _, a := range addrs {
		host, port, err := net.SplitHostPort(a)
		if err != nil { // a Unix socket
			list = append(list, fmt.Sprintf(`("socket" => %q)`, a))
			continue
		}
		list = append(list, fmt.Sprintf(`("host" => %q, "port" => %s)`, host, port))
	}
	return "(" + strings.Join(list, ", ") + ")"
}

// ways are the two ways to a tunnel, as header fields: with the second, a request
// is not plain any more, and net/http is asked what it means. Nobody must see a
// difference.
var ways = []struct{ name, field string }{
	{"by the loop", "X-Way: a"},
	{"by net/http", "X-Way: \xe4"},
}

// eachWay runs f for each of the ways.
func eachWay(t *testing.T, f func(t *testing.T, field string)) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) { f(t, way.field) })
	}
}

func TestTunnel(t *testing.T) { eachWay(t, testTunnel) }

func testTunnel(t *testing.T, way string) {
	tests := []struct {
		name    string
		conf    string
		headers []string
		op      ws.Opcode
	}{
		{"text is the default", `wstunnel.server = ("/ws" => TCP)`, nil, ws.OpText},
		{"binary", `wstunnel.server = ("/ws" => TCP)` + "\n" + `wstunnel.frame-type = "binary"`, nil, ws.OpBinary},
		{"binary by subprotocol", `wstunnel.server = ("/ws" => TCP)`, []string{"Sec-WebSocket-Protocol: base64, binary"}, ws.OpBinary},
		{"Unix socket", `wstunnel.server = ("/ws" => UNIX)`, nil, ws.OpText},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conf := strings.NewReplacer("TCP", hosts(wstest.Backend(t, wstest.Echo)), "UNIX", hosts(wstest.UnixBackend(t, wstest.Echo))).Replace(tt.conf)
			s := start(t, conf)
			c, head := wstest.Dial(t, "tcp", s.addr, "/ws", append(tt.headers, way)...)
			protocol := ""
			if tt.headers != nil {
				protocol = "Sec-WebSocket-Protocol: binary\r\n"
			}
			want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + wstest.Accept +
				"\r\n" + protocol + "Connection: upgrade\r\nDate: D\r\nServer: wstunneld/test\r\n\r\n"
			if got := regexp.MustCompile("Date: .*GMT").ReplaceAllString(head, "Date: D"); got != want {
				t.Errorf("head %q, want %q", got, want)
			}
			c.Send(wstest.Text("hello"))
			c.WantData(tt.op, "hello")
			c.Send(wstest.Close(4000, "bye"))
			c.WantClose(4000)
			c.WantEOF()
		})
	}
}

// Frames that come in one piece with the request are the tunnel's.
func TestTunnelDataBehindTheRequest(t *testing.T) { eachWay(t, testTunnelDataBehindTheRequest) }

func testTunnelDataBehindTheRequest(t *testing.T, way string) {
	s := start(t, `wstunnel.server = ("/ws" => `+hosts(wstest.Backend(t, wstest.Echo))+`)`)
	for _, n := range []int{1, 1000, 200_000} { // within and beyond what net/http has buffered
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		c := wstest.NewClient(t, conn)
		c.Send(wstest.Request("/ws", way), wstest.Text(strings.Repeat("x", n)))
		c.ReadHead()
		c.WantData(ws.OpText, strings.Repeat("x", n))
	}
}

// A request may come in two pieces, cut anywhere.
func TestTunnelRequestInPieces(t *testing.T) { eachWay(t, testTunnelRequestInPieces) }

func testTunnelRequestInPieces(t *testing.T, way string) {
	s := start(t, `wstunnel.server = ("/ws" => `+hosts(wstest.Backend(t, wstest.Echo))+`)`)
	request := string(wstest.Request("/ws", way))
	all := request + string(wstest.Text("hello"))
	for _, at := range []int{1, 4, 20, len(request) - 2, len(request) - 1, len(request), len(request) + 1, len(all) - 1} {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		c := wstest.NewClient(t, conn)
		c.Send([]byte(all[:at]))
		if at < len(request) {
			// The answer to another request says that the first piece was read, most likely.
			s.roundTrip("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		} else if head := c.ReadHead(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
			t.Fatalf("cut at byte %d: got %q", at, head)
		}
		c.Send([]byte(all[at:]))
		if at < len(request) {
			c.ReadHead()
		}
		c.WantData(ws.OpText, "hello")
	}
}

// A client may half-close as soon as it has said all it has to say.
func TestTunnelHalfCloseBehindTheRequest(t *testing.T) {
	eachWay(t, testTunnelHalfCloseBehindTheRequest)
}

func testTunnelHalfCloseBehindTheRequest(t *testing.T, way string) {
	s := start(t, `wstunnel.server = ("/ws" => `+hosts(wstest.Backend(t, wstest.Echo))+`)`)
	for range 50 {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		c := wstest.NewClient(t, conn)
		c.Send(wstest.Request("/ws", way), wstest.Text("all of it"))
		c.CloseWrite()
		if head := c.ReadHead(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
			t.Fatalf("got %q", head)
		}
		c.WantData(ws.OpText, "all of it")
		c.WantClose(1001)
	}
}

// A request whose length is given in two ways ends its connection.
func TestRequestOfTwoLengths(t *testing.T) {
	s := start(t, "")
	got := s.roundTrip("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
		"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
	if n := strings.Count(got, "HTTP/1.1 "); n != 1 || !strings.Contains(got, "Connection: close\r\n") {
		t.Errorf("%d answers, want one that closes the connection:\n%s", n, got)
	}
}

// TestHandshake: each refusal has its status, and costs the backend nothing.
func TestHandshake(t *testing.T) {
	var seen [2][]string // by each way: what came of each request
	for i, way := range ways {
		t.Run(way.name, func(t *testing.T) { seen[i] = testHandshake(t, way.field) })
	}
	for i, want := range seen[0] {
		if i < len(seen[1]) && seen[1][i] != want {
			t.Errorf("%s:\n%s\n%s:\n%s", ways[0].name, want, ways[1].name, seen[1][i])
		}
	}
}

// anonymous stands for what differs between two runs in answers and logs.
var anonymous = regexp.MustCompile(`Date: [^\r]*|time=\S+|\[[^]]*\]|127\.0\.0\.1:\d+`)

func testHandshake(t *testing.T, way string) (seen []string) {
	var dialled atomic.Int32
	addr := wstest.Backend(t, func(conn net.Conn) { dialled.Add(1); wstest.Echo(conn) })
	s := start(t, `
wstunnel.server = ("/ws" => `+hosts(addr)+`, "/down" => `+hosts(wstest.Refusing(t))+`, "/gone" => `+hosts("/nonexistent/socket")+`, "/both" => `+hosts(wstest.Refusing(t), "/nonexistent/socket")+`)
wstunnel.debug = 1
$HTTP["url"] =^ "/ws/origins" { wstunnel.origins = ("http://a.test") }
$HTTP["url"] =^ "/ws/off" { wstunnel.server = () }
$HTTP["remote-ip"] != "127.0.0.0/8" { server.document-root = "/nonexistent" }
`)
	const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	const version = "Sec-WebSocket-Version: 13\r\n"
	const key = "Sec-WebSocket-Key: " + wstest.Key + "\r\n"
	tests := []struct {
		name, request string
		status        string
		header        string // one that the answer must have
		log           string // in the error log
		body          string
	}{
		{"no key", "GET /ws HTTP/1.1\r\nHost: x\r\n" + upgrade + version, "400 Bad Request", "", "Sec-WebSocket-Key", ""},
		{"short key", "GET /ws HTTP/1.1\r\nHost: x\r\n" + upgrade + version + "Sec-WebSocket-Key: YWJj\r\n", "400 Bad Request", "", "YWJj", ""},
		{"no version", "GET /ws HTTP/1.1\r\nHost: x\r\n" + upgrade + key, "426 Upgrade Required", "Upgrade: websocket\r\n", "Sec-WebSocket-Version", ""},
		{"version 8", "GET /ws HTTP/1.1\r\nHost: x\r\n" + upgrade + "Sec-WebSocket-Version: 8\r\n" + key, "426 Upgrade Required", "Sec-WebSocket-Version: 13\r\n", "", ""},
		{"no origin", "GET /ws/origins HTTP/1.1\r\nHost: x\r\n" + upgrade + version + key, "400 Bad Request", "", "Origin", ""},
		{"wrong origin", "GET /ws/origins HTTP/1.1\r\nHost: x\r\nOrigin: http://b.test\r\n" + upgrade + version + key, "403 Forbidden", "", "http://b.test", ""},
		{"backend down", "GET /down HTTP/1.1\r\nHost: x\r\n" + upgrade + version + key, "503 Service Unavailable", "", "connection refused", ""},
		{"backend has no socket", "GET /gone HTTP/1.1\r\nHost: x\r\n" + upgrade + version + key, "503 Service Unavailable", "", "no such file", ""},
		{"both hosts down", "GET /both HTTP/1.1\r\nHost: x\r\n" + upgrade + version + key, "503 Service Unavailable", "", "no such file", ""},

		// These are not for the tunnel: files answer, and there is none.
		{"no upgrade", "GET /ws HTTP/1.1\r\nHost: x\r\n", "404 Not Found", "", "", ""},
		{"HEAD", "HEAD /ws HTTP/1.1\r\nHost: x\r\n" + upgrade + version + key, "404 Not Found", "", "", ""},
		{"h2c beside it", "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n" + version + key, "404 Not Found", "", "", ""},
		{"another path", "GET /other HTTP/1.1\r\nHost: x\r\n" + upgrade + version + key, "404 Not Found", "", "", ""},
		{"switched off by a condition", "GET /ws/off HTTP/1.1\r\nHost: x\r\n" + upgrade + version + key, "404 Not Found", "", "", ""},

		{"HTTP/1.0", "GET /ws HTTP/1.0\r\nHost: x\r\n" + upgrade + version + key, "400 Bad Request", "", "", ""},
		{"with a body", "GET /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n" + upgrade + version + key, "400 Bad Request", "", "", "x"},
		{"with a chunked body", "GET /ws HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + upgrade + version + key, "400 Bad Request", "", "", "0\r\n\r\n"},
		{"no host", "GET /ws HTTP/1.1\r\n" + upgrade + version + key, "400 Bad Request", "", "request cannot be read", ""},
		{"empty host", "GET /ws HTTP/1.1\r\nHost:\r\n" + upgrade + version + key, "400 Bad Request", "", "", ""},
		{"all of the server", "OPTIONS * HTTP/1.1\r\nHost: x\r\n", "200 OK", "Allow: OPTIONS, GET, HEAD, POST\r\n", "", ""},
		{"all of the server, but GET", "GET * HTTP/1.1\r\nHost: x\r\n", "400 Bad Request", "", "", ""},
		{"malformed", "GET\r\n", "400 Bad Request", "", "request cannot be read", ""},
		{"header too large", "GET /ws HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 9000) + "\r\n", "431 Request Header Fields Too Large", "", "request cannot be read", ""},
		{"control character in the path", "GET /ws%00 HTTP/1.1\r\nHost: x\r\n" + upgrade + version + key, "400 Bad Request", "", "control character", ""},
		{"path is not UTF-8", "GET /ws%ff HTTP/1.1\r\nHost: x\r\n" + upgrade + version + key, "400 Bad Request", "", "not UTF-8", ""},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(s.stderr.String())
			got := s.roundTrip(tt.request + way + "\r\nConnection: close\r\n\r\n" + tt.body)
			head, _, _ := strings.Cut(got, "\r\n\r\n")
			if !strings.HasPrefix(head, "HTTP/1.1 "+tt.status) && !strings.HasPrefix(head, "HTTP/1.0 "+tt.status) {
				t.Errorf("got %q, want status %s", head, tt.status)
			}
			if !strings.Contains(head+"\r\n", tt.header) {
				t.Errorf("got %q, want the header %q", head, tt.header)
			}
			if log := s.stderr.String()[before:]; tt.log == "" != (log == "") && !strings.Contains(tt.name, "version") ||
				!strings.Contains(log, tt.log) || strings.Count(log, "\n") > 1 {
				t.Errorf("logged %q, want one line with %q", log, tt.log)
			}
			if line := s.accessLog(i + 1)[i]; !strings.Contains(line, " "+tt.status[:3]+" ") {
				t.Errorf("access log line %q, want status %s", line, tt.status[:3])
			}
			all := tt.name + ":\n" + got + "\n" + s.stderr.String()[before:] + s.accessLog(i + 1)[i]
			seen = append(seen, anonymous.ReplaceAllString(all, "-"))
		})
	}
	if n := dialled.Load(); n != 0 {
		t.Errorf("the backend was dialled %d times, want never", n)
	}
	return seen
}

// Conditions and exts see the path as it is meant, however it is written.
func TestTunnelPath(t *testing.T) { eachWay(t, testTunnelPath) }

func testTunnelPath(t *testing.T, way string) {
	s := start(t, `$HTTP["url"] =~ "^/websockify$" { wstunnel.server = ("" => `+hosts(wstest.Backend(t, wstest.Echo))+`) }`)
	tests := []struct {
		target string
		ok     bool
	}{
		{"/websockify", true},
		{"/websockify?token=x", true},
		{"//websockify", true},
		{"/./websockify", true},
		{"/x/../websockify", true},
		{"/../websockify", true},
		{"/%77ebsockify", true},
		{"/x%2f..%2fwebsockify", true},
		{"http://localhost/websockify", true},
		{"/websockify/", false},
		{"/Websockify", false},
		{"/websockify%2f", false},
		{"/websockify/../x", false},
		{"/websockify%3Fx", false},
	}
	for _, tt := range tests {
		_, head := wstest.Dial(t, "tcp", s.addr, tt.target, way)
		if ok := strings.HasPrefix(head, "HTTP/1.1 101 "); ok != tt.ok {
			t.Errorf("%s: %.12q, want a tunnel: %v", tt.target, head, tt.ok)
		}
	}
}

func TestFailOver(t *testing.T) { eachWay(t, testFailOver) }

func testFailOver(t *testing.T, way string) {
	down, up := wstest.Refusing(t), wstest.Backend(t, wstest.Echo)
	s := start(t, `wstunnel.server = ("/ws" => `+hosts(down, "/nonexistent/socket", up)+`)`)
	c, _ := wstest.Dial(t, "tcp", s.addr, "/ws", way)
	c.Send(wstest.Text("hello"))
	c.WantData(ws.OpText, "hello")
}

func TestAccessLog(t *testing.T) { eachWay(t, testAccessLog) }

func testAccessLog(t *testing.T, way string) {
	backends := map[string]string{
		"echo":  wstest.Backend(t, wstest.Echo),
		"quit":  wstest.Backend(t, func(conn net.Conn) { io.WriteString(conn, "bye") }),
		"reset": wstest.Backend(t, func(conn net.Conn) { io.ReadFull(conn, make([]byte, 1)); wstest.Reset(conn) }),
	}
	s := start(t, `wstunnel.server = ("/echo" => `+hosts(backends["echo"])+`, "/quit" => `+hosts(backends["quit"])+`, "/reset" => `+hosts(backends["reset"])+`)`)
	if err := os.WriteFile(filepath.Join(s.dir, "root", "f.txt"), []byte("12345"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		do   func()
		want string // regular expression, behind client, authority, user and time
	}{
		{"file", func() {
			s.roundTrip("GET /f.txt?q=1 HTTP/1.1\r\nHost: x\r\nReferer: r\"\r\nUser-Agent: u\r\nConnection: close\r\n\r\n")
		}, `"GET /f.txt\?q=1 HTTP/1.1" 200 5 "r\\"" "u"`},
		{"client closes", func() {
			c, _ := wstest.Dial(t, "tcp", s.addr, "/echo", "User-Agent: u", way)
			c.Send(wstest.Text("12345")) // 11 bytes in, 7 back
			c.WantData(ws.OpText, "12345")
			c.Send(wstest.Close(4321, "")) // 8 in, 4 back
			c.WantClose(4321)
			c.WantEOF()
			c.CloseWrite()
		}, `"GET /echo HTTP/1.1" 101 11 "-" "u" rx=19 tx=11 close=4321 cause=client-close duration=\d+\.\d{3}`},
		{"client goes", func() {
			c, _ := wstest.Dial(t, "tcp", s.addr, "/echo", way)
			c.CloseWrite()
			c.WantClose(1001)
		}, `"GET /echo HTTP/1.1" 101 4 "-" "-" rx=0 tx=4 close=1001 cause=client-eof duration=.*`},
		{"client breaks the protocol", func() {
			c, _ := wstest.Dial(t, "tcp", s.addr, "/echo", way)
			c.Send([]byte{0x81, 0x00})
			c.WantClose(1002)
			c.CloseWrite()
		}, `"GET /echo HTTP/1.1" 101 \d+ "-" "-" rx=2 tx=\d+ close=1002 cause=protocol-error duration=.*`},
		{"backend ends", func() {
			c, _ := wstest.Dial(t, "tcp", s.addr, "/quit", way)
			c.WantData(ws.OpText, "bye")
			c.WantClose(1001)
			c.Send(wstest.Close(1001, ""))
			c.WantEOF()
			c.CloseWrite()
		}, `"GET /quit HTTP/1.1" 101 9 "-" "-" rx=8 tx=9 close=1001 cause=backend-eof duration=.*`},
		{"backend resets", func() {
			c, _ := wstest.Dial(t, "tcp", s.addr, "/reset", way)
			c.Send(wstest.Text("x"))
			c.WantClose(1011)
			c.Send(wstest.Close(1011, ""))
			c.WantEOF()
			c.CloseWrite()
		}, `"GET /reset HTTP/1.1" 101 \d+ "-" "-" rx=15 tx=\d+ close=1011 cause=backend-error duration=.*`},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.do()
			lines := s.accessLog(i + 1)
			want := `^127\.0\.0\.1 (x|localhost) - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] ` + tt.want + `$`
			if line := lines[len(lines)-1]; len(lines) != i+1 || !regexp.MustCompile(want).MatchString(line) {
				t.Errorf("line %d is %s\nwant %s", len(lines), line, want)
			}
		})
	}
}

// What goes wrong reaches the error log as wstunnel.debug says; what only an
// operator can mend always does.
func TestErrorLog(t *testing.T) { eachWay(t, testErrorLog) }

func testErrorLog(t *testing.T, way string) {
	reset := wstest.Backend(t, func(conn net.Conn) { io.ReadFull(conn, make([]byte, 1)); wstest.Reset(conn) })
	latin1 := wstest.Backend(t, func(conn net.Conn) { io.WriteString(conn, "gr\xfc\xdfe"); io.Copy(io.Discard, conn) })
	echo := wstest.Backend(t, wstest.Echo)
	for debug := range 5 {
		t.Run(fmt.Sprint("debug ", debug), func(t *testing.T) {
			s := start(t, fmt.Sprintf(`
wstunnel.server = ("/echo" => %s, "/reset" => %s, "/latin1" => %s)
wstunnel.debug = %d
`, hosts(echo), hosts(reset), hosts(latin1), debug))
			c, _ := wstest.Dial(t, "tcp", s.addr, "/reset", way)
			c.Send(wstest.Text("x"))
			c.WantClose(1011)
			c.Close()
			c, _ = wstest.Dial(t, "tcp", s.addr, "/latin1", way)
			c.WantData(ws.OpText, "gr")
			c.WantClose(1007)
			c.Close()
			c, _ = wstest.Dial(t, "tcp", s.addr, "/echo", way)
			c.Send([]byte{0x83, 0x80, 0, 0, 0, 0})
			c.WantClose(1002)
			c.Close()
			s.stop()
			if err := s.wait(); err != nil {
				t.Fatal(err)
			}
			for _, want := range []struct {
				from int // wstunnel.debug
				line string
			}{
				{0, `level=ERROR msg="backend failed" client=127.0.0.1 backend=` + reset},
				{0, `hint="set wstunnel.frame-type = \"binary\""`},
				{1, `level=ERROR msg="client broke the protocol"`},
				{2, `level=WARN msg="backend connected" client=127.0.0.1 backend=` + echo},
				{4, `level=DEBUG msg="frame sent" client=127.0.0.1 opcode=text payload=2`},
			} {
				if got := strings.Contains(s.stderr.String(), want.line); got != (debug >= want.from) {
					t.Errorf("log has %q: %v, want from level %d:\n%s", want.line, got, want.from, s.stderr)
				}
			}
			if strings.Contains(s.stderr.String(), "gr\\xfc") {
				t.Errorf("the log holds payload:\n%s", s.stderr)
			}
		})
	}
}

// When the server stops, tunnels get close code 1001 and may end in good order.
func TestStop(t *testing.T) { eachWay(t, testStop) }

func testStop(t *testing.T, way string) {
	got := make(chan string, 1)
	addr := wstest.Backend(t, func(conn net.Conn) {
		b, _ := io.ReadAll(conn)
		got <- string(b)
	})
	s := start(t, `wstunnel.server = ("/ws" => `+hosts(addr)+`)`)
	c, _ := wstest.Dial(t, "tcp", s.addr, "/ws", way)
	idle, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	s.stop()
	c.WantClose(1001)
	for begin := time.Now(); ; time.Sleep(time.Millisecond) { // its end has no other sign
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			break
		}
		conn.Close()
		if time.Since(begin) > wstest.Patience {
			t.Fatal("the server still accepts connections")
		}
	}
	c.Send(wstest.Text("last words"), wstest.Close(1001, ""))
	c.WantEOF()
	c.Close()
	if b := <-got; b != "last words" {
		t.Errorf("the backend received %q, want %q", b, "last words")
	}
	if err := s.wait(); err != nil {
		t.Error(err)
	}
	if line := s.accessLog(1)[0]; !strings.Contains(line, "close=1001 cause=server-stop") {
		t.Errorf("access log: %s", line)
	}
}

// A timeout of 0 is none: every tunnel may end in its own time.
func TestStopWithoutLimit(t *testing.T) {
	s := start(t, `
wstunnel.server = ("/ws" => `+hosts(wstest.Backend(t, wstest.Echo))+`)
server.feature-flags = ("server.graceful-shutdown-timeout" => 0)
`)
	c, _ := wstest.Dial(t, "tcp", s.addr, "/ws")
	s.stop()
	c.WantClose(1001)
	c.Send(wstest.Close(1001, ""))
	c.WantEOF()
	c.Close()
}

// A client that does not read does not keep the server from stopping.
func TestStopStuck(t *testing.T) {
	s := start(t, `
wstunnel.server = ("/ws" => `+hosts(wstest.Backend(t, wstest.Flood))+`)
server.feature-flags = ("server.graceful-shutdown-timeout" => 1)
`)
	wstest.Dial(t, "tcp", s.addr, "/ws")
	begin := time.Now()
	s.stop()
	if err := s.wait(); err != nil {
		t.Error(err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("stopping took %v, with a timeout of 1 s", d)
	}
}

// A client that sends its request a byte at a time, or nothing, is let go.
func TestSlowRequest(t *testing.T) {
	s := start(t, `server.max-read-idle = 1`)
	for _, send := range []string{"", "GET / HTTP/1.1\r\n"} {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		begin := time.Now()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			conn.SetReadDeadline(begin.Add(wstest.Patience))
			io.Copy(io.Discard, conn)
		}()
		for _, b := range []byte(send) {
			conn.Write([]byte{b})
			select {
			case <-ended:
			case <-time.After(200 * time.Millisecond): // the client's pace
			}
		}
		<-ended
		if d := time.Since(begin); d < 500*time.Millisecond || d > 5*time.Second {
			t.Errorf("a client that sent %q slowly was let go after %v, want about 1 s", send, d)
		}
	}
}

// Whatever one client or backend does, another tunnel goes on.
func TestOthersGoOn(t *testing.T) {
	reset := wstest.Backend(t, func(conn net.Conn) { io.ReadFull(conn, make([]byte, 1)); wstest.Reset(conn) })
	s := start(t, `wstunnel.server = ("/echo" => `+hosts(wstest.Backend(t, wstest.Echo))+`, "/reset" => `+hosts(reset)+`, "/flood" => `+hosts(wstest.Backend(t, wstest.Flood))+`)
server.feature-flags = ("server.graceful-shutdown-timeout" => 1)`)
	good, _ := wstest.Dial(t, "tcp", s.addr, "/echo")
	for name, harm := range map[string]func(){
		"malformed request": func() { s.roundTrip("nonsense\r\n\r\n") },
		"wrong frame": func() {
			c, _ := wstest.Dial(t, "tcp", s.addr, "/echo")
			c.Send([]byte{0xff, 0xff})
			c.WantClose(1002)
			c.Close()
		},
		"backend resets": func() {
			c, _ := wstest.Dial(t, "tcp", s.addr, "/reset")
			c.Send(wstest.Text("x"))
			c.WantClose(1011)
			c.Close()
		},
		"client resets": func() {
			c, _ := wstest.Dial(t, "tcp", s.addr, "/flood")
			c.Reset()
		},
		"client does not read": func() { wstest.Dial(t, "tcp", s.addr, "/flood") },
	} {
		harm()
		good.Send(wstest.Text(name))
		good.WantData(ws.OpText, name)
	}
}

func TestKeepAlive(t *testing.T) {
	s := start(t, `server.max-keep-alive-requests = 2`)
	got := s.roundTrip(strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 5))
	if n := strings.Count(got, "HTTP/1.1 403 "); n != 3 || strings.Count(got, "Connection: close") != 1 {
		t.Errorf("%d answers on a connection, want 3 of which the last closes it:\n%s", n, got)
	}
	s = start(t, `server.max-keep-alive-idle = 0`)
	if got := s.roundTrip("GET / HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.Contains(got, "Connection: close") {
		t.Errorf("the connection is kept alive: %s", got)
	}
}

func TestErrorPage(t *testing.T) {
	s := start(t, `server.errorfile-prefix = "DIR/error-"`)
	if err := os.WriteFile(filepath.Join(s.dir, "error-404.html"), []byte("<p>gone"), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/missing": "<p>gone", "/": "<h1>403 Forbidden</h1>"} {
		got := s.roundTrip("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if !strings.Contains(got, want) || !strings.Contains(got, "Content-Type: text/html\r\n") || !strings.Contains(got, "Server: wstunneld/test\r\n") {
			t.Errorf("%s: got %s\nwant %s", path, got, want)
		}
	}
	head := s.roundTrip("HEAD /missing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if !strings.Contains(head, "Content-Length: 7\r\n") || !strings.HasSuffix(head, "\r\n\r\n") {
		t.Errorf("HEAD: %q", head)
	}
}

func TestUnixListener(t *testing.T) { eachWay(t, testUnixListener) }

func testUnixListener(t *testing.T, way string) {
	dir := t.TempDir()
	echo := wstest.Backend(t, wstest.Echo)
	conf := `$SERVER["socket"] == "` + dir + `/s" { wstunnel.server = ("/ws" => ` + hosts(echo) + `) }`
	// A socket file that a server left behind is in nobody's way.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/s", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	s := start(t, conf)
	c, head := wstest.Dial(t, "unix", dir+"/s", "/ws", way)
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatalf("got %q", head)
	}
	c.Send(wstest.Text("hello"))
	c.WantData(ws.OpText, "hello")
	c.Send(wstest.Close(1000, ""))
	c.WantClose(1000)
	c.Close()
	if line := s.accessLog(1)[0]; !strings.HasPrefix(line, "- localhost - [") {
		t.Errorf("access log: %s", line)
	}
	// The condition on the socket does not hold on the other one.
	if _, head := wstest.Dial(t, "tcp", s.addr, "/ws", way); !strings.HasPrefix(head, "HTTP/1.1 404 ") {
		t.Errorf("over TCP: got %q, want 404", head)
	}
}

// A server that cannot start says why, all of it, and leaves nothing behind.
func TestNewFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	port := freePort(t)
	conf := fmt.Sprintf(`
server.document-root = "/"
server.bind = "127.0.0.1"
server.port = %d
server.modules = ("mod_accesslog")
server.errorlog = "/nonexistent/error.log"
accesslog.filename = "/nonexistent/access.log"
server.pid-file = "DIR/pid"
$SERVER["socket"] == "%s" { }
`, port, taken.Addr())
	// The pid file is that of the server in the way.
	pid := filepath.Join(dir, "pid")
	if err := os.WriteFile(pid, []byte("12345\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load("-", config.LoadOptions{Stdin: strings.NewReader(strings.ReplaceAll(conf, "DIR", dir)), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = server.New(cfg, server.Options{Stderr: io.Discard})
	if err == nil {
		t.Fatal("New succeeds")
	}
	for _, want := range []string{"-:6:19: server.errorlog: ", "-:7:22: accesslog.filename: ", "-:9:22: listen tcp4 " + taken.Addr().String()} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not contain %q", err, want)
		}
	}
	if b, err := os.ReadFile(pid); err != nil || string(b) != "12345\n" {
		t.Errorf("the pid file of another server holds %q, %v", b, err)
	}
	// The port that could be bound is free again.
	ln, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
	if err != nil {
		t.Fatalf("after New failed: %v", err)
	}
	ln.Close()
}

func TestPIDFileFails(t *testing.T) {
	cfg := load(t, t.TempDir(), `server.pid-file = "/nonexistent/pid"`)
	cfg.AccessLogs = nil
	if _, err := server.New(cfg, server.Options{Stderr: io.Discard}); err == nil || !strings.HasPrefix(err.Error(), "-:7:19: server.pid-file: ") {
		t.Errorf("New: %v", err)
	}
}

func TestPIDFile(t *testing.T) {
	s := start(t, `server.pid-file = "DIR/pid"`)
	name := filepath.Join(s.dir, "pid")
	if b, err := os.ReadFile(name); err != nil || string(b) != fmt.Sprintln(os.Getpid()) {
		t.Errorf("pid file %q, %v", b, err)
	}
	s.stop()
	s.wait()
	if _, err := os.Stat(name); !os.IsNotExist(err) {
		t.Errorf("the pid file is still there: %v", err)
	}
}

func TestReopenLogs(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/root", 0o755); err != nil {
		t.Fatal(err)
	}
	cfg := load(t, dir, `server.errorlog = "DIR/error.log"`)
	srv, err := server.New(cfg, server.Options{Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"access.log", "error.log"} {
		if err := os.Rename(filepath.Join(dir, f), filepath.Join(dir, f+".1")); err != nil {
			t.Fatal(err)
		}
	}
	srv.ReopenLogs()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := srv.Run(ctx); err != nil {
		t.Fatal(err)
	}
	for f, want := range map[string]string{"access.log": "", "error.log": "logs reopened"} {
		if b, err := os.ReadFile(filepath.Join(dir, f)); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %q, %v; want %q", f, b, err, want)
		}
	}
}
