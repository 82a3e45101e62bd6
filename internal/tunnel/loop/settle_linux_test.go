package loop

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
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

// weight makes a loop look full, so that tunnels settle in the other one.
const weight = 1000

// runTwo runs a group of two loops over k until the test is over. Tunnels are
// opened in the first, and settle in the second.
func runTwo(t testing.TB, k kernel) *Group {
	t.Helper()
	g := runStrict(t, 2, k)
	g.next.Store(1)
	g.loops[0].settled.Add(weight)
	t.Cleanup(func() { g.loops[0].settled.Add(-weight) })
	return g
}

// where returns the number of the loop that has g's only tunnel; negative: none has.
func where(g *Group) (n int, d *driven) {
	n = -1
	for i, l := range g.loops {
		l.call(func() {
			for _, s := range l.slots {
				if s.driven != nil {
					n, d = i, s.driven
				}
			}
		})
	}
	return n, d
}

// wantSettled checks how many tunnels have settled in each loop.
func wantSettled(t testing.TB, g *Group, want ...int32) {
	t.Helper()
	for i, l := range g.loops {
		l.call(func() { // when it has done what it has to
			if n := l.settled.Load(); n != want[i] {
				t.Errorf("loop %d: %d tunnels have settled, want %d", i, n, want[i])
			}
		})
	}
}

// TestSettle moves a tunnel to the emptiest loop when it has had its turns, and
// not before.
func TestSettle(t *testing.T) {
	g := runTwo(t, realKernel)
	d := openDoor(t, g, "tcp4", echoBackend(t), func(d *door, _ *Entrance) {
		d.Config = &tunnel.Config{PingInterval: time.Minute} // which sets a timer
	})
	c := d.open()
	for range settleAfter/2 - 5 { // an echo is two turns, and some more may be for nothing
		echo(c, "hello")
	}
	if n, _ := where(g); n != 0 {
		t.Errorf("the tunnel is in loop %d", n)
	}
	wantSettled(t, g, weight, 0)
	for range settleAfter {
		echo(c, "hello")
	}
	if n, _ := where(g); n != 1 {
		t.Errorf("behind %d turns the tunnel is in loop %d", settleAfter, n)
	}
	wantSettled(t, g, weight, 1)
	data := wstest.Pattern(3 << 20)
	go c.Write(wstest.Binary(data)) // a failure shows in what comes back
	c.WantData(ws.OpBinary, data)
	if n, _ := where(g); n != 1 {
		t.Errorf("later the tunnel is in loop %d", n)
	}
	d.end(c)
	wantSettled(t, g, weight, 0)
	for i, l := range g.loops {
		l.call(func() {
			if l.timers.empty() < wheelSlots || len(l.ready) > 0 {
				t.Errorf("loop %d has a timer, or something to do", i)
			}
		})
	}
}

// TestSettleHere leaves a tunnel where it is if no loop is emptier.
func TestSettleHere(t *testing.T) {
	g := runStrict(t, 2, realKernel)
	g.next.Store(1)
	d := openDoor(t, g, "tcp4", echoBackend(t), nil)
	c := d.open()
	for range settleAfter {
		echo(c, "hello")
	}
	wantSettled(t, g, 1, 0)
	d.end(c)
	wantEmpty(t, g)
}

