// Package ws encodes and decodes WebSocket frames (RFC 6455 section 5).
//
// It works on byte slices: it opens no sockets, starts no goroutines, keeps no
// clock and allocates nothing per frame. [Decoder] takes whatever bytes arrived
// and yields payload and control frames; [Prepend] and [AppendHeader] write
// headers. The opening handshake is in package handshake, the closing handshake
// and everything else that needs a memory of the connection in package tunnel.
// There are no extensions: RSV bits are errors.
package ws

import "fmt"

// An Opcode says what a frame holds (RFC 6455 section 5.2).
type Opcode uint8

const (
	OpContinuation Opcode = 0x0
	OpText         Opcode = 0x1
	OpBinary       Opcode = 0x2
	OpClose        Opcode = 0x8
	OpPing         Opcode = 0x9
	OpPong         Opcode = 0xa
)

// IsControl reports whether op is a control opcode, known or reserved.
func (op Opcode) IsControl() bool { return op&0x8 != 0 }

func (op Opcode) String() string {
	switch op {
	case OpContinuation:
		return "continuation"
	case OpText:
		return "text"
	case OpBinary:
		return "binary"
	case OpClose:
		return "close"
	case OpPing:
		return "ping"
	case OpPong:
		return "pong"
	}
	return fmt.Sprintf("opcode %#x", uint8(op))
}
