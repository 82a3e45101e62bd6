package loop

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// TestUrgentData has peers send TCP urgent data, which telnet does: reads end in
// front of it though there is more, and splice never gets past it.
func TestUrgentData(t *testing.T) {
	big := wstest.Pattern(100_000)
	tests := []struct {
		name   string
		before string // comes before it: much is spliced
		eof    bool   // the end of the stream follows
	}{
		{"copied", "abc", false},
		{"copied, end", "abc", true},
		{"spliced", big, false},
		{"spliced, end", big, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var hold atomic.Bool
			held, release := make(chan struct{}), make(chan struct{})
			k := realKernel
			k.poll = func(epoll int, events []syscall.EpollEvent, timeout int) int {
				if hold.CompareAndSwap(true, false) {
					held <- struct{}{}
					<-release
				}
				return poll(epoll, events, timeout)
			}
			g := run(t, k)
			r := start(t, g, "tcp4", &tunnel.Config{}, nil)
			r.bulk(t, tt.before)
			hold.Store(true)
			g.loops[0].tell(func() {})
			<-held // until all is in the socket
			r.toClient(t, tt.before)
			urgent(t, r.backend)
			r.toClient(t, "xyz")
			if tt.eof {
				wstest.CloseWrite(r.backend)
			}
			close(release)
			r.client.WantData(ws.OpBinary, tt.before+"xyz")
			if tt.eof {
				r.client.WantClose(1001)
				r.client.Send(wstest.Close(1001, ""))
				r.client.WantEOF()
				r.client.Close()
				io.Copy(io.Discard, r.backend)
				r.backend.Close()
				r.want(t, tunnel.CauseBackendEOF)
				return
			}
			r.client.Send(wstest.Binary("abc")[:7])
			urgent(t, r.client.Conn)
			r.client.Send(wstest.Binary("abc")[7:])
			r.wantBackend(t, "abc")
			r.end(t)
		})
	}
}

// urgent sends a byte of urgent data, which is not part of the stream.
func urgent(t *testing.T, c net.Conn) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err == nil {
		raw.Write(func(fd uintptr) bool {
			err = syscall.Sendto(int(fd), []byte("!"), syscall.MSG_OOB, nil)
			return true
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestLateEvent has an event of a tunnel arrive when the next one has its slot
// and its descriptors.
func TestLateEvent(t *testing.T) {
	var late []syscall.EpollEvent
	var touched atomic.Bool
	f := &faulty{cut: func(_, _ *end, n int) int { return n }}
	f.extra = func(events []syscall.EpollEvent) []syscall.EpollEvent {
		d := f.loop.slots
		if len(d) == 0 || d[0].driven == nil {
			return events
		}
		if d[0].generation == 1 {
			late = []syscall.EpollEvent{
				f.loop.eventFor(d[0].driven, true, syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR),
				f.loop.eventFor(d[0].driven, false, syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR),
			}
			return events
		}
		touched.Store(touched.Load() || d[0].client.drain || d[0].backend.drain)
		return append(events, late...)
	}
	g := runFaulty(t, f)
	start(t, g, "tcp4", &tunnel.Config{}, nil).end(t)
	r := start(t, g, "tcp4", &tunnel.Config{}, nil)
	for range 3 {
		r.client.Send(wstest.Binary("hello"))
		r.wantBackend(t, "hello")
	}
	if touched.Load() {
		t.Error("an event of the first tunnel has reached the second")
	}
	r.end(t)
}

// TestChurn opens and ends many tunnels in few slots. Each carries data of its
// own, and none gets another's.
func TestChurn(t *testing.T) {
	const workers, rounds = 16, 100
	g, err := New(2)
	if err != nil {
		t.Fatal(err)
	}
	runGroup(t, g)
	s := random(t).Uint64()
	var wg sync.WaitGroup
	for w := range uint64(workers) {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(s, w))
			for range rounds {
				if !churn(t, g, rnd) {
					return
				}
			}
		})
	}
	wg.Wait()
	for i, l := range g.loops {
		if n := len(l.slots); n > workers {
			t.Errorf("loop %d has %d slots for at most %d tunnels", i, n, workers)
		}
	}
}

// churn is one short tunnel to an echo, ended in a random way. It reports
// whether all was right.
func churn(t *testing.T, g *Group, rnd *rand.Rand) bool {
	client, driverClient, err1 := connect("unix")
	backend, driverBackend, err2 := connect("unix")
	if err := errors.Join(err1, err2); err != nil {
		t.Error(err)
		return false
	}
	defer client.Close()
	defer backend.Close()
	ended := make(chan tunnel.Result, 1)
	err := g.Start(Tunnel{
		Client: driverClient.(Conn), Backend: driverBackend.(Conn), Config: &tunnel.Config{},
		Ended: func(res tunnel.Result) { ended <- res },
	})
	if err != nil {
		t.Error(err)
		return false
	}
	for _, c := range []net.Conn{client, backend} {
		c.SetDeadline(time.Now().Add(wstest.Patience))
	}
	data := make([]byte, 1+rnd.IntN(50_000))
	rand.NewChaCha8([32]byte{byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32())}).Read(data)
	echoed := make(chan [32]byte, 1)
	go func() {
		h := sha256.New()
		io.Copy(backend, io.TeeReader(backend, h))
		echoed <- [32]byte(h.Sum(nil))
		backend.Close()
	}()
	how := rnd.IntN(3)
	client.Write(wstest.Binary(string(data)))
	d := ws.Decoder{FromServer: true}
	got := readData(client, &d, len(data))
	switch how {
	case 0:
		client.Write(wstest.Close(1000, ""))
		readData(client, &d, 1)
	case 1:
		wstest.CloseWrite(client)
		readData(client, &d, 1)
	}
	client.Close()
	res := <-ended
	want := sha256.Sum256(data)
	if sha256.Sum256(got) != want || <-echoed != want {
		t.Errorf("the client has received %d bytes of %d, or not its own; %+v", len(got), len(data), res)
		return false
	}
	return true
}

