// Package urlpath normalises what a request is for, its target and its host, as
// lighttpd's server.http-parseopts says.
//
// It works on the text of the request line and of the Host field, before any
// other package has decoded something of it. Which requests must have a host,
// and which methods may have a body, the caller knows.
package urlpath

import (
	"errors"
	"path"
	"strings"
	"unicode/utf8"
)

// A Target is a normalised request target.
type Target struct {
	Path   string // decoded and without dot segments: what conditions and files see
	Query  string // without "?", not decoded: what conditions see
	Normal string // path and query, not decoded: what redirects and rewrites match
}

var (
	errForm      = errors.New("request target is neither a path nor an http URL")
	errAuthority = errors.New("request target has no host, or a user in front of it")
	errCtrl      = errors.New("control character in the request target")
	errUTF8      = errors.New("request target is not UTF-8")
	err2F        = errors.New("%2F in the path")
	errDotSeg    = errors.New("empty segment or dot segment in the path")
)

// Normalize normalises the target of a request line (RFC 9112 section 3.2).
//
// Of an absolute form, "http://host/path", the path and the query remain; its
// host is not looked at, except that there has to be one. "*" remains as it is,
// in Path and in Normal: who calls knows whether the method is OPTIONS. The
// authority form of CONNECT is an error. A fragment is cut off.
//
// Escapes in the target that are none ("%zz") stand for themselves. The
// normalised target has "%25" for their percent sign. A control character in
// Path, which takes CtrlsReject to be off, is "_".
//
// An error says why the request has to be answered with 400. Normalising
// Normal again gives the same Target. Normalize does not allocate if target
// is what it should be.
//
// Like lighttpd, it removes dot segments from Path whatever o says. Unlike it,
// it takes an absolute form without a path (RFC 9110 section 4.2.3), refuses
// every path that is not UTF-8 with InvalidUTF8Reject where lighttpd looks for
// bytes that UTF-8 does not have, and heeds BackslashTrans.
func Normalize(target string, o *Options) (Target, error) {
	if target == "*" {
		return Target{Path: target, Normal: target}, nil
	}
	target, err := originForm(target)
	if err != nil {
		return Target{}, err
	}
	target, _, _ = strings.Cut(target, "#")
	if o.Normalize {
		if target, err = normalize(target, o); err != nil {
			return Target{}, err
		}
	}
	t := Target{Normal: target}
	t.Path, t.Query, _ = strings.Cut(target, "?")
	t.Path = clean(decode(t.Path))
	if o.Normalize && o.InvalidUTF8Reject && !utf8.ValidString(t.Path) {
		return Target{}, errUTF8
	}
	return t, nil
}

