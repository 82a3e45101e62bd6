//go:build unix

package stream

import (
	"io"
	"os"
	"syscall"
)

// A lazyReader reads from a system socket into a buffer that is taken only once
// there is something to read, so that an idle tunnel holds none.
type lazyReader struct {
	raw syscall.RawConn
	r   *reader
	try func(fd uintptr) bool // tryRead, made once
	n   int
	err error
}

// newLazyReader returns nil if conn is no system socket.
func newLazyReader(conn Conn) *lazyReader {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	l := &lazyReader{raw: raw}
	l.try = l.tryRead
	return l
}

func (l *lazyReader) read(r *reader) (int, error) {
	l.r, l.n, l.err = r, 0, nil
	if err := l.raw.Read(l.try); err != nil {
		return 0, err
	}
	return l.n, l.err
}

// tryRead reads once. It returns false if there is nothing to read yet.
func (l *lazyReader) tryRead(fd uintptr) bool {
	for {
		n, err := syscall.Read(int(fd), l.r.buffer())
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			l.r.release()
			return false
		case err != nil:
			l.err = os.NewSyscallError("read", err)
		case n == 0:
			l.err = io.EOF
		default:
			l.n = n
		}
		return true
	}
}
