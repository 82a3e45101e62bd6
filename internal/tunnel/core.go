package tunnel

import (
	"errors"
	"time"
	"unicode/utf8"

	"github.com/wstunneld/wstunneld/internal/ws"
)

// Headroom is the room that [Core.FromBackend] wants in front of what was read:
// for a frame header and for the start of a character that was held back.
const Headroom = ws.Headroom + utf8.UTFMax - 1

// input is the state of a direction that we read.
type input uint8

const (
	inOpen  input = iota
	inEnded       // client only: after its close frame or a violation; what follows is discarded
	inEOF         // nothing more can be read
)

// output is the state of a direction that we write.
type output uint8

const (
	outOpen   output = iota
	outQueued        // client only: our close frame waits to be taken
	outTaken         // client only: our close frame is in the driver's hands
	outSaid          // client only: our close frame has been written
	outShut          // half-closed
	outFailed        // nothing more can be written
)

// A Core is one tunnel's protocol state. Its methods are not safe for
// concurrent use. Methods that take the time want it never to go back.
type Core struct {
	cfg *Config
	dec ws.Decoder

	clientIn   input
	clientOut  output
	backendIn  input
	backendOut output
	backendErr error // of the write that made backendOut outFailed

	pongs   []byte // whole frames that wait to be taken
	pingDue bool
	pinging bool          // what was taken last is a ping of ours and nothing else
	closing ws.CloseError // the close frame of outQueued and later
	tail    [utf8.UTFMax - 1]byte
	tailLen int // bytes in tail: the start of a character from the backend

	discarded int // bytes from the backend that came too late for the client

	waiting int       // writes under way
	begun   time.Time // when the latest of them began

	// last is when a byte moved or a direction changed its state. since leaves
	// out bytes that no longer matter to a tunnel that ends, so that nobody can
	// put the end off by sending more of them.
	last, since time.Time

	nextPing time.Time
	forceAt  time.Time // if not zero: the tunnel is done then at the latest
	forced   bool

	res Result
}

// New returns the state of a tunnel that begins now.
func New(cfg *Config, now time.Time) *Core {
	c := &Core{cfg: cfg, last: now, since: now}
	if cfg.PingInterval > 0 {
		c.nextPing = now.Add(cfg.PingInterval)
	}
	return c
}

// Result returns what is known of the tunnel so far.
func (c *Core) Result() Result { return c.res }

// Client to backend.

// FromClient takes bytes that the client sent. It returns the payload for the
// backend, which lies in b; control frames for the client may be ready behind
// it (see [Core.TakeControl]). When the client has ended its side, which
// [Core.ShutBackend] tells, what it sends is discarded.
func (c *Core) FromClient(b []byte, now time.Time) (payload []byte) {
	c.res.Received += int64(len(b))
	if c.clientIn != inOpen {
		return nil
	}
	c.last = now
	tooBig := c.cfg.MaxClientBytes > 0 && c.res.Received > c.cfg.MaxClientBytes
	if tooBig {
		b = b[:int64(len(b))-(c.res.Received-c.cfg.MaxClientBytes)]
	}
	payload = b[:0]
	for len(b) > 0 && c.clientIn == inOpen {
		p, rest, err := c.dec.Next(b)
		if c.cfg.Trace != nil && p.Opcode != ws.OpContinuation {
			c.cfg.Trace(false, p.Opcode, len(p.Payload))
		}
		switch p.Opcode {
		case ws.OpText, ws.OpBinary:
			if len(payload) == 0 {
				payload = p.Payload // where it lies: most reads hold one frame
			} else {
				payload = append(payload, p.Payload...) // moves down within b
			}
		case ws.OpPing:
			c.queuePong(p.Payload)
		case ws.OpClose:
			c.clientClose(p.Payload, now)
		}
		var ce *ws.CloseError
		if errors.As(err, &ce) {
			c.violation(ce, now)
		}
		b = rest
	}
	if tooBig && c.clientIn == inOpen {
		c.clientIn = inEnded
		c.end(CauseTooBig, nil, ws.CloseTooBig, "more than server.max-request-size", now)
	}
	if c.clientIn != inOpen {
		c.turn(now)
	}
	if c.backendOut == outFailed {
		return nil
	}
	return payload
}

// queuePong keeps the answer to a ping for TakeControl. If too many wait, the
// newest takes the place of all (RFC 6455 section 5.5.3 allows it).
func (c *Core) queuePong(payload []byte) {
	if c.clientOut != outOpen {
		return
	}
	if len(c.pongs)+2+len(payload) > maxPongs {
		c.pongs = c.pongs[:0]
	}
	c.pongs = ws.AppendHeader(c.pongs, ws.Header{Fin: true, Opcode: ws.OpPong, Length: int64(len(payload))})
	c.pongs = append(c.pongs, payload...)
	c.trace(ws.OpPong, len(payload))
}

