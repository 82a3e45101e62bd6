package loop

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestWheel compares a wheel with a list of times.
func TestWheel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		w := &wheel{start: now}
		timers := make([]*driven, 10)
		want := make(map[*driven]time.Time)
		since := make(map[*driven]time.Time) // when it was set
		for i := range timers {
			timers[i] = &driven{}
		}
		pick := rapid.SampledFrom(timers)
		const round = wheelSlots * wheelTick
		spans := rapid.OneOf(
			rapid.Int64Range(-int64(time.Second), int64(time.Second)),
			rapid.Int64Range(0, int64(round)),
			rapid.Int64Range(0, 5*int64(round)),
		)
		span := func(name string) time.Duration { return time.Duration(spans.Draw(t, name)) }
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				d, at := pick.Draw(t, "timer"), now.Add(span("in"))
				w.set(d, at)
				want[d], since[d] = at, now
			},
			"remove": func(t *rapid.T) {
				d := pick.Draw(t, "timer")
				w.remove(d)
				delete(want, d)
			},
			"advance": func(t *rapid.T) {
				now = now.Add(max(span("by"), 0))
				w.advance(now, func(d *driven) {
					at, ok := want[d]
					if !ok {
						t.Fatal("a timer fires that is not set")
					}
					delete(want, d)
					if !d.at.IsZero() {
						t.Fatal("a timer that fires counts as set")
					}
					if at.After(now) { // too early, as a distant one may
						w.set(d, at)
						want[d] = at
					}
				})
				for d, at := range want {
					if late := min(now.Sub(at), now.Sub(since[d])); late >= wheelTick {
						t.Fatalf("a timer has not fired that is %v late", late)
					}
				}
			},
			"wake": func(t *rapid.T) { // a loop that sleeps as long as it may is in time
				sleep := w.wait(now)
				if sleep < 0 {
					if len(want) > 0 {
						t.Fatalf("wait lets the loop sleep for ever, with %d timers", len(want))
					}
					return
				}
				if len(want) == 0 {
					t.Fatalf("wait gives %v without a timer", sleep)
				}
				for d, at := range want {
					if late := min(now.Add(sleep).Sub(at), now.Add(sleep).Sub(since[d])); late > wheelTick {
						t.Fatalf("wait gives %v, which makes a timer %v late", sleep, late)
					}
				}
			},
			"": func(t *rapid.T) {
				for _, d := range timers {
					if at := want[d]; !d.at.Equal(at) {
						t.Fatalf("a timer is set to %v, want %v", d.at, at)
					}
				}
			},
		})
	})
}

// TestWheelInTime has a timer within a round fire in its tick: neither early nor
// in a later one.
func TestWheelInTime(t *testing.T) {
	start := time.Now()
	for _, in := range []time.Duration{0, 1, wheelTick - 1, wheelTick, wheelTick + 1, time.Second, (wheelSlots - 2) * wheelTick} {
		w := &wheel{start: start}
		d := &driven{}
		w.set(d, start.Add(in))
		fired := time.Duration(-1)
		for now := time.Duration(0); fired < 0 && now < wheelSlots*wheelTick; now += wheelTick / 5 {
			w.advance(start.Add(now), func(*driven) { fired = now })
		}
		if fired < in || fired > in+wheelTick {
			t.Errorf("a timer set to %v has fired at %v", in, fired)
		}
	}
}

// BenchmarkWheel moves one timer among many.
func BenchmarkWheel(b *testing.B) {
	for _, n := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			start := time.Now()
			w := &wheel{start: start}
			timers := make([]driven, n)
			for i := range timers {
				w.set(&timers[i], start.Add(time.Minute+time.Duration(i)*time.Microsecond))
			}
			i := 0
			for b.Loop() {
				w.set(&timers[i%n], start.Add(time.Minute+time.Duration(i%1000)*time.Millisecond))
				w.advance(start, nil)
				w.wait(start)
				i++
			}
		})
	}
}
