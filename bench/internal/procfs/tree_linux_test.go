package procfs_test

import (
	"bufio"
	"os/exec"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/bench/internal/procfs"
)

// A shell has a child that is busy for a while, waits for it, and says so.
func TestTree(t *testing.T) {
	const script = `
		sh -c 'echo started; read go; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done; read go'
		echo waited; read go`
	cmd := exec.Command("sh", "-c", script)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	expect := func(line string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != line {
			t.Fatalf("the shell said %q, %v; want %q", lines.Text(), lines.Err(), line)
		}
	}
	resume := func() { in.Write([]byte("\n")) }
	tree := procfs.Tree{Root: cmd.Process.Pid}
	cpu := func() time.Duration {
		t.Helper()
		d, err := tree.CPU()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}

	expect("started")
	before := cpu()
	if pss, err := tree.PSS(); err != nil || pss < 10<<10 || pss > 100<<20 {
		t.Errorf("PSS of two shells: %d bytes, %v; want more than 10 KiB, less than 100 MiB", pss, err)
	}
	resume()
	expect("done")
	running := cpu()
	if running-before < 10*time.Millisecond {
		t.Errorf("CPU of the tree: %v, then %v when the child has counted to 300,000; want 10 ms more at least", before, running)
	}
	resume()
	expect("waited")
	if waited := cpu(); waited < running-20*time.Millisecond {
		t.Errorf("CPU of the tree: %v, then %v when the child has ended; want no less, but for two ticks", running, waited)
	}

	in.Close()
	if err := cmd.Wait(); err == nil {
		t.Error("the shell ended well; its last read should have failed")
	}
	if d, err := tree.CPU(); err == nil {
		t.Errorf("CPU of a tree that has ended: %v, want an error", d)
	}
}

func TestTCPMemory(t *testing.T) {
	if n, err := procfs.TCPMemory(); err != nil || n < 0 {
		t.Errorf("TCPMemory: %d, %v", n, err)
	}
}
