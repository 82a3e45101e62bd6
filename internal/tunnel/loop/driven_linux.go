package loop

import (
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
)

const (
	// minRead is what is read at once from a peer until it has more.
	minRead = 64 << 10
	// maxRead is what is read at once from a client whose backend keeps up.
	maxRead = 1 << 20
	// spliceFrom is the size of a read from which on splice pays.
	spliceFrom = 16 << 10
	// turn is how many bytes a tunnel may move before others are looked after. A
	// move of fewer than minMove counts for so many: it takes as long.
	turn    = 1 << 20
	minMove = 1 << 10
	// settleAfter is how many turns a tunnel has in the loop that opened it; one
	// that needs a whole turn settles at once.
	settleAfter = 32
)

// An end is the socket of one side. Readable and writable hold until the kernel
// says otherwise.
type end struct {
	fd       int
	readable bool
	writable bool
	drain    bool // a short read need not be the last: read until the kernel says EAGAIN
	eof      bool // nothing more can be read
}

// A driven is one running tunnel, or the connection of a client that may become
// one.
type driven struct {
	core            *tunnel.Core // nil: it is being opened
	opening         *opening     // nil: it is open
	client, backend end
	ended           func(tunnel.Result)

	// What waits for the client: out, and behind it inPipe bytes in pipe. The
	// core has been told of a write if there is any.
	out    []byte
	pipe   *pipe
	inPipe int

	in   []byte // what waits for the backend; the core has been told of a write
	room int    // what to read from the client at once: it grows while the backend keeps up

	uploaded bool  // the client was read last: now it is the backend's turn
	large    bool  // the backend's last read was large: the next is spliced
	noSplice bool  // splice does not work from this backend
	queued   bool  // in loop.ready
	settled  bool  // in its loop for good
	steps    uint8 // before it settled
	slot     int32 // in its loop; negative: none

	// The timer, see wheel.
	prev, next *driven
	at         time.Time
	place      int32
}

// event notes what an event says of a side.
func (d *driven) event(client bool, events uint32) {
	e := &d.backend
	if client {
		e = &d.client
	}
	const broken = syscall.EPOLLERR | syscall.EPOLLHUP
	if events&(syscall.EPOLLIN|syscall.EPOLLRDHUP|broken) != 0 {
		e.readable = true
	}
	if events&(syscall.EPOLLRDHUP|syscall.EPOLLPRI|broken) != 0 {
		e.drain = true // the end of the stream has been told, or a read stops at urgent data
	}
	if events&syscall.EPOLLPRI != 0 && !client {
		d.noSplice = true // never gets past urgent data
	}
	if events&(syscall.EPOLLOUT|broken) != 0 {
		e.writable = true
	}
}

// step gives d a turn, and a further one later if it has work left.
func (l *loop) step(d *driven) {
	if d.core == nil {
		l.advance(d)
		return
	}
	left := turn
	for left > 0 {
		n, ok := l.move(d)
		if !ok {
			break
		}
		left -= max(n, minMove)
	}
	if d.core.Done() {
		l.finish(d)
		return
	}
	if !d.settled && !d.queued {
		if d.steps++; (left <= 0 || d.steps == settleAfter) && l.settle(d) {
			return
		}
	}
	if left <= 0 && !d.queued {
		d.queued = true
		l.ready = append(l.ready, d)
	}
	if at := d.core.Deadline(); !at.IsZero() && (d.at.IsZero() || at.Before(d.at)) {
		l.timers.set(d, at)
	}
}

// move does the next thing that d can do. It returns how much that was, at least
// 1 and about as many bytes as moved; it is not ok if there is nothing to do
// until something happens.
func (l *loop) move(d *driven) (n int, ok bool) {
	c := d.core
	idle := len(d.out) == 0 && d.inPipe == 0 // nothing waits for the client
	upload := len(d.in) == 0 && d.client.readable && !d.client.eof
	download := d.backend.readable && !d.backend.eof && c.ReadBackend() && (idle && d.client.writable || !c.WantBackend())
	switch {
	case c.Done():
		return 0, false
	case !idle && d.client.writable:
		return l.flushClient(d), true
	case idle && d.client.writable && c.HasControl():
		d.out = c.TakeControl(nil)
		c.ClientWriting(l.now)
		return l.flushClient(d), true
	case idle && c.ShutClient():
		syscall.Shutdown(d.client.fd, syscall.SHUT_WR) // a failure shows when it is read
		c.ClientShut(l.now)
	case len(d.in) > 0 && d.backend.writable:
		return l.flushBackend(d), true
	case len(d.in) == 0 && c.ShutBackend():
		syscall.Shutdown(d.backend.fd, syscall.SHUT_WR)
		c.BackendShut(l.now)
	case upload && !(download && d.uploaded):
		d.uploaded = true
		return l.readClient(d), true
	case download:
		d.uploaded = false
		return l.readBackend(d), true
	default:
		return 0, false
	}
	return 1, true
}

// Client to backend.

func (l *loop) readClient(d *driven) int {
	b := l.scratch[:minRead]
	if d.backend.writable {
		b = l.scratch[:max(d.room, minRead)]
	}
	n, errno := l.read(d.client.fd, b)
	switch {
	case errno == syscall.EAGAIN:
		d.client.readable = false
		return 1
	case errno != 0:
		d.client.eof = true
		d.core.ClientFailed(os.NewSyscallError("read", errno), false, l.now)
		return 1
	case n == 0:
		d.client.eof = true
		d.core.ClientEOF(l.now)
		return 1
	}
	if n < len(b) && !d.client.drain {
		d.client.readable = false
	}
	l.clientBytes(d, b[:n])
	if len(d.in) > 0 {
		d.room = minRead
	} else if n == len(b) {
		d.room = min(2*n, maxRead)
	}
	return n
}

