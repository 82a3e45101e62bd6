//go:build unix

// Package e2e runs wstunneld as its users do: as a process with a configuration
// file, between programs that nobody wrote for it. A browser with noVNC, ssh and
// four WebSocket libraries talk through it to x11vnc, sshd and plain TCP servers.
//
// The parts in other languages are in testdata. They only do as they are asked: all
// but wsproxy.py read requests from standard input and answer on standard output, a
// line of JSON each. What is asked and what must come of it is in the Go files.
//
// A test whose programs are missing skips and names them; with CI=true it fails.
// WSTUNNELD names a server binary to test instead of the one in this tree.
package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/wstest"
)

// python is Debian's interpreter, which sees Debian's packages of modules. The
// first python3 of PATH may be another.
const python = "/usr/bin/python3"

// patience bounds every wait. It is far beyond what a wait takes, so that it
// ends only what hangs.
const patience = time.Minute

// buildFlags are go build's for the server.
var buildFlags []string

// tmp is a directory for the whole run.
var tmp string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if tmp, err = os.MkdirTemp("", "wstunneld-e2e-"); err != nil {
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

// wstunneld returns the path of the server under test, which it builds once.
var wstunneld = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("WSTUNNELD"); path != "" {
		return path, nil
	}
	// go test takes an earlier result if nothing that the test opened has changed.
	// That go build opens the sources does not count, so open their directories.
	filepath.WalkDir("..", func(_ string, d fs.DirEntry, _ error) error {
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		return nil
	})
	path := filepath.Join(tmp, "wstunneld")
	build := exec.Command("go", "build", "-o", path)
	build.Args = append(append(build.Args, buildFlags...), "../cmd/wstunneld")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %w\n%s", build, err, out)
	}
	return path, nil
})

// need skips the test if one of the programs is missing; with CI=true it fails.
func need(t *testing.T, programs ...string) {
	t.Helper()
	var missing []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
		}
	}
	absent(t, missing)
}

// needFiles is need for files.
func needFiles(t *testing.T, files ...string) {
	t.Helper()
	var missing []string
	for _, f := range files {
		if _, err := os.Stat(f); err != nil {
			missing = append(missing, f)
		}
	}
	absent(t, missing)
}

// needModule is need for a module of Python.
func needModule(t *testing.T, module string) {
	t.Helper()
	need(t, python)
	if err := exec.Command(python, "-c", "import "+module).Run(); err != nil {
		absent(t, []string{"the Python module " + module})
	}
}

// absent skips or fails the test unless nothing is missing.
func absent(t *testing.T, missing []string) {
	t.Helper()
	if len(missing) == 0 {
		return
	}
	msg := "missing: " + strings.Join(missing, ", ") + " (./test installs it)"
	if os.Getenv("CI") == "true" {
		t.Fatal(msg)
	}
	t.Skip(msg)
}

// eventually calls f until it returns nil, and fails the test with f's last
// error if that takes longer than patience.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still, after %v: %v", patience, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// freePort returns a TCP port of 127.0.0.1 that nobody listens on.
func freePort(t *testing.T) int { return wstest.FreePort(t) }

// serve accepts connections on a port of 127.0.0.1 and calls handle for each,
// in its own goroutine. It returns the port. The connection is closed when handle
// returns, and at the end of the test.
func serve(t *testing.T, handle func(*net.TCPConn)) int {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(t.Context(), func() { c.Close() })
			wg.Go(func() {
				defer stop()
				defer c.Close()
				handle(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() { // after t.Context is done
		ln.Close()
		wg.Wait()
	})
	return ln.Addr().(*net.TCPAddr).Port
}

// A process is a running program, with its children in a process group of its own.
type process struct {
	cmd    *exec.Cmd
	output output        // what it wrote to standard error, and to standard output unless that is a pipe
	done   chan struct{} // closed when it has ended
	err    error         // how it ended; valid once done is closed
}

// start runs cmd until it ends by itself, by stop, or with the test. If the test
// fails, the log shows the end of what the program wrote.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.output
	}
	cmd.Stderr = &p.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop()
		text := p.output.String()
		for _, bad := range []string{"DATA RACE", "panic:"} {
			if strings.Contains(text, bad) {
				t.Errorf("%v: %s", cmd, bad)
			}
		}
		if t.Failed() && text != "" {
			t.Logf("%s wrote:\n%s", filepath.Base(cmd.Path), text[max(0, len(text)-8<<10):])
		}
	})
	return p
}

// stop asks the process group to end by SIGTERM, ends it by SIGKILL if that does
// not help, and waits for the process.
func (p *process) stop() {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if p.ended() { // its number may be another's by now
			return
		}
		syscall.Kill(-p.cmd.Process.Pid, sig)
		select {
		case <-p.done:
			return
		case <-time.After(10 * time.Second):
		}
	}
	panic(fmt.Sprintf("%v survived SIGKILL", p.cmd))
}

// signal sends the process a signal.
func (p *process) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// ended reports whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// awaitEnd waits for the process to end by itself.
func (p *process) awaitEnd(t *testing.T) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%v still runs after %v", p.cmd, patience)
	}
}

// awaitPort waits until the process accepts connections on a port of 127.0.0.1.
func (p *process) awaitPort(t *testing.T, port int) {
	t.Helper()
	eventually(t, func() error {
		if p.ended() {
			t.Fatalf("%v ended early: %v", p.cmd, p.err)
		}
		c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// An output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// startServer runs wstunneld with a configuration and a free port, which it
// returns. The text lacks only server.bind and server.port.
func startServer(t *testing.T, config string) (*process, int) {
	t.Helper()
	path, err := wstunneld()
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	config += fmt.Sprintf("\nserver.bind = \"127.0.0.1\"\nserver.port = %d\n", port)
	file := filepath.Join(t.TempDir(), "wstunneld.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, exec.Command(path, "-D", "-f", file))
	p.awaitPort(t, port)
	return p, port
}

// A peer is a process that answers requests: a line of JSON each.
type peer struct {
	*process
	in    io.WriteCloser
	lines *bufio.Scanner
}

// startPeer runs one of the programs in testdata.
func startPeer(t *testing.T, cmd *exec.Cmd) *peer {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe() // not StdoutPipe, which Wait closes before all is read
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	p := &peer{process: start(t, cmd), in: in, lines: bufio.NewScanner(r)}
	p.lines.Buffer(nil, 1<<20)
	w.Close()
	t.Cleanup(func() {
		in.Close() // the peer's sign to end
		select {
		case <-p.done:
		case <-time.After(patience): // process.stop ends it
		}
		r.Close()
	})
	return p
}

// call sends a request and decodes the answer to it into answer.
func (p *peer) call(t *testing.T, request, answer any) {
	t.Helper()
	p.send(t, request)
	p.receive(t, answer)
}

// send sends a request. The answer must be received before the next.
func (p *peer) send(t *testing.T, request any) {
	t.Helper()
	b, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.in.Write(append(b, '\n')); err != nil {
		t.Fatalf("request %s: %v", b, err)
	}
}

// receive decodes the answer to the request that was sent.
func (p *peer) receive(t *testing.T, answer any) {
	t.Helper()
	hung := time.AfterFunc(patience, p.stop)
	defer hung.Stop()
	if !p.lines.Scan() {
		t.Fatalf("no answer: %v", cmp.Or(p.lines.Err(), io.ErrUnexpectedEOF))
	}
	if err := json.Unmarshal(p.lines.Bytes(), answer); err != nil {
		t.Fatalf("answer %s: %v", p.lines.Bytes(), err)
	}
}
