package loop

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/tunnel/tunneltest"
	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// A faulty is a kernel that cuts transfers short and says EAGAIN where the real
// one would not. After that the real one would tell when it is time to go on,
// so poll makes up such events.
type faulty struct {
	loop *loop // must be set before it runs

	// cut returns how many of n bytes a call may move; 0: it gets EAGAIN. To is
	// the end that is written to, from the one that is read; nil: it is a pipe.
	cut func(from, to *end, n int) int
	// extra appends events that the kernel did not send; nil: none.
	extra func(events []syscall.EpollEvent) []syscall.EpollEvent

	owed map[int]uint32 // events by descriptor
}

func (f *faulty) kernel() kernel {
	f.owed = make(map[int]uint32)
	k := realKernel
	k.poll, k.read, k.send, k.splice = f.poll, f.read, f.send, f.splice
	return k
}

func (f *faulty) poll(epoll int, events []syscall.EpollEvent, timeout int) int {
	if len(f.owed) > 0 {
		timeout = 0
	}
	n := poll(epoll, events[:len(events)/2], timeout)
	events = events[:n]
	for fd, ev := range f.owed {
		if d, client := f.loop.find(fd); d != nil && len(events) < cap(events) {
			events = append(events, f.loop.eventFor(d, client, ev))
		}
		delete(f.owed, fd)
	}
	if f.extra != nil {
		events = f.extra(events)
	}
	return len(events)
}

// end returns the end of a tunnel whose socket fd is, or nil.
func (f *faulty) end(fd int) *end {
	d, client := f.loop.find(fd)
	switch {
	case d == nil:
		return nil
	case client:
		return &d.client
	}
	return &d.backend
}

// less returns how many of n bytes may move, and sees to it that the loop is
// told to go on.
func (f *faulty) less(from, to int, n int) int {
	fromEnd, toEnd := f.end(from), f.end(to)
	if fromEnd == nil && toEnd == nil { // the eventfd
		return n
	}
	m := f.cut(fromEnd, toEnd, n)
	if m < n {
		if fromEnd != nil {
			f.owed[from] |= syscall.EPOLLIN
		} else {
			f.owed[to] |= syscall.EPOLLOUT
		}
	}
	return m
}

func (f *faulty) read(fd int, b []byte) (int, syscall.Errno) {
	n := f.less(fd, -1, len(b))
	if n == 0 {
		return -1, syscall.EAGAIN
	}
	return read(fd, b[:n])
}

func (f *faulty) send(fd int, b []byte, flags int) (int, syscall.Errno) {
	if len(b) == 0 {
		return 0, 0
	}
	n := f.less(-1, fd, len(b))
	if n == 0 {
		return -1, syscall.EAGAIN
	}
	return send(fd, b[:n], flags)
}

func (f *faulty) splice(from, to, n int) (int, syscall.Errno) {
	m := f.less(from, to, n)
	if m == 0 {
		return -1, syscall.EAGAIN
	}
	return splice(from, to, m)
}

// runFaulty runs a group over f until the test is over.
func runFaulty(t testing.TB, f *faulty) *Group {
	t.Helper()
	g := newFaulty(t, f)
	runGroup(t, g)
	return g
}

func newFaulty(t testing.TB, f *faulty) *Group {
	t.Helper()
	g, err := newGroup(1, f.kernel())
	if err != nil {
		t.Fatal(err)
	}
	f.loop = g.loops[0]
	return g
}

// unkind returns a kernel with faults of all kinds: EAGAIN, calls that move
// less than they could, events of what has not happened and of tunnels that have
// ended, too few descriptors for pipes, and sockets that cannot be spliced.
//
// It leaves later calls alone: endless tiny segments to a peer that does
// not read make the kernel's TCP drop packets, and then wait for seconds.
func unkind(f *faulty, rnd *rand.Rand) kernel {
	calls := 2000
	f.cut = func(_, _ *end, n int) int {
		if calls == 0 {
			return n
		}
		calls--
		switch rnd.IntN(8) {
		case 0:
			return 0
		case 1:
			return 1 + rnd.IntN(min(n, 20))
		case 2:
			return 1 + rnd.IntN(n)
		}
		return n
	}
	f.extra = func(events []syscall.EpollEvent) []syscall.EpollEvent {
		for i := range f.loop.slots {
			d := f.loop.slots[i].driven
			if d == nil || rnd.IntN(4) > 0 || len(events)+2 > cap(events) {
				continue
			}
			ev := f.loop.eventFor(d, rnd.IntN(2) == 0, []uint32{syscall.EPOLLIN, syscall.EPOLLOUT}[rnd.IntN(2)])
			late := ev
			late.Events = syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | syscall.EPOLLHUP
			late.Pad -= 1 + int32(rnd.IntN(3))
			events = append(events, late, ev)
		}
		return events
	}
	k := f.kernel()
	k.pipe = func() (*pipe, error) {
		if rnd.IntN(4) == 0 {
			return nil, syscall.EMFILE
		}
		return newPipe()
	}
	k.splice = func(from, to, n int) (int, syscall.Errno) {
		if f.end(from) != nil && rnd.IntN(10) == 0 {
			return -1, syscall.EINVAL
		}
		return f.splice(from, to, n)
	}
	return k
}

