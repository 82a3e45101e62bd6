package loop

import (
	"math"
	"net"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// TestIdle has 1,000 tunnels do nothing, and later nothing any more.
func TestIdle(t *testing.T) {
	const tunnels, most = 1000, 1536
	if size := unsafe.Sizeof(driven{}) + unsafe.Sizeof(tunnel.Core{}) + unsafe.Sizeof(slot{}); size > most {
		t.Errorf("a tunnel has %d bytes of state, want at most %d", size, most)
	}
	var wakeups atomic.Int64
	k := realKernel
	k.poll = func(epoll int, events []syscall.EpollEvent, timeout int) int {
		n := poll(epoll, events, timeout)
		if n > 0 || timeout != 0 {
			wakeups.Add(1)
		}
		return n
	}
	g := run(t, k)
	cfg := &tunnel.Config{IdleTimeout: time.Minute}
	var ended atomic.Int64

	// Peers are bare descriptors, which take no place on the heap.
	clients, backends := make([]int, tunnels), make([]int, tunnels)
	before, goroutines := heap(), runtime.NumGoroutine()
	for i := range tunnels {
		var client, backend net.Conn
		clients[i], client = socket(t)
		backends[i], backend = socket(t)
		err := g.Start(Tunnel{
			Client: client.(Conn), Backend: backend.(Conn), Config: cfg,
			Ended: func(tunnel.Result) { ended.Add(1) },
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string) {
		t.Helper()
		n := int64(-1)
		for n != wakeups.Load() { // the loop has work
			n = wakeups.Load()
			time.Sleep(200 * time.Millisecond)
		}
		if n := runtime.NumGoroutine(); n > goroutines {
			t.Errorf("%s: %d goroutines more than without tunnels", when, n-goroutines)
		}
		if size := (heap() - before) / tunnels; size > most {
			t.Errorf("%s: %d bytes of heap for a tunnel, want at most %d", when, size, most)
		} else {
			t.Logf("%s: %d bytes of heap for a tunnel", when, size)
		}
		n = wakeups.Load()
		time.Sleep(500 * time.Millisecond)
		if n := wakeups.Load() - n; n > 0 {
			t.Errorf("%s: the loop has woken %d times in 500 ms", when, n)
		}
	}
	check("before traffic")

	big := wstest.Binary(wstest.Pattern(50_000))
	buf := make([]byte, 64<<10)
	for i := range tunnels {
		fill(t, clients[i], big)
		drain(t, backends[i], 50_000, buf)
		for range 3 { // copied, and then spliced
			fill(t, backends[i], big)
			drain(t, clients[i], len(big), buf)
		}
	}
	buf = nil
	check("after traffic")

	for i := range tunnels {
		syscall.Close(clients[i])
		syscall.Close(backends[i])
	}
	for deadline := time.Now().Add(wstest.Patience); ended.Load() < tunnels; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d tunnels have ended", ended.Load(), tunnels)
		}
	}
}

// socket returns the two ends of a connection.
func socket(t *testing.T) (fd int, conn net.Conn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	tv := syscall.NsecToTimeval(int64(wstest.Patience))
	syscall.SetsockoptTimeval(fds[0], syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &tv)
	syscall.SetsockoptTimeval(fds[0], syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &tv)
	if conn, err = fileConn(fds[1]); err != nil {
		t.Fatal(err)
	}
	return fds[0], conn
}

// fill writes b.
func fill(t *testing.T, fd int, b []byte) {
	t.Helper()
	for len(b) > 0 {
		n, err := syscall.Write(fd, b)
		if err != nil && err != syscall.EINTR {
			t.Fatalf("%d bytes cannot be written: %v", len(b), err)
		}
		b = b[max(n, 0):]
	}
}

// drain reads at least n bytes.
func drain(t *testing.T, fd, n int, buf []byte) {
	t.Helper()
	for n > 0 {
		m, err := syscall.Read(fd, buf)
		if m == 0 || err != nil && err != syscall.EINTR {
			t.Fatalf("%d bytes are missing: %v", n, err)
		}
		n -= max(m, 0)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // empties pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkGC tells how long loops make the world take to stop.
func BenchmarkGC(b *testing.B) {
	for _, name := range []string{"none", "idle", "busy"} {
		b.Run(name, func(b *testing.B) {
			if name != "none" {
				g, err := New(runtime.GOMAXPROCS(0))
				if err != nil {
					b.Fatal(err)
				}
				runGroup(b, g)
				if name == "busy" {
					busy(b, g, 4, true)
					busy(b, g, 4, false)
				}
			}
			before := pauses()
			for b.Loop() {
				runtime.GC()
			}
			after := pauses()
			var n uint64
			for i := range after.Counts {
				after.Counts[i] -= before.Counts[i]
				n += after.Counts[i]
			}
			b.ReportMetric(quantile(after, n, 0.5)*1e6, "p50-µs")
			b.ReportMetric(quantile(after, n, 0.99)*1e6, "p99-µs")
			b.ReportMetric(quantile(after, n, 1)*1e6, "max-µs")
		})
	}
}

// pauses returns how long the world took to stop for the garbage collector.
func pauses() *metrics.Float64Histogram {
	s := []metrics.Sample{{Name: "/sched/pauses/stopping/gc:seconds"}}
	metrics.Read(s)
	return s[0].Value.Float64Histogram()
}

// quantile returns the upper bound of the bucket with the q-quantile of h, which
// holds n.
func quantile(h *metrics.Float64Histogram, n uint64, q float64) float64 {
	var sum uint64
	for i, c := range h.Counts {
		if sum += c; sum > 0 && float64(sum) >= q*float64(n) {
			return h.Buckets[i+1]
		}
	}
	return math.NaN()
}
