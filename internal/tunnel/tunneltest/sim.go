package tunneltest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/ws"
)

// An ending is how an actor of the simulation ends its side.
type ending int

const (
	endNever     ending = iota // waits for the other side
	endClose                   // client: a close frame; backend: end of file, still reading
	endEOF                     // end of file, still reading
	endReset                   // a reset
	endViolation               // client: a frame that may not be
)

// A plan is one random schedule.
type plan struct {
	text               bool
	clientEnd, backEnd ending
	stop               time.Duration // the server stops then; 0: never
	ping               time.Duration
	upload, download   int // bytes
	clientBuf, backBuf int // what the network holds in each direction
	clientStall        time.Duration
	backStall          time.Duration
	chunk              int
	first              int // bytes of the upload that come behind the handshake
}

func newPlan(rnd *rand.Rand, unit time.Duration) plan {
	sizes := []int{0, 1, 125, 126, 5000, 70000, 300000}
	bufs := []int{1, 7, 200, 4096, 100000}
	stalls := []time.Duration{0, 0, unit, 100 * unit}
	chunks := []int{1, 3, 100, 10000, 1 << 17}
	p := plan{
		text:        rnd.IntN(3) == 0,
		clientEnd:   ending(rnd.IntN(5)),
		backEnd:     []ending{endNever, endEOF, endReset}[rnd.IntN(3)],
		ping:        []time.Duration{0, 0, 10 * time.Millisecond, time.Second}[rnd.IntN(4)],
		upload:      sizes[rnd.IntN(len(sizes))],
		download:    sizes[rnd.IntN(len(sizes))],
		clientBuf:   bufs[rnd.IntN(len(bufs))],
		backBuf:     bufs[rnd.IntN(len(bufs))],
		clientStall: stalls[rnd.IntN(len(stalls))],
		backStall:   stalls[rnd.IntN(len(stalls))],
		chunk:       chunks[rnd.IntN(len(chunks))],
		first:       rnd.IntN(200),
	}
	if rnd.IntN(4) == 0 || p.clientEnd == endNever && p.backEnd == endNever {
		p.stop = time.Duration(1+rnd.IntN(3000)) * unit
	}
	// Small pieces of large transfers only cost time.
	if small := min(p.chunk, p.clientBuf, p.backBuf); small < 100 {
		p.upload, p.download = min(p.upload, 5000), min(p.download, 5000)
	}
	return p
}

// The streams: every position has its own byte, so that a loss, a doubling or a
// swap shows. As text it has characters of 1 to 4 bytes.
func pattern(n int, text bool) []byte {
	b := make([]byte, 0, n+4)
	for i := 0; len(b) < n; i++ {
		if text {
			b = fmt.Appendf(b, "%dä€😀", i)
		} else {
			b = append(b, byte(i), byte(i>>8), byte(i>>16))
		}
	}
	b = b[:n]
	if text {
		whole, _ := ws.SplitText(b)
		b = b[:whole]
	}
	return b
}

// A Simulation says over what a simulation runs. C is what the driver drives.
type Simulation[C any] struct {
	// Pair returns the two ends of a connection that holds about size bytes in
	// each direction.
	Pair func(size int) (peer Peer, driver C)

	// Drive is as [Drive].
	Drive func(ctx context.Context, grace time.Duration, cfg *tunnel.Config, client, backend C, first []byte) tunnel.Result

	// Unit is the time that a peer may stall: up to 100 of it now and then.
	Unit time.Duration
}

// A Peer is an end of a connection that is not the driver's.
type Peer interface {
	io.ReadWriteCloser
	CloseWrite() error
	Reset()
}

