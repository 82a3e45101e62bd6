package server_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/server"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// startLogs is start without an access log, and with the socket of a syslog daemon.
func startLogs(t *testing.T, conf, socket string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), stderr: new(syncBuffer), stopped: make(chan error, 1)}
	var err error
	s.srv, err = server.New(loadLogs(t, s.dir, conf), server.Options{Stderr: s.stderr, SyslogSockets: []string{socket}})
	if err != nil {
		t.Fatal(err)
	}
	s.addr = s.srv.Addrs()[0].String()
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go func() { s.stopped <- s.srv.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := s.wait(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

func loadLogs(t *testing.T, dir, conf string) *config.Config {
	t.Helper()
	conf = strings.ReplaceAll(reloadConf(freePort(t), conf), "DIR", dir)
	cfg, err := config.Load("-", config.LoadOptions{Stdin: strings.NewReader(conf), Dir: dir, ServerTag: "wstunneld/test"})
	if err != nil {
		t.Fatalf("%v\nin %s", err, conf)
	}
	return cfg
}

// end stops the server, with which all logs are complete.
func (s *site) end() {
	s.t.Helper()
	s.stop()
	if err := s.wait(); err != nil {
		s.t.Error(err)
	}
}

// lines returns the lines of a file in s.dir.
func (s *site) lines(name string) []string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return slices.Collect(strings.Lines(string(b)))
}

// get sends a request with further lines and returns its answer.
func (s *site) get(target string, lines ...string) string {
	s.t.Helper()
	return s.roundTrip("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + strings.Join(append(lines, "\r\n"), "\r\n"))
}

// refuse sends a request for a tunnel that is refused, which wstunnel.debug = 1 logs.
func (s *site) refuse(target string) {
	s.t.Helper()
	got := s.roundTrip("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 4") {
		s.t.Fatalf("GET %s: %q", target, got)
	}
}

// syslogd is the socket of a syslog daemon.
func syslogd(t *testing.T) (c *net.UnixConn, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "log")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, path
}

// received returns the messages until one that matches last.
func received(t *testing.T, c *net.UnixConn, last string) []string {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(wstest.Patience))
	var all []string
	for b := make([]byte, 4096); ; {
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("%v behind %q, want one with %q", err, all, last)
		}
		all = append(all, string(b[:n]))
		if regexp.MustCompile(last).Match(b[:n]) {
			return all
		}
	}
}

const refused = "handshake refused"

