package pattern

import (
	"errors"
	"fmt"
	stdsyntax "regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2/syntax"
)

// An Error says why a pattern cannot be used.
type Error struct {
	Expr   string // the pattern
	Offset int    // of the byte of Expr where it goes wrong, from 0; len(Expr): at its end
	Msg    string // what is wrong
	Hint   string // what to do about it, or ""
}

// Error returns the pattern, what is wrong with it, and at which byte, from 1.
func (e *Error) Error() string {
	return fmt.Sprintf("the pattern %q cannot be used: %s, at its byte %d", e.Expr, e.Msg, e.Offset+1)
}

const bracketHint = `add the "]", or write \[ for a plain bracket`

// maxProbe is how many bytes a pattern can have for where to try its beginnings
// for the place of a mistake.
const maxProbe = 2000

// explain returns the error for expr, of which regexp says err and the library
// that backtracks says back.
func explain(expr string, err error, back *Error) *Error {
	// The error of regexp has a place. It is beside the point if it complains of
	// what only regexp lacks.
	se := (*stdsyntax.Error)(nil)
	if !errors.As(err, &se) {
		return back
	}
	switch se.Code {
	case stdsyntax.ErrInvalidPerlOp, stdsyntax.ErrInvalidEscape, stdsyntax.ErrInvalidRepeatSize, stdsyntax.ErrInvalidRepeatOp,
		stdsyntax.ErrMissingParen, stdsyntax.ErrUnexpectedParen:
		return back
	}
	e := &Error{Expr: expr, Offset: strings.Index(expr, se.Expr), Msg: se.Code.String()}
	switch se.Code {
	case stdsyntax.ErrMissingBracket:
		e.Hint = bracketHint
	case stdsyntax.ErrMissingRepeatArgument:
		e.Hint = `write \` + se.Expr[:1] + " for the plain character"
	case stdsyntax.ErrTrailingBackslash:
		e.Offset = len(expr) - 1
	}
	return e
}

// backError returns the error for expr, which reads as translated for the library
// that backtracks; that says err.
func backError(expr string, err error) *Error {
	e := &Error{Expr: expr, Offset: -1, Msg: err.Error()}
	se := (*syntax.Error)(nil)
	if !errors.As(err, &se) {
		return e
	}
	e.Msg = fmt.Sprintf(se.Code.String(), se.Args...)
	switch se.Code {
	case syntax.ErrMissingParen:
		e.Msg = "this ( is not closed"
		e.Hint = `add the ")", or write \( for a plain parenthesis`
		e.Offset = unclosed(expr)
	case syntax.ErrUnterminatedBracket:
		e.Hint = bracketHint
	case syntax.ErrUnexpectedParen:
		e.Hint = `remove it, or write \) for a plain parenthesis`
	}
	if e.Offset < 0 {
		e.Offset = probe(expr, se.Code)
	}
	return e
}

// probe returns the offset of the last byte of the shortest beginning of expr
// that has the mistake code.
func probe(expr string, code syntax.ErrorCode) int {
	for n := 1; n < len(expr) && n <= maxProbe; n++ {
		se := (*syntax.Error)(nil)
		if _, err := parseBack(expr[:n]); errors.As(err, &se) && se.Code == code {
			return n - 1
		}
	}
	return max(len(expr)-1, 0)
}

// parens calls visit with the offset of each parenthesis of expr that opens or
// closes a group.
func parens(expr string, visit func(i int)) {
	class := false
	for i := 0; i < len(expr); i++ {
		switch c := expr[i]; {
		case strings.HasPrefix(expr[i:], `\Q`):
			end := strings.Index(expr[i:], `\E`)
			if end < 0 {
				return
			}
			i += end + 1
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
			i += classStart(expr[i:]) - 1
		case c == '(' || c == ')':
			visit(i)
		}
	}
}

// classStart returns the length of what opens the class at the start of s: "["
// and, if they follow, "^" and a "]" that is a member of it.
func classStart(s string) int {
	n := 1
	if strings.HasPrefix(s[n:], "^") {
		n++
	}
	if strings.HasPrefix(s[n:], "]") {
		n++
	}
	return n
}

// unclosed returns the offset of the last "(" of expr that is not closed.
func unclosed(expr string) int {
	var open []int
	parens(expr, func(i int) {
		switch {
		case expr[i] == '(':
			open = append(open, i)
		case len(open) > 0:
			open = open[:len(open)-1]
		}
	})
	if len(open) == 0 {
		return -1
	}
	return open[len(open)-1]
}

// groupAt returns the offset of the n-th capture group of expr.
func groupAt(expr string, n int) int {
	at := 0
	parens(expr, func(i int) {
		named := strings.HasPrefix(expr[i:], "(?P<") ||
			strings.HasPrefix(expr[i:], "(?<") && !strings.HasPrefix(expr[i:], "(?<=") && !strings.HasPrefix(expr[i:], "(?<!")
		if expr[i] == '(' && (named || !strings.HasPrefix(expr[i:], "(?")) {
			if n--; n == 0 {
				at = i
			}
		}
	})
	return at
}

// invalidUTF8 returns the offset of the first byte of s that is not UTF-8.
func invalidUTF8(s string) int {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)) {
			return i
		}
	}
	return 0
}