// clientBytes handles bytes that the client sent.
func (l *loop) clientBytes(d *driven, b []byte) {
	payload := d.core.FromClient(b, l.now)
	if len(payload) == 0 {
		return
	}
	d.core.BackendWriting(l.now)
	d.in = payload
	if d.backend.writable {
		l.flushBackend(d)
	}
	d.in = slices.Clone(d.in) // out of the scratch buffer
}

// flushBackend writes what waits for the backend.
func (l *loop) flushBackend(d *driven) int {
	n, errno := l.send(d.backend.fd, d.in, 0)
	switch {
	case errno == syscall.EAGAIN:
		d.backend.writable = false
		return 1
	case errno != 0:
		d.in = nil
		d.core.BackendWrote(0, os.NewSyscallError("send", errno), l.now)
		return 1
	}
	if d.in = d.in[n:]; len(d.in) > 0 {
		d.backend.writable = false
		d.core.BackendProgress(n, l.now)
		return n
	}
	d.in = nil
	d.core.BackendWrote(n, nil, l.now)
	return n
}

// Backend to client.

func (l *loop) readBackend(d *driven) int {
	if d.large && !d.noSplice && d.core.CanSplice() {
		if n, ok := l.spliceBackend(d); ok {
			return n
		}
	}
	b := l.scratch[:tunnel.Headroom+minRead]
	n, errno := l.read(d.backend.fd, b[tunnel.Headroom:])
	if !l.backendRead(d, n, errno) {
		return 1
	}
	d.large = n >= spliceFrom
	if n < minRead && !d.backend.drain {
		d.backend.readable = false
	}
	if frame := d.core.FromBackend(b[:tunnel.Headroom+n], tunnel.Headroom, l.now); len(frame) > 0 {
		d.core.ClientWriting(l.now)
		d.out = frame
		l.flushClient(d)
		d.out = slices.Clone(d.out) // out of the scratch buffer
	}
	return n
}

// backendRead handles the result of a read from the backend. It reports whether
// there is something.
func (l *loop) backendRead(d *driven, n int, errno syscall.Errno) bool {
	switch {
	case errno == syscall.EAGAIN:
		d.backend.readable = false
	case errno != 0:
		d.backend.eof = true
		d.core.BackendFailed(os.NewSyscallError("read", errno), l.now)
	case n == 0:
		d.backend.eof = true
		d.core.BackendEOF(l.now)
	default:
		return true
	}
	return false
}

// spliceBackend reads from the backend into a pipe. It is not ok if that cannot
// be done: then the bytes are to be copied.
func (l *loop) spliceBackend(d *driven) (n int, ok bool) {
	p, err := l.getPipe()
	if err != nil { // no descriptors left, most likely
		return 0, false
	}
	n, errno := l.splice(d.backend.fd, p.w, p.size)
	if errno == syscall.EINVAL || errno == 0 && n == 0 { // only a read tells the end from urgent data
		l.putPipe(p)
		d.noSplice = true
		return 0, false
	}
	if !l.backendRead(d, n, errno) {
		l.putPipe(p)
		return 1, true
	}
	d.large = n >= spliceFrom
	d.pipe, d.inPipe = p, n
	d.out = d.core.SpliceFromBackend(nil, n, l.now)
	d.core.ClientWriting(l.now)
	return n + l.flushClient(d), true
}

// flushClient writes what waits for the client.
func (l *loop) flushClient(d *driven) int {
	total := 0
	for {
		var n int
		var errno syscall.Errno
		switch {
		case len(d.out) > 0:
			flags := 0
			if d.inPipe > 0 {
				flags = syscall.MSG_MORE
			}
			if n, errno = l.send(d.client.fd, d.out, flags); errno == 0 {
				d.out = d.out[n:]
			}
		default:
			if n, errno = l.splice(d.pipe.r, d.client.fd, d.inPipe); errno == 0 {
				d.inPipe -= n
			}
		}
		switch {
		case errno == syscall.EAGAIN:
			d.client.writable = false
			return max(total, 1)
		case errno != 0:
			d.out = nil
			d.dropPipe()
			d.core.ClientWrote(0, os.NewSyscallError("send", errno), l.now)
			return max(total, 1)
		}
		total += n
		if len(d.out) > 0 || d.inPipe > 0 {
			d.core.ClientProgress(n, l.now)
			continue
		}
		d.out = nil
		if d.pipe != nil {
			l.putPipe(d.pipe)
			d.pipe = nil
		}
		d.core.ClientWrote(n, nil, l.now)
		return max(total, 1)
	}
}

// dropPipe throws the pipe away with what is in it.
func (d *driven) dropPipe() {
	if d.pipe != nil {
		d.pipe.close()
		d.pipe, d.inPipe = nil, 0
	}
}

func (l *loop) getPipe() (*pipe, error) {
	if n := len(l.pipes); n > 0 {
		p := l.pipes[n-1]
		l.pipes = l.pipes[:n-1]
		return p, nil
	}
	return l.pipe()
}

// putPipe keeps an empty pipe for the next that needs one.
func (l *loop) putPipe(p *pipe) {
	if len(l.pipes) < maxPipes {
		l.pipes = append(l.pipes, p)
		return
	}
	p.close()
}