// clientClose answers the client's close frame with its own code, or takes it
// as the answer to ours.
func (c *Core) clientClose(payload []byte, now time.Time) {
	code, _, err := ws.ParseClose(payload)
	var ce *ws.CloseError
	if errors.As(err, &ce) {
		c.violation(ce, now)
		return
	}
	c.clientIn = inEnded
	c.res.CloseReceived = code
	c.end(CauseClientClose, nil, code, "", now)
}

func (c *Core) violation(ce *ws.CloseError, now time.Time) {
	c.clientIn = inEnded
	c.end(CauseProtocolError, ce, ce.Code, ce.Reason, now)
}

// ClientEOF says that the client has ended its stream. Without a close frame
// before it, that is a half-close: the backend may still answer.
func (c *Core) ClientEOF(now time.Time) {
	c.turn(now)
	c.clientIn = inEOF
}

// ClientFailed says that reading from or writing to the client failed with err,
// after which nothing more reaches it. If reading failed, readable is false:
// otherwise the driver goes on reading what the client had sent before.
func (c *Core) ClientFailed(err error, readable bool, now time.Time) {
	c.turn(now)
	c.clientOut = outFailed
	c.pongs = nil
	if !readable {
		c.clientIn = inEOF
	}
	c.cause(CauseClientError, err)
	c.boundEnd(now)
}

// ShutBackend reports whether the driver must half-close the backend now,
// because the client has ended its side; it has delivered all payload before.
// [Core.BackendShut] answers.
func (c *Core) ShutBackend() bool {
	return c.clientIn != inOpen && c.backendOut == outOpen
}

// BackendShut says that the backend has been half-closed.
func (c *Core) BackendShut(now time.Time) {
	c.turn(now)
	if c.backendOut == outOpen {
		c.backendOut = outShut
	}
}

// BackendWriting says that the driver begins to write to the backend.
func (c *Core) BackendWriting(now time.Time) { c.writing(now) }

// BackendWrote ends what BackendWriting began: n bytes are written. If err is
// not nil, nothing more reaches the backend. Its last words may still be read,
// for [CloseTimeout].
func (c *Core) BackendWrote(n int, err error, now time.Time) {
	c.waiting--
	c.BackendProgress(n, now)
	if err != nil && c.backendOut != outFailed {
		c.turn(now)
		c.backendOut = outFailed
		c.backendErr = err
	}
}

// BackendProgress says that n bytes of a write under way are written.
func (c *Core) BackendProgress(n int, now time.Time) {
	c.last = now
	c.res.ToBackend += int64(n)
	if c.clientIn != inOpen || c.clientOut >= outSaid { // no more will come, or boundEnd has set a limit
		c.since = now
	}
}

// Backend to client.

// FromBackend takes buf[off:], which was read from the backend and is not empty;
// off is at least [Headroom]. It returns the frame to write to the client: a
// slice of buf that may begin before off, and is empty if there is nothing to
// send yet. The start of a character at the end of a text tunnel's read waits for
// the next read.
func (c *Core) FromBackend(buf []byte, off int, now time.Time) (frame []byte) {
	c.res.FromBackend += int64(len(buf) - off)
	if !c.WantBackend() {
		c.discarded += len(buf) - off
		return nil
	}
	c.last = now
	op := ws.OpBinary
	if c.cfg.Text {
		op = ws.OpText
		off -= c.tailLen
		copy(buf[off:], c.tail[:c.tailLen])
		n, ok := ws.SplitText(buf[off:])
		if ok {
			c.tailLen = copy(c.tail[:], buf[off+n:])
		} else {
			c.tailLen = 0
			c.end(CauseNotUTF8, nil, ws.CloseInvalidPayload, "the backend sent text that is not UTF-8", now)
		}
		if n == 0 {
			return nil
		}
		buf = buf[:off+n]
	}
	if c.cfg.Trace != nil {
		c.cfg.Trace(true, op, len(buf)-off)
	}
	return ws.Prepend(buf, off, op)
}

// CanSplice reports whether n bytes from the backend can be framed unseen, by
// [Core.SpliceFromBackend]: not in a text tunnel.
func (c *Core) CanSplice() bool { return !c.cfg.Text && c.WantBackend() }

