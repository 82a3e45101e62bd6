package accesslog

import (
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"time"
)

// A Format is a compiled accesslog.format. It is safe for concurrent use.
type Format struct {
	fields []field
	tunnel []field // behind them, for tunnels
	named  int     // number of fields with a slot
}

// A field is a part of a line.
type field struct {
	kind kind
	text string // kindText: the text; of a named field the name; kindTunnel: the name behind "tunnel."
	slot int    // of a named field: its place in Entry.kept

	begin bool          // of a time: the start of the request
	time  []timePart    // kindTime
	unit  time.Duration // kindEpoch, kindFraction, kindDuration
	width int           // kindFraction: number of digits
}

// A kind is what a field prints.
type kind uint8

const (
	kindText kind = iota
	kindClient
	kindMaskedClient
	kindClientPort
	kindLocal
	kindLocalPort
	kindRequest
	kindMethod
	kindProto
	kindPath
	kindQuery
	kindAuthority
	kindServerName
	kindUser
	kindFile
	kindStatus
	kindSent
	kindSentAll
	kindReceived
	kindKeepAlive
	kindConn
	kindTime     // of the strftime kind
	kindEpoch    // time since 1970
	kindFraction // of the second
	kindDuration
	kindTunnel
	kindHeader // from here on, fields are named
	kindResponse
	kindCookie
	kindEnv
)

func (fd *field) isNamed() bool { return fd.kind >= kindHeader }

// plain are the fields that take no argument; lighttpd ignores one.
var plain = map[byte]kind{
	'A': kindLocal,
	'b': kindSent,
	'B': kindSent,
	'f': kindFile,
	'H': kindProto,
	'I': kindReceived,
	'k': kindKeepAlive,
	'm': kindMethod,
	'O': kindSentAll,
	'q': kindQuery,
	'r': kindRequest,
	's': kindStatus,
	'u': kindUser,
	'U': kindPath,
	'v': kindServerName,
	'V': kindAuthority,
	'X': kindConn,
}

// Default is lighttpd's default format. The line of a tunnel has more behind it,
// an addition to lighttpd's:
//
//	rx=96 tx=1210 close=1000 cause=client-close duration=12.345
var Default = newDefault()

func newDefault() *Format {
	f, err := ParseFormat(`%h %V %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`)
	if err != nil {
		panic(err)
	}
	tunnel, err := ParseFormat(" rx=%{tunnel.rx}n tx=%{tunnel.tx}n close=%{tunnel.close}n cause=%{tunnel.cause}n duration=%{tunnel.duration}n")
	if err != nil {
		panic(err)
	}
	f.tunnel = tunnel.fields
	return f
}

// A FormatError is a mistake in an accesslog.format.
type FormatError struct {
	Offset int    // bytes of the format before the mistake
	Field  string // the field as written, without backslash escapes
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s at byte %d: %s", e.Field, e.Offset+1, e.Reason)
}

// ParseFormat compiles an accesslog.format. An error is a [*FormatError].
//
// The fields are lighttpd's. Names of %{...}n that begin with "tunnel." are those
// of [Tunnel] and tunnel.tx, the bytes sent. A backslash makes one character of
// itself and the next: a tab of \t, else the second as it stands. Other control
// characters and the ends of lines that lighttpd would print are errors.
func ParseFormat(s string) (*Format, error) {
	if s == "" {
		return nil, &FormatError{Field: `""`, Reason: "the format is empty"}
	}
	p := parser{f: &Format{}}
	if err := p.unescape(s); err != nil {
		return nil, err
	}
	for p.pos < len(p.text) {
		start := p.pos
		if err := p.next(); err != nil {
			return nil, &FormatError{Offset: p.offsets[start], Field: p.text[start:p.pos], Reason: err.Error()}
		}
	}
	return p.f, nil
}

// A parser compiles the text of a format.
type parser struct {
	f       *Format
	text    string // without escapes
	offsets []int  // of each byte of text in what was written
	pos     int    // in text
	times   int    // fields with a date or seconds so far
}

// unescape takes the backslashes from s. They come first: a percent sign or a
// brace behind one is still a percent sign or a brace.
func (p *parser) unescape(s string) error {
	text := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c, at := s[i], i
		if c == '\\' && i+1 < len(s) {
			i++
			c = s[i]
			if j := strings.IndexByte("abfnrtv", c); j >= 0 {
				c = "\a\b\f\n\r\t\v"[j]
			}
		}
		if c < ' ' && c != '\t' || c == '\x7f' {
			return &FormatError{Offset: at, Field: s[at : i+1], Reason: "a line of the log can hold no control character but a tab"}
		}
		text, p.offsets = append(text, c), append(p.offsets, at)
	}
	p.text = string(text)
	return nil
}

// next compiles the text up to the next field, or a field. When it fails, what is
// wrong ends at p.pos.
func (p *parser) next() error {
	if p.text[p.pos] != '%' {
		rest := p.text[p.pos:]
		if i := strings.IndexByte(rest, '%'); i >= 0 {
			rest = rest[:i]
		}
		p.pos += len(rest)
		p.add(field{text: rest})
		return nil
	}
	p.pos++
	var arg string
	if rest := p.text[p.pos:]; strings.HasPrefix(rest, "{") {
		i := strings.IndexByte(rest, '}')
		if i < 0 {
			p.pos = len(p.text)
			return errors.New("the brace is not closed")
		}
		p.pos += i + 1
		if arg = rest[1:i]; arg == "" {
			return errors.New("there is nothing between the braces")
		}
	} else if rest != "" && (rest[0] == '<' || rest[0] == '>') { // first or last status: there is but one
		p.pos++
	}
	if p.pos == len(p.text) {
		return errors.New("the letter of the field is missing; write %% for a percent sign")
	}
	p.pos++
	return p.field(p.text[p.pos-1], arg)
}

