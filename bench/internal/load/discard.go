//go:build linux

package load

import (
	"io"
	"net"
	"syscall"
)

// A discarder takes data from a connection without copying it out of the kernel,
// which would cost as much as much of what is measured.
type discarder struct {
	raw syscall.RawConn
	b   []byte // never written to, so it takes up no memory
}

func newDiscarder(conn net.Conn) (*discarder, error) {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	return &discarder{raw, make([]byte, 1<<20)}, err
}

// discard waits for data, takes at most that many bytes of it and returns how many
// it took. At the end of the stream it returns io.EOF.
func (d *discarder) discard(most int64) (n int, err error) {
	b := d.b[:min(most, int64(len(d.b)))]
	closed := d.raw.Read(func(fd uintptr) bool {
		n, _, err = syscall.Recvfrom(int(fd), b, syscall.MSG_TRUNC) // see tcp(7)
		return err != syscall.EAGAIN && err != syscall.EINTR
	})
	switch {
	case closed != nil:
		return 0, closed
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
