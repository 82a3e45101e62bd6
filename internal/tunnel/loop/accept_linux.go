package loop

import (
	"errors"
	"net/netip"
	"os"
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

	epollExclusive = 1 << 28 // EPOLLEXCLUSIVE: wake one loop, not all
)

// A listener is a listening socket that a loop accepts from.
type listener struct {
	*Entrance
	fd    int
	tag   int32
	pause *time.Timer // nil: it does not rest
}

// An opening is what a connection has beside the state of a tunnel before it is
// one.
type opening struct {
	*listener
	peer netip.AddrPort
	plan *Plan  // nil: the client has sent nothing yet
	head []byte // what it sent
}

// Accept has the loops accept what comes in on ln, until stop is called. That
// waits until no function of e runs any more; who has not been answered by then
// is cut off. It must be called before the context of Run is done. The socket of
// ln stays its owner's, who must not accept from it.
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
	var added []*listener // of the loops
	stop = sync.OnceFunc(func() {
		for i, lis := range added {
			g.loops[i].call(func() { g.loops[i].removeListener(lis) })
		}
		for _, l := range g.loops { // now that no loop gives one to another any more
			l.call(func() { l.cutAll(fd) })
		}
		syscall.Close(fd)
	})
	for _, l := range g.loops {
		lis := &listener{Entrance: e, fd: fd}
		var err error
		l.call(func() { err = l.addListener(lis) })
		if err != nil {
			stop()
			return nil, err
		}
		added = append(added, lis)
	}
	return stop, nil
}

// call is tell that waits until f has returned.
func (l *loop) call(f func()) {
	done := make(chan struct{})
	l.tell(func() { f(); close(done) })
	<-done
}

func (l *loop) addListener(lis *listener) error {
	i := 0
	for i < len(l.listeners) && l.listeners[i] != nil {
		i++
	}
	lis.tag = eventTag - 1 - int32(i)
	if err := l.watch(lis.fd, syscall.EPOLLIN|epollExclusive, lis.tag, 0); err != nil {
		return err
	}
	if i == len(l.listeners) {
		l.listeners = append(l.listeners, nil)
	}
	l.listeners[i] = lis
	return nil
}

func (l *loop) removeListener(lis *listener) {
	if lis.pause != nil {
		lis.pause.Stop()
	} else {
		l.unwatch(lis.fd)
	}
	l.listeners[eventTag-1-lis.tag] = nil
}

// cutAll cuts off the connections of a listener that are not tunnels yet.
func (l *loop) cutAll(listener int) {
	for i := range l.slots {
		if d := l.slots[i].driven; d != nil && d.opening != nil && d.opening.listener.fd == listener {
			l.cut(d, errors.New("the listener is closed"))
		}
	}
}

// accept takes the connections that wait at lis, which is nil if the event is
// older than its removal. A loop that has more tunnels than others gives the
// connection to them.
func (l *loop) accept(lis *listener) {
	if lis == nil || lis.pause != nil {
		return
	}
	for range maxAccept {
		fd, peer, errno := l.kernel.accept(lis.fd)
		switch errno {
		case 0:
		case syscall.EINTR, syscall.ECONNABORTED:
			continue
		case syscall.EAGAIN:
			return
		default: // EMFILE, most likely
			lis.Failed(os.NewSyscallError("accept", errno))
			l.rest(lis)
			return
		}
		d := &driven{
			opening: &opening{listener: lis, peer: peer},
			client:  end{fd: fd, writable: true},
			backend: end{fd: -1},
		}
		if to := l.group.emptiest(l); to == l {
			l.meet(d)
		} else {
			to.tell(func() { to.meet(d) })
		}
	}
}

// rest stops accepting from lis for a while: its event would come again at once.
func (l *loop) rest(lis *listener) {
	l.unwatch(lis.fd)
	lis.pause = time.AfterFunc(acceptPause, func() {
		l.tell(func() {
			if i := eventTag - 1 - lis.tag; l.listeners[i] != lis {
				return
			}
			lis.pause = nil
			if err := l.watch(lis.fd, syscall.EPOLLIN|epollExclusive, lis.tag, 0); err != nil {
				lis.Failed(err)
			}
		})
	})
}