// The errors of requests go to the log of their block, of which each is opened
// once; those of the server, and of blocks without, to that of the server.
func TestErrorLogOfBlock(t *testing.T) {
	s := startLogs(t, `
wstunnel.server = ("/" => (("port" => 1)))
wstunnel.debug = 1
server.errorlog = "DIR/error.log"
$HTTP["url"] == "/file" { server.errorlog = "DIR/file.log" }
$HTTP["url"] == "/file/again" { server.errorlog = "DIR/file.log" }
$HTTP["url"] == "/command" { server.errorlog = "|echo begin; cat >>DIR/command.log" }
$HTTP["url"] == "/nothing" { server.errorlog = "" }
$HTTP["url"] == "/quiet" { server.errorlog = "DIR/quiet.log" wstunnel.debug = 0 }
`, "")
	for _, target := range []string{"/server", "/file", "/file/again", "/command", "/nothing", "/quiet"} {
		s.refuse(target)
	}
	s.end()
	for name, want := range map[string][]string{
		"error.log":   {"/server", "/nothing"},
		"file.log":    {"/file", "/file/again"},
		"command.log": {"/command"},
		"quiet.log":   nil,
	} {
		var got []string
		for _, line := range s.lines(name) {
			if strings.Contains(line, refused) {
				got = append(got, regexp.MustCompile(`path=(\S+)`).FindStringSubmatch(line)[1])
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s is of %q, want %q", name, got, want)
		}
	}
	if last := s.lines("error.log"); !strings.Contains(last[len(last)-1], "server stopped") {
		t.Errorf("the error log ends %q", last)
	}
	if got := s.stderr.String(); got != "" {
		t.Errorf("on stderr: %s", got)
	}
}

// A command is started once, whoever names it, and ended with the server.
func TestLogCommands(t *testing.T) {
	s := startLogs(t, `
wstunnel.server = ("/" => (("port" => 1)))
wstunnel.debug = 1
var.log = "|echo $$ >>DIR/started; cat >>DIR/log; echo ended >>DIR/log"
server.errorlog = log
accesslog.filename = log
server.breakagelog = log
$HTTP["url"] =^ "/block" { accesslog.filename = log accesslog.format = "block %U %s" }
`, "")
	s.refuse("/a")
	s.refuse("/block")
	s.srv.ReopenLogs()
	s.end()
	if n := len(s.lines("started")); n != 1 {
		t.Errorf("the command was started %d times", n)
	}
	log := strings.Join(s.lines("log"), "")
	want := regexp.MustCompile(`(?s)^time=\S+ level=INFO msg=listening .*` + refused + `.*127\.0\.0\.1 x - .*"GET /a HTTP/1\.1" 426 .*` +
		refused + `.*\nblock /block 426\n.*"logs reopened".*"server stopped"\nended\n$`)
	if !want.MatchString(log) {
		t.Errorf("log:\n%s\nwant %s", log, want)
	}
}

// Each block has its access log, format and escaping.
func TestAccessLogOfBlock(t *testing.T) {
	s := startLogs(t, `
accesslog.filename = "DIR/access.log"
$HTTP["url"] =^ "/command" { accesslog.filename = "|cat >DIR/command.log" }
$HTTP["url"] =^ "/format" { accesslog.format = "[%U] %m %s" }
$HTTP["url"] =^ "/json" { accesslog.escaping = "json" accesslog.format = "{%U %{X-In}i}" }
$HTTP["url"] =^ "/none" { accesslog.filename = "" }
`, "")
	for _, target := range []string{"/", "/command", "/format", "/json", "/none"} {
		s.get(target, "X-In: \xfc\"")
	}
	s.end()
	got := strings.Join(append(s.lines("access.log"), s.lines("command.log")...), "")
	want := `^127\.0\.0\.1 x - \[.*\] "GET / HTTP/1\.1" 404 \d+ "-" "-"
\[/format\] GET 404
\{/json \\u00FC\\"\}
127\.0\.0\.1 .* "GET /command HTTP/1\.1" 404 .*
$`
	if !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("access logs:\n%s\nwant\n%s", got, want)
	}
}

// What a tunnel's line prints of its request is kept until it ends.
func TestAccessLogOfTunnel(t *testing.T) {
	s := startLogs(t, `
wstunnel.server = ("/" => `+hosts(wstest.Backend(t, wstest.Echo))+`)
$HTTP["url"] == "/a" { accesslog.filename = "DIR/access.log" accesslog.format = "%{X-In}i %s %{tunnel.close}n" }
`, "")
	for _, target := range []string{"/a", "/b"} {
		c, _ := wstest.Dial(t, "tcp", s.addr, target, "X-In: kept")
		c.Send(wstest.Close(4001, ""))
		c.WantClose(4001)
		c.WantEOF()
		c.Close()
	}
	s.end()
	if got := s.lines("access.log"); !slices.Equal(got, []string{"kept 101 4001\n"}) {
		t.Errorf("access log %q", got)
	}
}