// TestBehaviourWithFaults is the table, over a kernel that is as unkind as it
// can be.
func TestBehaviourWithFaults(t *testing.T) {
	rnd := random(t)
	tunneltest.Run(t, func(ctx context.Context, grace time.Duration, cfg *tunnel.Config, client, backend net.Conn, first []byte) tunnel.Result {
		var f faulty
		g, err := newGroup(1, unkind(&f, rnd))
		if err != nil {
			t.Fatal(err)
		}
		f.loop = g.loops[0]
		return driveOn(t, g, ctx, grace, cfg, client, backend, first)
	})
}

// TestPieces has every read or every write move no more than some bytes.
func TestPieces(t *testing.T) {
	for _, size := range []int{1, 2, 3, 5, 7, 13, 100} {
		for _, network := range []string{"tcp4", "unix"} {
			for _, write := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d,%s,write=%v", size, network, write), func(t *testing.T) {
					g := runFaulty(t, &faulty{cut: func(_, to *end, n int) int {
						if (to != nil) == write {
							return min(n, size)
						}
						return n
					}})
					r := start(t, g, network, &tunnel.Config{}, nil)
					data := wstest.Pattern(20_000 + size*2000)
					go r.backend.Write([]byte(data)) // a failure shows in what the client reads
					go r.client.Write(wstest.Join(wstest.Binary(data[:100]), wstest.Binary(data[100:])))
					r.client.WantData(ws.OpBinary, data)
					r.wantBackend(t, data)
					r.end(t)
				})
			}
		}
	}
}

// TestCuts has a tunnel's writes end at each of its bytes, once each.
func TestCuts(t *testing.T) {
	big := wstest.Pattern(spliceFrom)
	small := wstest.Pattern(30)
	toClient := len(wstest.Join(wstest.Ping("??"), wstest.Close(1000, ""))) - 8 /* masks */ + 4 + len(big) + 2 + len(small)
	for _, network := range []string{"tcp4", "unix"} {
		for _, client := range []bool{false, true} {
			positions := []int{1, 2, 3, 4, 5, len(small) - 1, len(small), len(small) + 1}
			if client {
				positions = positions[:0]
				for i := range toClient {
					if i < 10 || i > 4+len(big)-2 { // not each byte of big
						positions = append(positions, i)
					}
				}
			}
			for _, at := range positions {
				sent := 0
				f := &faulty{}
				f.cut = func(_, to *end, n int) int {
					if to == nil || to != f.end(to.fd) || (to == &f.loop.slots[0].client) != client {
						return n
					}
					switch {
					case sent == at:
						at = -1
						return 0
					case sent < at && sent+n > at:
						n = at - sent
					}
					sent += n
					return n
				}
				g := newFaulty(t, f)
				runGroup(t, g)
				r := start(t, g, network, &tunnel.Config{}, nil)
				r.toClient(t, big)
				r.client.WantData(ws.OpBinary, big)
				r.toClient(t, small) // spliced
				r.client.WantData(ws.OpBinary, small)
				r.client.Send(wstest.Binary(small), wstest.Ping("??"))
				r.wantBackend(t, small)
				r.client.Want(ws.OpPong, "??")
				r.end(t)
				if t.Failed() {
					t.Fatalf("%s, client=%v, at byte %d", network, client, at)
				}
			}
		}
	}
}

// TestTinyBuffers sends over sockets whose send buffers hold next to nothing.
func TestTinyBuffers(t *testing.T) {
	for _, network := range []string{"tcp4", "unix"} {
		t.Run(network, func(t *testing.T) {
			g := run(t, realKernel)
			client, driverClient := pair(t, network, 0)
			backend, driverBackend := pair(t, network, 0)
			for _, c := range []net.Conn{driverClient, driverBackend} {
				c.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(1)
			}
			r := startOn(t, g, &tunnel.Config{}, nil, client, driverClient, backend, driverBackend)
			data := wstest.Pattern(100_000)
			go r.backend.Write([]byte(data))
			go r.client.Write(wstest.Binary(data))
			r.client.WantData(ws.OpBinary, data)
			r.wantBackend(t, data)
			r.end(t)
		})
	}
}

