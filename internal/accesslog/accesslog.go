// Package accesslog formats the lines of the access log, in lighttpd's default
// format:
//
//	%h %V %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"
//
// The line of a tunnel has more behind that. Where lines go is the caller's
// business.
package accesslog

import (
	"strconv"
	"time"
)

// An Entry is one answered request. Empty texts are logged as "-".
type Entry struct {
	Client    string    // address
	Authority string    // the host that was asked for
	End       time.Time // of the answer or of the tunnel
	Request   string    // the request line
	Status    int
	Sent      int64 // bytes without the header; of a tunnel, with frame headers
	Referer   string
	UserAgent string

	Tunnel *Tunnel // nil: the request was none
}

// A Tunnel is what is logged of a tunnel behind its request, an addition to
// lighttpd's line:
//
//	rx=96 tx=1210 close=1000 cause=client-close duration=12.345
type Tunnel struct {
	Received  int64         // rx: bytes from the client, with frame headers
	CloseCode int           // close: the code in the client's close frame if it began, else in ours; 0: "-"
	Cause     string        // cause
	Duration  time.Duration // duration: in seconds
}

// Append appends the line of e to b, with its end of line.
func Append(b []byte, e *Entry) []byte {
	b = appendText(b, e.Client)
	b = append(b, ' ')
	b = appendText(b, e.Authority)
	b = append(b, " - "...) // no user is known
	b = e.End.AppendFormat(b, "[02/Jan/2006:15:04:05 -0700]")
	b = append(b, ` "`...)
	b = appendText(b, e.Request)
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(e.Status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, e.Sent, 10)
	b = append(b, ` "`...)
	b = appendText(b, e.Referer)
	b = append(b, `" "`...)
	b = appendText(b, e.UserAgent)
	b = append(b, '"')
	if t := e.Tunnel; t != nil {
		b = append(b, " rx="...)
		b = strconv.AppendInt(b, t.Received, 10)
		b = append(b, " tx="...)
		b = strconv.AppendInt(b, e.Sent, 10)
		b = append(b, " close="...)
		if t.CloseCode == 0 {
			b = append(b, '-')
		} else {
			b = strconv.AppendInt(b, int64(t.CloseCode), 10)
		}
		b = append(b, " cause="...)
		b = appendText(b, t.Cause)
		b = append(b, " duration="...)
		b = strconv.AppendFloat(b, t.Duration.Seconds(), 'f', 3, 64)
	}
	return append(b, '\n')
}

// appendText appends s so that it can neither end a quoted field nor the line:
// quotes, backslashes and what is not printable ASCII are escaped.
func appendText(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\t':
			b = append(b, `\t`...)
		case c < ' ' || c > '~':
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}
