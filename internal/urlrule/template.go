package urlrule

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// maxCondGroups is how many capture groups the pattern of a condition can have.
const maxCondGroups = 9

// A Template makes a URL from the URL of a request, the captures of a rule and
// those of the condition around it. The zero value is the empty template.
type Template struct{ parts []part }

// A part is a piece of a template: text, or a value to put in.
type part struct {
	source source
	text   string // of a literal
	group  int    // of a ruleGroup or a condGroup
	encode encoding
	fold   fold
}

type source uint8

const (
	literal source = iota
	ruleGroup
	condGroup
	urlScheme
	urlAuthority
	urlPort
	urlPath
	urlQuery
	addQuery
)

var sources = map[string]source{
	"url.scheme":    urlScheme,
	"url.authority": urlAuthority,
	"url.port":      urlPort,
	"url.path":      urlPath,
	"url.query":     urlQuery,
	"qsa":           addQuery,
}

// A SyntaxError is a mistake in a template.
type SyntaxError struct {
	Offset int // of the mistake, in bytes from the start of the template
	Msg    string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s, at byte %d", e.Msg, e.Offset+1)
}

// ParseTemplate parses the right side of a rule. Any error is a [*SyntaxError].
//
// In a template,
//
//	$0 to $9             are the match of the rule and its groups
//	%0 to %9             are those of the condition around the rule
//	${0} to ${19}        are $0 and so on, escaped as by escpsnde:
//	%{0} to %{9}         are %0 and so on, escaped as by escpsnde:
//	${url.scheme}, ${url.authority}, ${url.port}, ${url.path}, ${url.query}
//	                     are the parts of the URL of the request
//	${qsa}               is the query string if there is one, behind a "?",
//	                     or a "&" if there is a "?" already
//	$$, %%               are "$" and "%"
//
// and anything else stands for itself, also a "$" or a "%" and the one character
// behind it. "%{" can be written for "${" before url. and qsa. A modifier goes
// in front of the name or number:
//
//	esc:, escape:        percent-encode all but letters, digits, "-._~"
//	escnde:              the same, but leave what is percent-encoded already
//	escpsnde:            the same as escnde:, but leave "/", too
//	noesc:, noescape:    leave all
//	encb64u:, decb64u:   to and from base64url (RFC 4648 section 5), unpadded
//	tolower:, toupper:   change letters outside of percent-encodings; it can
//	                     stand beside one of the others
//
// lighttpd throws away in silence what it does not understand in braces, and the
// rest of a template in which one is not closed. These are errors here.
func ParseTemplate(s string) (Template, error) {
	var t Template
	var text []byte
	add := func(p part) {
		if len(text) > 0 {
			t.parts = append(t.parts, part{text: string(text)})
			text = text[:0]
		}
		t.parts = append(t.parts, p)
	}
	for i := 0; i < len(s); {
		sigil := s[i]
		if sigil != '$' && sigil != '%' || i+1 == len(s) {
			text = appendVisible(text, s[i:i+1])
			i++
			continue
		}
		switch next := s[i+1]; {
		case next == '{':
			n := strings.IndexByte(s[i:], '}')
			if n < 0 {
				return Template{}, &SyntaxError{i, fmt.Sprintf("%q is not closed by a \"}\"", s[i:i+2])}
			}
			p, err := parseBraces(sigil, s[i+2:i+n], i+2)
			if err != nil {
				return Template{}, err
			}
			add(p)
			i += n + 1
		case next >= '0' && next <= '9':
			add(part{source: groupOf(sigil), group: int(next - '0')})
			i += 2
		case next == '%' && sigil == '%' && isEncoded(s[i+1:]):
			text = append(text, strings.ToUpper(s[i+1:i+4])...)
			i += 4
		case next == sigil:
			text = append(text, sigil)
			i += 2
		default:
			text = appendVisible(text, s[i:i+2])
			i += 2
		}
	}
	if len(text) > 0 {
		t.parts = append(t.parts, part{text: string(text)})
	}
	return t, nil
}