// TestSettleBulk moves a tunnel at once that needs a whole turn.
func TestSettleBulk(t *testing.T) {
	var more atomic.Int32 // reads that find as much as they ask for
	k := realKernel
	k.read = func(fd int, b []byte) (int, syscall.Errno) {
		if len(b) > 8 && more.Load() > 0 {
			more.Add(-1)
			return len(b), 0
		}
		return read(fd, b)
	}
	k.send = func(fd int, b []byte, flags int) (int, syscall.Errno) {
		if len(b) < minRead {
			return send(fd, b, flags)
		}
		return len(b), 0
	}
	k.splice = func(int, int, int) (int, syscall.Errno) { return -1, syscall.EINVAL }
	g := runTwo(t, k)
	client, driverClient := pair(t, "tcp4", 0)
	backend, driverBackend := pair(t, "tcp4", 0)
	r := &rig{client: wstest.NewClient(t, client), backend: backend, result: make(chan tunnel.Result, 1)}
	r.open(t, g, &tunnel.Config{}, driverClient, driverBackend, nil, 0)
	wantSettled(t, g, weight, 0)
	more.Store(4 * turn / minRead)
	r.toClient(t, "hello")
	r.client.WantData(ws.OpBinary, "hello")
	if n, d := where(g); n != 1 || d.steps > 5 {
		t.Errorf("behind %d bytes in %d turns the tunnel is in loop %d", 4*turn, d.steps, n)
	}
	wantSettled(t, g, weight, 1)
	r.end(t)
	wantSettled(t, g, weight, 0)
}

// TestSettleSpread gives both loops half of many busy tunnels.
func TestSettleSpread(t *testing.T) {
	const tunnels = 100
	g := runStrict(t, 2, realKernel)
	doors := []*door{
		openDoor(t, g, "tcp4", echoBackend(t), nil),
		openDoor(t, g, "unix", echoBackend(t), nil),
	}
	clients := make([]*wstest.Client, tunnels)
	for i := range clients {
		clients[i] = doors[i%2].open()
	}
	for range settleAfter {
		for _, c := range clients {
			c.Send(wstest.Binary("hello"))
		}
		for _, c := range clients {
			c.WantData(ws.OpBinary, "hello")
		}
	}
	var settled [2]int32
	for i, l := range g.loops {
		settled[i] = l.settled.Load()
	}
	if settled[0]+settled[1] != tunnels || min(settled[0], settled[1]) < tunnels*2/5 {
		t.Errorf("%d tunnels have settled in the loops, of %d", settled, tunnels)
	}
	for i, c := range clients {
		doors[i%2].end(c)
	}
	wantEmpty(t, g)
}

