//go:build linux

package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/wstunneld/wstunneld/bench/internal/load"
	"github.com/wstunneld/wstunneld/bench/internal/procfs"
	"github.com/wstunneld/wstunneld/bench/internal/report"
)

// A scenario measures one server doing one thing. Run returns a value for each of
// the metrics.
type scenario struct {
	name    string
	tunnels int // that are open at a time; a server may be asked for fewer at most
	metrics []report.Metric
	run     func(*section) ([]float64, error)
}

// scenarios are in the order of the report.
var scenarios = []scenario{
	bulkDown(1, times(8, 0.7)),
	bulkDown(16, times(8, 0.7)),
	bulkUp(16<<10, times(3, 0)),
	bulkUp(64<<10, times(4, 0)),
	bulkUp(1<<20, times(4, 0)),
	echo(1, times(1, 0)),
	echo(100, times(1.1, 0)),
	echo(1000, times(1.25, 0)),
	openLoop(1000, 4000),
	opening(),
	idle(1000, report.Target{}),
	idle(10_000, report.Target{AtMost: 1}),
	stuck(1000, report.Target{AtMost: 16}),
}

// times asks for ratios to lighttpd and haproxy; 0 asks for nothing.
func times(lighttpd, haproxy float64) report.Target {
	var t report.Target
	if lighttpd > 0 {
		t.Times = append(t.Times, report.Times{Server: "lighttpd", Least: lighttpd})
	}
	if haproxy > 0 {
		t.Times = append(t.Times, report.Times{Server: "haproxy", Least: haproxy})
	}
	return t
}

// bulkDown has the backends send without end.
func bulkDown(tunnels int, target report.Target) scenario {
	return scenario{
		name:    fmt.Sprintf("down-%d", tunnels),
		tunnels: tunnels,
		metrics: []report.Metric{{
			Title:  "bulk backend → client, " + count(tunnels, "tunnel"),
			Unit:   "GB / CPU s",
			Target: target,
		}},
		run: func(s *section) ([]float64, error) {
			open, err := s.open(tunnels, s.order(load.Flood))
			if err != nil {
				return nil, err
			}
			var received atomic.Int64
			for _, t := range open {
				s.group.Go(func() error { return t.Drain(&received) })
			}
			rate, err := s.perCPU(&received)
			return []float64{rate / 1e9}, err
		},
	}
}

// bulkUp has one client send frames of a size without end.
func bulkUp(frame int, target report.Target) scenario {
	size := fmt.Sprintf("%d KiB", frame>>10)
	if frame >= 1<<20 {
		size = fmt.Sprintf("%d MiB", frame>>20)
	}
	return scenario{
		name:    fmt.Sprintf("up-%dk", frame>>10),
		tunnels: 1,
		metrics: []report.Metric{{
			Title:  "bulk client → backend, " + size + " frames",
			Unit:   "GB / CPU s",
			Target: target,
		}},
		run: func(s *section) ([]float64, error) {
			// As many frames as fill a large write; the server sees the same
			// masks again and again.
			var frames []byte
			for len(frames) < load.BulkSize {
				frames = s.protocol.AppendMessage(frames, make([]byte, frame))
			}
			open, err := s.open(1, s.order(load.Sink))
			if err != nil {
				return nil, err
			}
			s.group.Go(func() error {
				for {
					if _, err := open[0].Write(frames); err != nil {
						return err
					}
				}
			})
			rate, err := s.perCPU(&s.backend.Received)
			return []float64{rate / 1e9}, err
		},
	}
}

// echo has each client send a small message as soon as the last one has come back.
func echo(tunnels int, target report.Target) scenario {
	return scenario{
		name:    fmt.Sprintf("echo-%d", tunnels),
		tunnels: tunnels,
		metrics: []report.Metric{{
			Title:  "64-byte echo, " + count(tunnels, "tunnel"),
			Unit:   "round trips / CPU s",
			Target: target,
		}},
		run: func(s *section) ([]float64, error) {
			open, err := s.open(tunnels, s.echoes())
			if err != nil {
				return nil, err
			}
			message := s.smallMessage()
			var done atomic.Int64
			for _, t := range open {
				s.group.Go(func() error {
					e := newEchoer(t)
					for {
						if err := e.roundTrip(message); err != nil {
							return err
						}
						done.Add(1)
					}
				})
			}
			rate, err := s.perCPU(&done)
			return []float64{rate}, err
		},
	}
}