// groupOf returns what a number behind sigil means.
func groupOf(sigil byte) source {
	if sigil == '$' {
		return ruleGroup
	}
	return condGroup
}

// parseBraces parses what stands in the braces of ${...} or %{...}, at offset.
func parseBraces(sigil byte, s string, offset int) (part, error) {
	var p part
	encoded := false
	for {
		word, rest, ok := strings.Cut(s, ":")
		if !ok {
			break
		}
		if e, ok := encodings[word]; ok {
			if encoded {
				return p, &SyntaxError{offset, fmt.Sprintf("%q comes second: only one of esc:, escnde:, escpsnde:, noesc:, encb64u: and decb64u: is possible", word+":")}
			}
			p.encode, encoded = e, true
		} else if f, ok := folds[word]; ok {
			if p.fold != keepCase {
				return p, &SyntaxError{offset, fmt.Sprintf("%q comes second: only one of tolower: and toupper: is possible", word+":")}
			}
			p.fold = f
		} else {
			return p, &SyntaxError{offset, fmt.Sprintf("unknown modifier %q: use esc:, escnde:, escpsnde:, noesc:, encb64u:, decb64u:, tolower: or toupper:", word+":")}
		}
		offset += len(word) + 1
		s = rest
	}
	if src, ok := sources[s]; ok {
		p.source = src
		return p, nil
	}
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return p, &SyntaxError{offset, fmt.Sprintf("unknown name %q: use a group number, url.scheme, url.authority, url.port, url.path, url.query or qsa", s)}
	}
	p.source = groupOf(sigil)
	limit := MaxGroups
	if p.source == condGroup {
		limit = maxCondGroups
	}
	var err error
	if p.group, err = strconv.Atoi(s); err != nil || p.group > limit {
		return p, &SyntaxError{offset, fmt.Sprintf("there is no group %s: the last is %d", s, limit)}
	}
	if !encoded {
		p.encode = escapePathOnce
	}
	return p, nil
}

// Empty reports whether t was written as "".
func (t Template) Empty() bool { return len(t.parts) == 0 }

// Groups returns the highest group numbers that t refers to, of the rule and of
// the condition around it; -1 if to none. A group that a pattern does not have
// is empty.
func (t Template) Groups() (rule, cond int) {
	rule, cond = -1, -1
	for _, p := range t.parts {
		switch p.source {
		case ruleGroup:
			rule = max(rule, p.group)
		case condGroup:
			cond = max(cond, p.group)
		}
	}
	return rule, cond
}

// expand returns t with its values put in.
func (t Template) expand(u *URL, caps, cond []string) string {
	// On the stack unless the URL is longer than most.
	b := make([]byte, 0, 256)
	for i := range t.parts {
		p := &t.parts[i]
		switch p.source {
		case literal:
			b = append(b, p.text...)
		case ruleGroup:
			b = p.appendValue(b, group(caps, p.group))
		case condGroup:
			b = p.appendValue(b, group(cond, p.group))
		case urlScheme:
			b = p.appendValue(b, u.Scheme)
		case urlAuthority:
			b = p.appendValue(b, u.Authority)
		case urlPort:
			b = strconv.AppendInt(b, int64(u.Port), 10)
		case urlPath:
			b = p.appendValue(b, u.Path)
		case urlQuery:
			b = p.appendValue(b, u.Query)
		case addQuery:
			if u.Query == "" {
				continue
			}
			if bytes.IndexByte(b, '?') < 0 {
				b = append(b, '?')
			} else {
				b = append(b, '&')
			}
			b = p.appendValue(b, u.Query)
		}
	}
	return string(b)
}

// group returns the group n of caps, "" if it has no such group.
func group(caps []string, n int) string {
	if n < len(caps) {
		return caps[n]
	}
	return ""
}
