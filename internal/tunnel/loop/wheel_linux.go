package loop

import (
	"math/bits"
	"time"
)

const (
	wheelTick  = 50 * time.Millisecond
	wheelSlots = 2048 // a round is 102 s
)

// A wheel holds the timers of a loop's tunnels. Setting, moving and firing one
// costs the same however many there are. A timer fires at the end of its tick; one
// that is further away than a round fires early, and is set again.
type wheel struct {
	start time.Time // of tick 0
	now   int64     // the tick up to which timers have fired
	slots [wheelSlots]*driven
	used  [wheelSlots / 64]uint64 // which slots are not empty
}

// set makes t's timer fire at the given time, and forgets what it was set to.
func (w *wheel) set(t *driven, at time.Time) {
	w.remove(t)
	tick := int64((at.Sub(w.start) + wheelTick - 1) / wheelTick)
	tick = min(max(tick, w.now+1), w.now+wheelSlots-1)
	i := tick % wheelSlots
	t.at, t.place = at, int32(i)
	if t.next = w.slots[i]; t.next != nil {
		t.next.prev = t
	}
	w.slots[i] = t
	w.used[i/64] |= 1 << (i % 64)
}

// remove stops t's timer.
func (w *wheel) remove(t *driven) {
	if t.at.IsZero() {
		return
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	if t.prev != nil {
		t.prev.next = t.next
	} else if w.slots[t.place] = t.next; t.next == nil {
		w.used[t.place/64] &^= 1 << (t.place % 64)
	}
	t.prev, t.next, t.at = nil, nil, time.Time{}
}

// advance stops the timers whose tick has ended by now, and calls fire for each.
func (w *wheel) advance(now time.Time, fire func(*driven)) {
	target := int64(now.Sub(w.start) / wheelTick)
	for w.now < target {
		skip := w.empty()
		if skip > 0 {
			w.now = min(w.now+skip, target)
			continue
		}
		w.now++
		for t := w.slots[w.now%wheelSlots]; t != nil; t = w.slots[w.now%wheelSlots] {
			w.remove(t)
			fire(t)
		}
	}
}

// empty returns how many ticks after now have no timer: at most a round.
func (w *wheel) empty() int64 {
	for n := int64(0); n < wheelSlots; {
		i := (w.now + 1 + n) % wheelSlots
		if word := w.used[i/64] >> (i % 64); word != 0 {
			return n + int64(bits.TrailingZeros64(word))
		}
		n += 64 - i%64
	}
	return wheelSlots
}

// wait returns how long the loop may sleep; negative: for ever.
func (w *wheel) wait(now time.Time) time.Duration {
	n := w.empty()
	if n >= wheelSlots {
		return -1
	}
	at := w.start.Add(time.Duration(w.now+1+n) * wheelTick)
	return max(at.Sub(now), 0)
}
