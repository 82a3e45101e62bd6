package loop

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// TestScheduler has more loops than may run at a time, and other goroutines beside
// them. Those must get on, and all must stop for the garbage collector, whether
// the loops wait or are busy.
func TestScheduler(t *testing.T) {
	loops := runtime.GOMAXPROCS(0) + 1
	t.Run("waiting", func(t *testing.T) {
		runStrict(t, loops, realKernel)
		// This takes a moment, unless goroutines wait for the monitor to take places
		// from the loops: 10 ms each time.
		wantProgress(t, 3000)
	})
	t.Run("busy with echoes", func(t *testing.T) {
		g := runStrict(t, loops, realKernel)
		d := openDoor(t, g, "tcp4", echoBackend(t), nil)
		var echoing sync.WaitGroup
		var echoes atomic.Int64
		t.Cleanup(echoing.Wait) // until the clients are closed
		message := wstest.Binary("hello")
		for range 8 * loops {
			c := d.open()
			t.Cleanup(func() { c.Close() })
			echoing.Go(func() {
				buf := make([]byte, 100)
				for {
					if _, err := c.Conn.Write(message); err != nil {
						return
					}
					if _, err := c.Conn.Read(buf); err != nil {
						return
					}
					echoes.Add(1)
				}
			})
		}
		wantProgress(t, 100)
		if echoes.Load() == 0 {
			t.Error("no echo has come back")
		}
	})
	t.Run("busy without a pause", func(t *testing.T) {
		var reads atomic.Int64
		k := realKernel
		k.read = func(fd int, b []byte) (int, syscall.Errno) { // there is always more
			if len(b) == 8 { // the eventfd
				return read(fd, b)
			}
			reads.Add(1)
			return len(b), 0
		}
		k.send = func(_ int, b []byte, _ int) (int, syscall.Errno) { return len(b), 0 }
		k.splice = func(int, int, int) (int, syscall.Errno) { return -1, syscall.EINVAL }
		g := runStrict(t, loops, k)
		for range loops {
			start(t, g, "tcp4", &tunnel.Config{}, nil).toClient(t, "hello")
		}
		wantProgress(t, 100)
		if reads.Load() == 0 {
			t.Error("nothing was read")
		}
	})
}

// wantProgress has goroutines work for each other, sleep, and collect garbage.
func wantProgress(t *testing.T, rounds int) {
	t.Helper()
	const workers = 8
	done := make(chan struct{})
	go func() {
		defer close(done)
		var chain [workers + 1]chan int
		for i := range chain {
			chain[i] = make(chan int)
		}
		var working sync.WaitGroup
		for i := range workers {
			working.Go(func() {
				for n := range chain[i] {
					chain[i+1] <- n + 1
				}
				close(chain[i+1])
			})
		}
		for i := range rounds {
			chain[0] <- 0
			if n := <-chain[workers]; n != workers {
				t.Errorf("got %d, want %d", n, workers)
			}
			if i%20 == 0 {
				time.Sleep(time.Microsecond)
				runtime.GC()
			}
		}
		close(chain[0])
		<-chain[workers]
		working.Wait()
	}()
	select {
	case <-done:
	case <-time.After(wstest.Patience):
		t.Fatal("other goroutines do not get on")
	}
}