// Errors go to syslog with the severity of their level, in the place of files,
// and accesses with that of the configuration.
func TestSyslog(t *testing.T) {
	daemon, path := syslogd(t)
	s := startLogs(t, `
wstunnel.server = ("/ws" => (("port" => 1)))
server.errorlog-use-syslog = "enable"
server.syslog-facility = "local3"
server.errorlog = "DIR/none/error.log"
accesslog.use-syslog = "enable"
accesslog.format = "%m %U %s"
$HTTP["url"] =^ "/ws" { wstunnel.debug = 2 server.errorlog = "DIR/none/block.log" }
$HTTP["url"] == "/notice" { accesslog.syslog-level = 5 }
`, path)
	s.get("/a")
	s.get("/notice")
	s.refuse("/ws")
	s.end()
	got := received(t, daemon, "server stopped")
	const local3 = 19 * 8
	head := fmt.Sprintf(`[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d wstunneld\[%d\]: `, os.Getpid())
	var want []string
	for _, m := range []struct {
		severity int
		text     string
	}{
		{6, `level=INFO msg=listening address=\S+`},
		{6, `GET /a 404`},
		{5, `GET /notice 404`},
		{3, `level=ERROR msg="handshake refused" client=127\.0\.0\.1 .*`},
		{6, `GET /ws 426`},
		{6, `level=INFO msg="server stopped"`},
	} {
		want = append(want, fmt.Sprintf("<%d>%s%s", local3+m.severity, head, m.text))
	}
	if !regexp.MustCompile("^" + strings.Join(want, "\n") + "$").MatchString(strings.Join(got, "\n")) {
		t.Errorf("messages:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := s.stderr.String(); got != "" {
		t.Errorf("on stderr: %s", got)
	}
}

// A log that cannot be written is told of once: in the error log or, if it is
// that, on stderr.
func TestLogFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	const told = `level=ERROR msg="writing a log" error="log /dev/full: 1 line lost: write /dev/full: no space left on device"`
	const toldSyslog = `level=ERROR msg="writing a log" error="log syslog: 1 line lost: dial unixgram`
	tests := []struct {
		name, conf     string
		stderr, errLog string // has this line once
	}{
		{"access log", `accesslog.filename = "/dev/full" server.errorlog = "DIR/error.log"`, "", told},
		{"access log, no error log", `accesslog.filename = "/dev/full"`, told, ""},
		{"error log", `server.errorlog = "/dev/full"`, told, ""},
		{"error log of a block", `server.errorlog = "DIR/error.log" $HTTP["url"] =^ "/" { server.errorlog = "/dev/full" }`, "", told},
		{"both", `accesslog.filename = "/dev/full" server.errorlog = "/dev/full"`, told, ""},
		{"access log in syslog", `accesslog.use-syslog = "enable" server.errorlog = "DIR/error.log"`, "", toldSyslog},
		{"error log in syslog", `server.errorlog-use-syslog = "enable"`, toldSyslog, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startLogs(t, "wstunnel.server = (\"/\" => ((\"port\" => 1))) wstunnel.debug = 1\n"+tt.conf, "/nonexistent")
			for range 3 {
				s.refuse("/")
			}
			logs := map[string]string{"stderr": s.stderr.String()}
			wants := map[string]string{"stderr": tt.stderr}
			if tt.errLog != "" {
				logs["error.log"] = strings.Join(s.lines("error.log"), "")
				wants["error.log"] = tt.errLog
			}
			for name, want := range wants {
				n := 1
				if want == "" {
					n = 0
				}
				if got := logs[name]; strings.Count(got, "writing a log") != n || !strings.Contains(got, want) {
					t.Errorf("%s:\n%s\nwant %d times %s", name, got, n, want)
				}
			}
		})
	}
}

// All logs that cannot be opened are told, with the place of their name; and no
// command is started for a configuration that cannot be used.
func TestLogErrors(t *testing.T) {
	dir := t.TempDir()
	cfg := loadLogs(t, dir, `server.errorlog = "|touch DIR/started"
server.breakagelog = "/nonexistent/breakage.log"
$HTTP["url"] == "/a" { server.errorlog = "/nonexistent/a.log" }
$HTTP["url"] == "/b" { accesslog.filename = "/nonexistent/b.log" }
accesslog.filename = "DIR/access.log"
`)
	_, err := server.New(cfg, server.Options{Stderr: new(syncBuffer)})
	if err == nil {
		t.Fatal("no error")
	}
	const tail = ": no such file or directory: does its directory exist, and may this user write there?\n"
	want := `-:8:42: server.errorlog: open /nonexistent/a.log` + tail + `    $HTTP["url"] == "/a" { server.errorlog = "/nonexistent/a.log" }
                                             ^
-:7:22: server.breakagelog: open /nonexistent/breakage.log` + tail + `    server.breakagelog = "/nonexistent/breakage.log"
                         ^
-:9:45: accesslog.filename: open /nonexistent/b.log` + tail + `    $HTTP["url"] == "/b" { accesslog.filename = "/nonexistent/b.log" }
                                                ^`
	if got := cfg.Explain(err); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "started")); err == nil {
		t.Error("the command was started")
	}
}

// Logs of blocks are reopened, too.
func TestReopenLogsOfBlocks(t *testing.T) {
	s := startLogs(t, `
wstunnel.server = ("/" => (("port" => 1)))
wstunnel.debug = 1
$HTTP["url"] == "/a" { server.errorlog = "DIR/error" accesslog.filename = "DIR/access" }
`, "")
	s.refuse("/a")
	for _, name := range []string{"error", "access"} {
		if err := os.Rename(filepath.Join(s.dir, name), filepath.Join(s.dir, name+".1")); err != nil {
			t.Fatal(err)
		}
	}
	s.srv.ReopenLogs()
	s.refuse("/a")
	s.end()
	for _, name := range []string{"error", "error.1", "access", "access.1"} {
		if got := s.lines(name); len(got) != 1 {
			t.Errorf("%s: %q, want one line", name, got)
		}
	}
}

