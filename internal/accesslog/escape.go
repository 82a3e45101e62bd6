package accesslog

import (
	"unicode"
	"unicode/utf8"
)

// An Escaping is how values are written, an accesslog.escaping. The text of the
// format itself is written as it stands.
type Escaping int

const (
	// EscapeDefault writes quotes and backslashes behind a backslash, control
	// characters as in C (\t) where C has a letter, and other bytes that are not
	// printable ASCII as \xHH.
	EscapeDefault Escaping = iota

	// EscapeJSON writes what can stand in a string of JSON (RFC 8259 section 7).
	// Where that and lighttpd differ, this is RFC 8259: no \a and no \v, bytes
	// that are not UTF-8 as \u00HH.
	EscapeJSON
)

// appendText appends s so that it can neither end a quoted field nor the line,
// or "-" if it is empty.
func appendText(b []byte, s string, esc Escaping) []byte {
	if s == "" {
		return append(b, '-')
	}
	return appendEscaped(b, s, esc)
}

func appendEscaped(b []byte, s string, esc Escaping) []byte {
	for i := 0; i < len(s); {
		c, n := s[i], 1
		switch {
		case ' ' <= c && c <= '~' && c != '"' && c != '\\':
			b = append(b, c)
		case esc == EscapeJSON:
			var r rune
			r, n = utf8.DecodeRuneInString(s[i:])
			b = appendJSON(b, s[i:i+n], r)
		default:
			b = appendDefault(b, c)
		}
		i += n
	}
	return b
}

const hex = "0123456789ABCDEF"

func appendDefault(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\a', '\b', '\t', '\n', '\v', '\f', '\r': // 7 to 13
		return append(b, '\\', "abtnvfr"[c-'\a'])
	}
	return append(b, '\\', 'x', hex[c>>4], hex[c&15])
}

// appendJSON appends r, which s encodes.
func appendJSON(b []byte, s string, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', s[0])
	case '\b', '\t', '\n', '\f', '\r':
		return appendDefault(b, s[0])
	}
	invalid := r == utf8.RuneError && len(s) == 1
	if !invalid && !unicode.IsControl(r) {
		return append(b, s...)
	}
	c := byte(r) // controls end at U+009F
	if invalid {
		c = s[0]
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
