package syntax

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Texts are configuration texts by the name that positions in them have.
type Texts map[string]string

// Explain returns e as [Error.Error] does and, in two lines more, the line that
// e is about and a caret under the place:
//
//	a.conf:1:10: "10s" is not a whole number: write digits alone, or put text in quotes
//	    wait.x = 10s
//	             ^
//
// The two are left out if t does not have that line or there is nothing in it.
// What a terminal would not show as one character is replaced, and a long line
// is cut.
func (t Texts) Explain(e *Error) string {
	line := lineOf(t[e.Pos.File], e.Pos.Line)
	if strings.TrimSpace(line) == "" {
		return e.Error()
	}
	const indent = "\n    "
	text, caret := pointAt(line, e.Pos.Col-1)
	return e.Error() + indent + text + indent + caret
}

// lineOf returns line n of src, from 1, without its end; "" if there is none.
func lineOf(src string, n int) string {
	l := lexer{src: src, line: 1}
	for l.line < n && l.off < len(src) {
		l.off += lineLen(src[l.off:])
		if l.off < len(src) {
			l.newline()
		}
	}
	if l.line != n {
		return ""
	}
	return src[l.off:][:lineLen(src[l.off:])]
}

// How much of a line is shown, and how much of it in front of a place, in
// characters.
const (
	shown       = 100
	shownBefore = 60
)

// pointAt returns what is shown of line, and a line with a caret under its byte
// at offset.
func pointAt(line string, offset int) (text, caret string) {
	offset = min(offset, len(line))
	for offset > 0 && offset < len(line) && !utf8.RuneStart(line[offset]) {
		offset--
	}
	before, after := []rune(line[:offset]), []rune(line[offset:])
	var b, pad strings.Builder
	if len(before) > shownBefore {
		before = before[len(before)-shownBefore:]
		b.WriteString("…")
		pad.WriteByte(' ')
	}
	for _, r := range before {
		b.WriteRune(visible(r))
		switch {
		case r == '\t':
			pad.WriteByte('\t') // as wide as in the line above
		case unicode.Is(unicode.Mn, r):
		case wide(r):
			pad.WriteString("  ")
		default:
			pad.WriteByte(' ')
		}
	}
	for i, r := range after {
		if i == shown-len(before) {
			b.WriteString("…")
			break
		}
		b.WriteRune(visible(r))
	}
	return b.String(), pad.String() + "^"
}

// visible returns r, or what is shown in its place. Characters that change how
// others are shown would make the line lie.
func visible(r rune) rune {
	if r != '\t' && !unicode.IsGraphic(r) {
		return utf8.RuneError
	}
	return r
}

// wide reports whether a terminal uses two columns for r.
func wide(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) || 0x1F300 <= r && r <= 0x1FAFF
}
