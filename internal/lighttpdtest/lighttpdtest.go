// Package lighttpdtest runs the real lighttpd beside a test, for tables that hold
// for both.
package lighttpdtest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/wstest"
)

// Path returns the path of lighttpd. Without one, it skips the rest of the test,
// or fails it if CI=true says that it must run.
func Path(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"lighttpd", "/usr/sbin/lighttpd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("lighttpd is not installed")
	}
	t.Skip("lighttpd is not installed: nothing to compare with")
	return ""
}

// Accepts reports whether lighttpd takes config, which needs no document root,
// and what it says of it.
func Accepts(t testing.TB, config string) (ok bool, message string) {
	t.Helper()
	out, err := exec.Command(Path(t), "-tt", "-f", write(t, config, 8765)).CombinedOutput()
	return err == nil, string(out)
}

// Start runs lighttpd with config, which names neither a port nor a document
// root, until the test ends, and returns its address on the loopback interface.
func Start(t testing.TB, config string) (addr string) {
	t.Helper()
	path := Path(t)
	port := wstest.FreePort(t) // lighttpd cannot say which it chose
	addr = fmt.Sprint("127.0.0.1:", port)

	cmd := exec.Command(path, "-D", "-f", write(t, config, port))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-drained
		cmd.Wait()
	})
	log := bufio.NewReader(stderr)
	for {
		line, err := log.ReadString('\n')
		if err != nil {
			close(drained)
			t.Fatal("lighttpd does not start")
		}
		if strings.Contains(line, "server started") {
			break
		}
		t.Log(line)
	}
	go func() {
		defer close(drained)
		io.Copy(io.Discard, log)
	}()
	return addr
}

func write(t testing.TB, config string, port int) (name string) {
	t.Helper()
	dir := t.TempDir()
	name = filepath.Join(dir, "lighttpd.conf")
	config = fmt.Sprintf("server.document-root = %q\nserver.bind = \"127.0.0.1\"\nserver.port = %d\n%s\n", dir, port, config)
	if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Send sends raw to addr from the loopback address from, or from any if that is
// empty, and returns all that comes back until the connection ends.
func Send(t testing.TB, addr, from, raw string) string {
	t.Helper()
	dialer := net.Dialer{Timeout: 10 * time.Second}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := dialer.Dial("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err, ok := err.(net.Error); ok && err.Timeout() {
		t.Fatalf("%q: lighttpd does not answer", raw)
	}
	return string(answer) // a reset is an end like any other
}
