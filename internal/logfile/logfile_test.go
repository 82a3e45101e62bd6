package logfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/wstunneld/wstunneld/internal/logfile"
)

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
