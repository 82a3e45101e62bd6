package tunnel_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/ws"
)

// A machine drives a Core as a driver does, but with a clock that is set by hand
// and peers that take what they get at once or, while they stall, not at all. It
// logs what the peers see, a line each, with the time if that is not zero:
//
//	backend "payload"
//	backend shut
//	client binary "payload"
//	client close 1001 "reason"
//	client shut
//	5s done
type machine struct {
	t    failer
	core *tunnel.Core
	now  time.Time
	log  []string
	done bool

	client, backend pipe
	dec             ws.Decoder // of what the client gets
	closes          int        // close frames that the client got
}

// A failer is a testing.T or a rapid.T.
type failer interface {
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// A pipe is the way to a peer.
type pipe struct {
	stalled bool
	busy    bool            // a write is under way
	queue   [][]byte        // the write under way, and those behind it
	err     error           // of the next write
	got     strings.Builder // payload of data that arrived
}

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newMachine(t failer, cfg *tunnel.Config) *machine {
	return &machine{t: t, core: tunnel.New(cfg, begin), now: begin, dec: ws.Decoder{FromServer: true}}
}

func (m *machine) logf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if d := m.now.Sub(begin); d > 0 {
		line = d.String() + " " + line
	}
	m.log = append(m.log, line)
}

// settle does what the core asks for, until it asks for nothing more.
func (m *machine) settle() {
	m.pump(&m.backend, m.core.BackendWriting, m.backendWrote)
	m.pump(&m.client, m.core.ClientWriting, m.clientWrote)
	if !m.client.busy && m.core.HasControl() {
		b := m.core.TakeControl(nil)
		if len(b) == 0 {
			m.t.Errorf("HasControl, but TakeControl appends nothing")
		}
		m.client.queue = append(m.client.queue, b)
		m.settle()
		return
	}
	if !m.backend.busy && m.core.ShutBackend() {
		m.logf("backend shut")
		m.core.BackendShut(m.now)
	}
	if !m.client.busy && m.core.ShutClient() {
		m.logf("client shut")
		m.core.ClientShut(m.now)
	}
	if m.core.Done() && !m.done {
		m.done = true
		m.logf("done")
	}
}

// pump moves p's queue on as far as it goes.
func (m *machine) pump(p *pipe, writing func(time.Time), wrote func([]byte, error)) {
	for len(p.queue) > 0 {
		if !p.busy {
			p.busy = true
			writing(m.now)
		}
		if p.stalled {
			return
		}
		b, err := p.queue[0], p.err
		if err != nil {
			b = nil
		}
		p.queue, p.busy, p.err = p.queue[1:], false, nil
		wrote(b, err)
	}
}

func (m *machine) backendWrote(b []byte, err error) {
	if err == nil {
		m.logf("backend %q", b)
		m.backend.got.Write(b)
	}
	m.core.BackendWrote(len(b), err, m.now)
}

func (m *machine) clientWrote(b []byte, err error) {
	if n := len(b); n > 0 {
		m.clientReads(slices.Clone(b))
	}
	m.core.ClientWrote(len(b), err, m.now)
}

func (m *machine) clientReads(b []byte) {
	for len(b) > 0 {
		p, rest, err := m.dec.Next(b)
		if err != nil {
			m.t.Errorf("the client got % x: %v", b, err)
			return
		}
		if m.closes > 0 {
			m.t.Errorf("the client got a %v behind the close frame", p.Opcode)
		}
		if p.Opcode == ws.OpClose {
			m.closes++
			code, reason, err := ws.ParseClose(p.Payload)
			if err != nil {
				m.t.Errorf("close frame % x: %v", p.Payload, err)
			}
			m.logf("client close %d %q", code, reason)
		} else {
			m.logf("client %v %q", p.Opcode, p.Payload)
			if !p.Opcode.IsControl() {
				m.client.got.Write(p.Payload)
			}
		}
		b = rest
	}
}

// Events.

func (m *machine) fromClient(b []byte) {
	if p := m.core.FromClient(bytes.Clone(b), m.now); len(p) > 0 {
		m.backend.queue = append(m.backend.queue, p)
	}
	m.settle()
}

func (m *machine) fromBackend(b []byte) {
	buf := append(make([]byte, tunnel.Headroom), b...)
	if frame := m.core.FromBackend(buf, tunnel.Headroom, m.now); len(frame) > 0 {
		m.client.queue = append(m.client.queue, frame)
	}
	m.settle()
}

// wait lets d pass and calls Tick when Deadline says so, but not before.
func (m *machine) wait(d time.Duration) {
	for end := m.now.Add(d); ; {
		at := m.core.Deadline()
		if m.done || at.IsZero() || at.After(end) {
			m.idle(end)
			return
		}
		m.idle(at)
		m.core.Tick(at)
		m.settle()
		if next := m.core.Deadline(); !m.done && !next.IsZero() && !next.After(at) {
			m.t.Fatalf("at %v, Tick left Deadline at %v", at.Sub(begin), next.Sub(begin))
		}
	}
}

// idle lets the time pass until at, when Tick has something to do at the
// earliest.
func (m *machine) idle(at time.Time) {
	if !m.now.Before(at) {
		m.now = at
		return
	}
	m.now = at.Add(-1)
	before := m.core.Deadline()
	control, done := m.core.HasControl(), m.core.Done()
	m.core.Tick(m.now)
	if m.core.HasControl() != control || m.core.Done() != done || !m.core.Deadline().Equal(before) {
		m.t.Errorf("Tick at %v did something, 1 ns before Deadline", at.Sub(begin))
	}
	m.now = at
}

func (m *machine) String() string { return strings.Join(m.log, "\n") }
