package loop

import (
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// A meter counts what each tunnel does between two polls.
type meter struct {
	*faulty
	mu    sync.Mutex
	tally map[*driven]work
	worst work // of a tunnel between two polls
}

type work struct{ calls, bytes int }

func newMeter() (*meter, kernel) {
	m := &meter{faulty: &faulty{cut: func(_, _ *end, n int) int { return n }}, tally: make(map[*driven]work)}
	k := m.kernel()
	k.poll = func(epoll int, events []syscall.EpollEvent, timeout int) int {
		m.peak()
		return poll(epoll, events, timeout)
	}
	k.read = func(fd int, b []byte) (int, syscall.Errno) {
		n, errno := read(fd, b)
		m.count(fd, n)
		return n, errno
	}
	k.send = func(fd int, b []byte, flags int) (int, syscall.Errno) {
		n, errno := send(fd, b, flags)
		m.count(fd, n)
		return n, errno
	}
	k.splice = func(from, to, n int) (int, syscall.Errno) {
		n, errno := splice(from, to, n)
		if d, _ := m.loop.find(from); d != nil {
			m.count(from, n)
		} else {
			m.count(to, n)
		}
		return n, errno
	}
	return m, k
}

func (m *meter) count(fd, n int) {
	d, _ := m.loop.find(fd)
	if d == nil {
		return // the eventfd
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.tally[d]
	w.calls++
	w.bytes += max(n, 0)
	m.tally[d] = w
}

// peak ends what counts as done in a row, and returns the most of it.
func (m *meter) peak() work {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.tally {
		m.worst.calls = max(m.worst.calls, w.calls)
		m.worst.bytes = max(m.worst.bytes, w.bytes)
	}
	clear(m.tally)
	return m.worst
}

func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.worst = work{}
}

// busy starts tunnels that move bytes without end: downloads, or uploads.
func busy(t testing.TB, g *Group, n int, download bool) {
	var running sync.WaitGroup
	var conns []net.Conn
	for range n {
		r := start(t, g, "tcp4", &tunnel.Config{}, nil)
		conns = append(conns, r.client.Conn, r.backend)
		from, to := r.backend, r.client.Conn
		if !download {
			from, to = to, from
			from.Write(endless())
		}
		from.SetDeadline(time.Time{})
		to.SetDeadline(time.Time{})
		running.Go(func() { wstest.Flood(from) })
		running.Go(func() { io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{to}, make([]byte, 256<<10)) })
	}
	t.Cleanup(func() {
		for _, c := range conns {
			c.Close()
		}
		running.Wait()
	})
}

// endless returns the header of a frame that has no end, with a mask that
// changes nothing.
func endless() []byte {
	return wstest.Encode(ws.Header{Fin: true, Opcode: ws.OpBinary, Masked: true, Length: 1 << 62}, "")
}

// TestFair bounds what a busy tunnel may do before the loop asks for news, in
// which everybody who has work gets a turn.
func TestFair(t *testing.T) {
	for _, download := range []bool{true, false} {
		m, k := newMeter()
		g, err := newGroup(1, k)
		if err != nil {
			t.Fatal(err)
		}
		m.loop = g.loops[0]
		t.Run("", func(t *testing.T) {
			runGroup(t, g)
			busy(t, g, 4, download)
			echoes := make([]*rig, 100)
			for i := range echoes {
				echoes[i] = start(t, g, "tcp4", &tunnel.Config{}, nil)
			}
			m.reset() // the number of tunnels that end at once is not what counts here
			for range 3 {
				for _, r := range echoes {
					r.client.Send(wstest.Binary("hello"))
				}
				for _, r := range echoes {
					r.wantBackend(t, "hello")
					r.toClient(t, "hello")
				}
				for _, r := range echoes {
					r.client.Want(ws.OpBinary, "hello")
				}
			}
			// Events of both ends may give two turns, of which one ends for want of
			// work. The last move of a turn reads and writes, however little is left.
			if worst := m.peak(); worst.bytes > 2*turn+2*maxPipe || worst.calls > turn/minMove {
				t.Errorf("download=%v: a tunnel moved %d bytes in %d calls in a row", download, worst.bytes, worst.calls)
			}
		})
	}
}

