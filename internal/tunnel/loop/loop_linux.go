package loop

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
)

// A loop drives its tunnels in one goroutine.
type loop struct {
	kernel
	group *Group
	epoll int

	mu    sync.Mutex // guards inbox, and event against close
	inbox []func()   // what others want done, in the loop's goroutine
	event int        // the eventfd wakes epoll; negative: the loop is closed

	now       time.Time // when the loop woke
	yielded   time.Time // when the scheduler last heard of it
	stay      bool      // move no tunnel to another loop: that may have ended
	quit      bool      // return when no tunnel is left
	stopped   bool
	grace     time.Duration
	listeners []*listener // by their tags; nil: it is free
	slots     []slot
	free      []int32      // slots without a tunnel
	settled   atomic.Int32 // tunnels that are here or on their way, and will not move
	ready     []*driven    // that have work left; they get one turn in each round
	timers    wheel
	scratch   []byte
	pipes     []*pipe // that are empty
}

// A slot is the place of a tunnel. Events carry its number and its generation,
// so that a late one never reaches the next tunnel in the same place.
type slot struct {
	*driven           // nil: it is free
	generation uint32 // counts the tunnels that were here
}

const (
	maxEvents = 256
	maxPipes  = 64 // that are kept though empty

	// interest is what is asked of every socket, once: a change is reported as
	// it happens, and remembered until the kernel says EAGAIN.
	interest = syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | syscall.EPOLLPRI | epollET

	epollET = 1 << 31 // syscall's is negative

	// The events of the eventfd carry eventTag, those of the listeners listenTag
	// and less.
	eventTag  = -1
	listenTag = -2

	// yieldEvery is how often a busy loop goes through the scheduler. That takes
	// the place away from a goroutine it has not seen for 10 ms, and looks out for
	// such with a thread that costs more than many small messages.
	yieldEvery = 8 * time.Millisecond
)

func newLoop(g *Group, k kernel) (*loop, error) {
	l := &loop{kernel: k, group: g, epoll: -1, event: -1, scratch: make([]byte, tunnel.Headroom+maxRead)}
	l.timers.start = time.Now()
	var err error
	if l.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	event, _, errno := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if errno != 0 {
		l.close()
		return nil, os.NewSyscallError("eventfd2", errno)
	}
	l.event = int(event)
	if err := l.watch(l.event, syscall.EPOLLIN|epollET, eventTag, 0); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *loop) close() {
	for _, p := range l.pipes {
		p.close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, fd := range []int{l.event, l.epoll} {
		if fd >= 0 {
			syscall.Close(fd)
		}
	}
	l.event = -1
}

// watch asks for events of fd, which will carry tag and generation.
func (l *loop) watch(fd int, events uint32, tag int32, generation uint32) error {
	ev := syscall.EpollEvent{Events: events, Fd: tag, Pad: int32(generation)}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, fd, &ev))
}

func (l *loop) unwatch(fd int) { syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_DEL, fd, nil) }

// tell has f called in the loop's goroutine. If the loop has ended, it never is.
func (l *loop) tell(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inbox = append(l.inbox, f)
	if l.event >= 0 && len(l.inbox) == 1 {
		one := [8]byte{1} // in either byte order a number that is not 0
		syscall.Write(l.event, one[:])
	}
}

func (l *loop) run() {
	events := make([]syscall.EpollEvent, maxEvents)
	for !l.quit || l.settled.Load() > 0 || len(l.free) < len(l.slots) {
		n := l.wait(events)
		l.now = time.Now()
		if l.now.Sub(l.yielded) > yieldEvery {
			runtime.Gosched()
			l.yielded = l.now
		}
		ready := l.ready // had its turn before; new events come first
		l.ready = nil
		for _, ev := range events[:n] {
			switch {
			case ev.Fd == eventTag:
				l.collect()
				continue
			case ev.Fd <= listenTag:
				l.accept(l.listeners[listenTag-ev.Fd])
				continue
			}
			s := &l.slots[ev.Fd>>1]
			if s.driven == nil || s.generation != uint32(ev.Pad) {
				continue // a tunnel that ended before this event was read
			}
			s.event(ev.Fd&1 == 0, ev.Events)
			if !s.queued {
				l.step(s.driven)
			}
		}
		for _, d := range ready {
			d.queued = false
			if d.slot >= 0 {
				l.step(d)
			}
		}
		l.timers.advance(l.now, l.tick)
	}
}

