package ws

import (
	"encoding/binary"
	"io"
)

const (
	// MaxHeaderSize is the size of the longest frame header: masked, with a
	// 64-bit length.
	MaxHeaderSize = 14
	// Headroom is the size of the longest header that a server sends. [Prepend]
	// wants that many bytes free in front of a payload.
	Headroom = 10
	// MaxControlPayload is the most a control frame carries (RFC 6455 section 5.5).
	MaxControlPayload = 125
)

// A Header is a decoded frame header (RFC 6455 section 5.2).
type Header struct {
	Fin    bool  // last frame of its message
	RSV    uint8 // the three reserved bits, 0 to 7
	Opcode Opcode
	Masked bool
	Mask   [4]byte // zero if not Masked
	Length int64   // of the payload, in bytes
}

// ParseHeader decodes the frame header at the start of b.
//
// It returns the header and its size n in bytes, 2 to 14; the payload is
// b[n : n+h.Length]. If b ends inside the header, n is 0 and err is
// [io.ErrUnexpectedEOF]: read more and call again. The only other error is a
// [*CloseError] for a 64-bit length with its top bit set. ParseHeader does not
// keep b and does not judge the header: see [Check].
//
// Like lighttpd, it accepts lengths that are not in their shortest form.
func ParseHeader(b []byte) (h Header, n int, err error) {
	if len(b) < 2 {
		return Header{}, 0, io.ErrUnexpectedEOF
	}
	h = headerStart(b[0], b[1])
	n = 2
	switch h.Length {
	case 126:
		if len(b) < 4 {
			return Header{}, 0, io.ErrUnexpectedEOF
		}
		h.Length = int64(binary.BigEndian.Uint16(b[2:]))
		n = 4
	case 127:
		if len(b) < 10 {
			return Header{}, 0, io.ErrUnexpectedEOF
		}
		h.Length = int64(binary.BigEndian.Uint64(b[2:]))
		if h.Length < 0 {
			return Header{}, 0, &CloseError{CloseProtocolError, "64-bit length with its top bit set"}
		}
		n = 10
	}
	if h.Masked {
		if len(b) < n+4 {
			return Header{}, 0, io.ErrUnexpectedEOF
		}
		h.Mask = [4]byte(b[n:])
		n += 4
	}
	return h, n, nil
}

// headerStart decodes the two bytes that every header has. Length is 126 or
// 127 if the real one follows.
func headerStart(b0, b1 byte) Header {
	return Header{
		Fin:    b0&0x80 != 0,
		RSV:    b0 >> 4 & 7,
		Opcode: Opcode(b0 & 0xf),
		Masked: b1&0x80 != 0,
		Length: int64(b1 & 0x7f),
	}
}

// AppendHeader appends the shortest encoding of h to dst.
func AppendHeader(dst []byte, h Header) []byte {
	b0 := byte(h.Opcode)&0xf | h.RSV&7<<4
	if h.Fin {
		b0 |= 0x80
	}
	var b1 byte
	if h.Masked {
		b1 = 0x80
	}
	switch {
	case h.Length <= 125:
		dst = append(dst, b0, b1|byte(h.Length))
	case h.Length <= 0xffff:
		dst = append(dst, b0, b1|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(h.Length))
	default:
		dst = append(dst, b0, b1|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.Length))
	}
	if h.Masked {
		dst = append(dst, h.Mask[:]...)
	}
	return dst
}

// Prepend writes the header of an unmasked frame that is a whole message in
// front of its payload buf[off:], and returns the frame: a slice of buf that
// ends where buf ends, ready for one write. It panics if off < [Headroom].
func Prepend(buf []byte, off int, op Opcode) []byte {
	if off < Headroom {
		panic("ws: no headroom for a frame header")
	}
	var hdr [Headroom]byte
	h := AppendHeader(hdr[:0], Header{Fin: true, Opcode: op, Length: int64(len(buf) - off)})
	start := off - len(h)
	copy(buf[start:], h)
	return buf[start:]
}

// Check reports whether a frame with header h may come next (RFC 6455 sections
// 5.1 to 5.5): open says that a fragmented message is unfinished, fromServer
// that the frame comes from a server, which must not mask, while a client must.
// The error is a [*CloseError] with [CloseProtocolError].
//
// The two bytes that every header starts with are enough to decide: Length
// matters only in being at most 125.
func Check(h Header, open, fromServer bool) error {
	reason := ""
	switch {
	case h.RSV != 0:
		reason = "reserved bits set"
	case h.Opcode > OpBinary && h.Opcode < OpClose || h.Opcode > OpPong:
		reason = "reserved opcode"
	case h.Masked && fromServer:
		reason = "masked frame from a server"
	case !h.Masked && !fromServer:
		reason = "unmasked frame from a client"
	case h.Opcode.IsControl() && !h.Fin:
		reason = "fragmented control frame"
	case h.Opcode.IsControl() && h.Length > MaxControlPayload:
		reason = "control frame over 125 bytes"
	case h.Opcode == OpContinuation && !open:
		reason = "continuation without a message"
	case (h.Opcode == OpText || h.Opcode == OpBinary) && open:
		reason = "new message inside a fragmented one"
	default:
		return nil
	}
	return &CloseError{CloseProtocolError, reason}
}
