package ws

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// A CloseCode tells in a close frame why a connection ends (RFC 6455 section 7.4).
type CloseCode uint16

const (
	CloseNormal         CloseCode = 1000
	CloseGoingAway      CloseCode = 1001
	CloseProtocolError  CloseCode = 1002
	CloseNoStatus       CloseCode = 1005 // the close frame has no code; never sent
	CloseInvalidPayload CloseCode = 1007 // text that is not UTF-8
	CloseTooBig         CloseCode = 1009
	CloseInternalError  CloseCode = 1011
)

// Sendable reports whether c may stand in a close frame: the codes of RFC 6455
// section 7.4.1 and of its IANA registry that are meant for the wire, and 3000
// to 4999.
func (c CloseCode) Sendable() bool {
	return c >= 1000 && c <= 1003 || c >= 1007 && c <= 1014 || c >= 3000 && c <= 4999
}

// A CloseError ends a connection with a close frame (RFC 6455 section 7.4).
type CloseError struct {
	Code   CloseCode
	Reason string // UTF-8, at most 123 bytes: it shares a control frame with Code
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("close code %d: %s", e.Code, e.Reason)
}

// ParseClose decodes the payload of a close frame. A payload without a code
// gives [CloseNoStatus]. The error is a [*CloseError]: CloseProtocolError for a
// payload of one byte or a code that must not be sent, CloseInvalidPayload for
// a reason that is not UTF-8. RFC 6455 section 5.5.1.
func ParseClose(payload []byte) (code CloseCode, reason string, err error) {
	if len(payload) == 0 {
		return CloseNoStatus, "", nil
	}
	if len(payload) == 1 {
		return 0, "", &CloseError{CloseProtocolError, "close payload of one byte"}
	}
	code = CloseCode(binary.BigEndian.Uint16(payload))
	if !code.Sendable() {
		return 0, "", &CloseError{CloseProtocolError, "invalid close code"}
	}
	if !utf8.Valid(payload[2:]) {
		return 0, "", &CloseError{CloseInvalidPayload, "close reason is not UTF-8"}
	}
	return code, string(payload[2:]), nil
}

// AppendClose appends the payload of a close frame to dst: nothing for
// [CloseNoStatus], else the code and the reason, cut to 123 bytes at a
// character.
func AppendClose(dst []byte, code CloseCode, reason string) []byte {
	if code == CloseNoStatus {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	const most = MaxControlPayload - 2
	if len(reason) > most {
		n := most
		for !utf8.RuneStart(reason[n]) {
			n--
		}
		reason = reason[:n]
	}
	return append(dst, reason...)
}
