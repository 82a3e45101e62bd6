package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// A jail is a directory for a server that is started as root and goes on as
// nobody.
type jail struct {
	t        *testing.T
	dir      string // of the server's files
	uid, gid int
}

// newJail makes the directories: log/ and run/ are nobody's, the rest is root's.
func newJail(t *testing.T) *jail {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root has rights to give up")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	j := &jail{t: t}
	j.uid, _ = strconv.Atoi(nobody.Uid)
	j.gid, _ = strconv.Atoi(nobody.Gid)
	j.dir, err = os.MkdirTemp("", "jail") // t.TempDir is for root alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(j.dir) })
	for name, owner := range map[string]int{".": 0, "www": 0, "log": j.uid, "run": j.uid, "pid": 0} {
		name = filepath.Join(j.dir, name)
		os.MkdirAll(name, 0o755)
		if err := os.Chmod(name, 0o755); err != nil { // whatever the umask
			t.Fatal(err)
		}
		if err := os.Chown(name, owner, -1); err != nil {
			t.Fatal(err)
		}
	}
	j.write("www/hello.txt", "hello")
	return j
}

func (j *jail) write(name, text string) {
	j.t.Helper()
	if err := os.WriteFile(filepath.Join(j.dir, name), []byte(text), 0o644); err != nil {
		j.t.Fatal(err)
	}
}

// read returns what a file holds; "" if it is not there.
func (j *jail) read(name string) string {
	b, _ := os.ReadFile(filepath.Join(j.dir, name))
	return string(b)
}

// configure writes the configuration, in which DIR is the directory.
func (j *jail) configure(conf string) {
	j.write("wstunneld.conf", strings.ReplaceAll(`server.bind = "127.0.0.1"
server.port = 0
server.modules = ("mod_wstunnel", "mod_accesslog")
`+conf, "DIR", j.dir))
}

// start starts a server with conf, whose error log is log/error.log, and waits
// until it listens.
func (j *jail) start(conf string) *process {
	j.t.Helper()
	j.configure(conf)
	p := prepare(filepath.Join(j.dir, "wstunneld.conf"))
	p.start(j.t)
	p.addr = j.waitLog(`msg=listening address=(\S+)`)
	return p
}

// waitLog waits until a line of log/error.log matches and returns its last group.
func (j *jail) waitLog(pattern string) string {
	j.t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(wstest.Patience); ; time.Sleep(time.Millisecond) { // a file tells nobody that it grew
		log := j.read("log/error.log")
		if m := re.FindStringSubmatch(log); m != nil {
			return m[len(m)-1]
		}
		if time.Now().After(deadline) {
			j.t.Fatalf("no %q in the error log:\n%s", pattern, log)
		}
	}
}

// wantNobody checks that every thread of p is one of nobody, without a right of
// root's, and that so are the logs.
func (j *jail) wantNobody(p *process) {
	j.t.Helper()
	statuses, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.Process.Pid))
	if err != nil || len(statuses) < 2 {
		j.t.Fatalf("%d threads, %v", len(statuses), err)
	}
	want := map[string]string{
		"Uid":    fmt.Sprintf("%d %[1]d %[1]d %[1]d", j.uid),
		"Gid":    fmt.Sprintf("%d %[1]d %[1]d %[1]d", j.gid),
		"Groups": fmt.Sprint(j.gid),
		"CapEff": "0000000000000000",
		"CapPrm": "0000000000000000",
	}
	for _, name := range statuses {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		for line := range strings.Lines(string(b)) {
			key, value, _ := strings.Cut(line, ":")
			if got := strings.Join(strings.Fields(value), " "); want[key] != "" && got != want[key] {
				j.t.Errorf("%s: %s is %s, want %s", name, key, got, want[key])
			}
		}
	}
	for _, name := range []string{"log/error.log", "log/access.log"} {
		fi, err := os.Stat(filepath.Join(j.dir, name))
		if err != nil {
			j.t.Fatal(err)
		}
		if st := fi.Sys().(*syscall.Stat_t); int(st.Uid) != j.uid || int(st.Gid) != j.gid {
			j.t.Errorf("%s is of user %d, group %d; want %d, %d", name, st.Uid, st.Gid, j.uid, j.gid)
		}
	}
}

