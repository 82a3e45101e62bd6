package front

import (
	"net"
	"syscall"
)

const (
	tcpNotSentLowat = 25 // TCP_NOTSENT_LOWAT of linux/tcp.h
	maxUnsent       = 16 << 10
)

// limitUnsent keeps the bytes few that wait in the kernel for a client that does
// not read: they cost memory, and a ping or close frame comes behind them. It is
// an optimisation: an error changes nothing.
func limitUnsent(s Stream) {
	tcp, ok := s.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, maxUnsent)
		})
	}
}