// bulk has the backend send data by large writes while the client takes it.
func (r *rig) bulk(t testing.TB, data string) {
	t.Helper()
	sent := make(chan error)
	go func() {
		_, err := io.WriteString(r.backend, data)
		sent <- err
	}()
	r.client.WantData(ws.OpBinary, data)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// TestWithoutPipes copies as long as the system gives no pipes.
func TestWithoutPipes(t *testing.T) {
	var lack atomic.Bool
	var asked, spliced atomic.Int64
	k := realKernel
	k.pipe = func() (*pipe, error) {
		asked.Add(1)
		if lack.Load() {
			return nil, syscall.EMFILE
		}
		return newPipe()
	}
	k.splice = func(from, to, n int) (int, syscall.Errno) {
		spliced.Add(1)
		return splice(from, to, n)
	}
	lack.Store(true)
	g := run(t, k)
	r := start(t, g, "tcp4", &tunnel.Config{}, nil)
	data := wstest.Pattern(1 << 20)
	r.bulk(t, data)
	if asked.Load() == 0 || spliced.Load() != 0 {
		t.Errorf("without pipes: %d asked for, %d calls of splice", asked.Load(), spliced.Load())
	}
	lack.Store(false)
	for spliced.Load() == 0 {
		r.bulk(t, data)
	}
	r.end(t)
}

// TestWithoutSplice copies when splice does not work from the backend, and tries
// it once.
func TestWithoutSplice(t *testing.T) {
	for _, errno := range []syscall.Errno{
		syscall.EINVAL,
		0, // and no bytes: the end, or urgent data in front of the end
	} {
		t.Run(fmt.Sprint(int(errno)), func(t *testing.T) {
			var spliced atomic.Int64
			k := realKernel
			k.splice = func(int, int, int) (int, syscall.Errno) {
				spliced.Add(1)
				return 0, errno
			}
			g := run(t, k)
			r := start(t, g, "tcp4", &tunnel.Config{}, nil)
			for range 3 {
				r.bulk(t, wstest.Pattern(1<<20))
			}
			if n := spliced.Load(); n != 1 {
				t.Errorf("%d calls of splice, want 1", n)
			}
			r.end(t)
		})
	}
}

// TestResetDuringSplice has a peer reset its connection while payload waits in
// a pipe for the client.
func TestResetDuringSplice(t *testing.T) {
	for _, client := range []bool{false, true} {
		t.Run(fmt.Sprintf("client=%v", client), func(t *testing.T) {
			before := openFiles(t)
			inPipe := make(chan struct{}, 1000)
			k := realKernel
			k.splice = func(from, to, n int) (int, syscall.Errno) {
				n, errno := splice(from, to, n)
				if errno == syscall.EAGAIN {
					inPipe <- struct{}{}
				}
				return n, errno
			}
			t.Run("", func(t *testing.T) {
				g := run(t, k)
				near, far := pair(t, "tcp4", 64<<10)
				backend, driverBackend := pair(t, "tcp4", 0)
				r := startOn(t, g, &tunnel.Config{}, nil, near, far, backend, driverBackend)
				data := wstest.Pattern(4 << 20)
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					r.backend.Write([]byte(data))
				}()
				<-inPipe
				if client {
					r.client.Reset()
					if b, _ := io.ReadAll(r.backend); len(b) > 0 {
						t.Errorf("the backend received %d bytes", len(b))
					}
					<-sent
					r.backend.Close()
					if res := r.want(t, tunnel.CauseClientError); res.Err == nil {
						t.Errorf("result %+v has no error", res)
					}
					return
				}
				r.backend.SetDeadline(time.Now()) // ends the write
				<-sent
				wstest.Reset(r.backend)
				got, code, _ := r.client.ReadAll()
				if string(got) != data[:len(got)] || code != ws.CloseInternalError {
					t.Errorf("the client received %d bytes (right: %v), close code %d; want 1011", len(got), string(got) == data[:len(got)], code)
				}
				r.client.Send(wstest.Close(code, ""))
				r.client.WantEOF()
				r.client.Close()
				if res := r.want(t, tunnel.CauseBackendError); res.Err == nil || res.FromBackend != int64(len(got)) {
					t.Errorf("result %+v; want an error, and %d bytes from the backend", res, len(got))
				}
			})
			if n := openFiles(t); n > before {
				t.Errorf("%d descriptors more than before", n-before)
			}
		})
	}
}

// TestSignals has signals interrupt the loop.
func TestSignals(t *testing.T) {
	g := run(t, realKernel)
	r := start(t, g, "tcp4", &tunnel.Config{}, nil)
	stop := make(chan struct{})
	var storm sync.WaitGroup
	storm.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				syscall.Kill(syscall.Getpid(), syscall.SIGURG) // the runtime expects it at any time
			}
		}
	})
	defer storm.Wait()
	defer close(stop)
	data := wstest.Pattern(1 << 20)
	for range 10 {
		r.bulk(t, data)
	}
	r.end(t)
}
