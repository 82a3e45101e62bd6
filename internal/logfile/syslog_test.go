//go:build unix

package logfile_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/logfile"
)

// daemon is the socket of a syslog daemon.
func daemon(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	os.Remove(path)
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	return c
}

func receive(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestSyslog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	facility, ok := logfile.ParseFacility("local3")
	if !ok {
		t.Fatal("local3 is no facility")
	}
	l := logfile.NewSyslog(facility, 6, "wstunneld")
	l.Sockets = []string{path + ".none", path}
	defer l.Close()

	c := daemon(t, path)
	writeLine(t, l, "one line")
	checkMessage(t, receive(t, c), 19*8+6, "one line")
	if err := l.Send(3, []byte("an error")); err != nil {
		t.Fatal(err)
	}
	checkMessage(t, receive(t, c), 19*8+3, "an error")

	// The daemon is started again.
	c.Close()
	c = daemon(t, path)
	writeLine(t, l, "two")
	checkMessage(t, receive(t, c), 19*8+6, "two")

	// Behind a chroot there is no socket: what is connected stays.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Reopen without a socket: %v", err)
	}
	writeLine(t, l, "three")
	checkMessage(t, receive(t, c), 19*8+6, "three")
	c = daemon(t, path)
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	writeLine(t, l, "four")
	checkMessage(t, receive(t, c), 19*8+6, "four")
}

func checkMessage(t *testing.T, got string, pri int, line string) {
	t.Helper()
	want := fmt.Sprintf(`^<%d>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d wstunneld\[%d\]: %s$`, pri, os.Getpid(), line)
	if !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("message %q does not match %s", got, want)
	}
}

func TestSyslogWithoutDaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := logfile.NewSyslog(logfile.Daemon, 6, "wstunneld")
	l.Sockets = []string{path}
	_, err := l.Write([]byte("lost\n"))
	if lost(t, err) != 1 || !errors.Is(err, syscall.ENOENT) || !strings.Contains(err.Error(), path) {
		t.Errorf("Write: %v, want 1 line lost for want of %s", err, path)
	}
	for range 3 {
		if _, err := l.Write([]byte("lost\n")); err != nil {
			t.Errorf("Write within a minute of an error: %v", err)
		}
	}
	if err := l.Close(); lost(t, err) != 3 {
		t.Errorf("Close: %v, want 3 lines lost", err)
	}
}

// A daemon that hangs holds up one line, not each.
func TestSyslogHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	daemon(t, path)
	l := logfile.NewSyslog(logfile.Daemon, 6, "wstunneld")
	l.Sockets = []string{path}
	var err error
	for i := 0; err == nil; i++ {
		if i == 100_000 {
			t.Fatal("a socket that nobody reads takes any number of lines")
		}
		_, err = l.Write([]byte(strings.Repeat("x", 1000)))
	}
	if lost(t, err) != 1 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write: %v, want 1 line lost at a deadline", err)
	}
	for range 1000 { // a minute, if each waited
		l.Write([]byte("lost\n"))
	}
	if err := l.Close(); lost(t, err) < 900 {
		t.Errorf("Close: %v, want nearly 1000 lines lost", err)
	}
}

func TestParseFacility(t *testing.T) {
	for name, want := range map[string]logfile.Facility{"kern": 0, "daemon": 3, "auth": 4, "security": 4, "authpriv": 10, "ftp": 11, "local0": 16, "local7": 23} {
		if got, ok := logfile.ParseFacility(name); !ok || got != want {
			t.Errorf("ParseFacility(%q): %d, %v; want %d", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "local8", "DAEMON", "console"} {
		if got, ok := logfile.ParseFacility(name); ok {
			t.Errorf("ParseFacility(%q): %d, want none", name, got)
		}
	}
}