// SpliceFromBackend is FromBackend for n bytes that the driver does not look at.
// It appends the frame's header to dst; the bytes go behind it.
func (c *Core) SpliceFromBackend(dst []byte, n int, now time.Time) []byte {
	c.res.FromBackend += int64(n)
	c.last = now
	c.trace(ws.OpBinary, n)
	return ws.AppendHeader(dst, ws.Header{Fin: true, Opcode: ws.OpBinary, Length: int64(n)})
}

// WantBackend reports whether what the backend sends still reaches the client.
// Otherwise the driver reads on to discard it, as long as ReadBackend says so: a
// backend that cannot get rid of its answers may not take the rest of the payload.
func (c *Core) WantBackend() bool { return c.clientOut == outOpen }

// ReadBackend reports whether the driver must go on reading the backend. When it
// must not, the backend may still be taking payload; closing it at once, with
// bytes unread, would throw that away.
func (c *Core) ReadBackend() bool { return c.backendIn == inOpen && c.discarded <= maxDiscard }

// BackendEOF says that the backend has ended its stream.
func (c *Core) BackendEOF(now time.Time) {
	c.turn(now)
	c.backendIn = inEOF
	switch {
	case c.backendOut == outFailed: // a reset, which only the write was told of
		c.end(CauseBackendError, c.backendErr, ws.CloseInternalError, "writing to the backend failed", now)
	case c.tailLen > 0:
		c.end(CauseNotUTF8, nil, ws.CloseInvalidPayload, "the backend ended inside of a character", now)
	case c.clientIn == inEOF:
		c.end(CauseClientEOF, nil, ws.CloseGoingAway, "", now)
	default:
		c.end(CauseBackendEOF, nil, ws.CloseGoingAway, "", now)
	}
}

// BackendFailed says that reading from the backend failed with err.
func (c *Core) BackendFailed(err error, now time.Time) {
	c.turn(now)
	c.backendIn = inEOF
	c.backendOut = outFailed
	c.end(CauseBackendError, err, ws.CloseInternalError, "the backend connection failed", now)
}

// HasControl reports whether TakeControl would append something.
func (c *Core) HasControl() bool {
	return c.clientOut == outQueued || c.clientOut == outOpen && (c.pingDue || len(c.pongs) > 0)
}

// TakeControl appends the control frames that wait to dst, at most 1.3 KiB. They
// go to the client between two frames. A close frame is the last that the
// client gets.
func (c *Core) TakeControl(dst []byte) []byte {
	if c.clientOut != outOpen && c.clientOut != outQueued {
		return dst
	}
	c.pinging = c.pingDue && c.clientOut == outOpen && len(c.pongs) == 0
	dst = append(dst, c.pongs...)
	c.pongs = nil
	if c.pingDue && c.clientOut == outOpen {
		c.trace(ws.OpPing, 4)
		dst = ws.AppendHeader(dst, ws.Header{Fin: true, Opcode: ws.OpPing, Length: 4})
		dst = append(dst, "ping"...)
	}
	c.pingDue = false
	if c.clientOut == outQueued {
		var payload [ws.MaxControlPayload]byte
		p := ws.AppendClose(payload[:0], c.closing.Code, c.closing.Reason)
		c.trace(ws.OpClose, len(p))
		dst = ws.AppendHeader(dst, ws.Header{Fin: true, Opcode: ws.OpClose, Length: int64(len(p))})
		dst = append(dst, p...)
		c.clientOut = outTaken
	}
	return dst
}

func (c *Core) trace(op ws.Opcode, payload int) {
	if c.cfg.Trace != nil {
		c.cfg.Trace(true, op, payload)
	}
}

// ClientWriting says that the driver begins to write to the client.
func (c *Core) ClientWriting(now time.Time) { c.writing(now) }

// ClientWrote ends what ClientWriting began: n bytes are written, all if err is
// nil.
func (c *Core) ClientWrote(n int, err error, now time.Time) {
	c.waiting--
	if err != nil {
		c.res.Sent += int64(n)
		c.ClientFailed(err, true, now)
		return
	}
	c.ClientProgress(n, now)
	c.pinging = false
	if c.clientOut == outTaken {
		c.clientOut = outSaid
		c.res.CloseSent = c.closing.Code
		c.boundEnd(now)
	}
}

// ClientProgress says that n bytes of a write under way are written.
func (c *Core) ClientProgress(n int, now time.Time) {
	c.res.Sent += int64(n)
	if !c.pinging {
		c.last = now
	}
	if c.clientOut != outOpen {
		c.since = now
	}
}

// ShutClient reports whether the driver must half-close the client now, because
// both close frames are exchanged. [Core.ClientShut] answers.
func (c *Core) ShutClient() bool {
	return c.clientOut == outSaid && c.clientIn != inOpen
}

