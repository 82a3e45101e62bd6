// Package stream drives a tunnel over two byte streams, with a goroutine per
// direction.
//
// It serves every kind of connection: TCP and Unix sockets, TLS, streams of
// HTTP/2. What the bytes mean is package tunnel's; opening and accepting
// connections is done by others.
package stream

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
)

// A Conn is one end of a tunnel. Reading, writing and closing may go on at the
// same time. Close makes Read and Write return.
type Conn interface {
	io.ReadWriteCloser
	CloseWrite() error // half-close: the peer reads an end of file
}

// Run drives a tunnel between client and backend until it is over, and returns
// what remains of it. The opening handshake has been answered; first holds what
// the client sent behind it.
//
// When ctx is done, the tunnel ends with close code 1001 and has the time that
// grace then returns to do so, or as long as it takes if that is 0.
// Run closes both ends, and every goroutine that it started has ended when it
// returns. It holds a buffer of 64 KiB per direction; for connections that are
// system sockets, only while there is something in it.
func Run(ctx context.Context, grace func() time.Duration, cfg *tunnel.Config, client, backend Conn, first []byte) tunnel.Result {
	d := &driver{client: client, backend: backend, core: tunnel.New(cfg, time.Now())}
	d.changed.L = &d.mu
	d.timer = time.AfterFunc(time.Hour, d.tick)
	d.timer.Stop() // settle sets it
	d.mu.Lock()
	d.settle()
	d.mu.Unlock()

	stopped := make(chan struct{})
	stopWatch := context.AfterFunc(ctx, func() {
		defer close(stopped)
		d.stop(grace())
	})
	d.running.Go(d.fromBackend)
	d.fromClient(first)

	d.mu.Lock()
	for !d.closed {
		d.changed.Wait()
	}
	if d.timer.Stop() {
		d.ticks--
	}
	for d.ticks > 0 {
		d.changed.Wait()
	}
	d.mu.Unlock()
	if !stopWatch() {
		<-stopped
	}
	d.running.Wait()
	return d.core.Result()
}

// A driver is one running tunnel.
type driver struct {
	client, backend Conn

	running sync.WaitGroup // fromBackend and flushers

	mu      sync.Mutex
	core    *tunnel.Core
	writing bool // somebody writes to the client, without holding mu
	closed  bool // both ends are
	ticks   int  // runs of tick that are under way or will come
	changed sync.Cond

	timer *time.Timer
	at    time.Time // what timer is set to; zero: it is not
}

// fromClient carries the client's payload to the backend, until the client's
// stream ends.
func (d *driver) fromClient(first []byte) {
	if len(first) > 0 {
		d.clientBytes(first)
	}
	r := newReader(d.client, 0)
	for {
		b, err := r.read()
		if len(b) > 0 {
			d.clientBytes(b)
		}
		r.release()
		if err != nil {
			d.clientEnd(err)
			return
		}
	}
}

// clientBytes handles bytes that the client sent. Answers to control frames
// among them do not wait for the backend to take the payload.
func (d *driver) clientBytes(b []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	payload := d.core.FromClient(b, time.Now())
	d.flush()
	if len(payload) > 0 {
		d.core.BackendWriting(time.Now())
		d.settle()
		d.mu.Unlock()
		n, err := d.backend.Write(payload)
		d.mu.Lock()
		d.core.BackendWrote(n, err, time.Now())
	}
	d.shutBackend()
	d.settle()
}

func (d *driver) clientEnd(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == io.EOF {
		d.core.ClientEOF(time.Now())
	} else {
		d.core.ClientFailed(err, false, time.Now())
	}
	d.shutBackend()
	d.flush()
	d.settle()
}

// shutBackend half-closes the backend if it is time. Only fromClient's goroutine
// calls it, so that it comes behind all payload.
func (d *driver) shutBackend() {
	if d.core.ShutBackend() {
		d.backend.CloseWrite() // a failure shows when the backend is read
		d.core.BackendShut(time.Now())
	}
}

// fromBackend frames what the backend sends for the client, until the backend's
// stream ends.
func (d *driver) fromBackend() {
	r := newReader(d.backend, tunnel.Headroom)
	for {
		b, err := r.read()
		more := d.backendBytes(b, err)
		r.release()
		if !more {
			return
		}
	}
}

// backendBytes handles b[tunnel.Headroom:], which the backend sent, and then err.
// It reports whether to read on.
func (d *driver) backendBytes(b []byte, err error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(b) > tunnel.Headroom {
		for d.writing {
			d.changed.Wait()
		}
		d.writing = true
		if frame := d.core.FromBackend(b, tunnel.Headroom, time.Now()); len(frame) > 0 {
			d.write(frame)
		}
		d.writing = false
		d.changed.Broadcast()
	}
	switch err {
	case nil:
	case io.EOF:
		d.core.BackendEOF(time.Now())
	default:
		d.core.BackendFailed(err, time.Now())
	}
	d.flush()
	d.settle()
	return d.core.ReadBackend()
}

// flush has the control frames that wait written, and the client half-closed if
// it is time. It does not wait for that, so that a client that does not read
// holds up nothing but what goes to it. Whoever is writing already sees to it
// afterwards.
func (d *driver) flush() {
	if !d.writing && !d.closed && (d.core.HasControl() || d.core.ShutClient()) {
		d.writing = true
		d.running.Go(d.flusher)
	}
}

func (d *driver) flusher() {
	d.mu.Lock()
	defer d.mu.Unlock()
	var buf [256]byte // enough for a pong, a ping and a close frame
	if b := d.core.TakeControl(buf[:0]); len(b) > 0 {
		d.write(b)
	}
	if d.core.ShutClient() {
		d.client.CloseWrite() // a failure shows when the client is read
		d.core.ClientShut(time.Now())
	}
	d.writing = false
	d.changed.Broadcast()
	d.flush()
	d.settle()
}

// write writes b to the client; the caller has set writing. It gives mu up while
// it writes.
func (d *driver) write(b []byte) {
	d.core.ClientWriting(time.Now())
	d.settle()
	d.mu.Unlock()
	n, err := d.client.Write(b)
	d.mu.Lock()
	d.core.ClientWrote(n, err, time.Now())
}

// stop ends the tunnel because the server stops.
func (d *driver) stop(grace time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.core.Stop(grace, time.Now())
	d.flush()
	d.settle()
}

// tick runs when the timer fires.
func (d *driver) tick() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = time.Time{}
	d.core.Tick(time.Now())
	d.flush()
	d.settle()
	d.ticks--
	d.changed.Broadcast()
}

// settle follows every change of the core's state: it closes both ends when the
// tunnel is done, and otherwise sees that the timer does not fire too late. A
// timer that fires too early finds nothing to do, so that a busy tunnel does
// not move it all the time.
func (d *driver) settle() {
	if d.core.Done() {
		d.close()
		return
	}
	at := d.core.Deadline()
	if at.IsZero() || !d.at.IsZero() && !at.Before(d.at) {
		return
	}
	d.at = at
	if !d.timer.Reset(time.Until(at)) {
		d.ticks++ // the last one has fired
	}
}

// close makes reads and writes under way return.
func (d *driver) close() {
	if !d.closed {
		d.closed = true
		d.changed.Broadcast()
		d.client.Close()
		d.backend.Close()
	}
}
