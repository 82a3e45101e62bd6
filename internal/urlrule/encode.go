package urlrule

import (
	"encoding/base64"
	"strings"
)

const upperHex = "0123456789ABCDEF"

// An encoding says how a value is written into a URL.
type encoding uint8

const (
	asIs           encoding = iota // what is visible
	escape                         // percent-encode all but unreserved characters
	escapeOnce                     // but leave what is percent-encoded already
	escapePathOnce                 // and "/"
	toBase64
	fromBase64
)

var encodings = map[string]encoding{
	"noesc":    asIs,
	"noescape": asIs,
	"esc":      escape,
	"escape":   escape,
	"escnde":   escapeOnce,
	"escpsnde": escapePathOnce,
	"encb64u":  toBase64,
	"decb64u":  fromBase64,
}

// A fold says what becomes of the case of letters.
type fold uint8

const (
	keepCase fold = iota
	toLower
	toUpper
)

var folds = map[string]fold{"tolower": toLower, "toupper": toUpper}

// appendValue appends s as the modifiers of p say.
func (p *part) appendValue(b []byte, s string) []byte {
	start := len(b)
	switch p.encode {
	case asIs:
		b = appendVisible(b, s)
	case toBase64:
		b = base64.RawURLEncoding.AppendEncode(b, []byte(s))
	case fromBase64:
		b = appendVisible(b, decodeBase64(s))
	default:
		b = appendEscaped(b, s, p.encode)
	}
	if p.fold != keepCase {
		foldCase(b[start:], p.fold)
	}
	return b
}

// appendVisible appends s with everything percent-encoded that is not a visible
// ASCII character: a URL has nothing else, and a line break would end the header
// that it is sent in.
func appendVisible(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c > ' ' && c < 0x7f {
			b = append(b, c)
		} else {
			b = appendPercent(b, c)
		}
	}
	return b
}

// appendEscaped appends s with everything percent-encoded that is not
// unreserved (RFC 3986 section 2.3), or that e leaves.
func appendEscaped(b []byte, s string, e encoding) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isUnreserved(c), c == '/' && e == escapePathOnce:
			b = append(b, c)
		case e != escape && isEncoded(s[i:]):
			if c := unhex(s[i+1])<<4 | unhex(s[i+2]); isUnreserved(c) {
				b = append(b, c)
			} else {
				b = append(b, s[i:i+3]...)
			}
			i += 2
		default:
			b = appendPercent(b, c)
		}
	}
	return b
}

func appendPercent(b []byte, c byte) []byte {
	return append(b, '%', upperHex[c>>4], upperHex[c&15])
}

// isEncoded reports whether s starts with a percent-encoded byte.
func isEncoded(s string) bool {
	return len(s) >= 3 && s[0] == '%' && isHex(s[1]) && isHex(s[2])
}

func isUnreserved(c byte) bool {
	return isLetter(c) || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

// unhex returns the value of the hexadecimal digit c.
func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&0xf + 9
}

// foldCase changes the letters in b that are not part of a percent-encoding.
func foldCase(b []byte, f fold) {
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '%' && i+2 < len(b) && isHex(b[i+1]) && isHex(b[i+2]):
			i += 2
		case !isLetter(c):
		case f == toLower:
			b[i] = c | 0x20
		default:
			b[i] = c &^ 0x20
		}
	}
}

// decodeBase64 decodes s up to the first character that base64url does not
// have, padding among them. If that leaves a length that nothing encodes to, the
// result is empty. lighttpd does the same.
func decodeBase64(s string) string {
	end := strings.IndexFunc(s, func(c rune) bool {
		return c >= 0x80 || !isLetter(byte(c)) && (c < '0' || c > '9') && c != '-' && c != '_'
	})
	if end >= 0 {
		s = s[:end]
	}
	d, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return ""
	}
	return string(d)
}

// NormalizePattern returns the pattern of a rule as it has to be written to match
// normalised targets: percent-encodings in upper case, and characters outside of
// ASCII percent-encoded. lighttpd changes its patterns so where targets are
// normalised (url-normalize in server.http-parseopts), and no further: ^/%41 and
// "^/a b" match nothing then, and [é] becomes the class of the characters of %C3%A9.
func NormalizePattern(expr string) string {
	b := make([]byte, 0, len(expr))
	for i := 0; i < len(expr); i++ {
		switch c := expr[i]; {
		case isEncoded(expr[i:]):
			b = append(b, strings.ToUpper(expr[i:i+3])...)
			i += 2
		case c >= 0x80:
			b = appendPercent(b, c)
		default:
			b = append(b, c)
		}
	}
	return string(b)
}
