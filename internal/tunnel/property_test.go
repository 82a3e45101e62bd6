package tunnel_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// TestProperties lets anything happen to a tunnel, in any order. The machine
// checks that the client gets at most one close frame and nothing behind it, and
// that Tick acts when Deadline says, not before. Beyond that, each peer gets
// what the other one sent from its start on, without a gap; and a tunnel that
// ends is done in time, although both peers go on.
func TestProperties(t *testing.T) { rapid.Check(t, properties) }

func properties(t *rapid.T) {
	durations := rapid.SampledFrom([]time.Duration{0, time.Second, 7 * time.Second, 100 * time.Second})
	cfg := &tunnel.Config{
		Text:             rapid.Bool().Draw(t, "text"),
		PingInterval:     durations.Draw(t, "ping interval"),
		IdleTimeout:      durations.Draw(t, "idle timeout"),
		WriteIdleTimeout: durations.Draw(t, "write idle timeout"),
		MaxClientBytes:   rapid.SampledFrom([]int64{0, 0, 50, 1000}).Draw(t, "max client bytes"),
	}
	m := newMachine(t, cfg)
	p := &peers{m: m}
	// What changes the state for good is rarer than what does not.
	oneOf := func(odds int, events map[string]event) func(*rapid.T) {
		names := slices.Sorted(maps.Keys(events))
		return func(t *rapid.T) {
			if rapid.IntRange(1, odds).Draw(t, "one in") == odds {
				events[rapid.SampledFrom(names).Draw(t, "event")](m)
			}
		}
	}
	actions := map[string]func(*rapid.T){
		"":             p.check,
		"client frame": p.clientFrame,
		"client read":  p.clientRead,
		"backend data": p.backendData,
		"wait": func(t *rapid.T) {
			m.wait(time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "for")))
		},
		"stall": oneOf(2, map[string]event{
			"client stalls":   clientStalls,
			"client goes on":  clientReads,
			"backend stalls":  backendStalls,
			"backend goes on": backendReads,
		}),
		"end": oneOf(6, map[string]event{
			"client end of file":  p.once(&p.clientEnded, clientEOF),
			"client read fails":   p.once(&p.clientEnded, clientFails),
			"client write fails":  p.once(&p.clientBroke, clientBreaks),
			"backend end of file": p.once(&p.backendEnded, backendEOF),
			"backend read fails":  p.once(&p.backendEnded, backendFails),
			"backend write fails": p.once(&p.backendBroke, backendBreaks),
		}),
	}
	t.Repeat(actions)

	if !m.done && m.core.Result().Cause == tunnel.CauseNone {
		stop(rapid.SampledFrom([]time.Duration{0, time.Second, time.Hour}).Draw(t, "grace"))(m)
	}
	// At most a frame and the close frame may still wait for the client, and
	// then the client may go on sending, each within 100 seconds.
	ending := m.now
	for !m.done && m.now.Sub(ending) < time.Hour {
		for _, name := range []string{"client frame", "client read", "backend data"} {
			actions[name](t)
		}
		m.wait(4 * time.Second)
		p.check(t)
	}
	if took := m.now.Sub(ending); !m.done || took > 310*time.Second {
		t.Fatalf("done %v after %v\n%v\nresult %+v", m.done, took, m, m.core.Result())
	}
}

// The peers of a tunnel to which anything happens.
type peers struct {
	m *machine

	wire     []byte          // of the client, not read yet
	upload   strings.Builder // payload that is or was on it
	download strings.Builder

	clientEnded, clientBroke, backendEnded, backendBroke bool
}

// once is e, but it happens only if it has not happened yet.
func (p *peers) once(happened *bool, e event) event {
	return func(m *machine) {
		if !*happened {
			*happened = true
			e(m)
		}
	}
}

func (p *peers) clientFrame(t *rapid.T) {
	switch rapid.SampledFrom([]string{"data", "data", "data", "data", "ping", "ping", "pong", "close", "violation"}).Draw(t, "frame") {
	case "ping":
		p.wire = append(p.wire, wstest.Ping(rapid.StringN(0, 30, 125).Draw(t, "ping"))...)
	case "pong":
		p.wire = append(p.wire, wstest.Pong("ping")...)
	case "close":
		code := ws.CloseCode(rapid.SampledFrom([]int{1000, 1005, 999, 4000}).Draw(t, "close code"))
		p.wire = append(p.wire, wstest.Close(code, "bye")...)
	case "violation":
		p.wire = append(p.wire, rapid.SampledFrom([]string{"\x82\x05", "\xf2\x80", "\x83\x80", "\x80\x80", "\x09\x80"}).Draw(t, "violation")...)
	case "data":
		data := p.next(t, &p.upload)
		p.wire = append(p.wire, wstest.Binary(data)...)
	}
}

// next returns what comes next in a stream whose bytes all follow from their
// place; they are ASCII, so that they can be text.
func (p *peers) next(t *rapid.T, stream *strings.Builder) string {
	start := stream.Len()
	for range rapid.IntRange(1, 300).Draw(t, "size") {
		i := stream.Len()
		stream.WriteByte(byte(i+i>>7) & 0x7f)
	}
	return stream.String()[start:]
}

func (p *peers) clientRead(t *rapid.T) {
	if p.clientEnded || len(p.wire) == 0 || p.m.backend.busy { // as in a driver, reading waits for writing
		return
	}
	n := rapid.IntRange(1, len(p.wire)).Draw(t, "bytes")
	p.m.fromClient(p.wire[:n])
	p.wire = p.wire[n:]
}

func (p *peers) backendData(t *rapid.T) {
	if !p.backendEnded && !p.m.client.busy {
		p.m.fromBackend([]byte(p.next(t, &p.download)))
	}
}

func (p *peers) check(t *rapid.T) {
	if !strings.HasPrefix(p.upload.String(), p.m.backend.got.String()) {
		t.Fatalf("the backend got %q, which is not how %q begins", p.m.backend.got.String(), p.upload.String())
	}
	if !strings.HasPrefix(p.download.String(), p.m.client.got.String()) {
		t.Fatalf("the client got %q, which is not how %q begins", p.m.client.got.String(), p.download.String())
	}
}
