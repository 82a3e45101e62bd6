package pattern

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dlclark/regexp2/v2"
)

// compileBack compiles expr for matching by backtracking.
func compileBack(expr string) (*regexp2.Regexp, *Error) {
	re, err := parseBack(expr)
	if err == nil {
		return re, nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return nil, e
	}
	return nil, backError(expr, err)
}

// parseBack translates and compiles expr. The error is an *Error or one of the
// library.
func parseBack(expr string) (*regexp2.Regexp, error) {
	translated, problem := translate(expr)
	if problem != nil {
		return nil, problem
	}
	return regexp2.Compile(translated, regexp2.OptionMaintainCaptureOrder())
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
// [[:alpha:]], and \d, \s, \w. The error says what it cannot rewrite.
func translate(pattern string) (string, *Error) {
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
				return "", &Error{
					Expr:   pattern,
					Offset: i,
					Msg:    fmt.Sprintf("the class [:%s:] is not known together with look-around or back-references", name),
					Hint:   "write its characters out",
				}
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
			start := classStart(rest)
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
	return b.String(), nil
}
