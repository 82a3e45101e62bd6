package stream_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/tunnel/stream"
	"github.com/wstunneld/wstunneld/internal/tunnel/tunneltest"
)

var (
	simSeed = flag.Uint64("sim.seed", 0, "replay the one simulation with this seed")
	simRuns = flag.Int("sim.runs", 300, "how many simulations to run")
)

// TestSimulation runs simulations over memory, on a virtual clock.
func TestSimulation(t *testing.T) {
	sim := tunneltest.Simulation[stream.Conn]{
		Pair: func(size int) (tunneltest.Peer, stream.Conn) {
			a, b := newConnPair(size)
			return a, b
		},
		Drive: func(ctx context.Context, grace time.Duration, cfg *tunnel.Config, client, backend stream.Conn, first []byte) tunnel.Result {
			return stream.Run(ctx, func() time.Duration { return grace }, cfg, client, backend, first)
		},
		Unit: time.Millisecond,
	}
	if *simSeed != 0 {
		synctest.Test(t, func(t *testing.T) { sim.Run(t, *simSeed) })
		return
	}
	base := uint64(time.Now().UnixNano())
	for i := range uint64(*simRuns) {
		seed := base + i
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { sim.Run(t, seed) })
		})
		if !ok {
			t.Fatalf("replay with: go test ./internal/tunnel/stream -run TestSimulation -sim.seed=%d", seed)
		}
	}
}

// A memConn is one end of a connection in memory that is as unkind as TCP may
// be: closing it with unread bytes resets the peer, which loses what it has not
// read yet.
type memConn struct {
	in, out *memQueue
}

func newConnPair(size int) (a, b *memConn) {
	x, y := newMemQueue(size), newMemQueue(size)
	return &memConn{x, y}, &memConn{y, x}
}

func (c *memConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *memConn) Write(b []byte) (int, error) { return c.out.write(b) }
func (c *memConn) CloseWrite() error           { c.out.end(io.EOF, false); return nil }

func (c *memConn) Close() error {
	if c.in.end(errClosed, true) {
		c.out.end(syscall.ECONNRESET, true)
	} else {
		c.out.end(io.EOF, false)
	}
	return nil
}

func (c *memConn) Reset() {
	c.in.end(syscall.ECONNRESET, true)
	c.out.end(syscall.ECONNRESET, true)
}

var errClosed = errors.New("closed")

// A memQueue is one direction of a memConn.
type memQueue struct {
	mu   sync.Mutex
	cond sync.Cond
	size int
	data []byte
	err  error // behind data
}

func newMemQueue(size int) *memQueue {
	q := &memQueue{size: size}
	q.cond.L = &q.mu
	return q
}

func (q *memQueue) read(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.data) == 0 && q.err == nil {
		q.cond.Wait()
	}
	if len(q.data) == 0 {
		return 0, q.err
	}
	n := copy(b, q.data)
	q.data = q.data[n:]
	q.cond.Broadcast()
	return n, nil
}

func (q *memQueue) write(b []byte) (n int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for n < len(b) {
		if q.err != nil {
			return n, syscall.EPIPE
		}
		room := min(q.size-len(q.data), len(b)-n)
		if room == 0 {
			q.cond.Wait()
			continue
		}
		q.data = append(q.data, b[n:n+room]...)
		n += room
		q.cond.Broadcast()
	}
	return n, nil
}

// end ends the queue with err, and drops what it holds if drop is true. It
// reports whether there was something.
func (q *memQueue) end(err error, drop bool) (unread bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	unread = len(q.data) > 0
	if q.err == nil || drop {
		q.err = err
	}
	if drop {
		q.data = nil
	}
	q.cond.Broadcast()
	return unread
}