func (j *jail) wantFile(p *process) {
	j.t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		j.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(wstest.Patience))
	io.WriteString(conn, "GET /hello.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if b, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(b), "\r\n\r\nhello") {
		j.t.Errorf("answer %q, %v", b, err)
	}
}

func TestChroot(t *testing.T) {
	j := newJail(t)
	// Another server's socket may have the name, in the jail, of one outside.
	outside := filepath.Join(j.dir, "run/listener")
	inside := filepath.Join(j.dir, outside)
	if err := os.MkdirAll(filepath.Dir(inside), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Dir(inside), j.uid, j.gid); err != nil {
		t.Fatal(err)
	}
	j.write(outside, "")
	backend := wstest.UnixBackend(t, wstest.Echo)
	if err := os.Rename(backend, filepath.Join(j.dir, "run/echo")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(j.dir, "run/echo"), 0o666); err != nil {
		t.Fatal(err)
	}
	p := j.start(`
server.username = "nobody"
server.chroot = "DIR"
server.document-root = "/www"
server.errorlog = "/log/error.log"
accesslog.filename = "/log/access.log"
server.pid-file = "DIR/pid/pid"
wstunnel.server = ("/ws" => (("socket" => "/run/echo")))
$SERVER["socket"] == "` + outside + `" { }
`)
	if got := j.read("pid/pid"); got != fmt.Sprintln(p.Process.Pid) {
		t.Errorf("the pid file has %q, want %d", got, p.Process.Pid)
	}
	j.wantFile(p)
	c, _ := wstest.Dial(t, "tcp", p.addr, "/ws")
	c.Send(wstest.Text("hello"))
	c.WantData(ws.OpText, "hello")
	wstest.Dial(t, "unix", outside, "/ws")
	j.wantNobody(p)
	for _, link := range []string{"root", "cwd"} {
		if got, err := os.Readlink(fmt.Sprintf("/proc/%d/%s", p.Process.Pid, link)); err != nil || got != j.dir {
			t.Errorf("%s is %s, %v; want %s", link, got, err, j.dir)
		}
	}

	// The configuration is out of reach; logs are not.
	p.Process.Signal(syscall.SIGUSR1)
	j.waitLog(`configuration not loaded`)
	j.waitLog(`/wstunneld\.conf\\" cannot be read: no such file`)
	j.waitLog(`hint="server\.chroot keeps the server inside ` + j.dir)
	if err := os.Rename(filepath.Join(j.dir, "log/error.log"), filepath.Join(j.dir, "log/old")); err != nil {
		t.Fatal(err)
	}
	p.Process.Signal(syscall.SIGHUP)
	j.waitLog("logs reopened")
	j.wantNobody(p)
	j.wantFile(p)

	c.Close()
	p.Process.Signal(syscall.SIGTERM)
	if code := p.exit(t); code != exitOK {
		t.Errorf("exit code %d, want %d", code, exitOK)
	}
	if b, err := os.ReadFile(filepath.Join(j.dir, "pid/pid")); err != nil || len(b) != 0 {
		t.Errorf("the pid file, which is out of reach, has %q, %v; want nothing", b, err)
	}
	if _, err := os.Stat(inside); err != nil {
		t.Errorf("the end of the server has removed a file of the jail: %v", err)
	}
}

func TestUsername(t *testing.T) {
	j := newJail(t)
	conf := `
server.document-root = "DIR/www"
server.errorlog = "DIR/log/error.log"
accesslog.filename = "DIR/log/access.log"
server.pid-file = "DIR/run/pid"
`
	p := j.start(conf + `server.username = "nobody"`)
	j.wantFile(p)
	j.wantNobody(p)
	j.configure(conf + `server.tag = "second"`)
	p.Process.Signal(syscall.SIGUSR1)
	j.waitLog(`level=WARN msg="a directive changes at the next start" directive=server.username now=nobody then=""`)
	j.waitLog(`configuration loaded`)
	j.wantFile(p)
	p.Process.Signal(syscall.SIGTERM)
	if code := p.exit(t); code != exitOK {
		t.Errorf("exit code %d, want %d", code, exitOK)
	}
	if _, err := os.Stat(filepath.Join(j.dir, "run/pid")); !os.IsNotExist(err) {
		t.Errorf("the pid file is still there: %v", err)
	}
}

