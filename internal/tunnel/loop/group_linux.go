package loop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
)

// A Group is a number of loops among which tunnels are spread.
type Group struct {
	loops []*loop
	next  atomic.Uint32
}

// New returns a group of n loops. Their descriptors are open until Run returns.
func New(n int) (*Group, error) { return newGroup(n, realKernel) }

func newGroup(n int, k kernel) (*Group, error) {
	g := &Group{}
	for range n {
		l, err := newLoop(g, k)
		if err != nil {
			g.close()
			return nil, err
		}
		g.loops = append(g.loops, l)
	}
	return g, nil
}

func (g *Group) close() {
	for _, l := range g.loops {
		l.close()
	}
}

// Run drives tunnels until ctx is done and no tunnel is left. Every goroutine
// that it started has ended when it returns.
func (g *Group) Run(ctx context.Context) {
	defer g.close()
	var running sync.WaitGroup
	for _, l := range g.loops {
		running.Go(l.run)
	}
	<-ctx.Done()
	for _, l := range g.loops { // before any has ended
		l.call(func() { l.stay = true })
	}
	for _, l := range g.loops {
		l.tell(func() { l.quit = true })
	}
	running.Wait()
}

// Stop ends every tunnel, and each that is started later, with close code 1001.
// They are done after grace at the latest. When Run has returned, Stop does
// nothing.
func (g *Group) Stop(grace time.Duration) {
	for _, l := range g.loops {
		l.tell(func() { l.stop(grace) })
	}
}

// Start takes t over: its connections are closed, and their sockets go on in a
// loop. On an error, which is the system's, the sockets are closed too. Start
// must not be called any more once the context of Run is done.
func (g *Group) Start(t Tunnel) error {
	client, err1 := detach(t.Client)
	backend, err2 := detach(t.Backend)
	if err := errors.Join(err1, err2); err != nil {
		for _, fd := range []int{client, backend} {
			if fd >= 0 {
				syscall.Close(fd)
			}
		}
		return fmt.Errorf("start tunnel: %w", err)
	}
	l := g.emptiest(g.loops[g.next.Add(1)%uint32(len(g.loops))])
	l.settled.Add(1)
	l.tell(func() {
		d := &driven{
			core:    tunnel.New(t.Config, l.now),
			client:  end{fd: client, writable: true},
			backend: end{fd: backend, writable: true},
			ended:   t.Ended,
			settled: true,
		}
		if len(t.First) > 0 {
			l.clientBytes(d, t.First)
		}
		l.take(d)
	})
	return nil
}

// emptiest returns the loop with the fewest settled tunnels; l if it is one.
func (g *Group) emptiest(l *loop) *loop {
	for _, other := range g.loops {
		if other.settled.Load() < l.settled.Load() {
			l = other
		}
	}
	return l
}

// detach returns a descriptor of c's socket that the runtime knows nothing of,
// and closes c.
func detach(c Conn) (fd int, err error) {
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	return dup(raw)
}

func dup(raw syscall.RawConn) (fd int, err error) {
	fd = -1
	var errno syscall.Errno
	err = raw.Control(func(old uintptr) {
		var n uintptr
		if n, _, errno = syscall.RawSyscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, 0); errno == 0 {
			fd = int(n)
		}
	})
	if err == nil && errno != 0 {
		err = os.NewSyscallError("fcntl", errno)
	}
	return fd, err
}
