package accesslog_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/accesslog"
	"github.com/wstunneld/wstunneld/internal/lighttpdtest"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// A format that is an error here is one there, and the other way round.
func TestAcceptsAsLighttpd(t *testing.T) {
	bin := lighttpdtest.Path(t)
	tests := []struct {
		format  string
		ok      bool
		differs string // why lighttpd has it the other way
	}{
		{`%h %{foo}s %{x}D %{x}n %>h %<b`, true, ""},
		{`a\q\\b\%\%`, true, ""},
		{`%{a{b}i %{%-d}t`, true, ""},
		{`%e %n %C %P %{pid}P`, true, ""},
		{``, false, ""},
		{`%`, false, ""},
		{`%%%`, false, ""},
		{`%>`, false, ""},
		{`%>{a}i`, false, ""},
		{`%{a}>s`, false, ""},
		{`%{a`, false, ""},
		{`%{}i`, false, ""},
		{`%{a}`, false, ""},
		{`%{a}Z`, false, ""},
		{`%R`, false, ""},
		{`%200s`, false, ""},
		{`%^ti`, false, ""},
		{`%{\}}i`, false, ""},
		{`%i`, false, ""}, // lighttpd crashes
		{`%o`, false, ""},
		{`%{foo}p`, false, ""},
		{`%{m}T`, false, ""},
		{`%{foo}t`, false, ""},
		{`%{begin:}t`, false, ""},
		{`%t %{sec}t`, false, ""},
		{`%t %{begin:%Y}t`, false, ""},
		{`%t %{msec}t %{begin:usec}t %{nsec_frac}t`, true, ""},
		{`%{foo}a`, false, "a misspelt mask would show the address"},
		{`%{tunnel.foo}n`, false, "a misspelt field of ours"},
		{`a\nb`, false, "an entry is one line"},
		{`a\ab`, false, "a line holds no control characters"},
		{`%{%n}t`, false, "an entry is one line"},
	}
	for _, tt := range tests {
		_, err := accesslog.ParseFormat(tt.format)
		if (err == nil) != tt.ok {
			t.Errorf("ParseFormat(%q): %v, want ok %v", tt.format, err, tt.ok)
		}
		conf := filepath.Join(t.TempDir(), "conf")
		text := fmt.Sprintf("server.document-root = \"/\"\nserver.port = 8765\nserver.modules = (\"mod_accesslog\")\naccesslog.format = \"%s\"\n", tt.format)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(bin, "-tt", "-f", conf).CombinedOutput()
		if want := tt.ok != (tt.differs != ""); (err == nil) != want {
			t.Errorf("lighttpd -tt with %q: %v, want ok %v\n%s", tt.format, err, want, out)
		}
	}
}

// An exchange is a request of TestPrintsAsLighttpd and what is known of it.
type exchange struct {
	raw   string // with %s where the header of the format goes
	entry accesslog.Entry
	next  bool // on the connection of the one before
}

