package ws

import "io"

// A Decoder finds payload and control frames in the bytes of one peer. The zero
// value decodes what a client sends. Its state is about 200 bytes; it keeps no
// slice that it was given.
type Decoder struct {
	FromServer bool // the peer is a server: its frames are not masked

	header    [MaxHeaderSize]byte // a header that has arrived in part
	headerLen int
	frame     Header // the current frame, if inFrame
	inFrame   bool
	left      int64 // payload of the current frame still to come
	maskPos   int
	message   Opcode // of the unfinished message, or 0
	text      textCheck

	control []byte // a control payload that has arrived in part
	err     error
}

// A Part is one thing that a [Decoder] found: a piece of a data message, or a
// whole control frame.
type Part struct {
	// Opcode is OpText or OpBinary for a piece of a message, whichever frame of
	// it the piece lies in; OpClose, OpPing or OpPong for a control frame; and
	// OpContinuation if nothing was found.
	Opcode  Opcode
	Payload []byte // unmasked
	Final   bool   // the message ends with this part; true for control frames
}

// Next takes one part off the front of b, which holds the bytes behind those
// that earlier calls took, and returns what is left of b. It unmasks in place:
// p.Payload is a slice of b whose capacity runs on to the end of b, except that
// the payload of a control frame that came in pieces has memory of its own. When
// b is used up
// within a header or a control frame, p.Opcode is OpContinuation: call again
// when more has arrived. Frames without payload give a part too.
//
//	for len(b) > 0 {
//		p, rest, err := d.Next(b)
//		... // use p, then look at err
//		b = rest
//	}
//
// An error is a [*CloseError] with the code to send, and final: it is returned
// again by every later call. Next decides as soon as the bytes allow it, which
// is after two bytes for a header that may not come next. Text that stops being
// UTF-8 (CloseInvalidPayload) gives its valid start in p along with the error.
func (d *Decoder) Next(b []byte) (p Part, rest []byte, err error) {
	if d.err != nil {
		return Part{}, nil, d.err
	}
	if !d.inFrame {
		if b, err = d.readHeader(b); err != nil {
			d.err = err
			return Part{}, nil, err
		}
		if !d.inFrame {
			return Part{}, nil, nil
		}
	}
	n := int(min(d.left, int64(len(b))))
	payload, rest := b[:n], b[n:]
	if d.frame.Masked {
		d.maskPos = ApplyMask(payload, d.frame.Mask, d.maskPos)
	}
	d.left -= int64(n)
	d.inFrame = d.left > 0
	if d.frame.Opcode.IsControl() {
		return d.controlPart(payload), rest, nil
	}
	return d.dataPart(payload, rest)
}

// readHeader takes a header, or a part of one, off b. When the header is
// whole, it sets d up for the payload.
func (d *Decoder) readHeader(b []byte) ([]byte, error) {
	src := b
	if d.headerLen > 0 { // go on with what came before
		n := copy(d.header[d.headerLen:], b)
		src = d.header[:d.headerLen+n]
	}
	if len(src) >= 2 {
		if err := Check(headerStart(src[0], src[1]), d.message != 0, d.FromServer); err != nil {
			return nil, err
		}
	}
	h, n, err := ParseHeader(src)
	if err == io.ErrUnexpectedEOF {
		d.headerLen = copy(d.header[:], src)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b = b[n-d.headerLen:]
	d.headerLen = 0
	d.frame, d.left, d.maskPos, d.inFrame = h, h.Length, 0, true
	if h.Opcode == OpText || h.Opcode == OpBinary {
		d.message = h.Opcode
	}
	return b, nil
}

func (d *Decoder) controlPart(payload []byte) Part {
	if d.inFrame || len(d.control) > 0 { // in pieces
		d.control = append(d.control, payload...)
		if d.inFrame {
			return Part{}
		}
		payload, d.control = d.control, nil
	}
	return Part{Opcode: d.frame.Opcode, Payload: payload, Final: true}
}

func (d *Decoder) dataPart(payload, rest []byte) (Part, []byte, error) {
	p := Part{Opcode: d.message, Payload: payload, Final: !d.inFrame && d.frame.Fin}
	if d.message == OpText {
		n, ok := d.text.write(payload)
		if ok && p.Final {
			ok = d.text.whole()
		}
		if !ok {
			d.err = &CloseError{CloseInvalidPayload, "text message is not UTF-8"}
			return Part{Opcode: OpText, Payload: payload[:n]}, nil, d.err
		}
	}
	if p.Final {
		d.message = 0
	}
	return p, rest, nil
}
