package ws

import (
	"encoding/binary"
	"math/bits"
)

// ApplyMask masks or unmasks b in place (RFC 6455 section 5.3): byte i of b is
// combined with byte (pos+i) mod 4 of mask. It returns the position behind b,
// 0 to 3, for the next piece of the same payload.
func ApplyMask(b []byte, mask [4]byte, pos int) int {
	next := (pos + len(b)) & 3
	m := uint64(bits.RotateLeft32(binary.LittleEndian.Uint32(mask[:]), -8*(pos&3)))
	m |= m << 32
	le := binary.LittleEndian
	for len(b) >= 64 {
		p := (*[64]byte)(b) // one bounds check for eight words
		le.PutUint64(p[0:], le.Uint64(p[0:])^m)
		le.PutUint64(p[8:], le.Uint64(p[8:])^m)
		le.PutUint64(p[16:], le.Uint64(p[16:])^m)
		le.PutUint64(p[24:], le.Uint64(p[24:])^m)
		le.PutUint64(p[32:], le.Uint64(p[32:])^m)
		le.PutUint64(p[40:], le.Uint64(p[40:])^m)
		le.PutUint64(p[48:], le.Uint64(p[48:])^m)
		le.PutUint64(p[56:], le.Uint64(p[56:])^m)
		b = b[64:]
	}
	for len(b) >= 8 {
		le.PutUint64(b, le.Uint64(b)^m)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(m >> (8 * i))
	}
	return next
}
