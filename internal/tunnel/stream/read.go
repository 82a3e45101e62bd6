package stream

import (
	"sync"
)

// bufferSize is what one read takes at the most.
const bufferSize = 64 << 10

// buffers holds buffers with room for what goes in front of a read.
var buffers = sync.Pool{New: func() any { return new([headroom + bufferSize]byte) }}

// headroom is the most that newReader's off may be.
const headroom = 64

// A reader reads from a Conn into pooled buffers.
type reader struct {
	conn Conn
	off  int
	buf  *[headroom + bufferSize]byte
	lazy *lazyReader // nil: conn is no system socket
}

// newReader returns a reader that leaves off bytes free in front of what it
// reads.
func newReader(conn Conn, off int) *reader {
	return &reader{conn: conn, off: off, lazy: newLazyReader(conn)}
}

// read waits for the next bytes. It returns them behind off free bytes, or an
// empty slice, and io.EOF at the end of the stream; they are valid until release.
func (r *reader) read() ([]byte, error) {
	var n int
	var err error
	if r.lazy != nil {
		n, err = r.lazy.read(r)
	} else {
		n, err = r.conn.Read(r.buffer())
	}
	if n <= 0 {
		return nil, err
	}
	return r.buf[:r.off+n], err
}

// buffer returns the room to read into.
func (r *reader) buffer() []byte {
	if r.buf == nil {
		r.buf = buffers.Get().(*[headroom + bufferSize]byte)
	}
	return r.buf[r.off : r.off+bufferSize]
}

// release gives the buffer back.
func (r *reader) release() {
	if r.buf != nil {
		buffers.Put(r.buf)
		r.buf = nil
	}
}
