package front

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// A Stream is a connection that no longer speaks HTTP: a socket of TCP or a Unix
// socket.
type Stream interface {
	net.Conn
	CloseWrite() error
}

// An Answer is the header of a 101.
type Answer struct {
	Accept      string // Sec-WebSocket-Accept
	Subprotocol string // Sec-WebSocket-Protocol; "": none
	Server      string // Server; "": none

	// Header holds further fields, which go last. Of the names above, only Server
	// is replaced by one of them.
	Header http.Header
}

// answerTimeout bounds the write of a 101: it fits into the buffer of any socket
// whose client reads at all.
const answerTimeout = 10 * time.Second

// Upgrade takes the connection of a request from net/http and answers 101
// (RFC 6455 section 4.2.2). It returns the connection without deadlines, and a
// copy of what the client sent behind its request. The handler must return then
// without touching w. On an error it must do so too: the connection is closed.
func Upgrade(w http.ResponseWriter, a *Answer) (s Stream, first []byte, err error) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("upgrade: %w", err)
	}
	c := nc.(*conn)
	s = c.Stream
	if n := rw.Reader.Buffered(); n > 0 {
		b, _ := rw.Reader.Peek(n)
		first = append(first, b...)
	}
	first = append(first, c.first...)
	if p, ok := s.(proxied); ok {
		under, behind := p.Unwrap()
		s, first = under.(Stream), append(first, behind...)
	}
	s.SetDeadline(time.Now().Add(answerTimeout))
	if _, err := s.Write(a.Append(nil, time.Now())); err != nil {
		s.Close()
		return nil, nil, fmt.Errorf("upgrade: %w", err)
	}
	s.SetDeadline(time.Time{})
	limitUnsent(s)
	return s, first, nil
}

// Append appends the 101 to b, its fields in lighttpd's order.
func (a *Answer) Append(b []byte, now time.Time) []byte {
	field := func(name, value string) {
		if value != "" {
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, value...)
			b = append(b, "\r\n"...)
		}
	}
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\n"...)
	field("Upgrade", "websocket")
	field("Sec-WebSocket-Accept", a.Accept)
	field("Sec-WebSocket-Protocol", a.Subprotocol)
	field("Connection", "upgrade")
	field("Date", date(now))
	if a.Header["Server"] == nil {
		field("Server", a.Server)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		switch name {
		case "Upgrade", "Connection", "Sec-Websocket-Accept", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions", "Date":
			continue // what they say is the handshake's
		}
		for _, value := range a.Header[name] {
			field(name, value)
		}
	}
	return append(b, "\r\n"...)
}

// dated is a second and how it is written.
type dated struct {
	second int64
	text   string
}

var lastDate atomic.Pointer[dated]

// date returns now for a Date field (RFC 9110 section 5.6.7).
func date(now time.Time) string {
	if d := lastDate.Load(); d != nil && d.second == now.Unix() {
		return d.text
	}
	d := &dated{now.Unix(), now.UTC().Format(http.TimeFormat)}
	lastDate.Store(d)
	return d.text
}