// originForm cuts scheme and authority off.
func originForm(target string) (string, error) {
	if strings.HasPrefix(target, "/") {
		return target, nil
	}
	scheme, rest, ok := strings.Cut(target, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", errForm
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	if end == 0 || strings.Contains(rest[:end], "@") {
		return "", errAuthority
	}
	if rest = rest[end:]; !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	return rest, nil
}

// normalize does what o says to a target in origin form without a fragment.
func normalize(target string, o *Options) (string, error) {
	p, query, hasQuery := strings.Cut(target, "?")
	p, err := escape(p, inPath, o)
	if err != nil {
		return "", err
	}
	query, err = escape(query, inQuery, o)
	if err != nil {
		return "", err
	}
	if o.DotSegRemove || o.DotSegReject {
		cleaned := clean(p)
		if o.DotSegReject && cleaned != p {
			return "", errDotSeg
		}
		p = cleaned
	}
	if !hasQuery {
		return p, nil
	}
	if rest, ok := strings.CutPrefix(target, p); ok && strings.HasPrefix(rest, "?") && rest[1:] == query {
		return target, nil // without an allocation
	}
	return p + "?" + query, nil
}

// A part is where in a target a character stands: classes[c]&part says that c
// stands for itself there.
type part uint8

const (
	inPath part = 1 << iota
	inQuery
	unreserved // RFC 3986 section 2.3
	delimiter  // of names and values in a query
)

var classes = func() (classes [256]part) {
	add := func(class part, chars string) {
		for _, c := range []byte(chars) {
			classes[c] |= class
		}
	}
	const letters = "abcdefghijklmnopqrstuvwxyz"
	add(unreserved|inPath|inQuery, letters+strings.ToUpper(letters)+"0123456789-._~")
	add(inPath|inQuery, "!$&'()*+,;=:@/")
	add(inQuery, "?")
	add(delimiter, "&+;=")
	return classes
}()

// escape brings each character of s to the one form it has in that part: itself,
// or an escape in upper case.
func escape(s string, in part, o *Options) (string, error) {
	n := 0 // of s, that is as it should be
	for n < len(s) && classes[s[n]]&in != 0 {
		n++
	}
	if n == len(s) {
		return s, nil
	}
	b := append(make([]byte, 0, len(s)+16), s[:n]...)
	for i := n; i < len(s); i++ {
		c, escaped := s[i], false
		if c == '%' {
			if c, escaped = unescape(s[i:]); escaped {
				i += 2
			}
		}
		switch {
		case o.CtrlsReject && isCtrl(c):
			return "", errCtrl
		case o.InvalidUTF8Reject && (c == 0xC0 || c == 0xC1 || c >= 0xF5):
			return "", errUTF8
		case in == inPath && c == '/' && escaped && o.Reject2F:
			return "", err2F
		case in == inPath && c == '\\' && o.BackslashTrans:
			c = '/'
		case in == inQuery && c == ' ' && o.Query20Plus:
			c = '+'
		case o.keeps(c, escaped, in):
			const hex = "0123456789ABCDEF"
			b = append(b, '%', hex[c>>4], hex[c&0xF])
			continue
		}
		b = append(b, c)
	}
	return string(b), nil
}

// keeps reports whether c has to be written as an escape; escaped says that it
// is one already.
func (o *Options) keeps(c byte, escaped bool, in part) bool {
	class := classes[c]
	switch {
	case class&in == 0:
		return true
	case !escaped || class&unreserved != 0:
		return false
	case in == inPath && c == '/':
		return !o.Decode2F
	}
	return !o.Required || in == inQuery && class&delimiter != 0
}

// decode decodes the escapes of a path. Control characters become "_": nothing
// that prints a path has to mind them.
func decode(p string) string {
	if !strings.ContainsFunc(p, func(r rune) bool { return r == '%' || r < ' ' || r == 0x7F }) {
		return p
	}
	b := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		c := p[i]
		if c == '%' {
			var ok bool
			if c, ok = unescape(p[i:]); ok {
				i += 2
			}
		}
		if isCtrl(c) {
			c = '_'
		}
		b = append(b, c)
	}
	return string(b)
}

// unescape returns the byte that the escape at the start of s stands for, and
// "%" if s does not start with one.
func unescape(s string) (c byte, ok bool) {
	if len(s) < 3 {
		return '%', false
	}
	high, ok1 := unhex(s[1])
	low, ok2 := unhex(s[2])
	if !ok1 || !ok2 {
		return '%', false
	}
	return high<<4 | low, true
}

func unhex(c byte) (n byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

func isCtrl(c byte) bool { return c < ' ' || c == 0x7F }

// clean removes empty segments and dot segments from a path that starts with a
// slash (RFC 3986 section 5.2.4). A slash at its end remains.
func clean(p string) string {
	cleaned := path.Clean(p)
	last := p[strings.LastIndexByte(p, '/')+1:]
	if cleaned == "/" || last != "" && last != "." && last != ".." {
		return cleaned
	}
	if len(cleaned) == len(p)-1 && p[:len(p)-1] == cleaned {
		return p
	}
	return cleaned + "/"
}
