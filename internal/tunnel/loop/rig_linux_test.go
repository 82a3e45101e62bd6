package loop

import (
	"context"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

var seed = flag.Uint64("loop.seed", 0, "replay the random choices of a test that failed with this seed")

// random returns a source whose seed is logged if the test fails.
func random(t testing.TB) *rand.Rand {
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay with -loop.seed=%d", s)
		}
	})
	return rand.New(rand.NewPCG(s, 0))
}

// run runs a group over k until the test is over.
func run(t testing.TB, k kernel) *Group {
	t.Helper()
	return runStrict(t, 1, k)
}

// runStrict runs a group of n loops over k, which must not tell of what a loop
// has given away.
func runStrict(t testing.TB, n int, k kernel) *Group {
	t.Helper()
	g, err := newGroup(n, k)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range g.loops {
		l.kernel.poll = func(epoll int, events []syscall.EpollEvent, timeout int) int {
			n := k.poll(epoll, events, timeout)
			for _, ev := range events[:n] {
				if ev.Fd < 0 {
					continue
				}
				if s := l.slots[ev.Fd>>1]; s.driven == nil || s.generation != uint32(ev.Pad) {
					t.Error("an event comes of a connection that is not the loop's any more")
				}
			}
			return n
		}
	}
	runGroup(t, g)
	return g
}

func runGroup(t testing.TB, g *Group) {
	ctx, quit := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { g.Run(ctx) })
	t.Cleanup(func() {
		g.Stop(time.Millisecond)
		quit()
		running.Wait()
	})
}

// A rig is a tunnel of a group and its peers.
type rig struct {
	client  *wstest.Client
	backend net.Conn
	result  chan tunnel.Result
}

// start starts a tunnel.
func start(t testing.TB, g *Group, network string, cfg *tunnel.Config, first []byte) *rig {
	t.Helper()
	client, driverClient := pair(t, network, 0)
	backend, driverBackend := pair(t, network, 0)
	return startOn(t, g, cfg, first, client, driverClient, backend, driverBackend)
}

func startOn(t testing.TB, g *Group, cfg *tunnel.Config, first []byte, client, driverClient, backend, driverBackend net.Conn) *rig {
	t.Helper()
	r := &rig{client: wstest.NewClient(t, client), backend: backend, result: make(chan tunnel.Result, 1)}
	backend.SetDeadline(time.Now().Add(wstest.Patience))
	err := g.Start(Tunnel{
		Client: driverClient.(Conn), Backend: driverBackend.(Conn), First: first, Config: cfg,
		Ended: func(res tunnel.Result) { r.result <- res },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// end has the client close the tunnel in good order.
func (r *rig) end(t testing.TB) {
	t.Helper()
	r.client.Send(wstest.Close(1000, ""))
	if b, err := io.ReadAll(r.backend); len(b) > 0 || err != nil {
		t.Fatalf("the backend received %d bytes, %v; want the end of the stream", len(b), err)
	}
	r.backend.Close()
	r.client.WantClose(1000)
	r.client.WantEOF()
	r.client.Close()
	r.want(t, tunnel.CauseClientClose)
}

// want waits for the end of the tunnel.
func (r *rig) want(t testing.TB, cause tunnel.Cause) tunnel.Result {
	t.Helper()
	select {
	case res := <-r.result:
		if res.Cause != cause {
			t.Errorf("result %+v, want cause %v", res, cause)
		}
		return res
	case <-time.After(wstest.Patience):
		t.Fatal("the tunnel does not end")
		panic("not reached")
	}
}

func (r *rig) wantBackend(t testing.TB, data string) {
	t.Helper()
	got := make([]byte, len(data))
	if n, err := io.ReadFull(r.backend, got); string(got) != data {
		t.Fatalf("the backend received %.100q, %v; want %.100q", got[:n], err, data)
	}
}

func (r *rig) toClient(t testing.TB, data string) {
	t.Helper()
	if _, err := io.WriteString(r.backend, data); err != nil {
		t.Fatalf("the backend sends: %v", err)
	}
}

// pair returns two ends of a connection, which are closed when the test is over.
// A size that is not 0 is that of the four buffers.
func pair(t testing.TB, network string, size int) (near, far net.Conn) {
	t.Helper()
	near, far, err := connect(network)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		near.Close()
		far.Close()
	})
	if size > 0 {
		for _, c := range []net.Conn{near, far} {
			sized := c.(interface {
				SetReadBuffer(int) error
				SetWriteBuffer(int) error
			})
			sized.SetReadBuffer(size)
			sized.SetWriteBuffer(size)
		}
	}
	return near, far
}

// connect returns two ends of a connection.
func connect(network string) (near, far net.Conn, err error) {
	if network == "unix" {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, nil, err
		}
		near, err1 := fileConn(fds[0])
		far, err2 := fileConn(fds[1])
		return near, far, errors.Join(err1, err2)
	}
	ln, err := net.Listen(network, "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	if near, err = net.Dial(network, ln.Addr().String()); err != nil {
		return nil, nil, err
	}
	far, err = ln.Accept()
	return near, far, err
}

// fileConn returns the connection whose socket fd is.
func fileConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	return net.FileConn(f)
}

// openFiles counts this process's descriptors.
func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// find returns the tunnel in l whose end is fd; nil: there is none.
func (l *loop) find(fd int) (d *driven, client bool) {
	for _, s := range l.slots {
		if s.driven != nil && (s.client.fd == fd || s.backend.fd == fd) {
			return s.driven, s.client.fd == fd
		}
	}
	return nil, false
}

// eventFor returns an event of the end of d.
func (l *loop) eventFor(d *driven, client bool, events uint32) syscall.EpollEvent {
	tag := d.slot << 1
	if !client {
		tag |= 1
	}
	return syscall.EpollEvent{Events: events, Fd: tag, Pad: int32(l.slots[d.slot].generation)}
}
