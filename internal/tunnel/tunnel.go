// Package tunnel is the state machine of one tunnel: a client's WebSocket joined
// to a backend's byte stream.
//
// [Core] does no I/O and reads no clock. A driver moves the bytes and tells Core
// what happened: package stream does it with a goroutine per direction. Frames
// are package ws's; the opening handshake and dialling are over when a tunnel
// begins.
//
// # What a driver promises
//
// Events reach Core one at a time, in the order in which they happened. Bytes
// that Core hands out are written in that order, and before anything that Core
// hands out later. Payload for the backend is delivered before the backend is
// half-closed, frames before the close frame. When [Core.Done] is true, the
// driver closes both ends, whatever is still under way.
package tunnel

import (
	"time"

	"github.com/wstunneld/wstunneld/internal/ws"
)

// A Config holds what tunnels of one kind share. It must not change while a
// tunnel uses it.
type Config struct {
	Text bool // frames to the client are text; otherwise binary

	// PingInterval is the time between pings to the client; 0: none are sent.
	PingInterval time.Duration

	// IdleTimeout ends a tunnel with close code 1001 when no byte has moved
	// either way for so long; 0: never. Pings that we send are no activity,
	// pongs that answer them are.
	IdleTimeout time.Duration

	// WriteIdleTimeout takes IdleTimeout's place while bytes wait for a peer
	// that does not read: the tunnel ends when no byte has moved either way for
	// so long; 0: never.
	WriteIdleTimeout time.Duration

	// MaxClientBytes ends a tunnel with close code 1009 when the client has
	// sent more bytes, frame headers included; 0: no limit.
	MaxClientBytes int64

	// Trace is called for each frame header sent and each part of a frame
	// received, if it is not nil.
	Trace func(sent bool, op ws.Opcode, payload int)
}

const (
	// CloseTimeout bounds the wait for a peer that has nothing more to expect
	// from us: for the client's close frame and end of file after our close
	// frame, for the backend's end of file after our half-close. It begins anew
	// while the backend still takes what the client had sent, but the wait for
	// the client is never longer than WriteIdleTimeout in all.
	CloseTimeout = 5 * time.Second

	// stallTimeout is WriteIdleTimeout's stand-in for a tunnel that ends: bytes
	// that wait for a peer then may not wait for ever.
	stallTimeout = 60 * time.Second

	// maxDiscard bounds the bytes that are read from a backend for nothing, to
	// let it end in good order. An echo of all that the kernel holds on the way
	// to the backend is less.
	maxDiscard = 64 << 20

	// maxPongs bounds the bytes of pongs that wait for room on the way to the
	// client.
	maxPongs = 1024
)

// A Cause says why a tunnel ended.
type Cause uint8

const (
	CauseNone          Cause = iota // it has not
	CauseClientClose                // the client sent a close frame
	CauseClientEOF                  // the client ended its stream without one
	CauseClientError                // reading from or writing to the client failed
	CauseProtocolError              // the client broke RFC 6455
	CauseTooBig                     // the client sent more than MaxClientBytes
	CauseBackendEOF                 // the backend ended its stream
	CauseBackendError               // reading from or writing to the backend failed
	CauseNotUTF8                    // the backend of a text tunnel sent something else
	CauseIdle                       // IdleTimeout
	CauseWriteIdle                  // WriteIdleTimeout
	CauseStop                       // the server stops
)

var causeNames = [...]string{
	"none", "client-close", "client-eof", "client-error", "protocol-error", "too-big",
	"backend-eof", "backend-error", "not-utf8", "idle", "write-idle", "server-stop",
}

func (c Cause) String() string { return causeNames[c] }

// A Result is what remains of a tunnel that ended.
type Result struct {
	Cause         Cause
	Err           error        // behind CauseClientError, CauseProtocolError and CauseBackendError
	CloseSent     ws.CloseCode // in our close frame, 1005 if it had none; 0: no close frame was written
	CloseReceived ws.CloseCode // in the client's, 1005 if it had none; 0: none came
	Received      int64        // bytes from the client, frame headers included
	Sent          int64        // bytes to the client, frame headers included
	ToBackend     int64        // bytes written to the backend
	FromBackend   int64        // bytes read from the backend
}
