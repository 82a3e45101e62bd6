package loop

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"
)

// A kernel has the system calls by which a loop waits, connects and moves bytes.
// Tests put faults in their place. The descriptors do not block, so raw calls spare the
// scheduler a notice.
type kernel struct {
	poll   func(epoll int, events []syscall.EpollEvent, timeout int) int // timeout in ms; negative: none
	read   func(fd int, b []byte) (int, syscall.Errno)
	send   func(fd int, b []byte, flags int) (int, syscall.Errno)
	splice func(from, to, n int) (int, syscall.Errno)
	pipe   func() (*pipe, error)

	accept  func(listener int) (fd int, peer netip.AddrPort, errno syscall.Errno)
	connect func(to Addr) (fd int, errno syscall.Errno) // EINPROGRESS: fd will be writable
}

var realKernel = kernel{poll: poll, read: read, send: send, splice: splice, pipe: newPipe, accept: accept, connect: beginConnect}

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

// accept takes a connection. Its peer is not valid if it came over a Unix socket.
func accept(listener int) (fd int, peer netip.AddrPort, errno syscall.Errno) {
	var sa syscall.RawSockaddrAny
	size := uint32(syscall.SizeofSockaddrAny)
	n, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)),
		syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, peer, errno
	}
	switch sa.Addr.Family {
	case syscall.AF_INET:
		in := (*syscall.RawSockaddrInet4)(unsafe.Pointer(&sa))
		peer = netip.AddrPortFrom(netip.AddrFrom4(in.Addr), port(&in.Port))
	case syscall.AF_INET6:
		in := (*syscall.RawSockaddrInet6)(unsafe.Pointer(&sa))
		peer = netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), port(&in.Port))
	}
	return int(n), peer, 0
}

// port reads a port, which is in network byte order.
func port(p *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:])
}

// beginConnect begins a connection.
func beginConnect(to Addr) (fd int, errno syscall.Errno) {
	var sa syscall.Sockaddr
	family := syscall.AF_INET
	switch ip := to.TCP.Addr(); {
	case to.Unix != "":
		family, sa = syscall.AF_UNIX, &syscall.SockaddrUnix{Name: to.Unix}
	case ip.Is4():
		sa = &syscall.SockaddrInet4{Addr: ip.As4(), Port: int(to.TCP.Port())}
	default:
		family, sa = syscall.AF_INET6, &syscall.SockaddrInet6{Addr: ip.As16(), Port: int(to.TCP.Port())}
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_SOCKET, uintptr(family), syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if errno != 0 {
		return -1, errno
	}
	fd = int(n)
	if family != syscall.AF_UNIX {
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
		if !to.TCP.Addr().IsLoopback() {
			keepAlive(fd)
		}
	}
	switch err := syscall.Connect(fd, sa); err {
	case nil:
		return fd, 0
	case syscall.EINPROGRESS:
		return fd, syscall.EINPROGRESS
	default:
		syscall.Close(fd)
		errno, ok := err.(syscall.Errno)
		if !ok {
			errno = syscall.EINVAL
		}
		return -1, errno
	}
}

// keepAlive has the kernel ask a silent peer whether it is still there, as often
// as package net does.
func keepAlive(fd int) {
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1)
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 15)
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 15)
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 9)
}

// prepare sets what accepted connections take over from their listener.
func prepare(listener int) {
	const notSentLowat, maxUnsent = 25, 16 << 10 // TCP_NOTSENT_LOWAT of linux/tcp.h
	if n, err := syscall.GetsockoptInt(listener, syscall.SOL_SOCKET, syscall.SO_DOMAIN); err != nil || n == syscall.AF_UNIX {
		return
	}
	syscall.SetsockoptInt(listener, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	syscall.SetsockoptInt(listener, syscall.IPPROTO_TCP, notSentLowat, maxUnsent)
	keepAlive(listener)
}
