package loop

import (
	"syscall"
	"unsafe"
)

// A kernel has the system calls by which a loop waits and moves bytes. Tests put
// faults in their place. The descriptors do not block, so raw calls spare the
// scheduler a notice.
type kernel struct {
	poll   func(epoll int, events []syscall.EpollEvent, timeout int) int // timeout in ms; negative: none
	read   func(fd int, b []byte) (int, syscall.Errno)
	send   func(fd int, b []byte, flags int) (int, syscall.Errno)
	splice func(from, to, n int) (int, syscall.Errno)
	pipe   func() (*pipe, error)
}

var realKernel = kernel{poll: poll, read: read, send: send, splice: splice, pipe: newPipe}

func poll(epoll int, events []syscall.EpollEvent, timeout int) int {
	if timeout == 0 {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epoll),
			uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
		if errno != 0 {
			return 0
		}
		return int(n)
	}
	n, err := syscall.EpollWait(epoll, events, timeout)
	if err != nil { // EINTR
		return 0
	}
	return n
}

func read(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

func send(fd int, b []byte, flags int) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			uintptr(flags|syscall.MSG_NOSIGNAL), 0, 0)
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

const (
	spliceMove     = 1 // SPLICE_F_MOVE
	spliceNonblock = 2 // SPLICE_F_NONBLOCK
	setPipeSize    = 1031
)

func splice(from, to, n int) (int, syscall.Errno) {
	for {
		m, _, errno := syscall.RawSyscall6(syscall.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), spliceMove|spliceNonblock)
		if errno != syscall.EINTR {
			return int(m), errno
		}
	}
}

// A pipe holds payload that goes from a backend to its client by splice.
type pipe struct {
	r, w int
	size int // bytes
}

// maxPipe is the size that a pipe should have. The system may allow less.
const maxPipe = 1 << 20

func newPipe() (*pipe, error) {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return nil, err
	}
	p := &pipe{r: fds[0], w: fds[1], size: 64 << 10}
	if n, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(p.w), setPipeSize, maxPipe); errno == 0 {
		p.size = int(n)
	}
	return p, nil
}

func (p *pipe) close() {
	syscall.Close(p.r)
	syscall.Close(p.w)
}