// TestFairTrickle bounds what a tunnel may do whose bytes come one by one, and
// as fast as the loop reads.
func TestFairTrickle(t *testing.T) {
	m, k := newMeter()
	k.read = func(fd int, b []byte) (int, syscall.Errno) {
		m.count(fd, 1)
		return read(fd, b[:1])
	}
	g, err := newGroup(1, k)
	if err != nil {
		t.Fatal(err)
	}
	m.loop = g.loops[0]
	runGroup(t, g)
	r := start(t, g, "tcp4", &tunnel.Config{}, nil)
	data := wstest.Pattern(100_000)
	r.toClient(t, data)
	wstest.CloseWrite(r.backend) // makes the loop read on, however little a read gives
	r.client.WantData(ws.OpBinary, data)
	if worst := m.peak(); worst.calls > 3*turn/minMove { // reads, writes, and some
		t.Errorf("a tunnel made %d calls in a row", worst.calls)
	}
}

// TestFairDirections has one side of a tunnel always have more to read than the
// loop has read, and the other side always take it. What goes the other way must
// not wait for a pause.
func TestFairDirections(t *testing.T) {
	for _, download := range []bool{true, false} {
		f := &faulty{}
		k := f.kernel()
		// Reads count between the end of the send that goes the other way, from
		// which on its bytes wait, and the read that finds them.
		var flood, waits, found atomic.Bool
		reads := 0
		k.read = func(fd int, b []byte) (int, syscall.Errno) {
			d, client := f.loop.find(fd)
			switch {
			case d == nil || !flood.Load():
				return read(fd, b)
			case client == download: // the other way
				n, errno := read(fd, b)
				if n > 0 && errno == 0 {
					found.Store(true)
				}
				return n, errno
			case waits.Load() && !found.Load():
				if reads++; reads > 100 {
					return -1, syscall.ECONNRESET
				}
			}
			return len(b), 0
		}
		k.send = func(fd int, b []byte, flags int) (int, syscall.Errno) {
			if _, client := f.loop.find(fd); flood.Load() && client == download {
				return len(b), 0
			}
			return send(fd, b, flags)
		}
		k.splice = func(int, int, int) (int, syscall.Errno) { return -1, syscall.EINVAL }
		g, err := newGroup(1, k)
		if err != nil {
			t.Fatal(err)
		}
		f.loop = g.loops[0]
		t.Run("", func(t *testing.T) {
			runGroup(t, g)
			r := start(t, g, "tcp4", &tunnel.Config{}, nil)
			if download {
				flood.Store(true)
				r.toClient(t, "more")
				r.client.Send(wstest.Binary("hello"))
				waits.Store(true)
				r.wantBackend(t, "hello")
			} else {
				r.client.Send(endless(), []byte("more"))
				r.wantBackend(t, "more")
				flood.Store(true)
				r.client.Send([]byte("more"))
				r.toClient(t, "hello")
				waits.Store(true)
				r.client.Want(ws.OpBinary, "hello")
			}
			flood.Store(false)
		})
	}
}

// BenchmarkEchoBesideBulk tells how long 100 tunnels' echoes take, beside four
// tunnels that move bytes without end.
func BenchmarkEchoBesideBulk(b *testing.B) {
	g := run(b, realKernel)
	busy(b, g, 4, true)
	rigs := make([]*rig, 100)
	for i := range rigs {
		rigs[i] = start(b, g, "tcp4", &tunnel.Config{}, nil)
		go io.Copy(rigs[i].backend, struct{ io.Reader }{rigs[i].backend})
	}
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		r := rigs[len(took)%len(rigs)]
		begin := time.Now()
		r.client.Send(wstest.Binary("hello"))
		r.client.Want(ws.OpBinary, "hello")
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
