package loop

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
)

const (
	// maxAccept is how many connections a listener may give before tunnels have
	// their turn.
	maxAccept = 64
	// acceptPause is how long a listener rests when descriptors or memory lack.
	acceptPause = 100 * time.Millisecond
)

// A listener is a listening socket that a loop accepts from.
type listener struct {
	*Entrance
	fd    int
	place int         // in loop.listeners
	pause *time.Timer // nil: it does not rest
}

// An opening is what a connection has beside the state of a tunnel before it is
// one.
type opening struct {
	*listener
	peer    netip.AddrPort
	plan    *Plan  // nil: the client has sent nothing yet
	head    []byte // what it sent
	watched bool   // for what it sends
}

// errClosed is why a tunnel is not opened any more.
var errClosed = errors.New("the listener is closed")

// Accept has a loop accept what comes in on ln, until stop is called. That waits
// until no function of e runs any more; who has no tunnel then is cut off. It must
// be called before the context of Run is done. The socket of ln stays its owner's,
// who must not accept from it.
func (g *Group) Accept(ln Conn, e *Entrance) (stop func(), err error) {
	raw, err := ln.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd, err := dup(raw)
	if err != nil {
		return nil, err
	}
	prepare(fd)
	lis := &listener{Entrance: e, fd: fd}
	l := g.loops[g.next.Add(1)%uint32(len(g.loops))]
	l.call(func() { err = l.addListener(lis) })
	if err != nil {
		syscall.Close(fd)
		return nil, err
	}
	return sync.OnceFunc(func() {
		l.call(func() { l.removeListener(lis) })
		syscall.Close(fd)
	}), nil
}

// call is tell that waits until f has returned.
func (l *loop) call(f func()) {
	done := make(chan struct{})
	l.tell(func() { f(); close(done) })
	<-done
}

func (l *loop) addListener(lis *listener) error {
	lis.place = slices.Index(l.listeners, nil)
	if lis.place < 0 {
		lis.place = len(l.listeners)
		l.listeners = append(l.listeners, nil)
	}
	if err := l.watchListener(lis); err != nil {
		return err
	}
	l.listeners[lis.place] = lis
	return nil
}

func (l *loop) watchListener(lis *listener) error {
	return l.watch(lis.fd, syscall.EPOLLIN, listenTag-int32(lis.place), 0)
}

// removeListener forgets lis and cuts off its connections that are not tunnels.
func (l *loop) removeListener(lis *listener) {
	if lis.pause != nil {
		lis.pause.Stop()
	} else {
		l.unwatch(lis.fd)
	}
	l.listeners[lis.place] = nil
	for i := range l.slots {
		if d := l.slots[i].driven; d != nil && d.opening != nil && d.opening.listener == lis {
			l.cut(d)
		}
	}
}

// accept takes the connections that wait at lis, which is nil if the event is
// older than its removal.
func (l *loop) accept(lis *listener) {
	if lis == nil || lis.pause != nil {
		return
	}
	for range maxAccept {
		fd, peer, errno := l.kernel.accept(lis.fd)
		switch errno {
		case 0:
			l.meet(&driven{
				opening: &opening{listener: lis, peer: peer},
				client:  end{fd: fd, writable: true},
				backend: end{fd: -1},
			})
		case syscall.EINTR, syscall.ECONNABORTED:
		case syscall.EAGAIN:
			return
		default: // EMFILE, most likely
			lis.Failed(os.NewSyscallError("accept", errno))
			l.rest(lis)
			return
		}
	}
}

// rest stops accepting from lis for a while: its event would come again at once.
func (l *loop) rest(lis *listener) {
	l.unwatch(lis.fd)
	lis.pause = time.AfterFunc(acceptPause, func() {
		l.tell(func() {
			if l.listeners[lis.place] != lis {
				return
			}
			lis.pause = nil
			if err := l.watchListener(lis); err != nil {
				lis.Failed(err)
			}
		})
	})
}

// meet begins to open a tunnel for a client that was accepted. Its request is
// often there already.
func (l *loop) meet(d *driven) {
	l.place(d)
	if l.stopped {
		l.cut(d)
		return
	}
	if l.readRequest(d) {
		return
	}
	if l.watchEnd(d, &d.client) != nil {
		l.cut(d)
		return
	}
	d.opening.watched = true
	if d.opening.Timeout > 0 {
		l.timers.set(d, l.now.Add(d.opening.Timeout))
	}
}

