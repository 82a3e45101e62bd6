package forwarded

import (
	"net/netip"
	"strings"
)

// An element is what one proxy says in Forwarded (RFC 7239 section 4).
type element struct {
	addr              netip.Addr // by for=; invalid without one, or if it names no address
	proto, host, user string
}

// fromForwarded returns the element of Forwarded that names the client. Its address is
// invalid if none does.
//
// It reads from the start, as quotation marks want it, and keeps what the answer
// would be if the field ended there.
func (p *Policy) fromForwarded(lines []string) (client element, err error) {
	for _, line := range lines {
		s := &scanner{rest: line}
		for {
			e, ok := s.element()
			switch {
			case s.malformed:
				return element{}, ErrMalformed
			case !ok:
			case p.Trust.all || !p.Trust.Has(e.addr):
				client = e
			case !client.addr.IsValid():
				client = e // trusted, and what is in front of it is not known
			}
			if s.rest == "" {
				break
			}
			s.rest = s.rest[1:] // the comma
		}
	}
	return client, nil
}

// A scanner takes a line of Forwarded apart.
type scanner struct {
	rest      string
	malformed bool
}

// element reads up to a comma that is not quoted, or the end. It is not ok if
// there was nothing.
func (s *scanner) element() (e element, ok bool) {
	for {
		s.space()
		name := s.until("=;,\"")
		if strings.HasPrefix(s.rest, "=") {
			s.rest = s.rest[1:]
			value := s.value()
			switch {
			case strings.EqualFold(name, "for"):
				e.addr = parseNode(value)
			case strings.EqualFold(name, "proto"):
				e.proto = value
			case strings.EqualFold(name, "host"):
				e.host = value
			case strings.EqualFold(name, "remote_user"):
				e.user = value
			}
			ok = true
		}
		ok = ok || name != ""
		if s.malformed = s.malformed || strings.HasPrefix(s.rest, `"`); s.malformed {
			return e, ok
		}
		if !strings.HasPrefix(s.rest, ";") {
			return e, ok
		}
		s.rest = s.rest[1:]
	}
}

// value reads a token, which may hold more characters than RFC 9110 section
// 5.6.2 has it, or a quoted string, and the space behind it.
func (s *scanner) value() string {
	if !strings.HasPrefix(s.rest, `"`) {
		return strings.TrimRight(s.until(";,\""), " \t")
	}
	var unquoted strings.Builder
	for s.rest = s.rest[1:]; ; {
		unquoted.WriteString(s.until("\"\\"))
		switch {
		case len(s.rest) > 1 && s.rest[0] == '\\':
			unquoted.WriteByte(s.rest[1])
			s.rest = s.rest[2:]
		case strings.HasPrefix(s.rest, `"`):
			s.rest = s.rest[1:]
			s.space()
			s.malformed = s.malformed || s.rest != "" && s.rest[0] != ';' && s.rest[0] != ','
			return unquoted.String()
		default:
			s.malformed = true
			return ""
		}
	}
}

// until reads up to one of chars, or the end.
func (s *scanner) until(chars string) (read string) {
	n := strings.IndexAny(s.rest, chars)
	if n < 0 {
		n = len(s.rest)
	}
	read, s.rest = s.rest[:n], s.rest[n:]
	return read
}

func (s *scanner) space() { s.rest = strings.TrimLeft(s.rest, " \t") }
