package loop

import (
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
)

// A loop drives its tunnels in one goroutine.
type loop struct {
	kernel
	epoll int

	mu    sync.Mutex // guards inbox, and event against close
	inbox inbox
	event int // the eventfd wakes epoll; negative: the loop is closed

	now     time.Time // when the loop woke
	stopped bool
	grace   time.Duration
	slots   []slot
	free    []int32   // slots without a tunnel
	open    int       // tunnels
	ready   []*driven // that have work left; they get one turn in each round
	timers  wheel
	scratch []byte
	pipes   []*pipe // that are empty
	ending  sync.WaitGroup
}

// An inbox holds what others want of a loop.
type inbox struct {
	added []arrival
	stop  bool
	grace time.Duration // of stop
	quit  bool          // return when no tunnel is left
}

// An arrival is a new tunnel.
type arrival struct {
	*driven
	cfg   *tunnel.Config
	first []byte
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

	// eventTag marks the events of the eventfd.
	eventTag = -1
)

func newLoop(k kernel) (*loop, error) {
	l := &loop{kernel: k, epoll: -1, event: -1, scratch: make([]byte, tunnel.Headroom+maxRead)}
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

// tell puts something into the inbox and wakes the loop, if it is still open.
func (l *loop) tell(put func(*inbox)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	put(&l.inbox)
	if l.event >= 0 {
		one := [8]byte{1} // in either byte order a number that is not 0
		syscall.Write(l.event, one[:])
	}
}

func (l *loop) run() {
	defer l.ending.Wait()
	events := make([]syscall.EpollEvent, maxEvents)
	quit := false
	for !quit || l.open > 0 {
		n := l.wait(events)
		l.now = time.Now()
		ready := l.ready // had its turn before; new events come first
		l.ready = nil
		for _, ev := range events[:n] {
			if ev.Fd == eventTag {
				quit = l.collect()
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

// collect empties the inbox. It reports whether the loop is to return when no
// tunnel is left.
func (l *loop) collect() (quit bool) {
	var buf [8]byte
	l.read(l.event, buf[:])
	l.mu.Lock()
	in := l.inbox
	l.inbox.added = nil
	l.mu.Unlock()
	if in.stop && !l.stopped {
		l.stopped, l.grace = true, in.grace
		for i := range l.slots {
			if d := l.slots[i].driven; d != nil {
				d.core.Stop(l.grace, l.now)
				l.step(d)
			}
		}
	}
	for _, a := range in.added {
		l.begin(a)
	}
	return in.quit
}

// begin gives a tunnel a slot and its first turn.
func (l *loop) begin(a arrival) {
	d := a.driven
	d.core = tunnel.New(a.cfg, l.now)
	if len(l.free) == 0 {
		l.free = append(l.free, int32(len(l.slots)))
		l.slots = append(l.slots, slot{})
	}
	d.slot = l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	s := &l.slots[d.slot]
	s.driven = d
	s.generation++
	l.open++
	for side, e := range []*end{&d.client, &d.backend} {
		if err := l.watch(e.fd, interest, d.slot<<1|int32(side), s.generation); err != nil {
			d.core.ClientFailed(err, false, l.now)
			d.core.BackendFailed(err, l.now)
		}
	}
	if l.stopped {
		d.core.Stop(l.grace, l.now)
	}
	if len(a.first) > 0 {
		l.clientBytes(d, a.first)
	}
	l.step(d)
}

// finish closes d's sockets and reports its end.
func (l *loop) finish(d *driven) {
	l.timers.remove(d)
	syscall.Close(d.client.fd)
	syscall.Close(d.backend.fd)
	if d.pipe != nil {
		d.pipe.close() // with bytes in it
	}
	l.slots[d.slot].driven = nil
	l.free = append(l.free, d.slot)
	d.slot = -1
	l.open--
	res := d.core.Result()
	l.ending.Go(func() { d.ended(res) })
}

// tick runs when d's timer fires.
func (l *loop) tick(d *driven) {
	d.core.Tick(l.now)
	l.step(d)
}