// TestSettleStates moves a tunnel when it holds data, or is about to end.
func TestSettleStates(t *testing.T) {
	big := wstest.Pattern(900_000) // less than a turn
	tests := []struct {
		name  string
		peers func(*rig)                // bring the tunnel into the state
		state func(*loop, *driven) bool // it is in it
		then  func(*testing.T, *rig)    // what the peers find behind the move
	}{
		{
			"a pipe half full",
			func(r *rig) { go r.backend.Write([]byte(big)) },
			func(_ *loop, d *driven) bool { return d.inPipe > 0 && !d.client.writable },
			func(t *testing.T, r *rig) {
				r.client.WantData(ws.OpBinary, big)
				r.end(t)
			},
		},
		{
			"data for the client held up",
			func(r *rig) { go r.backend.Write([]byte(big)) },
			func(_ *loop, d *driven) bool {
				d.noSplice = true
				return len(d.out) > 0 && d.inPipe == 0 && !d.client.writable
			},
			func(t *testing.T, r *rig) {
				r.client.WantData(ws.OpBinary, big)
				r.end(t)
			},
		},
		{
			"data for the backend held up",
			func(r *rig) { go r.client.Write(wstest.Binary(big)) },
			func(_ *loop, d *driven) bool { return len(d.in) > 0 && !d.backend.writable },
			func(t *testing.T, r *rig) {
				r.wantBackend(t, big)
				r.end(t)
			},
		},
		{
			"close by the client under way",
			func(r *rig) { r.client.Send(wstest.Close(4000, "")) },
			func(_ *loop, d *driven) bool { return d.core.Result().CloseReceived == 4000 },
			func(t *testing.T, r *rig) {
				r.toClient(t, "too late for the client")
				if b, err := io.ReadAll(r.backend); len(b) > 0 || err != nil {
					t.Errorf("the backend received %q, %v", b, err)
				}
				r.backend.Close()
				r.client.WantClose(4000)
				r.client.WantEOF()
				r.client.Close()
				r.want(t, tunnel.CauseClientClose)
			},
		},
		{
			"close behind a backend that ended",
			func(r *rig) { r.backend.Close() },
			func(_ *loop, d *driven) bool { return d.core.Result().CloseSent == 1001 },
			func(t *testing.T, r *rig) {
				r.client.WantClose(1001)
				r.client.Send(wstest.Close(1001, ""))
				r.client.WantEOF()
				r.client.Close()
				r.want(t, tunnel.CauseBackendEOF)
			},
		},
		{
			"half closed by the client, and data held up",
			func(r *rig) {
				go func() {
					r.client.Write(wstest.Binary(big))
					r.client.CloseWrite()
				}()
			},
			func(_ *loop, d *driven) bool { return len(d.in) > 0 && !d.backend.writable },
			func(t *testing.T, r *rig) {
				r.wantBackend(t, big)
				if n, err := r.backend.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("the backend received %d bytes more, %v", n, err)
				}
				r.backend.Close()
				r.client.WantClose(1001)
				r.client.WantEOF()
				r.want(t, tunnel.CauseClientEOF)
			},
		},
	}
	for _, network := range []string{"tcp4", "unix"} {
		for _, tt := range tests {
			t.Run(network+" "+tt.name, func(t *testing.T) {
				before := openFiles(t)
				t.Run("", func(t *testing.T) {
					g := runTwo(t, realKernel)
					size := 0
					if network == "tcp4" { // it grows otherwise
						size = 32 << 10
					}
					client, driverClient := pair(t, network, size)
					backend, driverBackend := pair(t, network, size)
					r := &rig{client: wstest.NewClient(t, client), backend: backend, result: make(chan tunnel.Result, 1)}
					client.SetDeadline(time.Now().Add(wstest.Patience))
					backend.SetDeadline(time.Now().Add(wstest.Patience))
					r.open(t, g, &tunnel.Config{}, driverClient, driverBackend, nil, 0)
					tt.peers(r)
					l := g.loops[0]
					for deadline := time.Now().Add(wstest.Patience); ; {
						moved := false
						l.call(func() {
							if len(l.slots) == 0 || l.slots[0].driven == nil {
								t.Error("the tunnel has moved or ended too early")
								moved = true
								return
							}
							d := l.slots[0].driven
							d.steps = 0
							if tt.state(l, d) {
								d.steps = settleAfter - 1
								l.step(d)
								if l.slots[0].driven != nil {
									t.Error("the tunnel has not moved")
								}
								moved = true
							}
						})
						if moved {
							break
						}
						if time.Now().After(deadline) {
							t.Fatal("the tunnel does not get there")
						}
					}
					wantSettled(t, g, weight, 1)
					tt.then(t, r)
					wantSettled(t, g, weight, 0)
				})
				if n := openFiles(t); n > before {
					t.Errorf("%d descriptors more than before", n-before)
				}
			})
		}
	}
}

// TestSettleStopped moves tunnels while the group is told to stop.
func TestSettleStopped(t *testing.T) {
	for range 30 {
		g := runTwo(t, realKernel)
		d := openDoor(t, g, "tcp4", echoBackend(t), nil)
		c := d.open()
		var stop sync.WaitGroup
		for i := range settleAfter {
			if i == settleAfter/2-2 {
				stop.Go(func() { g.Stop(time.Minute) })
			}
			c.Write(wstest.Binary("hello"))
		}
		if _, code, _ := c.ReadAll(); code != 1001 {
			t.Errorf("close code %d, want 1001", code)
		}
		c.Write(wstest.Close(1001, ""))
		c.WantEOF()
		c.Close()
		stop.Wait()
		if res := next(t, d.results); res.Cause != tunnel.CauseStop {
			t.Errorf("result %+v", res)
		}
	}
}

