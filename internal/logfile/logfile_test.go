package logfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/logfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReopen(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(name, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := logfile.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	write := func(s string) {
		t.Helper()
		if _, err := l.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	write("two\n") // still into the renamed file
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	write("three\n")
	for file, want := range map[string]string{name + ".1": "before\none\ntwo\n", name: "three\n"} {
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", filepath.Base(file), got, err, want)
		}
	}
}

func TestReopenFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := logfile.Open(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err == nil {
		t.Error("Reopen in a directory that is gone succeeds")
	}
	if _, err := l.Write([]byte("still here\n")); err != nil {
		t.Errorf("the old file is not in use after a failed Reopen: %v", err)
	}
}

// A disk that is full is told of once a minute, with the number of lines.
func TestFull(t *testing.T) {
	const name = "/dev/full"
	if _, err := os.Stat(name); err != nil {
		t.Skip(err)
	}
	synctest.Test(t, func(t *testing.T) {
		l, err := logfile.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		write := func(want int) {
			t.Helper()
			n, err := l.Write([]byte("line\n"))
			if got := lost(t, err); n != 5 || got != want || want > 0 && !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("Write: %d, %v; want 5 and %d lines lost for want of space", n, err, want)
			}
		}
		write(1)
		for range 9 {
			write(-1)
		}
		time.Sleep(time.Minute)
		write(10)
		write(-1)
		if err := l.Close(); lost(t, err) != 1 {
			t.Errorf("Close: %v, want 1 line lost", err)
		}
	})
}

// lost returns the lines of a LossError, -1 if err is nil.
func lost(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return -1
	}
	var l *logfile.LossError
	if !errors.As(err, &l) {
		t.Fatalf("%v is no LossError", err)
	}
	return l.Lines
}

func TestLossErrorText(t *testing.T) {
	for lines, want := range map[int]string{
		0: "log x: broken",
		1: "log x: 1 line lost: broken",
		2: "log x: 2 lines lost: broken",
	} {
		err := &logfile.LossError{Log: "x", Lines: lines, Err: errors.New("broken")}
		if err.Error() != want {
			t.Errorf("%d lines: %q, want %q", lines, err, want)
		}
	}
}
