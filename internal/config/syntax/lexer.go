package syntax

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A tokenKind says what sort of word a token is.
type tokenKind int

const (
	tokEOF       tokenKind = iota
	tokIllegal             // a character or an operator that the language does not have
	tokBadNumber           // digits that go on as a name: 127.0.0.1, 0x1f, 10s
	tokString
	tokInt
	tokName
	tokKeyword
	tokDefine  // =
	tokReplace // :=
	tokAppend  // +=
	tokPlus    // +
	tokArrow   // =>
	tokCondOp  // == != =^ =$ =~ !~
	tokComma
	tokDollar
	tokSemicolon
	tokLeftParen
	tokRightParen
	tokLeftBracket
	tokRightBracket
	tokLeftBrace
	tokRightBrace
)

var keywords = map[string]bool{
	"include": true, "include_shell": true, "global": true,
	"if": true, "else": true, "elif": true, "elsif": true, "elseif": true,
}

var operators = map[string]tokenKind{
	"=": tokDefine, ":=": tokReplace, "+=": tokAppend, "+": tokPlus, "=>": tokArrow,
	"==": tokCondOp, "!=": tokCondOp, "=^": tokCondOp, "=$": tokCondOp, "=~": tokCondOp, "!~": tokCondOp,
	",": tokComma, "$": tokDollar, ";": tokSemicolon,
	"(": tokLeftParen, ")": tokRightParen,
	"[": tokLeftBracket, "]": tokRightBracket,
	"{": tokLeftBrace, "}": tokRightBrace,
}

var condOps = map[string]CondOp{
	"==": Equal, "!=": NotEqual, "=^": Prefix, "=$": Suffix, "=~": Match, "!~": NotMatch,
}

// foreignBytes are the bytes of operators that other languages have.
const foreignBytes = "!<>=~^$"

// A token is one word of a configuration text.
type token struct {
	kind     tokenKind
	text     string // as written
	pos, end Pos    // of its first byte and of the byte after it
	first    bool   // of its line
	cut      bool   // a string that is not closed, cut at the end of its line
}

// is reports whether t is the keyword word.
func (t token) is(word string) bool { return t.kind == tokKeyword && t.text == word }

// isElse reports whether t begins an else branch.
func (t token) isElse() bool {
	return t.is("else") || t.is("elif") || t.is("elsif") || t.is("elseif")
}

// isOperator reports whether t is an operator of this or another language.
func (t token) isOperator() bool {
	switch t.kind {
	case tokDefine, tokReplace, tokAppend, tokPlus, tokArrow, tokCondOp:
		return true
	}
	return t.kind == tokIllegal && strings.Trim(t.text, foreignBytes) == ""
}

// unquote returns the text of the string t.
func (t token) unquote() string {
	s := t.text[1:]
	if !t.cut {
		s = s[:len(s)-1]
	}
	return strings.ReplaceAll(s, `\"`, `"`)
}

// String describes t in a message.
func (t token) String() string {
	switch t.kind {
	case tokString:
		return `string "` + excerpt(t.unquote()) + `"`
	case tokInt:
		return "number " + excerpt(t.text)
	case tokName:
		return "name " + excerpt(t.text)
	case tokIllegal:
		if r, _ := utf8.DecodeRuneInString(t.text); r == utf8.RuneError || !unicode.IsPrint(r) {
			return "character " + strconv.Quote(t.text)
		}
	}
	return `"` + excerpt(t.text) + `"`
}

// hint says what to do about t wherever it is a mistake, or "".
func (t token) hint() string {
	switch {
	case t.kind == tokSemicolon:
		return "remove the semicolon; a statement ends with its line, an element with a comma"
	case t.kind == tokIllegal && strings.ContainsAny(t.text, "'`´‘’“”„«»"):
		return `put text in straight double quotes: "text"`
	case t.text == "&" || t.text == "|":
		return "put one condition inside the block of the other"
	}
	return ""
}

