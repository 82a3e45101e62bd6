// Package accesslog formats the lines of the access log: lighttpd's
// accesslog.format and accesslog.escaping, as lighttpd 1.4.86 documents them and
// 1.4.69 writes them.
//
// A [Format] is compiled once; its Append writes the line of an [Entry]. Where
// lines go is the business of the caller, and so is what a field means where that
// takes knowledge of the server.
package accesslog

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// An Entry is one answered request. What is not known is left at its zero value
// and printed as "-".
type Entry struct {
	Start, End time.Time // of the request; of a tunnel, End is its end

	Client     string // %a %h: address
	ClientPort int    // %{remote}p
	Local      string // %A: address of the listener
	LocalPort  int    // %p

	Request     string // %r: the line as it came
	Method      string // %m
	Proto       string // %H: HTTP/1.1
	Path, Query string // %U and %q: normalised, with their percent-encoding; Query without "?"
	Authority   string // %V and %{Host}i: the host that was asked for
	ServerName  string // %v
	User        string // %u
	File        string // %f

	Header   http.Header       // %{...}i and %{...}C; not Host
	Response http.Header       // %{...}o
	Env      map[string]string // %{...}e and %{...}n

	Status    int   // %s
	Sent      int64 // %b: bytes without the header; of a tunnel, with frame headers
	SentAll   int64 // %O: all bytes; if 0, nothing was sent and %b is "-" as well
	Received  int64 // %I: all bytes
	KeepAlive int   // %k: requests on the connection before this one
	Conn      Conn  // %X

	Tunnel *Tunnel // nil: the request was none

	keptBy *Format  // the format of kept
	kept   []string // what its named fields print
}

// A Conn is the state of a connection after its request.
type Conn uint8

const (
	ConnClosed  Conn = iota // -
	ConnKept                // +: open for another request
	ConnAborted             // X: ended before the answer was complete
)

// A Tunnel is what is logged of a tunnel in addition to its request.
type Tunnel struct {
	Received  int64         // %{tunnel.rx}n: bytes from the client, with frame headers
	CloseCode int           // %{tunnel.close}n: the code in the client's close frame if it began, else in ours; 0: "-"
	Cause     string        // %{tunnel.cause}n
	Duration  time.Duration // %{tunnel.duration}n: in seconds, to three places
}

// Keep drops the headers and the environment from e, but for what f prints of
// them. It is for entries that wait for the end of a tunnel; f must then be the
// format that prints e.
func (f *Format) Keep(e *Entry) {
	if f.named == 0 {
		e.Header, e.Response, e.Env = nil, nil, nil
		return
	}
	kept := make([]string, f.named)
	for i := range f.fields {
		if fd := &f.fields[i]; fd.isNamed() {
			first, rest := fd.value(e)
			for _, s := range rest {
				first += ", " + s
			}
			// A cookie shares its memory with all others of the client.
			kept[fd.slot] = strings.Clone(first)
		}
	}
	e.Header, e.Response, e.Env = nil, nil, nil
	e.keptBy, e.kept = f, kept
}

// Append appends the line of e to b, with its end of line. It allocates nothing
// but what b needs to grow.
func (f *Format) Append(b []byte, e *Entry, esc Escaping) []byte {
	for i := range f.fields {
		b = f.appendField(b, &f.fields[i], e, esc)
	}
	if e.Tunnel != nil {
		for i := range f.tunnel {
			b = f.appendField(b, &f.tunnel[i], e, esc)
		}
	}
	return append(b, '\n')
}