var exchanges = []exchange{
	{
		raw: "GET /%61.txt?x=1&y=\"\\\xc3\xa9 HTTP/1.1\r\nHost: A.test:80\r\nCookie: x=1; a=hello ; b=; session=q\"\t\r\nReferer: r/\r\nUser-Agent: \x01\b\t\f\"\\\xc3\xa9u\r\n" +
			"X-Twice: 1\r\nX-Twice: 2\r\nX-Empty:\r\nConnection: close\r\n%s\r\n",
		entry: accesslog.Entry{
			Request: "GET /%61.txt?x=1&y=\"\\\xc3\xa9 HTTP/1.1", Method: "GET", Path: "/a.txt", Query: `x=1&y=%22%5C%C3%A9`, Proto: "HTTP/1.1",
			Authority: "a.test", ServerName: "a.test", File: "a.txt", Header: http.Header{
				"Cookie": {"x=1; a=hello ; b=; session=q\"\t"}, "Referer": {"r/"}, "User-Agent": {"\x01\b\t\f\"\\\xc3\xa9u"}, "X-Twice": {"1", "2"}, "X-Empty": {""},
			},
		},
	},
	{
		raw: "HEAD /a.txt HTTP/1.0\r\nAuthorization: Basic am86cHc=\r\n%s\r\n",
		entry: accesslog.Entry{
			Request: "HEAD /a.txt HTTP/1.0", Method: "HEAD", Path: "/a.txt", Proto: "HTTP/1.0", File: "a.txt",
		},
	},
	{
		raw: "GET /none? HTTP/1.1\r\nHost: b:81\r\n%s\r\n",
		entry: accesslog.Entry{
			Request: "GET /none? HTTP/1.1", Method: "GET", Path: "/none", Proto: "HTTP/1.1",
			Authority: "b:81", ServerName: "b:81", Conn: accesslog.ConnKept,
		},
	},
	{
		raw: "POST /auth/ HTTP/1.1\r\nHost: b\r\nAuthorization: Basic am8iOnB3\r\nContent-Length: 0\r\nConnection: close\r\n%s\r\n",
		entry: accesslog.Entry{
			Request: "POST /auth/ HTTP/1.1", Method: "POST", Path: "/auth/", Proto: "HTTP/1.1",
			Authority: "b", ServerName: "b", KeepAlive: 1, User: `jo"`, Env: map[string]string{"REMOTE_USER": `jo"`, "AUTH_TYPE": "Basic"},
		},
		next: true,
	},
}