// excerpt returns s on one line and short enough for a message.
func excerpt(s string) string {
	const most = 40 // bytes
	for i, r := range s {
		if i >= most || unicode.IsControl(r) {
			s = s[:i] + "..."
			break
		}
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// A lexer splits a configuration text into tokens.
type lexer struct {
	file      string
	src       string
	off       int // of the next byte
	line      int // that off is on, from 1
	lineStart int // offset of its first byte
}

// pos returns the place of the next byte.
func (l *lexer) pos() Pos {
	return Pos{File: l.file, Line: l.line, Col: l.off - l.lineStart + 1}
}

// scan returns the next token; after the last, its kind is tokEOF.
func (l *lexer) scan() token {
	var t token
	t.first = l.blank()
	t.pos = l.pos()
	start := l.off
	switch rest := l.src[start:]; {
	case rest == "":
		t.kind = tokEOF
	case rest[0] == '"':
		t.kind = tokString
		t.cut = !l.string()
	case isNameByte(rest[0]):
		t.kind = l.word()
	default:
		t.kind = l.operator()
	}
	t.text = l.src[start:l.off]
	t.end = l.pos()
	return t
}

// blank skips white space and comments, and reports whether a line ended there.
func (l *lexer) blank() (newline bool) {
	for l.off < len(l.src) {
		switch c := l.src[l.off]; {
		case c == '\n' || c == '\r':
			l.newline()
			newline = true
		case c == ' ' || c == '\t':
			l.off++
		case strings.HasPrefix(l.src[l.off:], "\u00a0"):
			l.off += len("\u00a0")
		case c == '#':
			l.off += lineLen(l.src[l.off:])
		default:
			return newline
		}
	}
	return newline
}

// word moves over a name, a keyword or a number.
func (l *lexer) word() tokenKind {
	start := l.off
	for l.off < len(l.src) && isNameByte(l.src[l.off]) {
		l.off++
	}
	word := l.src[start:l.off]
	switch {
	case keywords[word]:
		return tokKeyword
	case strings.Trim(word, "0123456789") == "":
		return tokInt
	case '0' <= word[0] && word[0] <= '9':
		return tokBadNumber
	}
	return tokName
}

// operator moves over what is neither a string nor a word.
func (l *lexer) operator() tokenKind {
	rest := l.src[l.off:]
	for n := min(2, len(rest)); n > 0; n-- {
		if k, ok := operators[rest[:n]]; ok {
			l.off += n
			return k
		}
	}
	n := len(rest) - len(strings.TrimLeft(rest, foreignBytes))
	if n == 0 {
		_, n = utf8.DecodeRuneInString(rest)
	}
	l.off += n
	return tokIllegal
}

// string moves over a string and reports whether it is closed.
//
// As strings may span lines, one without its closing quote ends at the quote
// that opens the next one, and from there on text and strings are exchanged.
// What follows such a quote betrays it, as it is the text of a string. To read
// the rest of the file aright, the first string then ends with its line.
func (l *lexer) string() bool {
	rest := l.src[l.off:]
	n := 1
	for n < len(rest) && (rest[n] != '"' || rest[n-1] == '\\') {
		n++
	}
	closed := n < len(rest)
	if closed {
		n++
	}
	line := lineLen(rest[:n])
	if line < n && n < len(rest) {
		closed = strings.IndexByte(" \t\r\n\xc2,)]+={}#;", rest[n]) >= 0
	}
	if !closed {
		l.off += line
		return false
	}
	l.moveTo(l.off + n)
	return true
}

// moveTo moves to the offset off, counting lines.
func (l *lexer) moveTo(off int) {
	for l.off < off {
		switch l.src[l.off] {
		case '\n', '\r':
			l.newline()
		default:
			l.off++
		}
	}
}

// newline moves over the line end at l.off: LF, CR LF or CR.
func (l *lexer) newline() {
	if strings.HasPrefix(l.src[l.off:], "\r\n") {
		l.off++
	}
	l.off++
	l.line++
	l.lineStart = l.off
}

// lineLen returns the length of the first line of s, without its end.
func lineLen(s string) int {
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		return i
	}
	return len(s)
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}
