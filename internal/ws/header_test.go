package ws_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/wstunneld/wstunneld/internal/ws"
)

// closeCode returns the close code that err carries: 0 for nil, 1 for an error
// of another kind.
func closeCode(err error) ws.CloseCode {
	var ce *ws.CloseError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ce):
		return ce.Code
	}
	return 1
}

func TestHeader(t *testing.T) {
	mask := [4]byte{1, 2, 3, 4}
	tests := []struct {
		name string
		wire []byte
		h    ws.Header
		long bool // not the shortest form: parsed, never produced
	}{
		{"empty binary", []byte{0x82, 0}, ws.Header{Fin: true, Opcode: ws.OpBinary}, false},
		{"text without FIN", []byte{0x01, 5}, ws.Header{Opcode: ws.OpText, Length: 5}, false},
		{"all RSV bits", []byte{0xf2, 0}, ws.Header{Fin: true, RSV: 7, Opcode: ws.OpBinary}, false},
		{"masked 125", []byte{0x82, 0xfd, 1, 2, 3, 4}, ws.Header{Fin: true, Opcode: ws.OpBinary, Masked: true, Mask: mask, Length: 125}, false},
		{"126", []byte{0x82, 126, 0, 126}, ws.Header{Fin: true, Opcode: ws.OpBinary, Length: 126}, false},
		{"2048, where lighttpd fails", []byte{0x82, 0xfe, 0x08, 0, 1, 2, 3, 4}, ws.Header{Fin: true, Opcode: ws.OpBinary, Masked: true, Mask: mask, Length: 2048}, false},
		{"65535", []byte{0x82, 126, 0xff, 0xff}, ws.Header{Fin: true, Opcode: ws.OpBinary, Length: 65535}, false},
		{"65536", []byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}, ws.Header{Fin: true, Opcode: ws.OpBinary, Length: 65536}, false},
		{"most", []byte{0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, ws.Header{Fin: true, Opcode: ws.OpBinary, Length: 1<<63 - 1}, false},
		{"5 in 16 bits", []byte{0x82, 126, 0, 5}, ws.Header{Fin: true, Opcode: ws.OpBinary, Length: 5}, true},
		{"5 in 64 bits", []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0, 5}, ws.Header{Fin: true, Opcode: ws.OpBinary, Length: 5}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, n, err := ws.ParseHeader(append(bytes.Clone(tt.wire), "payload"...))
			if err != nil || h != tt.h || n != len(tt.wire) {
				t.Errorf("ParseHeader(% x) = %+v, %d, %v; want %+v, %d", tt.wire, h, n, err, tt.h, len(tt.wire))
			}
			for i := range tt.wire {
				if _, n, err := ws.ParseHeader(tt.wire[:i]); n != 0 || err != io.ErrUnexpectedEOF {
					t.Errorf("ParseHeader(% x), cut short: %d, %v", tt.wire[:i], n, err)
				}
			}
			if got := ws.AppendHeader(nil, tt.h); !tt.long && !bytes.Equal(got, tt.wire) {
				t.Errorf("AppendHeader(%+v) = % x, want % x", tt.h, got, tt.wire)
			}
		})
	}
}

func TestParseHeaderTopBit(t *testing.T) {
	wire := []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}
	if _, _, err := ws.ParseHeader(wire); closeCode(err) != ws.CloseProtocolError {
		t.Errorf("ParseHeader(% x): %v, want close code 1002", wire, err)
	}
}