// Run runs a tunnel between a client and a backend that send, stall and end at
// random, and checks that no byte is lost, doubled or reordered and that the
// tunnel ends.
func (s Simulation[C]) Run(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	p := newPlan(rnd, s.Unit)
	clientConn, serverConn := s.Pair(p.clientBuf)
	backendConn, tunnelConn := s.Pair(p.backBuf)
	c := &simClient{plan: p, rnd: [2]*rand.Rand{rand.New(rand.NewPCG(seed, 2)), rand.New(rand.NewPCG(seed, 3))}, conn: clientConn, upload: pattern(p.upload, false), turn: make(chan struct{}, 1)}
	b := &simBackend{plan: p, rnd: [2]*rand.Rand{rand.New(rand.NewPCG(seed, 4)), rand.New(rand.NewPCG(seed, 5))}, conn: backendConn, download: pattern(p.download, p.text), done: make(chan struct{})}
	b.hasty = rnd.IntN(2) == 0
	if testing.Verbose() {
		t.Logf("%+v", p)
	}
	first := c.prepare()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if p.stop > 0 {
		time.AfterFunc(p.stop, cancel)
	}
	var wg sync.WaitGroup
	wg.Go(c.send)
	wg.Go(c.receive)
	wg.Go(b.send)
	wg.Go(b.receive)
	const grace = 8 * time.Second
	start := time.Now()
	cfg := &tunnel.Config{Text: p.text, PingInterval: p.ping}
	res := s.Drive(ctx, grace, cfg, serverConn, tunnelConn, first)
	took := time.Since(start)
	if took > 5*time.Minute || p.stop > 0 && took > p.stop+grace+time.Second {
		t.Errorf("the tunnel took %v", took)
	}
	wg.Wait()

	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%+v\n%+v\n"+format, append([]any{p, res}, args...)...)
	}
	if res.Cause == tunnel.CauseNone {
		fail("the tunnel ended without a cause")
	}
	if whole, _ := ws.SplitText(b.download[:b.sent]); res.Cause == tunnel.CauseNotUTF8 && whole == b.sent {
		fail("the backend sent nothing but whole characters")
	}
	// A peer that resets, or is too slow for the grace of a stop, loses bytes.
	reset := p.clientEnd == endReset || p.backEnd == endReset || p.stop > 0 && took >= p.stop+grace
	if !bytes.HasPrefix(c.upload, b.received) {
		fail("the backend received bytes that the client did not send: %s", firstDifference(b.received, c.upload))
	}
	if !reset && len(b.received) != c.sent {
		fail("the backend received %d bytes of the %d that the client sent", len(b.received), c.sent)
	}
	if !bytes.HasPrefix(b.download[:b.sent], c.received) {
		fail("the client received bytes that the backend did not send: %s", firstDifference(c.received, b.download))
	}
	if !reset && res.Cause == tunnel.CauseBackendEOF && len(c.received) != b.sent {
		fail("the client received %d bytes of the %d that the backend sent", len(c.received), b.sent)
	}
	if c.err != nil {
		fail("the client: %v", c.err)
	}
	if want := c.wantClose(res); !reset && c.closeCode != want {
		fail("the client received close code %d, want %d", c.closeCode, want)
	}
}

func firstDifference(got, want []byte) string {
	for i := range got {
		if i >= len(want) || got[i] != want[i] {
			return fmt.Sprintf("byte %d of %d is %#x", i, len(got), got[i])
		}
	}
	return "none"
}

// A simClient is the client of a simulation.
type simClient struct {
	plan
	rnd  [2]*rand.Rand // of send and of receive
	conn Peer

	upload []byte
	wire   [][]byte // what send writes, in pieces of random size
	ends   []int    // payload bytes sent once the piece of that index is out
	sent   int      // payload bytes sent

	turn     chan struct{} // holds one token: who has it may write
	quit     bool          // the tunnel is ending: send no more
	ended    bool          // our close frame, end of file or violation is out
	received []byte

	closeCode ws.CloseCode // in the server's close frame; 0: none came
	err       error        // a breach of the protocol by the server
}

const simCloseCode = 4321

// prepare cuts the upload into frames, puts pings between them, and returns what
// comes with the handshake.
func (c *simClient) prepare() (first []byte) {
	op := ws.OpBinary
	for sent := 0; sent < len(c.upload); {
		n := min(len(c.upload)-sent, c.rnd[0].IntN(c.chunk)+1)
		fin := c.rnd[0].IntN(2) == 0
		f := clientFrame(fin, op, c.upload[sent:sent+n], c.rnd[0].Uint32())
		op = ws.OpContinuation
		if fin {
			op = ws.OpBinary
		}
		sent += n
		c.wire, c.ends = append(c.wire, f), append(c.ends, sent)
		if c.rnd[0].IntN(5) == 0 {
			c.wire = append(c.wire, clientFrame(true, ws.OpPing, []byte("are you there"), 0))
			c.ends = append(c.ends, sent)
		}
	}
	if len(c.wire) > 0 && len(c.wire[0]) <= c.first {
		first, c.sent = c.wire[0], c.ends[0]
		c.wire, c.ends = c.wire[1:], c.ends[1:]
	}
	return first
}

func (c *simClient) send() {
	for i, f := range c.wire {
		if c.clientStall > 0 && c.rnd[0].IntN(10) == 0 {
			time.Sleep(time.Duration(c.rnd[0].Int64N(int64(c.clientStall))))
		}
		c.turn <- struct{}{}
		if c.quit {
			<-c.turn
			return
		}
		_, err := c.conn.Write(f)
		if err == nil {
			c.sent = c.ends[i]
		}
		<-c.turn
		if err != nil {
			return
		}
	}
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	if c.quit {
		return
	}
	switch c.clientEnd {
	case endClose:
		c.ended = true
		c.conn.Write(clientFrame(true, ws.OpClose, ws.AppendClose(nil, simCloseCode, "done"), 7))
	case endEOF:
		c.ended = true
		c.conn.CloseWrite()
	case endViolation:
		c.ended = true
		c.conn.Write([]byte{0x83, 0x80, 0, 0, 0, 0, 'x', 'y'})
	case endReset:
		c.conn.Reset()
	}
}

