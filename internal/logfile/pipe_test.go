//go:build unix

package logfile_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/logfile"
)

// openPipe opens a pipe to a command, in which DIR is a directory of the test. At
// the end, no descriptor and no child may be left of it.
func openPipe(t *testing.T, dir, command string) *logfile.Pipe {
	t.Helper()
	before := descriptors(t)
	p, err := logfile.OpenPipe(strings.ReplaceAll(command, "DIR", dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		if after := descriptors(t); after > before {
			t.Errorf("%d descriptors are open, %d were before", after, before)
		}
		var status syscall.WaitStatus
		if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); err != syscall.ECHILD {
			t.Errorf("there are children: pid %d, %v", pid, err)
		}
	})
	return p
}

func descriptors(t *testing.T) int {
	t.Helper()
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		if entries, err := os.ReadDir(dir); err == nil {
			return len(entries)
		}
	}
	t.Skip("the open descriptors cannot be counted")
	return 0
}

// fifo makes a named pipe that commands write to.
func fifo(t *testing.T, dir string) *bufio.Scanner {
	t.Helper()
	name := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0) // never at its end
	if err != nil {
		t.Fatal(err)
	}
	f.SetReadDeadline(time.Now().Add(30 * time.Second))
	t.Cleanup(func() { f.Close() })
	return bufio.NewScanner(f)
}

func next(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	if !lines.Scan() || lines.Text() != want {
		t.Fatalf("the command writes %q, %v; want %q", lines.Text(), lines.Err(), want)
	}
}

func writeLine(t *testing.T, w io.Writer, line string) {
	t.Helper()
	if _, err := io.WriteString(w, line+"\n"); err != nil {
		t.Fatalf("Write %q: %v", line, err)
	}
}

func TestPipe(t *testing.T) {
	t.Setenv("PIPE_TEST", "from us")
	dir := t.TempDir()
	p := openPipe(t, dir, `(echo "$PIPE_TEST"; cat) | tee DIR/out`)
	const writers, each = 8, 500
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				fmt.Fprintf(p, "writer %d line %d %s\n", w, i, strings.Repeat("x", 100))
			}
		})
	}
	wg.Wait()
	if err := p.Reopen(); err != nil {
		t.Errorf("Reopen: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	out, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != 1+writers*each || lines[0] != "from us" {
		t.Fatalf("the command got %d lines behind %q, want %d behind \"from us\"", len(lines)-1, lines[0], writers*each)
	}
	var seen [writers]int // lines of one writer keep their order
	for _, line := range lines[1:] {
		var w, i int
		if _, err := fmt.Sscanf(line, "writer %d line %d ", &w, &i); err != nil || seen[w] != i || !strings.HasSuffix(line, " "+strings.Repeat("x", 100)) {
			t.Fatalf("line %q, want line %d of writer %d whole", line, seen[w], w)
		}
		seen[w]++
	}
	if _, err := p.Write([]byte("late\n")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write after Close: %v, want os.ErrClosed", err)
	}
	if err := p.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("second Close: %v, want os.ErrClosed", err)
	}
}

// A command that ends is started again, and reads what the last one has left.
func TestPipeRestarts(t *testing.T) {
	dir := t.TempDir()
	lines := fifo(t, dir)
	p := openPipe(t, dir, `read line; echo "$line" >DIR/fifo; exit 3`) // the shell reads no more than the line
	writeLine(t, p, "one")
	next(t, lines, "one")
	// The second life shows that the end of the first is known.
	var err error
	for i := range 2 {
		if _, e := fmt.Fprintf(p, "more %d\n", i); e != nil {
			err = e
		}
		next(t, lines, fmt.Sprintf("more %d", i))
	}
	if _, e := fmt.Fprintln(p, "last"); e != nil {
		err = e
	}
	next(t, lines, "last")
	if lost(t, err) != 0 || !strings.HasSuffix(err.Error(), "the command ended: exit status 3") {
		t.Errorf("Write: %v, want the exit status, and no line lost", err)
	}
}

// Lines that a command has not read are for the next, even if they were in the
// pipe when it ended.
func TestPipeKeepsLines(t *testing.T) {
	dir := t.TempDir()
	lines := fifo(t, dir)
	p := openPipe(t, dir, `read line; echo "$line" >DIR/fifo; read line; exit 3`)
	if _, err := p.Write([]byte("one\ntwo\nthree\n")); err != nil {
		t.Fatal(err)
	}
	next(t, lines, "one")
	next(t, lines, "three") // of the second life, which waits for more
	err := p.Close()
	if lost(t, err) != 0 || !strings.HasSuffix(err.Error(), "exit status 3") {
		t.Errorf("Close: %v, want the exit status of the first command, and no line lost", err)
	}
}

// A command that runs on when its input has ended is killed.
func TestPipeCloseTimeout(t *testing.T) {
	dir := t.TempDir()
	lines := fifo(t, dir)
	p := openPipe(t, dir, `trap "" INT TERM HUP; cat >DIR/fifo; sleep 1000`)
	p.CloseTimeout = 50 * time.Millisecond
	writeLine(t, p, "line")
	next(t, lines, "line")
	err := p.Close()
	if lost(t, err) != 0 || !strings.Contains(err.Error(), "the command was killed") {
		t.Errorf("Close: %v, want that the command was killed, and no line lost", err)
	}
}

// A command that reads nothing blocks nobody, and every line is accounted for.
func TestPipeNotReading(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := openPipe(t, dir, `exec 3>DIR/fifo; sleep 1000 & sleep 1000`)
	p.CloseTimeout = 50 * time.Millisecond
	held, err := os.Open(filepath.Join(dir, "fifo")) // returns when the command has it open
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	line := []byte(strings.Repeat("x", 1023) + "\n")
	const total = 3000 // nearly three times what may wait
	told := 0
	for i := range total {
		n, err := p.Write(line)
		if n != len(line) {
			t.Fatalf("Write %d: %d, %v", i, n, err)
		}
		if err != nil {
			if !errors.Is(err, logfile.ErrNotReading) {
				t.Errorf("Write %d: %v, want ErrNotReading", i, err)
			}
			if told > 0 {
				t.Errorf("Write %d: %v, within a minute of the last", i, err)
			}
			told += lost(t, err)
		}
	}
	if told == 0 {
		t.Error("no Write tells of lost lines")
	}
	err = p.Close()
	if n := lost(t, err); told+n != total {
		t.Errorf("%d lines were told of as lost by Write and %d by Close, %d were written", told, n, total)
	}
	// The end of file shows that the other process of the group is gone, too.
	if b, err := io.ReadAll(held); err != nil || len(b) != 0 {
		t.Errorf("from the command: %q, %v", b, err)
	}
}

// A command that has ended and left a full pipe does not hold up Close.
func TestPipeCloseDead(t *testing.T) {
	dir := t.TempDir()
	lines := fifo(t, dir)
	p := openPipe(t, dir, `echo started >DIR/fifo; exit 1`)
	p.CloseTimeout = time.Hour
	line := []byte(strings.Repeat("x", 1023) + "\n")
	told := 0
	for range 200 {
		if _, err := p.Write(line); err != nil {
			told += lost(t, err)
		}
	}
	next(t, lines, "started")
	if n := lost(t, p.Close()); told+n != 200 {
		t.Errorf("%d lines were told of as lost by Write and %d by Close, 200 were written", told, n)
	}
}
