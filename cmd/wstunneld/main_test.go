package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// asProgram makes the test binary run as wstunneld.
const asProgram = "WSTUNNELD_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"wstunneld": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

// The configuration that the README shows is right as it stands there.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "write\n`novnc.conf`:\n\n")
	conf, _, ok2 := strings.Cut(rest, "\n\n")
	if !ok || !ok2 {
		t.Fatal("README.md does not show novnc.conf")
	}
	var out strings.Builder
	if code := run([]string{"-tt", "-f", "-"}, strings.NewReader(conf), &out, &out); code != exitOK || out.Len() != 0 {
		t.Errorf("exit code %d, %s, for:\n%s", code, &out, conf)
	}
}

// Whatever keeps it from starting gives lighttpd's exit code.
func TestExitCode(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := fmt.Sprintf("server.document-root = \"/\"\nserver.bind = \"127.0.0.1\"\nserver.port = %d\n", taken.Addr().(*net.TCPAddr).Port)
	for _, tt := range []struct {
		name, conf string
		args       []string
		want       int
	}{
		{"syntax", "server.port = =", []string{"-t"}, exitFailed},
		{"no document root", "", nil, exitFailed},
		{"port in use", busy, nil, exitFailed},
		{"port in use, but only checked", busy, []string{"-tt"}, exitOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stderr strings.Builder
			got := run(append(tt.args, "-f", "-"), strings.NewReader(tt.conf), io.Discard, &stderr)
			if got != tt.want || (got == exitOK) != (stderr.Len() == 0) {
				t.Errorf("exit code %d, want %d; standard error: %s", got, tt.want, &stderr)
			}
		})
	}
}

// A process is a wstunneld that serves.
type process struct {
	*exec.Cmd
	file   string // the configuration
	addr   string
	stderr *bufio.Reader
}

// serve starts wstunneld with conf on a free port.
func serve(t *testing.T, conf string) *process {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("signals are for Unix systems")
	}
	p := prepare(filepath.Join(t.TempDir(), "wstunneld.conf"))
	p.configure(t, conf)
	p.start(t)
	p.addr = p.waitFor(t, `msg=listening address=(\S+)`)
	return p
}

// prepare returns a wstunneld for the configuration in file.
func prepare(file string) *process {
	return &process{Cmd: exec.Command(os.Args[0], "-D", "-f", file), file: file}
}

func (p *process) start(t *testing.T) {
	t.Helper()
	p.Env = append(os.Environ(), asProgram+"=1")
	pipe, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	p.stderr = bufio.NewReader(pipe)
}

// configure writes the configuration file.
func (p *process) configure(t *testing.T, conf string) {
	t.Helper()
	conf = "server.document-root = \"/nonexistent\"\nserver.bind = \"127.0.0.1\"\nserver.port = 0\nserver.modules = (\"mod_wstunnel\")\n" + conf
	if err := os.WriteFile(p.file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
}

// waitFor waits for a line on standard error and returns its first group.
func (p *process) waitFor(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for {
		line, err := p.stderr.ReadString('\n')
		if m := re.FindStringSubmatch(line); m != nil {
			return m[len(m)-1]
		}
		if err != nil {
			t.Fatalf("no line %q on standard error: %v", pattern, err)
		}
	}
}

// exit waits for the end of the process and returns its exit code.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	io.Copy(io.Discard, p.stderr)
	p.Wait()
	return p.ProcessState.ExitCode()
}

func echoConf(t *testing.T) string {
	host, port, _ := net.SplitHostPort(wstest.Backend(t, wstest.Echo))
	return fmt.Sprintf("wstunnel.server = (\"/ws\" => ((\"host\" => %q, \"port\" => %s)))\n", host, port)
}

func TestSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			p := serve(t, echoConf(t))
			c, head := wstest.Dial(t, "tcp", p.addr, "/ws")
			if !strings.Contains(head, "Server: wstunneld/"+version) {
				t.Errorf("no Server header in %q", head)
			}
			p.Process.Signal(syscall.SIGHUP) // a rotation of logs does not end a tunnel
			p.waitFor(t, "logs reopened")
			c.Send(wstest.Text("still here"))
			c.WantData(ws.OpText, "still here")
			p.Process.Signal(sig)
			c.WantClose(1001)
			c.Send(wstest.Close(1001, ""))
			c.WantEOF()
			c.Close()
			if code := p.exit(t); code != exitOK {
				t.Errorf("exit code %d, want %d", code, exitOK)
			}
		})
	}
}

func TestSecondSignal(t *testing.T) {
	p := serve(t, echoConf(t))
	c, _ := wstest.Dial(t, "tcp", p.addr, "/ws")
	p.Process.Signal(syscall.SIGTERM)
	c.WantClose(1001) // which the client does not answer
	p.Process.Signal(syscall.SIGTERM)
	if code := p.exit(t); code != exitForced {
		t.Errorf("exit code %d, want %d", code, exitForced)
	}
}