func (c *simClient) receive() {
	defer c.conn.Close()
	d := ws.Decoder{FromServer: true}
	buf := make([]byte, 1+c.rnd[1].IntN(20000))
	for {
		if c.clientStall > 0 && c.rnd[1].IntN(10) == 0 {
			time.Sleep(time.Duration(c.rnd[1].Int64N(int64(c.clientStall))))
		}
		n, err := c.conn.Read(buf)
		if err != nil {
			return
		}
		for b := buf[:n]; len(b) > 0; {
			p, rest, err := d.Next(b)
			c.frame(p, err)
			b = rest
		}
	}
}

func (c *simClient) frame(p ws.Part, err error) {
	if c.closeCode != 0 && p.Opcode != ws.OpContinuation {
		err = fmt.Errorf("a %v frame behind the close frame", p.Opcode)
	}
	switch p.Opcode {
	case ws.OpText, ws.OpBinary:
		if (p.Opcode == ws.OpText) != c.text {
			err = fmt.Errorf("a %v frame", p.Opcode)
		}
		c.received = append(c.received, p.Payload...)
	case ws.OpPing:
		c.turn <- struct{}{} // may take long: the server must cope
		if !c.ended {
			c.conn.Write(clientFrame(true, ws.OpPong, p.Payload, 1))
		}
		<-c.turn
	case ws.OpPong:
		if string(p.Payload) != "are you there" {
			err = fmt.Errorf("pong with %q", p.Payload)
		}
	case ws.OpClose:
		c.closeCode, _, err = ws.ParseClose(p.Payload)
		c.turn <- struct{}{}
		c.quit = true
		if !c.ended {
			c.ended = true
			c.conn.Write(clientFrame(true, ws.OpClose, p.Payload, 1))
		}
		<-c.turn
	}
	if c.err == nil {
		c.err = err
	}
}

// wantClose returns the close code that the client should have received.
func (c *simClient) wantClose(res tunnel.Result) ws.CloseCode {
	switch res.Cause {
	case tunnel.CauseClientClose:
		return simCloseCode
	case tunnel.CauseProtocolError:
		return ws.CloseProtocolError
	case tunnel.CauseNotUTF8: // a hasty backend that ended inside of a character
		return ws.CloseInvalidPayload
	}
	return ws.CloseGoingAway
}

// A simBackend is the backend of a simulation.
type simBackend struct {
	plan
	rnd      [2]*rand.Rand // of send and of receive
	conn     Peer
	download []byte
	sent     int
	hasty    bool          // closes at the client's end, whatever is still to send
	done     chan struct{} // send has ended
	received []byte
}

func (b *simBackend) send() {
	defer close(b.done)
	for sent := 0; sent < len(b.download); {
		if b.backStall > 0 && b.rnd[0].IntN(10) == 0 {
			time.Sleep(time.Duration(b.rnd[0].Int64N(int64(b.backStall))))
		}
		n := min(len(b.download)-sent, b.rnd[0].IntN(b.chunk)+1)
		m, err := b.conn.Write(b.download[sent : sent+n])
		b.sent += m
		if err != nil {
			return
		}
		sent += n
	}
	switch b.backEnd {
	case endEOF:
		b.conn.CloseWrite()
	case endReset:
		b.conn.Reset()
	}
}

func (b *simBackend) receive() {
	defer b.conn.Close()
	buf := make([]byte, 1+b.rnd[1].IntN(20000))
	for {
		if b.backStall > 0 && b.rnd[1].IntN(10) == 0 {
			time.Sleep(time.Duration(b.rnd[1].Int64N(int64(b.backStall))))
		}
		n, err := b.conn.Read(buf)
		b.received = append(b.received, buf[:n]...)
		if err != nil {
			if !b.hasty {
				<-b.done
			}
			return
		}
	}
}

func clientFrame(fin bool, op ws.Opcode, payload []byte, mask uint32) []byte {
	h := ws.Header{Fin: fin, Opcode: op, Masked: true, Length: int64(len(payload)),
		Mask: [4]byte{byte(mask), byte(mask >> 8), byte(mask >> 16), byte(mask >> 24)}}
	b := append(ws.AppendHeader(nil, h), payload...)
	ws.ApplyMask(b[len(b)-len(payload):], h.Mask, 0)
	return b
}
