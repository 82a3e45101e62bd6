//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wstunneld/wstunneld/bench/internal/load"
	"github.com/wstunneld/wstunneld/bench/internal/procfs"
)

// openers is how many tunnels are opened at a time.
const openers = 16

// limits are what bounds a section.
type limits struct {
	measured    time.Duration // how long is measured where work is counted
	warmup      time.Duration // how long it runs before
	settle      time.Duration // how long memory must not have changed to be read
	patience    time.Duration // a section that takes longer has failed
	descriptors int           // that a process may open
	tunnels     int           // more are not opened
}

// A section is one scenario with one server, freshly started. Its context ends
// when any part of it has failed.
type section struct {
	limits
	ctx      context.Context
	group    *errgroup.Group // load that runs until the section ends
	backend  *load.Backend
	addr     string
	protocol load.Protocol
	tree     procfs.Tree
}

// runSection starts a server and a backend, has f measure, and ends everything,
// however f ended.
func runSection(ctx context.Context, l limits, srv *server, f func(*section) ([]float64, error)) (values []float64, err error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeoutCause(ctx, l.patience, fmt.Errorf("not done after %v", l.patience))
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	defer group.Wait() // its error is the cause of ctx
	defer cancel()

	backend, err := load.Listen()
	if err != nil {
		return nil, err
	}
	group.Go(func() error { return backend.Run(ctx) })
	p, err := srv.start(ctx, dir, backend.Port(), l)
	if err != nil {
		return nil, err
	}
	group.Go(func() error { return p.Wait(ctx) })
	if err := p.Ready(ctx); err != nil {
		return nil, err
	}
	values, err = f(&section{
		limits:   l,
		ctx:      ctx,
		group:    group,
		backend:  backend,
		addr:     p.addr,
		protocol: srv.protocol,
		tree:     procfs.Tree{Root: p.cmd.Process.Pid},
	})
	if cause := context.Cause(ctx); cause != nil {
		err = cause // what f saw is but its effect
	}
	return values, err
}

// dial opens a tunnel, which is reset when the section ends.
func (s *section) dial() (*load.Tunnel, error) { return load.Dial(s.ctx, s.addr, s.protocol) }

// open opens n tunnels, or as many as the limits allow, a few at a time, and has
// begin start each.
func (s *section) open(n int, begin func(*load.Tunnel) error) ([]*load.Tunnel, error) {
	n = min(n, s.tunnels)
	tunnels := make([]*load.Tunnel, n)
	var next atomic.Int64
	var g errgroup.Group
	for range min(n, openers) {
		g.Go(func() error {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				t, err := s.dial()
				if err == nil {
					err = begin(t)
				}
				if err != nil {
					return fmt.Errorf("tunnel %d of %d: %w", i+1, n, err)
				}
				tunnels[i] = t
			}
			return nil
		})
	}
	return tunnels, g.Wait()
}

// order returns a function for open that tells the backend what to do.
func (s *section) order(command ...byte) func(*load.Tunnel) error {
	message := s.protocol.AppendMessage(nil, command)
	return func(t *load.Tunnel) error {
		_, err := t.Write(message)
		return err
	}
}

// perCPU lets the load run for a while, and returns by how much done grew for each
// CPU second that the server spent.
func (s *section) perCPU(done *atomic.Int64) (float64, error) {
	if err := sleep(s.ctx, s.warmup); err != nil {
		return 0, err
	}
	before := done.Load()
	cpuBefore, err := s.tree.CPU()
	if err != nil {
		return 0, err
	}
	if err := sleep(s.ctx, s.measured); err != nil {
		return 0, err
	}
	n := done.Load() - before
	cpu, err := s.tree.CPU()
	if err != nil {
		return 0, err
	}
	if cpu -= cpuBefore; n <= 0 || cpu <= 0 {
		return 0, fmt.Errorf("nothing to measure: %d done in %v of CPU time", n, cpu)
	}
	return float64(n) / cpu.Seconds(), nil
}

// settledPSS returns the server's memory in bytes as soon as it has been within
// half a percent of its mean for a while. It does not wait for ever: memory that
// goes on changing is read as it is.
func (s *section) settledPSS() (float64, error) {
	const reads = 8
	var last []float64
	for range 8 * reads {
		if err := sleep(s.ctx, s.settle/reads); err != nil {
			return 0, err
		}
		pss, err := s.tree.PSS()
		if err != nil {
			return 0, err
		}
		if last = append(last, float64(pss)); len(last) > reads {
			last = last[1:]
		}
		if len(last) == reads && steady(last) {
			break
		}
	}
	return last[len(last)-1], nil
}

func steady(values []float64) bool {
	lowest, highest := values[0], values[0]
	for _, v := range values {
		lowest, highest = min(lowest, v), max(highest, v)
	}
	return highest-lowest <= 0.005*(highest+lowest)
}

// sleep waits for d. The error is why ctx ended sooner.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// echoSize is the payload of a small message.
const echoSize = 64

// smallMessage returns what a client sends to have echoSize bytes echoed.
func (s *section) smallMessage() []byte {
	payload := make([]byte, echoSize)
	payload[0] = load.Echo
	return s.protocol.AppendMessage(nil, payload)
}

// An echoer is a tunnel to a backend that echoes small messages.
type echoer struct {
	*load.Tunnel
	r *bufio.Reader
}

func newEchoer(t *load.Tunnel) echoer {
	return echoer{t, bufio.NewReaderSize(t, 256)} // a message in one read
}

// await reads the echo of a small message.
func (e echoer) await() error {
	n, err := e.r.Discard(echoSize)
	if n > 0 && err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// roundTrip sends a small message and reads its echo.
func (e echoer) roundTrip(message []byte) error {
	if _, err := e.Write(message); err != nil {
		return err
	}
	return e.await()
}

// echoes returns a function for open that has a message echoed once.
func (s *section) echoes() func(*load.Tunnel) error {
	message := s.smallMessage()
	return func(t *load.Tunnel) error { return newEchoer(t).roundTrip(message) }
}