// wait returns how many events there are. It asks before it blocks, since there
// are mostly some when there are many tunnels, and asking alone costs the
// scheduler nothing.
func (l *loop) wait(events []syscall.EpollEvent) int {
	if n := l.poll(l.epoll, events, 0); n > 0 || len(l.ready) > 0 {
		return n
	}
	timeout := -1
	if d := l.timers.wait(time.Now()); d >= 0 {
		timeout = int((d + time.Millisecond - 1) / time.Millisecond)
	}
	return l.poll(l.epoll, events, timeout)
}

// collect does what the inbox holds.
func (l *loop) collect() {
	var buf [8]byte
	l.read(l.event, buf[:])
	l.mu.Lock()
	inbox := l.inbox
	l.inbox = nil
	l.mu.Unlock()
	for _, f := range inbox {
		f()
	}
}

// stop ends every tunnel, and those that come later.
func (l *loop) stop(grace time.Duration) {
	if l.stopped {
		return
	}
	l.stopped, l.grace = true, grace
	for i := range l.slots {
		if d := l.slots[i].driven; d != nil && d.core != nil {
			d.core.Stop(l.grace, l.now)
			l.step(d)
		}
	}
}

// place gives d a slot.
func (l *loop) place(d *driven) {
	if len(l.free) == 0 {
		l.free = append(l.free, int32(len(l.slots)))
		l.slots = append(l.slots, slot{})
	}
	d.slot = l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	s := &l.slots[d.slot]
	s.driven = d
	s.generation++
}

// leave gives d's slot back.
func (l *loop) leave(d *driven) {
	l.timers.remove(d)
	l.slots[d.slot].driven = nil
	l.free = append(l.free, d.slot)
	d.slot = -1
}

// watchEnd asks for the events of one of d's sockets.
func (l *loop) watchEnd(d *driven, e *end) error {
	tag := d.slot << 1
	if e == &d.backend {
		tag |= 1
	}
	return l.watch(e.fd, interest, tag, l.slots[d.slot].generation)
}

// take gives d, a tunnel that settles here, its slot and first turn. It is counted
// already.
func (l *loop) take(d *driven) {
	l.place(d)
	if err := errors.Join(l.watchEnd(d, &d.client), l.watchEnd(d, &d.backend)); err != nil {
		d.core.ClientFailed(err, false, l.now)
		d.core.BackendFailed(err, l.now)
	}
	if l.stopped {
		d.core.Stop(l.grace, l.now)
	}
	l.step(d)
}

// settle moves d to the loop with the fewest settled tunnels. It reports whether
// that is another.
//
// Opening a tunnel is dearer than what most do that end soon, and costs less when
// one loop does it for all. A tunnel settles when it has shown that it has more to
// do than that.
func (l *loop) settle(d *driven) bool {
	d.settled = true
	to := l
	if !l.stay {
		to = l.group.emptiest(l)
	}
	to.settled.Add(1)
	if to == l {
		return false
	}
	l.unwatch(d.client.fd)
	l.unwatch(d.backend.fd)
	l.leave(d)
	to.tell(func() { to.take(d) })
	return true
}

// finish closes d's sockets and reports its end.
func (l *loop) finish(d *driven) {
	syscall.Close(d.client.fd)
	syscall.Close(d.backend.fd)
	if d.pipe != nil {
		d.pipe.close() // with bytes in it
	}
	if d.settled {
		l.settled.Add(-1)
	}
	l.leave(d)
	d.ended(d.core.Result())
}

// tick runs when d's timer fires.
func (l *loop) tick(d *driven) {
	if d.core == nil {
		l.late(d)
		return
	}
	d.core.Tick(l.now)
	l.step(d)
}
