package syntax

import "strings"

// An Error is a mistake in a configuration text.
type Error struct {
	Pos  Pos
	Msg  string // what is wrong
	Hint string // what to do about it, or ""
}

// Error returns "file:line:col: Msg: Hint", or without ": Hint" if there is none.
func (e *Error) Error() string {
	s := e.Pos.String() + ": " + e.Msg
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// An ErrorList is all mistakes of one or more texts, each text's in order of place.
type ErrorList []*Error

// Error returns the errors of l, one a line.
func (l ErrorList) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}