// meet begins to wait for the first bytes of a client.
func (l *loop) meet(d *driven) {
	l.place(d)
	if err := l.watchEnd(d, &d.client); err != nil || l.stopped {
		l.cut(d, err)
		return
	}
	if d.opening.Timeout > 0 {
		l.timers.set(d, l.now.Add(d.opening.Timeout))
	}
}

// advance goes on opening d, after an event.
func (l *loop) advance(d *driven) {
	switch {
	case d.opening.plan == nil && d.client.readable:
		l.readRequest(d)
	case d.opening.plan != nil && d.backend.writable:
		l.connected(d)
	}
}

// readRequest reads the first bytes of a client.
func (l *loop) readRequest(d *driven) {
	o := d.opening
	n, errno := l.read(d.client.fd, l.scratch[:minRead])
	switch {
	case errno == syscall.EAGAIN:
		d.client.readable = false
		return
	case errno != 0 || n == 0:
		l.cut(d, nil)
		return
	}
	d.client.readable = n == minRead || d.client.drain
	o.head = append([]byte(nil), l.scratch[:n]...)
	if o.plan = o.Request(o.peer, o.head); o.plan == nil {
		l.handOver(d)
		return
	}
	d.backend.fd, errno = l.connect(o.plan.Backend)
	switch errno {
	case 0:
		d.backend.writable = true
	case syscall.EINPROGRESS:
	default:
		l.drop(d, os.NewSyscallError("connect", errno))
		return
	}
	if err := l.watchEnd(d, &d.backend); err != nil {
		l.drop(d, err)
		return
	}
	l.timers.remove(d)
	if d.backend.writable {
		l.connected(d)
	} else if t := o.plan.ConnectTimeout; t > 0 {
		l.timers.set(d, l.now.Add(t))
	}
}

// connected ends the opening of d: its backend is connected, or has failed.
func (l *loop) connected(d *driven) {
	o := d.opening
	if d.backend.drain { // the event told of an error, too
		if n, err := syscall.GetsockoptInt(d.backend.fd, syscall.SOL_SOCKET, syscall.SO_ERROR); err != nil || n != 0 {
			l.drop(d, os.NewSyscallError("connect", syscall.Errno(n)))
			return
		}
	}
	l.timers.remove(d)
	d.opening = nil
	d.ended = o.plan.Opened()
	n, errno := l.send(d.client.fd, o.plan.Answer, 0)
	if errno == 0 && n < len(o.plan.Answer) {
		errno = syscall.ENOBUFS // a socket that has sent nothing takes more than that
	}
	if errno != 0 {
		d.core = tunnel.New(o.plan.Config, l.now)
		d.core.ClientFailed(os.NewSyscallError("send", errno), false, l.now)
		l.finish(d)
		return
	}
	l.begin(d, o.plan.Config, o.head[o.plan.Size:], nil)
}

// late runs when the time is over that d has for its next step.
func (l *loop) late(d *driven) {
	if d.opening.plan == nil {
		l.cut(d, nil)
		return
	}
	l.drop(d, os.NewSyscallError("connect", syscall.ETIMEDOUT))
}

// drop gives up the plan of d because of err.
func (l *loop) drop(d *driven, err error) {
	d.opening.plan.Dropped(err)
	d.opening.plan = nil
	if d.backend.fd >= 0 {
		syscall.Close(d.backend.fd)
	}
	l.handOver(d)
}

// handOver has others answer d's client.
func (l *loop) handOver(d *driven) {
	l.unwatch(d.client.fd)
	l.leave(d)
	d.opening.HandOver(d.client.fd, d.opening.head)
}

// cut closes what there is of d.
func (l *loop) cut(d *driven, err error) {
	if d.opening.plan != nil {
		d.opening.plan.Dropped(err)
	}
	syscall.Close(d.client.fd)
	if d.backend.fd >= 0 {
		syscall.Close(d.backend.fd)
	}
	l.leave(d)
}