// ClientShut says that the client has been half-closed.
func (c *Core) ClientShut(now time.Time) {
	c.turn(now)
	if c.clientOut == outSaid {
		c.clientOut = outShut
	}
}

// The end, and time.

// Stop ends the tunnel with close code 1001 because the server stops. It is
// done after grace at the latest, if that is not 0.
func (c *Core) Stop(grace time.Duration, now time.Time) {
	c.end(CauseStop, nil, ws.CloseGoingAway, "server stop", now)
	if grace > 0 {
		c.forceAt = earlier(c.forceAt, now.Add(grace))
	}
}

// Done reports whether the tunnel is over.
func (c *Core) Done() bool {
	return c.forced ||
		c.clientIn == inEOF && c.clientOut >= outShut &&
			c.backendIn == inEOF && c.backendOut >= outShut
}

// Deadline returns when [Core.Tick] wants to be called at the latest, or the
// zero time. Any call of another method may move it.
func (c *Core) Deadline() time.Time {
	at, _ := c.verdict()
	if c.clientOut == outOpen && c.cfg.PingInterval > 0 {
		at = earlier(at, c.nextPing)
	}
	return earlier(at, c.forceAt)
}

// Tick acts on the time: it may queue a ping or a close frame or end the tunnel.
func (c *Core) Tick(now time.Time) {
	if !c.forceAt.IsZero() && !now.Before(c.forceAt) {
		c.forced = true
	}
	if at, cause := c.verdict(); !at.IsZero() && !now.Before(at) {
		switch cause {
		case CauseNone:
			c.forced = true
		case CauseBackendError:
			c.end(cause, c.backendErr, ws.CloseInternalError, "writing to the backend failed", now)
		default:
			c.end(cause, nil, ws.CloseGoingAway, cause.String(), now)
			c.forceAt = earlier(c.forceAt, now.Add(CloseTimeout))
		}
	}
	if c.cfg.PingInterval > 0 && !now.Before(c.nextPing) {
		c.pingDue = true
		missed := now.Sub(c.nextPing) / c.cfg.PingInterval
		c.nextPing = c.nextPing.Add((missed + 1) * c.cfg.PingInterval)
	}
}

// verdict returns when the tunnel may no longer go on as it is, or the zero time
// if it may for ever; and why it then ends: CauseNone if it is ending already
// and must not take longer.
func (c *Core) verdict() (at time.Time, cause Cause) {
	if c.clientOut == outOpen { // not ending
		if c.backendOut == outFailed {
			return c.since.Add(CloseTimeout), CauseBackendError
		}
		from, limit, cause := c.last, c.cfg.IdleTimeout, CauseIdle
		if c.waiting > 0 {
			limit, cause = c.cfg.WriteIdleTimeout, CauseWriteIdle
			if from.Before(c.begun) { // a ping of ours
				from = c.begun
			}
		}
		if limit == 0 {
			return time.Time{}, CauseNone
		}
		return from.Add(limit), cause
	}
	limit := CloseTimeout // a peer has only its end left to tell us
	if c.clientOut < outSaid || c.waiting > 0 || c.ShutBackend() {
		limit = c.stallTimeout() // a peer has bytes left to take
	}
	return c.since.Add(limit), CauseNone
}

// stallTimeout is how long bytes may wait for a peer while the tunnel ends.
func (c *Core) stallTimeout() time.Duration {
	if c.cfg.WriteIdleTimeout > 0 {
		return c.cfg.WriteIdleTimeout
	}
	return stallTimeout
}

// boundEnd sees to it that a client that goes on sending, and so moves since,
// cannot put the end off for ever.
func (c *Core) boundEnd(now time.Time) {
	c.forceAt = earlier(c.forceAt, now.Add(c.stallTimeout()))
}

// writing notes that a write begins.
func (c *Core) writing(now time.Time) {
	c.waiting++
	c.begun = now
}

// turn notes that a direction changed its state.
func (c *Core) turn(now time.Time) { c.last, c.since = now, now }

// end queues our close frame, unless one is already on its way or cannot be
// sent, and notes why.
func (c *Core) end(cause Cause, err error, code ws.CloseCode, reason string, now time.Time) {
	c.cause(cause, err)
	if c.clientOut == outOpen {
		c.turn(now)
		c.clientOut = outQueued
		c.closing = ws.CloseError{Code: code, Reason: reason}
	}
}

// cause notes why the tunnel ends; the first one counts.
func (c *Core) cause(cause Cause, err error) {
	if c.res.Cause == CauseNone {
		c.res.Cause, c.res.Err = cause, err
	}
}

// earlier returns the earlier of two times, of which a zero one does not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