// readData reads n bytes of payload, or less if the stream ends before.
func readData(r io.Reader, d *ws.Decoder, n int) (data []byte) {
	buf := make([]byte, 32<<10)
	for len(data) < n {
		m, err := r.Read(buf)
		for b := buf[:m]; len(b) > 0; {
			p, rest, err := d.Next(b)
			if err != nil {
				return data
			}
			if p.Opcode == ws.OpBinary {
				data = append(data, p.Payload...)
			}
			b = rest
		}
		if err != nil {
			return data
		}
	}
	return data
}

// TestStartAfterStop starts a tunnel when the others have been told to end.
func TestStartAfterStop(t *testing.T) {
	g := run(t, realKernel)
	g.Stop(time.Minute)
	r := start(t, g, "tcp4", &tunnel.Config{}, wstest.Binary("first"))
	g.Stop(time.Hour) // changes nothing
	r.client.WantClose(1001)
	r.wantBackend(t, "first")
	r.client.Send(wstest.Close(1001, ""))
	r.client.WantEOF()
	r.client.Close()
	io.Copy(io.Discard, r.backend)
	r.backend.Close()
	r.want(t, tunnel.CauseStop)
}

// TestStartClosed starts tunnels with an end that has been closed.
func TestStartClosed(t *testing.T) {
	g := run(t, realKernel)
	for _, closed := range []string{"client", "backend", "both"} {
		_, client := pair(t, "tcp4", 0)
		_, backend := pair(t, "tcp4", 0)
		if closed != "backend" {
			client.Close()
		}
		if closed != "client" {
			backend.Close()
		}
		before := openFiles(t)
		if closed == "both" {
			before++ // nothing is left to close
		}
		err := g.Start(Tunnel{Client: client.(Conn), Backend: backend.(Conn), Config: &tunnel.Config{}})
		if err == nil {
			t.Errorf("%s closed: Start returns no error", closed)
		}
		if n := openFiles(t); n != before-1 {
			t.Errorf("%s closed: %d descriptors left behind", closed, n-before+1)
		}
	}
}

// TestEnd has Run end, and looks at what is left.
func TestEnd(t *testing.T) {
	socket, _ := pair(t, "tcp4", 0) // the runtime opens its poller with the first socket
	socket.Close()
	before, goroutines := openFiles(t), goleak.IgnoreCurrent()
	for _, tunnels := range []int{0, 20} {
		t.Run("", func(t *testing.T) {
			g, err := New(3)
			if err != nil {
				t.Fatal(err)
			}
			ctx, quit := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				g.Run(ctx)
			}()
			rigs := make([]*rig, tunnels)
			for i := range rigs {
				rigs[i] = start(t, g, "tcp4", &tunnel.Config{}, nil)
				rigs[i].bulk(t, wstest.Pattern(1<<20))
			}
			quit()
			if tunnels > 0 {
				select {
				case <-ended:
					t.Error("Run has ended before its tunnels")
				default:
				}
			}
			g.Stop(time.Millisecond)
			<-ended
			for _, r := range rigs {
				if len(r.result) != 1 {
					t.Error("Run has ended before a tunnel's Ended")
				}
			}
			// Descriptors get the numbers of those that the group has closed.
			var pipes [8][2]int
			for i := range pipes {
				if err := syscall.Pipe2(pipes[i][:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
					t.Fatal(err)
				}
				defer syscall.Close(pipes[i][0])
				defer syscall.Close(pipes[i][1])
			}
			g.Stop(time.Millisecond) // too late: does nothing
			for _, p := range pipes {
				if n, err := syscall.Read(p[0], make([]byte, 8)); err != syscall.EAGAIN {
					t.Errorf("Stop has written %d bytes to a stranger's descriptor", n)
				}
			}
		})
		if n := openFiles(t); n > before {
			t.Errorf("%d tunnels: %d descriptors more than before", tunnels, n-before)
		}
		if err := goleak.Find(goroutines); err != nil {
			t.Errorf("%d tunnels: %v", tunnels, err)
		}
	}
}

// TestWakeups counts how often the loop wakes.
func TestWakeups(t *testing.T) {
	var wakeups atomic.Int64
	k := realKernel
	k.poll = func(epoll int, events []syscall.EpollEvent, timeout int) int {
		n := poll(epoll, events, timeout)
		if n > 0 { // the runtime's signals end a wait too, with nothing
			wakeups.Add(1)
		}
		return n
	}
	g := run(t, k)
	r := start(t, g, "unix", &tunnel.Config{}, nil)
	quiet := func() int64 { // until it sleeps
		for n := wakeups.Load(); ; n = wakeups.Load() {
			time.Sleep(50 * time.Millisecond)
			if wakeups.Load() == n {
				return n
			}
		}
	}
	n := quiet()
	const tells = 10
	for range tells {
		g.loops[0].tell(func() {})
		quiet()
	}
	if got := quiet() - n; got != tells {
		t.Errorf("%d wake-ups by %d messages", got, tells)
	}
	r.end(t)
}
