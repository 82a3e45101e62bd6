package front

import "syscall"

const (
	tcpNotSentLowat = 25 // TCP_NOTSENT_LOWAT of linux/tcp.h
	maxUnsent       = 16 << 10
)

// limitUnsent keeps the bytes few that wait in the kernel for a client that does
// not read: they cost memory, and a ping or close frame comes behind them. It is
// an optimisation: an error, as of a Unix socket, changes nothing.
func limitUnsent(s Stream) {
	sc, ok := s.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := sc.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, maxUnsent)
		})
	}
}