// A command that takes its time to end does not hold up a reload, or requests.
func TestReloadEndsCommands(t *testing.T) {
	s := startLogs(t, `accesslog.filename = "|cat >DIR/log; while ! [ -e DIR/end ]; do sleep 0.01; done; echo ended >>DIR/log"`, "")
	s.get("/")
	s.reload(reloadConf(freePort(t), ""))
	c, err := net.Dial("tcp", s.srv.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(wstest.Patience))
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusNotFound {
		t.Errorf("a request meanwhile: %v, %v", res, err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "end"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.end()
	if got := s.lines("log"); len(got) != 2 || got[1] != "ended\n" {
		t.Errorf("the command has written %q, want a line and its end", got)
	}
	if got := s.stderr.String(); strings.Contains(got, "killed") {
		t.Errorf("the command was killed:\n%s", got)
	}
}

func TestPatternLimit(t *testing.T) {
	s := startLogs(t, `server.errorlog = "DIR/error.log"
$HTTP["url"] =~ "^/(?!b)(a|aa)+$" { server.tag = "" }
`, "")
	s.get("/" + strings.Repeat("a", 100) + "!")
	s.get("/" + strings.Repeat("a", 100) + "!")
	s.end()
	const want = `level=WARN msg="pattern takes too long, and counts as no match" at=-:7:17 pattern=^/(?!b)(a|aa)+$`
	if got := strings.Join(s.lines("error.log"), ""); strings.Count(got, want) != 1 {
		t.Errorf("error log:\n%s\nwant once\n%s", got, want)
	}
}

// debug.log-* of a block write what they say, and nothing that is a credential.
func TestTrace(t *testing.T) {
	s := startLogs(t, `
$HTTP["url"] =^ "/trace" {
	server.errorlog = "DIR/trace.log"
	debug.log-request-header = "enable"
	debug.log-response-header = "enable"
	debug.log-file-not-found = "enable"
}
`, "")
	fields := []string{
		"A: one", "A: two",
		"Authorization: Basic PRIVATE", "Proxy-Authorization: PRIVATE", "Cookie: a=PRIVATE", "X-Api-Key: PRIVATE",
		"Referer: http://x/?access_token=PRIVATE&b=c",
		"Sec-WebSocket-Key: shown",
	}
	s.get("/trace?a=1&token=PRIVATE;PRIVATE?PRIVATE&b;%74oken=PRIVATE&c", fields...)
	s.get("/other?a=1", fields...)
	s.end()
	var got []string
	for _, line := range s.lines("trace.log") {
		_, line, _ = strings.Cut(line, " level=INFO msg=")
		line = regexp.MustCompile(`remote=127\.0\.0\.1:\d+`).ReplaceAllString(line, "remote=R")
		got = append(got, regexp.MustCompile(`Length: \d+`).ReplaceAllString(line, "Length: N"))
	}
	const req, res = `"request header" remote=R line=`, `"response header" remote=R line=`
	want := []string{
		req + `"GET /trace?a=1&token=(hidden)&b;%74oken=(hidden)&c HTTP/1.1"`,
		req + `"Host: x"`,
		req + `"A: one"`,
		req + `"A: two"`,
		req + `"Authorization: (hidden)"`,
		req + `"Connection: close"`,
		req + `"Cookie: (hidden)"`,
		req + `"Proxy-Authorization: (hidden)"`,
		req + `"Referer: http://x/?access_token=(hidden)&b=c"`,
		req + `"Sec-Websocket-Key: shown"`,
		req + `"X-Api-Key: (hidden)"`,
		`"file not found" remote=R path=/trace file=` + s.dir + `/root/trace`,
		res + `"HTTP/1.1 404 Not Found"`,
		res + `"Content-Length: N"`,
		res + `"Content-Type: text/html"`,
		res + `"Server: wstunneld/test"`,
	}
	if got := strings.Join(got, ""); got != strings.Join(want, "\n")+"\n" {
		t.Errorf("trace:\n%swant:\n%s", got, strings.Join(want, "\n"))
	}
	if strings.Contains(s.stderr.String(), "header") {
		t.Errorf("a request without debug.log-* is traced:\n%s", s.stderr)
	}
}
