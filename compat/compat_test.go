// Package compat holds wstunneld against lighttpd: what the one answers, the
// other has to answer, unless a row of docs/compatibility.md says that it does not.
//
// Each file of testdata/configs has many small configurations, which both
// programs read with -p and -tt. Each file of testdata/requests has one
// configuration, files to serve, and requests that both are sent. What lighttpd
// says is written nowhere: it is asked. Its version was 1.4.69 when these tests
// were written; where a row says that a newer one does as we do, it is lighttpd
// that will have to lose the mark.
//
// Above a configuration or request, a comment can say how it stands:
//
//	# differs: link-loop status         the answers differ in these fields, by that row
//	# pending: alias                    the answers are to be the same, and are not yet
//
// Both must be true: a mark on a case that agrees is a failure, and so is a row
// with an id that no case shows. README.md in testdata tells how to write a case.
//
// Without lighttpd, the tests skip, saying so; with CI=true they fail.
// WSTUNNELD names a binary to test instead of the one in this tree.
package compat

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every wait for a program; it ends only what hangs.
const patience = 20 * time.Second

// tmp is a directory for the whole run.
var tmp string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if tmp, err = os.MkdirTemp("", "wstunneld-compat-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(tmp)
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// A program is a server to compare: its path, and what it writes to stderr once
// it can be asked.
type program struct {
	name, path, ready string
}

// programs returns us and lighttpd. Without lighttpd the test skips.
func programs(t *testing.T) (ours, theirs program) {
	t.Helper()
	for _, name := range []string{"lighttpd", "/usr/sbin/lighttpd"} {
		path, err := exec.LookPath(name)
		if err != nil || runtime.GOOS != "linux" { // elsewhere 127.0.0.1 is the only loopback address
			continue
		}
		us, err := wstunneld()
		if err != nil {
			t.Fatal(err)
		}
		return program{"wstunneld", us, "msg=listening"}, program{"lighttpd", path, "server started"}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("lighttpd is not installed (./test installs it)")
	}
	t.Skip("lighttpd is not installed (./test installs it): there is nothing to compare with")
	return
}

// wstunneld returns the path of the server under test, which it builds once.
var wstunneld = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("WSTUNNELD"); path != "" {
		return path, nil
	}
	// go test takes an earlier result if nothing that the test opened has changed.
	// That go build opens the sources does not count, so open their directories.
	for _, dir := range []string{"../cmd", "../internal"} {
		filepath.WalkDir(dir, func(string, fs.DirEntry, error) error { return nil })
	}
	path := filepath.Join(tmp, "wstunneld")
	build := exec.Command("go", "build", "-o", path, "../cmd/wstunneld")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %w\n%s", build, err, out)
	}
	return path, nil
})

// run runs the program with a flag on the configuration in dir. It reports
// whether it was content, and what it wrote to stdout and stderr.
func (p program) run(t *testing.T, flag, dir string) (ok bool, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.path, flag, "-f", configName)
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.Env = &out, &messages, dir, environ(dir)
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	code := cmd.ProcessState.ExitCode()
	if code != 0 && code != 255 && p.name == "wstunneld" { // lighttpd can crash, too
		t.Errorf("%s %s: exit code %d: %s", p.name, flag, code, &messages)
	}
	return code == 0, out.String(), messages.String()
}

// environ is the environment of every program; configurations read COMPAT.
func environ(dir string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir, "COMPAT=from the environment", "COMPAT_PORT=8080"}
}

// A server is a program at work.
type server struct {
	addr   string // the loopback address of its own
	cmd    *exec.Cmd
	stderr *watch
	exited chan struct{}
}

// port and port2 are the ports of every server; the addresses are not the same.
var port, port2 = sync.OnceValue(freePort), sync.OnceValue(freePort)

// freePort returns a port that nobody listens on for all addresses.
func freePort() string {
	ln, err := net.Listen("tcp4", ":0")
	if err != nil {
		panic(err)
	}
	defer ln.Close()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
}

// loopback returns a loopback address of one length, which no other test has.
func loopback() string {
	n := func() int { return 100 + rand.IntN(150) }
	return fmt.Sprintf("127.%d.%d.%d", n(), n(), n())
}

// start runs the program on the configuration in dir until stop is called, or
// the test ends.
func (p program) start(t *testing.T, dir, addr string) *server {
	t.Helper()
	s := &server{addr: addr, stderr: &watch{mark: p.ready, seen: make(chan struct{})}, exited: make(chan struct{})}
	s.cmd = exec.Command(p.path, "-D", "-f", configName)
	s.cmd.Stderr, s.cmd.Dir, s.cmd.Env = s.stderr, dir, environ(dir)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.cmd.Wait()
		close(s.exited)
	}()
	t.Cleanup(s.kill)
	select {
	case <-s.stderr.seen:
	case <-s.exited:
		t.Fatalf("%s does not start:\n%s", p.name, s.stderr)
	case <-time.After(patience):
		t.Fatalf("%s neither starts nor ends:\n%s", p.name, s.stderr)
	}
	return s
}

// stop ends the server, which writes its logs then.
func (s *server) stop(t *testing.T) {
	t.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(patience):
		s.kill()
		t.Errorf("%s does not end at SIGTERM:\n%s", s.cmd.Path, s.stderr)
	}
}

// kill ends the server if it still runs.
func (s *server) kill() {
	s.cmd.Process.Kill()
	<-s.exited
}

// A watch keeps what is written and closes seen when mark is in it.
type watch struct {
	mark string
	seen chan struct{}

	mu   sync.Mutex
	text strings.Builder
}

func (w *watch) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := strings.Contains(w.text.String(), w.mark)
	w.text.Write(b)
	if !before && strings.Contains(w.text.String(), w.mark) {
		close(w.seen)
	}
	return len(b), nil
}

func (w *watch) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}
