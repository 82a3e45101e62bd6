package loop

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/tunnel/tunneltest"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

var (
	simSeed = flag.Uint64("sim.seed", 0, "replay the one simulation with this seed")
	simRuns = flag.Int("sim.runs", 200, "how many simulations to run")
)

// TestSimulation runs simulations over sockets: every other one over a kernel
// with faults, and half of both with tunnels that a loop opens, and that settle in
// another.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		simulate(t, *simSeed)
		return
	}
	var next atomic.Uint64
	next.Store(uint64(time.Now().UnixNano()))
	last := next.Load() + uint64(*simRuns)
	var running sync.WaitGroup
	for range 16 { // they sleep most of the time
		running.Go(func() {
			for seed := next.Add(1); seed <= last; seed = next.Add(1) {
				if !t.Run(fmt.Sprint(seed), func(t *testing.T) { simulate(t, seed) }) {
					t.Errorf("replay with: go test ./internal/tunnel/loop -run TestSimulation -sim.seed=%d", seed)
				}
			}
		})
	}
	running.Wait()
}

func simulate(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	opened := seed/2%2 == 0
	g, err := newGroup(2, realKernel)
	if err != nil {
		t.Fatal(err)
	}
	if seed%2 == 0 {
		beUnkind(g, rnd)
	}
	steps := settleAfter - 1 - uint8(rnd.IntN(settleAfter))
	network := []string{"tcp4", "unix"}[rnd.IntN(2)]
	sim := tunneltest.Simulation[net.Conn]{
		Pair: func(size int) (tunneltest.Peer, net.Conn) {
			switch {
			case size >= 100_000:
				size = 0
			case network == "tcp4": // waits for its timers if it holds less
				size = max(size, 16<<10)
			}
			near, far := pair(t, network, size)
			return peer{near}, far
		},
		Drive: func(ctx context.Context, grace time.Duration, cfg *tunnel.Config, client, backend net.Conn, first []byte) tunnel.Result {
			if opened {
				return driveOpened(t, g, steps, ctx, grace, cfg, client, backend, first)
			}
			return driveOn(t, g, ctx, grace, cfg, client, backend, first)
		},
		Unit: 20 * time.Microsecond,
	}
	sim.Run(t, seed)
}

type peer struct{ net.Conn }

func (p peer) CloseWrite() error { return wstest.CloseWrite(p.Conn) }
func (p peer) Reset()            { wstest.Reset(p.Conn) }

// driveOn runs g for one tunnel.
func driveOn(t *testing.T, g *Group, ctx context.Context, grace time.Duration, cfg *tunnel.Config, client, backend net.Conn, first []byte) tunnel.Result {
	running, quit := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { g.Run(running) })
	results := make(chan tunnel.Result, 1)
	err := g.Start(Tunnel{
		Client: client.(Conn), Backend: backend.(Conn), First: first, Config: cfg,
		Ended: func(res tunnel.Result) { results <- res },
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := context.AfterFunc(ctx, func() { g.Stop(grace) })
	res := <-results
	stop()
	quit()
	wg.Wait()
	return res
}