// TestPrintsAsLighttpd compares the lines of every format and request.
func TestPrintsAsLighttpd(t *testing.T) {
	bin := lighttpdtest.Path(t)
	formats := []string{
		"%h %V %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"",
		"%{User-Agent}i", "%{REMOTE_USER}e %{AUTH_TYPE}n", "%{X\\-Twice}i", "[%{x}C]", "{\"ua\":\"%{User-Agent}i\",\"r\":\"%r\"}",
	}
	for _, tt := range fieldTests {
		switch {
		case strings.Contains(tt.format, "mask"): // since 1.4.70
		case strings.Contains(tt.format, "tunnel."): // ours
		case strings.Contains(tt.format, "%{sec}t %{msec}t"): // two clocks of lighttpd, see compare
		case strings.HasSuffix(tt.format, `\`): // no string of lighttpd ends so
		default:
			formats = append(formats, strings.ReplaceAll(tt.format, `\"`, `"`))
		}
	}
	if n := len(formats) * len(exchanges); n < 60 {
		t.Fatalf("only %d lines are compared", n)
	}

	for _, esc := range []struct {
		name string
		esc  accesslog.Escaping
	}{{"default", accesslog.EscapeDefault}, {"json", accesslog.EscapeJSON}} {
		t.Run(esc.name, func(t *testing.T) {
			s := startLighttpd(t, bin, esc.name, formats)
			var entries []accesslog.Entry
			for i := range formats {
				entries = append(entries, s.talk(t, i)...)
			}
			lines := s.stop(t)
			if len(lines) != len(entries) {
				t.Fatalf("lighttpd has logged %d lines for %d requests", len(lines), len(entries))
			}
			for i, e := range entries {
				format := formats[i/len(exchanges)]
				f, err := accesslog.ParseFormat(format)
				if err != nil {
					t.Fatalf("ParseFormat(%q): %v", format, err)
				}
				compare(t, format, f, e, lines[i], esc.esc)
			}
		})
	}
}

// compare compares our line of e with lighttpd's, which has the times of the
// request's end and start before it.
func compare(t *testing.T, format string, f *accesslog.Format, e accesslog.Entry, line string, esc accesslog.Escaping) {
	t.Helper()
	times, want, ok := strings.Cut(line, "|")
	var end, start int64
	if _, err := fmt.Sscan(times, &end, &start); err != nil || !ok {
		t.Errorf("%q: lighttpd prints %q", format, line)
		return
	}
	var got string
	// Its clock for seconds is older than that for nanoseconds, by less than a
	// second.
	for _, s := range [][2]int64{{0, 0}, {0, 1}, {1, 1}, {1, 0}} {
		e.Start, e.End = time.Unix(0, start-s[0]*1e9), time.Unix(0, end-s[1]*1e9)
		got = string(f.Append(nil, &e, esc))
		if got == want+"\n" {
			return
		}
	}
	t.Errorf("%q prints of %q\n     %q\nlighttpd %q", format, e.Request, got, want+"\n")
}

// A testServer is a running lighttpd.
type testServer struct {
	cmd  *exec.Cmd
	dir  string
	addr string
}

func startLighttpd(t *testing.T, bin, escaping string, formats []string) *testServer {
	t.Helper()
	port := wstest.FreePort(t) // lighttpd cannot choose one
	s := &testServer{dir: t.TempDir(), addr: fmt.Sprint("127.0.0.1:", port)}
	var conf strings.Builder
	fmt.Fprintf(&conf, `
server.document-root = "%[1]s"
server.bind = "127.0.0.1"
server.port = %[2]d
server.modules = ("mod_auth", "mod_authn_file", "mod_accesslog")
server.http-parseopts = ("header-strict" => "disable")
mimetype.assign = (".txt" => "text/html")
auth.backend = "plain"
auth.backend.plain.userfile = "%[1]s/users"
auth.require = ("/auth/" => ("method" => "basic", "realm" => "r", "require" => "valid-user"))
accesslog.filename = "%[1]s/access.log"
accesslog.escaping = "%[3]s"
`, s.dir, port, escaping)
	for i, f := range formats {
		fmt.Fprintf(&conf, "$REQUEST_HEADER[\"X-Format\"] == \"%d\" { accesslog.format = \"%%{nsec}t %%{begin:nsec}t|%s\" }\n", i, strings.ReplaceAll(f, `"`, `\"`))
	}
	for name, text := range map[string]string{"lighttpd.conf": conf.String(), "users": "jo\":pw\n", "a.txt": "hello\n"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	s.cmd = exec.CommandContext(ctx, bin, "-D", "-f", filepath.Join(s.dir, "lighttpd.conf"))
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill(); s.cmd.Wait() })
	// Its first line says that it listens, or why not.
	if line, err := bufio.NewReader(stderr).ReadString('\n'); !strings.Contains(line, "server started") {
		t.Fatalf("lighttpd says %q, %v", line, err)
	}
	return s
}

// talk sends all requests with the header of a format and returns their entries,
// without times.
func (s *testServer) talk(t *testing.T, format int) []accesslog.Entry {
	t.Helper()
	var entries []accesslog.Entry
	var c net.Conn
	var r *bufio.Reader
	for _, x := range exchanges {
		if !x.next {
			var err error
			if c, err = net.Dial("tcp", s.addr); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			r = bufio.NewReader(c)
		}
		raw := strings.Replace(x.raw, "%s", "X-Format: "+strconv.Itoa(format)+"\r\n", 1)
		if _, err := io.WriteString(c, raw); err != nil {
			t.Fatal(err)
		}
		e := x.entry
		e.Client, e.ClientPort = "127.0.0.1", c.LocalAddr().(*net.TCPAddr).Port
		e.Local, e.LocalPort = "127.0.0.1", c.RemoteAddr().(*net.TCPAddr).Port
		e.Received = int64(len(raw))
		if e.File != "" {
			e.File = filepath.Join(s.dir, e.File)
		}
		counted := &counter{r: r}
		res, err := http.ReadResponse(bufio.NewReader(counted), &http.Request{Method: e.Method})
		if err != nil {
			t.Fatalf("response to %q: %v", raw, err)
		}
		if e.Sent, err = io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		e.Status, e.Response, e.SentAll = res.StatusCode, res.Header, counted.n
		entries = append(entries, e)
	}
	return entries
}

// A counter counts the bytes read. It reads one at a time, so that none of the
// next response is lost.
type counter struct {
	r *bufio.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p[:1])
	c.n += int64(n)
	return n, err
}

// stop ends lighttpd, which writes what it has not, and returns the lines.
func (s *testServer) stop(t *testing.T) []string {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	s.cmd.Wait()
	text, err := os.ReadFile(filepath.Join(s.dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}