// A start that fails on its way to another user says where, and leaves nothing.
func TestStartFailsAsRoot(t *testing.T) {
	for _, tt := range []struct {
		name, conf, want string
		left             bool // the pid file, out of reach
	}{
		{"unknown user", `server.username = "no-such-user"`, `:8:19: server\.username is "no-such-user", which cannot be looked up: `, false},
		{"unknown group", `server.groupname = "no-such-group"`, `:8:20: server\.groupname is "no-such-group", which cannot be looked up: `, false},
		{"root's user", `server.username = "root"`, `:8:19: server\.username is "root", which has the number 0`, false},
		{"no directory", `server.chroot = "DIR/none"`, `:8:17: server\.chroot is ".*/none", which cannot be used: no such file`, false},
		{"log not writable by the user", `server.username = "nobody"
accesslog.filename = "DIR/pid/access.log"`, `:9:22: accesslog\.filename: open .*/pid/access\.log: permission denied: `, false},
		{"log outside of the jail", `server.chroot = "DIR/www"`, `:7:19: server\.errorlog: open .*: no such file`, true},
		{"pid file", `server.username = "nobody"
server.pid-file := "DIR/none/pid"`, `:9:20: server\.pid-file: open .*/none/pid: no such file or directory: .*\n    server\.pid-file := ".*\n +\^\n`, false},
		{"port", `server.username = "nobody"
$SERVER["socket"] == "TAKEN" { }`, `:9:22: listen tcp4 .*: bind: address already in use: .*\n    \$SERVER.*\n +\^\n`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			taken, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer taken.Close()
			j := newJail(t)
			j.configure(`
server.pid-file = "DIR/run/pid"
server.document-root = "/www"
server.errorlog = "DIR/log/error.log"
` + strings.ReplaceAll(tt.conf, "TAKEN", taken.Addr().String()))
			p := prepare(filepath.Join(j.dir, "wstunneld.conf"))
			p.start(t)
			b, err := io.ReadAll(p.stderr)
			if err != nil {
				t.Fatal(err)
			}
			if code := p.exit(t); code != exitFailed || !regexp.MustCompile(tt.want).Match(b) {
				t.Errorf("exit code %d, standard error %q; want %d, %s", code, b, exitFailed, tt.want)
			}
			if fi, err := os.Stat(filepath.Join(j.dir, "run/pid")); err == nil != tt.left || tt.left && fi.Size() > 0 {
				t.Errorf("the pid file is there: %v, want %v and empty", err == nil, tt.left)
			}
			for _, name := range []string{"log/error.log", "log/access.log"} {
				if fi, err := os.Stat(filepath.Join(j.dir, name)); err == nil && int(fi.Sys().(*syscall.Stat_t).Uid) != j.uid {
					t.Errorf("%s was made as root", name)
				}
			}
		})
	}
}

// server.max-fds is what the process has, or the log says why not.
func TestMaxFDs(t *testing.T) {
	limit := func(p *process) string {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(b), "Max open files")
		return strings.Fields(rest)[0]
	}
	if got := limit(serve(t, "server.max-fds = 123")); got != "123" {
		t.Errorf("limit %s, want 123", got)
	}
	var has syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &has); err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprint(has.Max)
	if got := limit(serve(t, "")); got != all {
		t.Errorf("limit %s, want %s", got, all)
	}
	p := prepare(filepath.Join(t.TempDir(), "wstunneld.conf"))
	p.configure(t, "server.max-fds = 1000000000")
	p.start(t)
	p.waitFor(t, `level=WARN msg="server.max-fds is not granted" server.max-fds=1000000000 error="this process may have `+all+` files open at most`)
	if got := limit(p); got != all {
		t.Errorf("limit %s, want %s", got, all)
	}
}