func TestCheck(t *testing.T) {
	client := func(fin bool, op ws.Opcode, n int64) ws.Header {
		return ws.Header{Fin: fin, Opcode: op, Masked: true, Length: n}
	}
	tests := []struct {
		name string
		h    ws.Header
		open bool // a fragmented message is unfinished
		ok   bool
	}{
		{"text", client(true, ws.OpText, 5), false, true},
		{"binary of any size", client(true, ws.OpBinary, 1<<62), false, true},
		{"first fragment", client(false, ws.OpText, 5), false, true},
		{"middle fragment", client(false, ws.OpContinuation, 5), true, true},
		{"last fragment", client(true, ws.OpContinuation, 5), true, true},
		{"ping between fragments", client(true, ws.OpPing, 125), true, true},
		{"pong nobody asked for", client(true, ws.OpPong, 0), false, true},
		{"close between fragments", client(true, ws.OpClose, 2), true, true},
		{"unmasked", ws.Header{Fin: true, Opcode: ws.OpText}, false, false},
		{"unmasked close", ws.Header{Fin: true, Opcode: ws.OpClose}, false, false},
		{"RSV1", ws.Header{Fin: true, RSV: 4, Opcode: ws.OpText, Masked: true}, false, false},
		{"RSV3", ws.Header{Fin: true, RSV: 1, Opcode: ws.OpText, Masked: true}, false, false},
		{"opcode 3", client(true, 3, 0), false, false},
		{"opcode 7", client(true, 7, 0), false, false},
		{"opcode 11", client(true, 11, 0), false, false},
		{"opcode 15", client(true, 15, 0), false, false},
		{"fragmented ping", client(false, ws.OpPing, 0), false, false},
		{"fragmented close", client(false, ws.OpClose, 0), false, false},
		{"ping of 126", client(true, ws.OpPing, 126), false, false},
		{"close of 64-bit length", client(true, ws.OpClose, 127), false, false},
		{"continuation of nothing", client(true, ws.OpContinuation, 5), false, false},
		{"text inside a message", client(true, ws.OpText, 5), true, false},
		{"binary inside a message", client(false, ws.OpBinary, 5), true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := ws.CloseCode(0)
			if !tt.ok {
				want = ws.CloseProtocolError
			}
			if got := closeCode(ws.Check(tt.h, tt.open, false)); got != want {
				t.Errorf("Check(%+v, open=%v, fromServer=false): close code %d, want %d", tt.h, tt.open, got, want)
			}
			// The same frame from a server differs in nothing but the mask.
			h := tt.h
			h.Masked = !h.Masked
			if got := closeCode(ws.Check(h, tt.open, true)); got != want {
				t.Errorf("Check(%+v, open=%v, fromServer=true): close code %d, want %d", h, tt.open, got, want)
			}
		})
	}
}

func TestPrepend(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		for _, off := range []int{ws.Headroom, ws.Headroom + 3} {
			buf := make([]byte, off+n)
			payload := bytes.Repeat([]byte("x"), n)
			copy(buf[off:], payload)
			frame := ws.Prepend(buf, off, ws.OpBinary)
			h, size, err := ws.ParseHeader(frame)
			want := ws.Header{Fin: true, Opcode: ws.OpBinary, Length: int64(n)}
			if err != nil || h != want || !bytes.Equal(frame[size:], payload) {
				t.Errorf("Prepend(%d bytes at %d): header %+v, %v, %d bytes of payload; want %+v", n, off, h, err, len(frame)-size, want)
			}
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	f.Add([]byte{0x81, 0x85, 1, 2, 3, 4})             // masked text, 5 bytes
	f.Add([]byte{0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0}) // 64-bit length
	f.Add([]byte{0x82, 0xfe, 0x08, 0, 1, 2, 3, 4})    // masked, 16-bit length
	f.Add([]byte{0x89, 0x7f, 0x80, 0, 0, 0, 0, 0, 0}) // cut inside a wrong length
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := ws.ParseHeader(b)
		if err != nil {
			return // rejecting is fine; panicking is not
		}
		// Encoding what we parsed gives the same header, never a longer one.
		h2, n2, err := ws.ParseHeader(ws.AppendHeader(nil, h))
		if err != nil || h2 != h || n2 > n {
			t.Fatalf("% x parses as %+v (%d bytes), then as %+v (%d bytes), %v", b, h, n, h2, n2, err)
		}
	})
}