func (f *Format) appendField(b []byte, fd *field, e *Entry, esc Escaping) []byte {
	switch fd.kind {
	case kindText:
		return append(b, fd.text...)
	case kindClient:
		return appendText(b, e.Client, esc)
	case kindMaskedClient:
		return appendMasked(b, e.Client, esc)
	case kindClientPort:
		return appendPositive(b, int64(e.ClientPort))
	case kindLocal:
		return appendText(b, e.Local, esc)
	case kindLocalPort:
		return appendPositive(b, int64(e.LocalPort))
	case kindRequest:
		return appendText(b, e.Request, esc)
	case kindMethod:
		return appendText(b, e.Method, esc)
	case kindProto:
		return appendText(b, e.Proto, esc)
	case kindPath:
		return appendText(b, e.Path, esc)
	case kindQuery: // most requests have none: like lighttpd, no "-"
		return appendEscaped(b, e.Query, esc)
	case kindAuthority:
		return appendText(b, e.Authority, esc)
	case kindServerName:
		return appendText(b, e.ServerName, esc)
	case kindUser:
		return appendText(b, e.User, esc)
	case kindFile:
		return appendText(b, e.File, esc)
	case kindStatus:
		return strconv.AppendInt(b, int64(e.Status), 10)
	case kindSent:
		if e.SentAll == 0 && e.Sent == 0 {
			return append(b, '-')
		}
		return strconv.AppendInt(b, e.Sent, 10)
	case kindSentAll:
		return appendPositive(b, e.SentAll)
	case kindReceived:
		return appendPositive(b, e.Received)
	case kindKeepAlive:
		return strconv.AppendInt(b, int64(e.KeepAlive), 10)
	case kindConn:
		return append(b, "-+X"[e.Conn])
	case kindTime:
		return fd.appendTime(b, fd.when(e))
	case kindEpoch:
		return strconv.AppendInt(b, ceil(fd.when(e).UnixNano(), fd.unit), 10)
	case kindFraction:
		// Rounded up like the rest, but not to a whole second, where lighttpd
		// prints one digit too many.
		n := min(ceil(int64(fd.when(e).Nanosecond()), fd.unit), int64(time.Second/fd.unit)-1)
		return appendPadded(b, n, '0', fd.width)
	case kindDuration:
		d := int64(max(e.End.Sub(e.Start), 0))
		if fd.unit == time.Second { // lighttpd counts whole seconds that have passed
			return strconv.AppendInt(b, d/int64(fd.unit), 10)
		}
		return strconv.AppendInt(b, ceil(d, fd.unit), 10)
	case kindTunnel:
		return appendTunnel(b, fd.text, e, esc)
	default:
		return f.appendNamed(b, fd, e, esc)
	}
}

// appendNamed appends a header, a cookie or a variable of the environment.
func (f *Format) appendNamed(b []byte, fd *field, e *Entry, esc Escaping) []byte {
	var first string
	var rest []string
	if e.keptBy == f {
		first = e.kept[fd.slot]
	} else {
		first, rest = fd.value(e)
	}
	if first == "" && len(rest) == 0 && fd.kind != kindCookie {
		return append(b, '-')
	}
	b = appendEscaped(b, first, esc)
	for _, s := range rest {
		b = append(b, ", "...)
		b = appendEscaped(b, s, esc)
	}
	return b
}

// value returns what a named field prints of e, before escapes; rest is what
// follows of a header that occurs more than once.
func (fd *field) value(e *Entry) (first string, rest []string) {
	var h []string
	switch fd.kind {
	case kindCookie:
		return cookie(e.Header["Cookie"], fd.text), nil
	case kindEnv:
		return e.Env[fd.text], nil
	case kindResponse:
		h = e.Response[fd.text]
	default: // kindHeader
		if fd.text == "Host" {
			return e.Authority, nil
		}
		h = e.Header[fd.text]
	}
	if len(h) == 0 {
		return "", nil
	}
	return h[0], h[1:]
}

// cookie returns the first cookie of that name.
func cookie(headers []string, name string) string {
	for _, h := range headers {
		for h != "" {
			var c string
			c, h, _ = strings.Cut(h, ";")
			if n, value, ok := strings.Cut(strings.Trim(c, " \t"), "="); ok && n == name {
				return value
			}
		}
	}
	return ""
}

// when returns the time that a time field prints.
func (fd *field) when(e *Entry) time.Time {
	if fd.begin {
		return e.Start
	}
	return e.End
}

func appendTunnel(b []byte, name string, e *Entry, esc Escaping) []byte {
	t := e.Tunnel
	if t == nil {
		return append(b, '-')
	}
	switch name {
	case "rx":
		return strconv.AppendInt(b, t.Received, 10)
	case "tx":
		return strconv.AppendInt(b, e.Sent, 10)
	case "close":
		return appendPositive(b, int64(t.CloseCode))
	case "cause":
		return appendText(b, t.Cause, esc)
	default: // duration
		return strconv.AppendFloat(b, t.Duration.Seconds(), 'f', 3, 64)
	}
}

// The prefixes of %{mask}a: all but the last 8 bits of an IPv4 address, the
// first 48 of an IPv6 address.
const (
	maskedBits4 = 24
	maskedBits6 = 48
)

func appendMasked(b []byte, client string, esc Escaping) []byte {
	a, err := netip.ParseAddr(client)
	if err != nil {
		return appendText(b, client, esc) // the path of a Unix socket
	}
	a = a.Unmap()
	bits := maskedBits6
	if a.Is4() {
		bits = maskedBits4
	}
	p, _ := a.Prefix(bits) // bits fit the address
	return p.Addr().AppendTo(b)
}

// ceil returns n nanoseconds in units, rounded up.
func ceil(n int64, unit time.Duration) int64 {
	u := int64(unit)
	if u == int64(time.Second) {
		return n / u // as a clock shows them
	}
	return (n + u - 1) / u
}

// appendPositive appends n, or "-" if it is 0.
func appendPositive(b []byte, n int64) []byte {
	if n == 0 {
		return append(b, '-')
	}
	return strconv.AppendInt(b, n, 10)
}
