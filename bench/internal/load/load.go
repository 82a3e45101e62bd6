//go:build linux

package load

import (
	"bufio"
	"context"
	"crypto/sha256"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
)

// What a backend does with a connection: the first byte that the client sends.
const (
	Echo    = 'e' // sends everything back, this byte too
	Flood   = 'f' // sends without end
	Trickle = 't' // the same, with a small send buffer in the kernel
	Sink    = 's' // takes everything
	Give    = 'g' // reads a seed of one byte, and sends DataSize bytes of its pattern
	Take    = 'k' // reads DataSize bytes, and sends their hash
)

const (
	// BulkSize is the size of the writes of bulk data.
	BulkSize = 256 << 10
	// SmallBuffer is the size that a socket buffer in the kernel is set to where
	// it should not hide what the server buffers.
	SmallBuffer = 64 << 10
	// DataSize is the number of bytes whose content is looked at. It is odd, so
	// that the last piece of anything is not a full one.
	DataSize = 8<<20 + 1
)

// Data returns the first n bytes of the pattern of a seed.
func Data(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// A Backend serves connections as their first byte says.
type Backend struct {
	Received atomic.Int64 // bytes that Sink took

	ln net.Listener
}

// Listen opens a backend at a free port of 127.0.0.1. Run must be called.
func Listen() (*Backend, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &Backend{ln: ln}, nil
}

// Port returns the port that the backend listens at.
func (b *Backend) Port() int { return b.ln.Addr().(*net.TCPAddr).Port }

// Run serves until ctx is done, and then resets what is open. It returns nil
// then, or the error that ended it sooner.
func (b *Backend) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	defer b.ln.Close()
	context.AfterFunc(ctx, func() { b.ln.Close() })
	for {
		conn, err := b.ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			return err
		}
		running.Go(func() {
			stop := context.AfterFunc(ctx, func() { reset(conn) })
			b.serve(conn)
			stop()
			conn.Close()
		})
	}
}

// serve ends when the connection does, whoever ended it and how: what is missing
// is noticed by the client.
func (b *Backend) serve(conn net.Conn) {
	r := bufio.NewReaderSize(conn, 1<<10) // small: there may be 10,000
	first, err := r.Peek(1)
	if err != nil {
		return
	}
	switch first[0] {
	case Echo:
		echo(conn, r)
	case Flood:
		flood(conn)
	case Trickle:
		conn.(*net.TCPConn).SetWriteBuffer(SmallBuffer)
		flood(conn)
	case Sink:
		b.sink(conn, r.Buffered())
	case Give:
		var start [2]byte
		if _, err := io.ReadFull(r, start[:]); err == nil {
			conn.Write(Data(start[1], DataSize))
			r.ReadByte() // waits for the client to end it
		}
	case Take:
		r.Discard(1)
		hash := sha256.New()
		if _, err := io.CopyN(hash, r, DataSize); err == nil {
			conn.Write(hash.Sum(nil))
			r.ReadByte()
		}
	}
}

// echo is io.Copy without splice, which would be dear for small messages.
func echo(w io.Writer, r *bufio.Reader) {
	for {
		if _, err := r.Peek(1); err != nil {
			return
		}
		b, _ := r.Peek(r.Buffered())
		if _, err := w.Write(b); err != nil {
			return
		}
		r.Discard(len(b))
	}
}

var bulk = make([]byte, BulkSize)

func flood(w io.Writer) {
	for {
		if _, err := w.Write(bulk); err != nil {
			return
		}
	}
}

func (b *Backend) sink(conn net.Conn, n int) {
	d, err := newDiscarder(conn)
	for err == nil {
		b.Received.Add(int64(n))
		n, err = d.discard(math.MaxInt64)
	}
}

// reset closes a connection so that no trace of it stays in the kernel.
func reset(conn net.Conn) {
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}
