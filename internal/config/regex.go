package config

import (
	"errors"
	"fmt"
	"regexp"
	stdsyntax "regexp/syntax"
	"strings"
	"time"

	"github.com/dlclark/regexp2/v2"
	syntax2 "github.com/dlclark/regexp2/v2/syntax"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

// maxGroups is how many capture groups a pattern can have: %1 to %9.
const maxGroups = 9

// matchTimeout bounds one match by backtracking. A match that takes longer
// counts as none.
const matchTimeout = 100 * time.Millisecond

// A matcher reports whether a string contains a match of a pattern.
type matcher interface{ MatchString(s string) bool }

// compile compiles a pattern of PCRE, as far as one of our two engines has it:
// regexp, and regexp2 for look-around and back-references. A non-empty problem
// says why neither can.
func compile(pattern string) (m matcher, problem string) {
	re, err := regexp.Compile(pattern)
	if err == nil {
		return re, tooMany(re.NumSubexp())
	}
	translated, problem := translate(pattern)
	if problem == "" {
		re2, err2 := regexp2.Compile(translated, regexp2.OptionMaintainCaptureOrder())
		if err2 == nil {
			re2.MatchTimeout = matchTimeout
			return backtracker{re2}, tooMany(len(re2.GetGroupNumbers()) - 1)
		}
		problem = err2.Error()
		if se := (*syntax2.Error)(nil); errors.As(err2, &se) {
			problem = fmt.Sprintf(se.Code.String(), se.Args...)
		}
	}
	// The error of regexp has a place. It is beside the point if it complains
	// of what only regexp lacks.
	if se := (*stdsyntax.Error)(nil); errors.As(err, &se) {
		switch se.Code {
		case stdsyntax.ErrInvalidPerlOp, stdsyntax.ErrInvalidEscape, stdsyntax.ErrInvalidRepeatSize, stdsyntax.ErrInvalidRepeatOp:
		default:
			if se.Expr == pattern {
				return nil, se.Code.String()
			}
			return nil, fmt.Sprintf("%v, at its byte %d", se.Code, strings.Index(pattern, se.Expr)+1)
		}
	}
	return nil, problem
}

// tooMany returns what is wrong with a pattern of so many groups, or "".
func tooMany(groups int) string {
	if groups > maxGroups {
		return fmt.Sprintf("it has %d capture groups, more than %d", groups, maxGroups)
	}
	return ""
}

// A backtracker is a pattern that regexp does not have.
type backtracker struct{ re *regexp2.Regexp }

// MatchString reports whether s contains a match. One that takes longer than
// matchTimeout, or too much memory, counts as none: so does PCRE's own limit.
func (b backtracker) MatchString(s string) bool {
	ok, err := b.re.MatchString(s)
	return ok && err == nil
}

// posix are the character classes that PCRE has inside brackets.
var posix = map[string]string{
	"alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": `\x00-\x7f`, "blank": `\t `,
	"cntrl": `\x00-\x1f\x7f`, "digit": "0-9", "graph": "!-~", "lower": "a-z",
	"print": " -~", "punct": "!-/:-@\\[-`{-~", "space": `\t-\r `, "upper": "A-Z",
	"word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}

// perl are the classes that in PCRE, unlike in regexp2, are of ASCII only.
var perl = map[byte]string{'d': "0-9", 's': `\t-\r `, 'w': "0-9A-Za-z_"}

// translate rewrites what PCRE and regexp2 spell differently: (?P<n>…), (?P=n),
// [[:alpha:]], and \d, \s, \w. A non-empty problem says what it cannot rewrite.
func translate(pattern string) (res, problem string) {
	var b strings.Builder
	class := false // inside [ ]
	for i := 0; i < len(pattern); i++ {
		rest := pattern[i:]
		switch {
		case strings.HasPrefix(rest, `\Q`):
			end := strings.Index(rest, `\E`)
			if end < 0 {
				end = len(rest) - 2
			}
			b.WriteString(rest[:end+2])
			i += end + 1
		case rest[0] == '\\' && len(rest) > 1:
			set, ok := perl[rest[1]|0x20]
			negated := rest[1]&0x20 == 0
			switch {
			case ok && class && !negated:
				b.WriteString(set)
			case ok && !class && negated:
				b.WriteString("[^" + set + "]")
			case ok && !class:
				b.WriteString("[" + set + "]")
			default:
				b.WriteString(rest[:2])
			}
			i++
		case class && strings.HasPrefix(rest, "[:"):
			name, _, closed := strings.Cut(rest[2:], ":]")
			set, ok := posix[name]
			switch {
			case !closed:
				b.WriteString(`\[`)
			case !ok:
				return "", fmt.Sprintf("the class [:%s:] is not known together with look-around or back-references, at its byte %d", name, i+1)
			default:
				b.WriteString(set)
				i += len(name) + 3
			}
		case class:
			// regexp2 takes "-[" for the subtraction of a class.
			if rest[0] == '[' {
				b.WriteByte('\\')
			}
			b.WriteByte(rest[0])
			class = rest[0] != ']'
		case rest[0] == '[':
			// A "]" right at the start is a member of the class.
			start := 1
			if strings.HasPrefix(rest[start:], "^") {
				start++
			}
			if strings.HasPrefix(rest[start:], "]") {
				start++
			}
			b.WriteString(rest[:start])
			i += start - 1
			class = true
		case strings.HasPrefix(rest, "(?P<"):
			b.WriteString("(?<")
			i += 3
		case strings.HasPrefix(rest, "(?P="):
			name, _, _ := strings.Cut(rest[4:], ")")
			b.WriteString(`\k<` + name + `>`)
			i += 4 + len(name)
		default:
			b.WriteByte(rest[0])
		}
	}
	return b.String(), ""
}

// simplify returns the comparison that "=~ pattern" amounts to if the pattern
// is only an anchored literal, as -p prints it; else Match and the pattern.
func simplify(pattern string) (op syntax.CondOp, text string) {
	const meta = `\^$.|?*+()[]{}`
	body, start := strings.CutPrefix(pattern, "^")
	body, end := strings.CutSuffix(body, "$")
	if suffix, ok := strings.CutPrefix(body, `\.`); ok && end && !start && !strings.ContainsAny(suffix, meta) {
		return syntax.Suffix, "." + suffix
	}
	switch {
	case strings.ContainsAny(body, meta):
	case start && end:
		return syntax.Equal, body
	case start:
		return syntax.Prefix, body
	case end:
		return syntax.Suffix, body
	}
	return syntax.Match, pattern
}