// openLoop sends small messages at fixed times, each through the next tunnel,
// whether or not earlier ones have come back. A latency counts from the time at
// which a message was due.
func openLoop(tunnels, perSecond int) scenario {
	title := fmt.Sprintf("64-byte echo, %s, %s / s: ", count(tunnels, "tunnel"), thousands(perSecond))
	metric := func(what, unit string, target report.Target) report.Metric {
		return report.Metric{Title: title + what, Unit: unit, Lower: unit == "ms", Target: target}
	}
	return scenario{
		name:    fmt.Sprintf("rate-%d", tunnels),
		tunnels: tunnels,
		metrics: []report.Metric{
			metric("CPU", "round trips / CPU s", times(1, 0)),
			metric("p50", "ms", report.Target{}),
			metric("p99", "ms", times(1, 0)),
			metric("p99.9", "ms", report.Target{}),
		},
		run: func(s *section) ([]float64, error) {
			open, err := s.open(tunnels, s.echoes())
			if err != nil {
				return nil, err
			}
			interval := time.Second / time.Duration(perSecond)
			skipped := int(s.warmup / interval)
			total := skipped + int(s.measured/interval)
			latencies := make([]time.Duration, total)
			start := time.Now()
			due := func(k int) time.Time { return start.Add(time.Duration(k) * interval) }

			var done atomic.Int64
			for i, t := range open {
				s.group.Go(func() error {
					e := newEchoer(t)
					for k := i; k < total; k += len(open) {
						if err := e.await(); err != nil {
							return err
						}
						latencies[k] = time.Since(due(k))
						done.Add(1)
					}
					return nil
				})
			}
			message := s.smallMessage()
			s.group.Go(func() error {
				return pace(s.ctx, total, due, func(k int) error {
					_, err := open[k%len(open)].Write(message)
					return err
				})
			})
			rate, err := s.perCPU(&done)
			if err != nil {
				return nil, err
			}
			for done.Load() < int64(total) { // the last ones are under way
				if err := sleep(s.ctx, time.Millisecond); err != nil {
					return nil, fmt.Errorf("%d of %d messages came back: %w", done.Load(), total, err)
				}
			}
			latencies = latencies[skipped:]
			slices.Sort(latencies)
			values := []float64{rate}
			for _, q := range []float64{0.5, 0.99, 0.999} {
				values = append(values, report.Quantile(latencies, q).Seconds()*1e3)
			}
			return values, nil
		},
	}
}

// opening opens tunnels, has a small message echoed in each, and closes them in
// good order, a few at a time.
func opening() scenario {
	return scenario{
		name:    "open",
		tunnels: openers,
		metrics: []report.Metric{{Title: "open, echo, close", Unit: "tunnels / CPU s", Target: times(1.1, 0)}},
		run: func(s *section) ([]float64, error) {
			message := s.smallMessage()
			var done atomic.Int64
			for range openers {
				s.group.Go(func() error {
					for {
						t, err := s.dial()
						if err != nil {
							return err
						}
						if err := newEchoer(t).roundTrip(message); err != nil {
							return err
						}
						if err := t.Finish(); err != nil {
							return err
						}
						done.Add(1)
					}
				})
			}
			rate, err := s.perCPU(&done)
			return []float64{rate}, err
		},
	}
}

// idle has tunnels that had one small message there and back, and now rest.
func idle(tunnels int, target report.Target) scenario {
	return scenario{
		name:    fmt.Sprintf("idle-%d", tunnels),
		tunnels: tunnels,
		metrics: []report.Metric{{
			Title:  "memory, " + count(tunnels, "idle tunnel"),
			Unit:   "KiB / tunnel",
			Lower:  true,
			Target: target,
		}},
		run: func(s *section) ([]float64, error) {
			before, err := s.baseline()
			if err != nil {
				return nil, err
			}
			open, err := s.open(tunnels, s.echoes())
			if err != nil {
				return nil, err
			}
			after, err := s.settledPSS()
			return []float64{(after - before) / float64(len(open)) / 1024}, err
		},
	}
}

// stuck has clients that never read, and backends that send as long as the server
// takes it. The far ends' own buffers are kept small; what they hold is a part of
// the kernel's memory, and the same for every server.
func stuck(tunnels int, target report.Target) scenario {
	title := "memory, " + count(tunnels, "stuck tunnel") + ": "
	return scenario{
		name:    fmt.Sprintf("stuck-%d", tunnels),
		tunnels: tunnels,
		metrics: []report.Metric{
			{Title: title + "process", Unit: "KiB / tunnel", Lower: true, Target: target},
			{Title: title + "kernel", Unit: "KiB / tunnel", Lower: true},
		},
		run: func(s *section) ([]float64, error) {
			before, err := s.baseline()
			if err != nil {
				return nil, err
			}
			kernelBefore, err := procfs.TCPMemory()
			if err != nil {
				return nil, err
			}
			flood := s.order(load.Trickle)
			open, err := s.open(tunnels, func(t *load.Tunnel) error {
				return errors.Join(t.SetReadBuffer(load.SmallBuffer), flood(t))
			})
			if err != nil {
				return nil, err
			}
			after, err := s.settledPSS()
			if err != nil {
				return nil, err
			}
			kernel, err := procfs.TCPMemory()
			n := float64(len(open)) * 1024
			return []float64{(after - before) / n, float64(kernel-kernelBefore) / n}, err
		},
	}
}

// baseline returns the memory of a server that has had one tunnel.
func (s *section) baseline() (float64, error) {
	t, err := s.dial()
	if err != nil {
		return 0, err
	}
	if err := newEchoer(t).roundTrip(s.smallMessage()); err != nil {
		return 0, err
	}
	if err := t.Finish(); err != nil {
		return 0, err
	}
	return s.settledPSS()
}

// count says how many of a thing there are.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return thousands(n) + " " + thing + "s"
}

func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
