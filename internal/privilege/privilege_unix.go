//go:build unix && !aix && !solaris

package privilege

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// SetMaxFiles lets this process have n files and sockets open at a time. Only
// root may have more than the hard limit of the system. If it is not granted, the
// process has as many as the hard limit allows, and the error says how many.
func SetMaxFiles(n int) error {
	var had syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &had); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	want := had
	setLimit(&want.Cur, n)
	want.Max = max(want.Cur, had.Max)
	err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want)
	if err == nil {
		return nil
	}
	want.Cur, want.Max = min(want.Cur, had.Max), had.Max
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want) != nil {
		want = had
	}
	return fmt.Errorf("this process may have %d files open at most: %w", want.Cur, os.NewSyscallError("setrlimit", err))
}

// setLimit is for systems that differ in the type of a limit.
func setLimit[T int64 | uint64](limit *T, n int) { *limit = T(n) }

// Confine makes dir the root directory of this process, and its working
// directory. What is open stays open.
func Confine(dir string) error {
	// The working directory first, so that the process is never outside.
	if err := os.Chdir(dir); err != nil {
		return err
	}
	if err := syscall.Chroot("."); err != nil {
		return &os.PathError{Op: "chroot", Path: dir, Err: err}
	}
	return os.Chdir("/")
}

// Become makes this process, all of its threads, one of the user uid in the group
// gid, which are not root's, with groups and no others. A negative uid or gid
// stays as it is. With a uid, nothing of root's rights remains: Become tries to
// get them back, and that it can is an error. After an error, the process is to
// end: it may be halfway.
func Become(uid, gid int, groups []int) error {
	if uid == 0 || gid == 0 {
		return errors.New("the user and the group with number 0 are root's")
	}
	if err := syscall.Setgroups(groups); err != nil {
		return os.NewSyscallError("setgroups", err)
	}
	if gid > 0 {
		if err := syscall.Setgid(gid); err != nil {
			return os.NewSyscallError(fmt.Sprint("setgid ", gid), err)
		}
	}
	if uid < 0 {
		return nil
	}
	if err := syscall.Setuid(uid); err != nil {
		return os.NewSyscallError(fmt.Sprint("setuid ", uid), err)
	}
	if syscall.Setuid(0) == nil || gid > 0 && syscall.Setgid(0) == nil {
		return fmt.Errorf("setuid %d: the process can still become root", uid)
	}
	return nil
}
