// Package handshake judges the opening handshake of a WebSocket connection over
// HTTP/1.1 (RFC 6455 section 4) as functions of the request's headers.
//
// It answers no request and opens no socket: it says whether a request wants a
// WebSocket, whether it may have one, and what the answer's headers are.
package handshake

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Version is the protocol version of RFC 6455.
const Version = 13

// acceptGUID is fixed by RFC 6455 section 1.3.
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// An Error refuses a handshake with an HTTP status.
type Error struct {
	Status int         // 400, 403 or 426
	Header http.Header // to send along, beside what such fields hold already; may be nil
	Reason string      // for the log
}

func (e *Error) Error() string {
	return fmt.Sprintf("websocket handshake: %d: %s", e.Status, e.Reason)
}

// An Accept is a handshake that may be answered with 101.
type Accept struct {
	Key string // of Sec-WebSocket-Accept
	// Subprotocol is the one selected: "binary", the only subprotocol that says
	// something of a tunnel, if the client offers it; otherwise empty.
	Subprotocol string
}

// IsUpgrade reports whether r asks for a WebSocket: GET over HTTP/1.1 with the
// tokens "websocket" in Upgrade and "upgrade" in Connection, and no "h2c" beside
// them. Any other request is none of this package's business.
func IsUpgrade(r *http.Request) bool {
	return r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoMinor == 1 &&
		HasToken(r.Header["Upgrade"], "websocket") &&
		HasToken(r.Header["Connection"], "upgrade") &&
		!HasToken(r.Header["Upgrade"], "h2c")
}

// Check judges the headers of a request for which [IsUpgrade] is true: its
// origin against origins (an empty list lets every origin in), its version, its
// key. The error is an [*Error].
//
// lighttpd takes any key; a key that is not 16 bytes of base64 is refused here,
// as RFC 6455 section 4.2.1 says.
func Check(h http.Header, origins []string) (Accept, error) {
	if err := checkOrigin(h, origins); err != nil {
		return Accept{}, err
	}
	if !isVersion(h["Sec-Websocket-Version"]) {
		return Accept{}, &Error{
			Status: http.StatusUpgradeRequired,
			Header: http.Header{ // RFC 6455 section 4.4, RFC 9110 section 15.5.22
				"Sec-WebSocket-Version": {strconv.Itoa(Version)},
				"Upgrade":               {"websocket"},
				"Connection":            {"upgrade"},
			},
			Reason: fmt.Sprintf("Sec-WebSocket-Version %q, want %d", strings.Join(h["Sec-Websocket-Version"], ", "), Version),
		}
	}
	keys := h["Sec-Websocket-Key"]
	if len(keys) != 1 || !isKey(keys[0]) {
		return Accept{}, &Error{
			Status: http.StatusBadRequest,
			Reason: fmt.Sprintf("Sec-WebSocket-Key %q is not 16 bytes of base64", strings.Join(keys, ", ")),
		}
	}
	a := Accept{Key: AcceptKey(keys[0])}
	if HasToken(h["Sec-Websocket-Protocol"], "binary") {
		a.Subprotocol = "binary"
	}
	return a, nil
}

// AcceptKey returns the Sec-WebSocket-Accept that belongs to a
// Sec-WebSocket-Key (RFC 6455 section 4.2.2).
func AcceptKey(key string) string {
	sum := sha1.Sum([]byte(key + acceptGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// isVersion accepts 13 as lighttpd does: one header, leading zeros allowed.
func isVersion(values []string) bool {
	return len(values) == 1 && strings.TrimLeft(strings.TrimSpace(values[0]), "0") == strconv.Itoa(Version)
}

func isKey(key string) bool {
	b, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(b) == 16
}

// HasToken reports whether a header with the given values holds token, in any
// case, in its comma-separated list. A token ends at white space, a comma or a
// semicolon.
func HasToken(values []string, token string) bool {
	for _, v := range values {
		for elem := range strings.SplitSeq(v, ",") {
			elem = strings.TrimLeft(elem, " \t")
			if i := strings.IndexAny(elem, " \t;"); i >= 0 {
				elem = elem[:i]
			}
			if strings.EqualFold(elem, token) {
				return true
			}
		}
	}
	return false
}

// checkOrigin applies wstunnel.origins.
func checkOrigin(h http.Header, origins []string) error {
	if len(origins) == 0 {
		return nil
	}
	values := h["Origin"]
	if len(values) != 1 || values[0] == "" {
		return &Error{Status: http.StatusBadRequest, Reason: "no Origin, and wstunnel.origins is set"}
	}
	for _, entry := range origins {
		if MatchOrigin(entry, values[0]) {
			return nil
		}
	}
	return &Error{Status: http.StatusForbidden, Reason: fmt.Sprintf("Origin %q is not in wstunnel.origins", values[0])}
}

// MatchOrigin reports whether an entry of wstunnel.origins lets origin in, by
// lighttpd's rule: they are equal byte for byte, or origin ends with the entry
// and a dot stands before it. So an entry with a scheme names one origin, and a
// bare domain names its subdomains, not itself.
func MatchOrigin(entry, origin string) bool {
	before, ok := strings.CutSuffix(origin, entry)
	return ok && entry != "" && (before == "" || strings.HasSuffix(before, "."))
}