// field compiles the field of the letter verb; arg is what is in braces.
func (p *parser) field(verb byte, arg string) error {
	if k, ok := plain[verb]; ok {
		p.add(field{kind: k})
		return nil
	}
	switch verb {
	case '%':
		p.add(field{text: "%"})
	case 'l': // what no client tells
		p.add(field{text: "-"})
	case 'P': // lighttpd prints nothing
	case 'a', 'h':
		return p.client(arg)
	case 'p':
		return p.port(arg)
	case 't':
		return p.time(arg)
	case 'D':
		p.add(field{kind: kindDuration, unit: time.Microsecond})
	case 'T':
		unit, ok := durationUnits[arg]
		if !ok {
			return errors.New("the unit of %T is one of s, sec, ms, msec, us, usec, ns, nsec")
		}
		p.add(field{kind: kindDuration, unit: unit})
	case 'i', 'o':
		if arg == "" {
			return fmt.Errorf("the name of the header is missing: %%{Content-Type}%c", verb)
		}
		fd := field{kind: kindHeader, text: textproto.CanonicalMIMEHeaderKey(arg)}
		if verb == 'o' {
			fd.kind = kindResponse
		}
		p.add(fd)
	case 'C':
		if arg != "" {
			p.add(field{kind: kindCookie, text: arg})
		}
	case 'e', 'n': // lighttpd's notes are its environment
		return p.env(verb, arg)
	default:
		return errors.New("there is no such field")
	}
	return nil
}

func (p *parser) add(fd field) {
	if fd.isNamed() {
		fd.slot = p.f.named
		p.f.named++
	}
	p.f.fields = append(p.f.fields, fd)
}

func (p *parser) client(arg string) error {
	switch arg {
	case "":
		p.add(field{kind: kindClient})
	case "mask":
		p.add(field{kind: kindMaskedClient})
	default: // lighttpd takes anything; a misspelt mask must not show the address
		return errors.New("only mask can stand in the braces")
	}
	return nil
}

func (p *parser) port(arg string) error {
	switch arg {
	case "", "canonical", "local":
		p.add(field{kind: kindLocalPort})
	case "remote":
		p.add(field{kind: kindClientPort})
	default:
		return errors.New("only canonical, local or remote can stand in the braces")
	}
	return nil
}

func (p *parser) env(verb byte, arg string) error {
	name, ok := strings.CutPrefix(arg, "tunnel.")
	switch {
	case arg == "":
		p.add(field{text: "-"})
	case verb == 'e' || !ok:
		p.add(field{kind: kindEnv, text: arg})
	case name == "rx" || name == "tx" || name == "close" || name == "cause" || name == "duration":
		p.add(field{kind: kindTunnel, text: name})
	default:
		return errors.New("the fields of tunnels are tunnel.rx, tunnel.tx, tunnel.close, tunnel.cause and tunnel.duration")
	}
	return nil
}

var durationUnits = map[string]time.Duration{
	"": time.Second, "s": time.Second, "sec": time.Second,
	"ms": time.Millisecond, "msec": time.Millisecond,
	"us": time.Microsecond, "usec": time.Microsecond,
	"ns": time.Nanosecond, "nsec": time.Nanosecond,
}

// epochs are the arguments of %t that are not formats of strftime.
var epochs = map[string]field{
	"sec":       {kind: kindEpoch, unit: time.Second},
	"msec":      {kind: kindEpoch, unit: time.Millisecond},
	"usec":      {kind: kindEpoch, unit: time.Microsecond},
	"nsec":      {kind: kindEpoch, unit: time.Nanosecond},
	"msec_frac": {kind: kindFraction, unit: time.Millisecond, width: 3},
	"usec_frac": {kind: kindFraction, unit: time.Microsecond, width: 6},
	"nsec_frac": {kind: kindFraction, unit: time.Nanosecond, width: 9},
}

func (p *parser) time(arg string) error {
	format, begin := strings.CutPrefix(arg, "begin:")
	if !begin {
		format = strings.TrimPrefix(format, "end:")
	}
	fd, ok := epochs[format]
	fd.begin = begin
	if !ok {
		fd.kind = kindTime
		if arg == "" {
			format = "[%d/%b/%Y:%H:%M:%S %z]"
		}
		if !strings.Contains(format, "%") {
			return errors.New("the time is neither sec, msec, usec, nsec, msec_frac, usec_frac, nsec_frac nor a format of strftime with a %")
		}
		var err error
		if fd.time, err = parseTime(format); err != nil {
			return err
		}
	}
	if fd.kind == kindTime || fd.unit == time.Second {
		// lighttpd's limit, kept so that a format that loads here loads there.
		if p.times++; p.times > 1 {
			return errors.New("a format can have one date or time in seconds; the others must be of the msec, usec and nsec kinds")
		}
	}
	p.add(fd)
	return nil
}
