package procfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// A Tree is a process and everything that descends from it.
type Tree struct {
	Root int // process id
}

// CPU returns the processor time, user and system, that the tree has used so far.
//
// It reads the processes' CPU clocks, which are the sums of what the scheduler
// counted for each thread, ended ones included: /proc/PID/stat has the same sum,
// but in ticks of 10 ms. Only children that have ended count in ticks.
func (t Tree) CPU() (time.Duration, error) {
	var sum time.Duration
	err := t.each(func(pid int, s Stat) error {
		d, err := clock(pid)
		sum += d + s.Waited
		return err
	})
	return sum, err
}

// PSS returns the proportional set size of the tree in bytes. It needs the rights
// to look into the processes: to have started them, or to be root.
func (t Tree) PSS() (int64, error) {
	var sum int64
	err := t.each(func(pid int, _ Stat) error {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return err
		}
		if len(b) == 0 { // has ended, not waited for yet
			return nil
		}
		n, err := ParsePSS(b)
		sum += n
		return err
	})
	return sum, err
}

// TCPMemory returns the bytes that all TCP sockets of the system hold.
func TCPMemory() (int64, error) {
	b, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return 0, err
	}
	pages, err := ParseTCPPages(b)
	return pages * int64(os.Getpagesize()), err
}

// each calls f for every process of the tree. One that ends meanwhile is left
// out, but the root must be there.
func (t Tree) each(f func(pid int, s Stat) error) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	stats := make(map[int]Stat)
	children := make(map[int][]int)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if gone(err) {
			continue
		}
		if err != nil {
			return err
		}
		if stats[pid], err = ParseStat(b); err != nil {
			return err
		}
		parent := stats[pid].Parent
		children[parent] = append(children[parent], pid)
	}
	if _, ok := stats[t.Root]; !ok {
		return fmt.Errorf("process %d has ended", t.Root)
	}
	for tree := []int{t.Root}; len(tree) > 0; tree = tree[1:] {
		pid := tree[0]
		tree = append(tree, children[pid]...)
		if err := f(pid, stats[pid]); err != nil && !gone(err) {
			return err
		}
	}
	return nil
}

func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// clock reads the CPU clock of a process; see clock_getcpuclockid(3).
func clock(pid int) (time.Duration, error) {
	const sched = 2 // CPUCLOCK_SCHED: in nanoseconds, of the whole process
	id := ^pid<<3 | sched
	var ts syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(id), uintptr(unsafe.Pointer(&ts)), 0)
	if errno == syscall.EINVAL { // no such process
		errno = syscall.ESRCH
	}
	if errno != 0 {
		return 0, fmt.Errorf("reading the CPU clock of process %d: %w", pid, errno)
	}
	return time.Duration(ts.Nano()), nil
}