// TestSettleQuit has a tunnel that has not settled outlive the context of Run: it
// must not move to a loop that has ended.
func TestSettleQuit(t *testing.T) {
	for range 10 {
		g, err := New(2)
		if err != nil {
			t.Fatal(err)
		}
		g.next.Store(1)
		g.loops[0].settled.Add(weight)
		ctx, quit := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			g.Run(ctx)
		}()
		d := openDoor(t, g, "tcp4", echoBackend(t), nil)
		c := d.open()
		d.stop()
		quit()
		for range 2 * settleAfter {
			echo(c, "hello")
		}
		d.end(c)
		g.loops[0].tell(func() { g.loops[0].settled.Add(-weight) })
		<-ended
	}
}

// open has the first loop of g open a tunnel between sockets that are connected,
// which settles at once when it has had settleAfter-steps turns.
func (r *rig) open(t testing.TB, g *Group, cfg *tunnel.Config, client, backend net.Conn, first []byte, steps uint8) {
	t.Helper()
	clientFD, err := detach(client.(Conn))
	if err != nil {
		t.Fatal(err)
	}
	backendFD, err := detach(backend.(Conn))
	if err != nil {
		t.Fatal(err)
	}
	e := &Entrance{
		Request: func(netip.AddrPort, []byte) *Plan {
			return &Plan{
				Size: len(knock), Config: cfg, Opened: func() {},
				Ended:   func(res tunnel.Result) { r.result <- res },
				Dropped: func(err error) { t.Errorf("dropped: %v", err) },
			}
		},
		HandOver: func(fd int, _ netip.AddrPort, _ []byte) {
			t.Error("handed over")
			syscall.Close(fd)
		},
	}
	l := g.loops[0]
	d := &driven{
		opening: &opening{listener: &listener{Entrance: e}},
		client:  end{fd: clientFD, writable: true},
		backend: end{fd: -1},
		steps:   steps,
	}
	l.tell(func() {
		k := l.kernel
		l.kernel.read = func(_ int, b []byte) (int, syscall.Errno) { return copy(b, knock), 0 }
		l.kernel.connect = func(Addr) (int, syscall.Errno) {
			l.kernel = k
			d.opening.head = append([]byte(knock), first...) // may be more than a read
			return backendFD, 0
		}
		l.meet(d)
	})
}

// driveOpened is driveOn for a tunnel that is opened, and settles in the other of
// two loops.
func driveOpened(t *testing.T, g *Group, steps uint8, ctx context.Context, grace time.Duration, cfg *tunnel.Config, client, backend net.Conn, first []byte) tunnel.Result {
	running, quit := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { g.Run(running) })
	g.loops[0].settled.Add(weight)
	r := &rig{result: make(chan tunnel.Result, 1)}
	r.open(t, g, cfg, client, backend, first, steps)
	stop := context.AfterFunc(ctx, func() { g.Stop(grace) })
	res := <-r.result
	stop()
	wantSettled(t, g, weight, 0)
	g.loops[0].settled.Add(-weight)
	quit()
	wg.Wait()
	return res
}

// beUnkind gives each loop of g a kernel with faults of all kinds.
func beUnkind(g *Group, rnd *rand.Rand) {
	for _, l := range g.loops {
		l.kernel = unkind(&faulty{loop: l}, rand.New(rand.NewPCG(rnd.Uint64(), 0)))
	}
}

// TestBehaviourOpened is the table, with tunnels that are opened in a loop and
// settle in another, at their first turn or later.
func TestBehaviourOpened(t *testing.T) {
	rnd := random(t)
	for _, faults := range []bool{false, true} {
		t.Run(fmt.Sprintf("faults=%v", faults), func(t *testing.T) {
			tunneltest.Run(t, func(ctx context.Context, grace time.Duration, cfg *tunnel.Config, client, backend net.Conn, first []byte) tunnel.Result {
				g, err := newGroup(2, realKernel)
				if err != nil {
					t.Fatal(err)
				}
				if faults {
					beUnkind(g, rnd)
				}
				return driveOpened(t, g, settleAfter-1-uint8(rnd.IntN(5)), ctx, grace, cfg, client, backend, first)
			})
		})
	}
}