// advance goes on opening d, after an event.
func (l *loop) advance(d *driven) {
	switch {
	case d.opening.plan == nil:
		l.readRequest(d)
	case d.backend.writable:
		l.connected(d)
	}
}

// readRequest reads the first bytes of a client, and goes on by what they are. It
// returns false if there are none yet.
func (l *loop) readRequest(d *driven) bool {
	o := d.opening
	n, errno := l.read(d.client.fd, l.scratch[:minRead])
	switch {
	case errno == syscall.EAGAIN:
		return false
	case errno != 0 || n == 0:
		l.cut(d)
		return true
	}
	d.client.readable = n == minRead || d.client.drain
	o.head = slices.Clone(l.scratch[:n])
	if o.plan = o.Request(o.peer, o.head); o.plan == nil {
		l.handOver(d)
		return true
	}
	if err := l.connect(d); err != nil {
		l.drop(d, err)
	}
	return true
}

// connect begins to connect the backend of d's plan.
func (l *loop) connect(d *driven) error {
	fd, errno := l.kernel.connect(d.opening.plan.Backend)
	if errno != 0 && errno != syscall.EINPROGRESS {
		return os.NewSyscallError("connect", errno)
	}
	d.backend.fd = fd
	if err := l.watchEnd(d, &d.backend); err != nil {
		return err
	}
	if !d.opening.watched {
		if err := l.watchEnd(d, &d.client); err != nil {
			return err
		}
	}
	l.timers.remove(d)
	if errno == 0 {
		d.backend.writable = true
		l.connected(d)
	} else if t := d.opening.plan.ConnectTimeout; t > 0 {
		l.timers.set(d, l.now.Add(t))
	}
	return nil
}

// connected makes d a tunnel, unless its backend could not be connected.
func (l *loop) connected(d *driven) {
	o := d.opening
	if d.backend.drain { // an error, perhaps
		n, err := syscall.GetsockoptInt(d.backend.fd, syscall.SOL_SOCKET, syscall.SO_ERROR)
		if err == nil && n != 0 {
			err = syscall.Errno(n)
		}
		if err != nil {
			l.drop(d, os.NewSyscallError("connect", err))
			return
		}
	}
	l.timers.remove(d)
	d.opening = nil
	o.plan.Opened()
	d.ended = o.plan.Ended
	d.core = tunnel.New(o.plan.Config, l.now)
	if n, errno := l.send(d.client.fd, o.plan.Answer, 0); errno != 0 {
		d.core.ClientFailed(os.NewSyscallError("send", errno), false, l.now)
	} else if n < len(o.plan.Answer) { // an empty socket buffer takes more
		d.core.ClientFailed(os.NewSyscallError("send", syscall.ENOBUFS), false, l.now)
	}
	if l.stopped {
		d.core.Stop(l.grace, l.now)
	}
	if first := o.head[o.plan.Size:]; len(first) > 0 {
		l.clientBytes(d, first)
	}
	l.step(d)
}

// late runs when the time is over that d had for its next step.
func (l *loop) late(d *driven) {
	if d.opening.plan == nil {
		l.cut(d)
		return
	}
	l.drop(d, os.NewSyscallError("connect", syscall.ETIMEDOUT))
}

// drop gives up the plan of d because of err.
func (l *loop) drop(d *driven, err error) {
	d.opening.plan.Dropped(err)
	if d.backend.fd >= 0 {
		syscall.Close(d.backend.fd)
	}
	l.handOver(d)
}

// handOver has others answer d's client.
func (l *loop) handOver(d *driven) {
	l.unwatch(d.client.fd) // the socket may live on under another descriptor
	l.leave(d)
	d.opening.HandOver(d.client.fd, d.opening.peer, d.opening.head)
}

// cut closes what there is of d, which is no tunnel.
func (l *loop) cut(d *driven) {
	if d.opening.plan != nil {
		d.opening.plan.Dropped(errClosed)
	}
	syscall.Close(d.client.fd)
	if d.backend.fd >= 0 {
		syscall.Close(d.backend.fd)
	}
	l.leave(d)
}
