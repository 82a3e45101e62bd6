package wstest

import (
	"bytes"

	"github.com/wstunneld/wstunneld/internal/ws"
)

var mask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// Encode returns a frame with header h, right or wrong. If h.Length is zero, it
// is the payload's; if h.Masked is set, the payload is masked.
func Encode(h ws.Header, payload string) []byte {
	if h.Length == 0 {
		h.Length = int64(len(payload))
	}
	b := append(ws.AppendHeader(nil, h), payload...)
	if h.Masked {
		ws.ApplyMask(b[len(b)-len(payload):], h.Mask, 0)
	}
	return b
}

// Masked returns the frame of a client: masked, and a whole message unless fin
// is false.
func Masked(fin bool, op ws.Opcode, payload string) []byte {
	return Encode(ws.Header{Fin: fin, Opcode: op, Masked: true, Mask: mask}, payload)
}

// Text returns a text message of one frame.
func Text(payload string) []byte { return Masked(true, ws.OpText, payload) }

// Binary returns a binary message of one frame.
func Binary(payload string) []byte { return Masked(true, ws.OpBinary, payload) }

// Ping returns a ping.
func Ping(payload string) []byte { return Masked(true, ws.OpPing, payload) }

// Pong returns a pong.
func Pong(payload string) []byte { return Masked(true, ws.OpPong, payload) }

// Close returns a close frame; without payload if code is ws.CloseNoStatus.
func Close(code ws.CloseCode, reason string) []byte {
	return Masked(true, ws.OpClose, string(ws.AppendClose(nil, code, reason)))
}

// Join returns the frames one behind the other.
func Join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

// Pattern returns n bytes, in which a loss, a doubling or a swap shows. They
// are not UTF-8.
func Pattern(n int) string {
	b := make([]byte, 0, n+3)
	for i := 0; len(b) < n; i++ {
		b = append(b, byte(i), byte(i>>8), byte(i>>16)^0xff)
	}
	return string(b[:n])
}
