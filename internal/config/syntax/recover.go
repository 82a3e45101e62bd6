package syntax

import (
	"cmp"
	"slices"
	"strings"
)

// report notes a mistake, unless it is likely to follow from one noted before.
func (p *parser) report(pos Pos, msg, hint string) {
	// What is missing after a string that was cut is in what was cut off.
	if !p.prev.cut && !p.cutLines[pos.Line] {
		p.add(pos, msg, hint)
	}
}

func (p *parser) add(pos Pos, msg, hint string) {
	if p.stopped {
		return
	}
	p.errs = append(p.errs, &Error{Pos: pos, Msg: msg, Hint: hint})
	if len(p.errs) == maxErrors {
		p.stop()
	}
}

// cut reports the string t, which is not closed. Where a quote is missing,
// strings and what is between them have changed places up to the end of the
// line, so this is the only mistake reported there.
func (p *parser) cut(t token) {
	p.errs = slices.DeleteFunc(p.errs, func(e *Error) bool { return e.Pos.Line == t.pos.Line })
	hint := "add the missing quote, here or further left in the line"
	if strings.Contains(t.text, `\"`) {
		hint = `add the missing quote; \" is a quote inside the string, not its end`
	}
	p.add(t.pos, "this string is not closed", hint)
	if p.cutLines == nil {
		p.cutLines = make(map[int]bool)
	}
	p.cutLines[t.pos.Line] = true
}

// blame reports a mistake that shows at the current token, once.
func (p *parser) blame(msg, hint string) {
	if p.tok.pos != p.blamed {
		p.report(p.tok.pos, msg, hint)
	}
	p.blamed = p.tok.pos
}

// unexpected blames the current token for being there at all.
func (p *parser) unexpected(hint string) {
	p.blame("unexpected "+p.tok.String(), cmp.Or(p.tok.hint(), hint))
}

// expected reports that something else should stand at the current token, or at
// the end of the line before it if it had to come in that line.
func (p *parser) expected(what, hint string) {
	switch {
	case p.tok.kind == tokEOF:
		p.report(p.prev.end, "expected "+what+", found the end of the file", hint)
	case p.lineEnded():
		p.report(p.prev.end, "expected "+what+", found the end of the line", hint)
	default:
		p.blame("expected "+what+", found "+p.tok.String(), cmp.Or(p.tok.hint(), hint))
	}
}

// lineEnded reports whether the current token cannot go on with what the line
// before it began. Line ends mean nothing in parentheses, but a statement that
// begins there means that they are not closed.
func (p *parser) lineEnded() bool {
	if !p.tok.first {
		return false
	}
	switch p.prev.kind {
	case tokLeftParen, tokComma:
		return false
	case tokDefine, tokReplace, tokAppend, tokPlus, tokCondOp:
		return p.atStmt() || p.tok.kind == tokRightBrace
	}
	return p.parens == 0 || p.atStmt()
}

// atStmt reports whether the current token looks like the start of a statement
// that is the first of a line.
func (p *parser) atStmt() bool {
	return p.tok.first && p.startsStmt()
}

// startsStmt reports whether the current token looks like the start of a statement.
func (p *parser) startsStmt() bool {
	switch p.tok.kind {
	case tokDollar, tokKeyword:
		return true
	case tokName:
		return p.peek.kind == tokDefine || p.peek.kind == tokReplace || p.peek.kind == tokAppend
	}
	return false
}

// skipStmt skips the rest of a statement that has a mistake.
func (p *parser) skipStmt() {
	p.skip()
	if p.tok.kind == tokLeftBrace {
		p.block()
	}
}

// skipToBlock skips the rest of the head of a block, and the block.
func (p *parser) skipToBlock() {
	for {
		p.skip()
		switch p.tok.kind {
		case tokLeftBrace:
			p.block()
			return
		case tokEOF, tokRightBrace, tokDollar, tokKeyword, tokName:
			p.unopened++
			return
		}
		p.next()
	}
}

// skip moves on to a token that may begin or end a statement or a block. It
// passes the blamed token even if that looks like the start of a statement.
func (p *parser) skip() {
	for {
		switch p.tok.kind {
		case tokEOF, tokSemicolon, tokLeftBrace, tokRightBrace:
			return
		}
		if p.tok.pos != p.blamed && (p.tok.first || p.startsStmt()) {
			return
		}
		switch p.tok.kind {
		case tokLeftParen, tokLeftBracket:
			p.list()
		default:
			p.next()
		}
	}
}

// skipElem skips the rest of an element that has a mistake.
func (p *parser) skipElem() {
	for !p.listEnds() {
		switch p.tok.kind {
		case tokComma, tokRightParen, tokRightBracket:
			return
		case tokLeftParen, tokLeftBracket:
			p.list()
		default:
			p.next()
		}
	}
}

// listEnds reports whether the current token means that a list is not closed.
func (p *parser) listEnds() bool {
	switch p.tok.kind {
	case tokEOF, tokLeftBrace, tokRightBrace:
		return true
	case tokName:
		// A plain name before "=" is rather a key without its quotes and ">".
		elem := p.prev.kind == tokLeftParen || p.prev.kind == tokComma
		if elem && p.peek.kind == tokDefine && !strings.Contains(p.tok.text, ".") {
			return false
		}
	}
	return p.atStmt()
}
