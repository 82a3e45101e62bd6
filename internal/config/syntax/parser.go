package syntax

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	maxDepth  = 200 // of blocks and parentheses in each other
	maxErrors = 100 // reported of one text
)

// condHint goes with several mistakes in a condition.
const condHint = `write a condition as $HTTP["url"] == "/path" { ... }`

// Parse parses src, the text of a configuration file. The positions in the
// result have name for their File.
//
// A non-nil error is an [ErrorList] of the mistakes in the text, at most 100, in
// order of place. The File is never nil; with an error, it lacks the statements
// that could not be parsed. Parse does not keep src.
func Parse(name string, src []byte) (*File, error) {
	p := &parser{lexer: lexer{file: name, src: string(src), line: 1}}
	f := &File{Name: name}
	f.Stmts, f.Printed = p.parse()
	if len(p.errs) == 0 {
		return f, nil
	}
	slices.SortStableFunc(p.errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	return f, p.errs
}

// A parser turns tokens into statements by recursive descent:
//
//	text  = { stmt } | "config" block .
//	stmt  = name ( "=" | ":=" | "+=" ) expr
//	      | ( "include" | "include_shell" ) expr
//	      | "global" block
//	      | [ "if" ] cond { else cond } [ "else" block ] .
//	else  = "else" [ "if" ] | "elif" | "elsif" | "elseif" .
//	cond  = "$" name "[" string "]" op expr block .
//	op    = "==" | "!=" | "=^" | "=$" | "=~" | "!~" .
//	block = "{" { stmt } "}" .
//	expr  = value { "+" value } .
//	value = string | int | name | list .
//	list  = "(" [ elem ] { "," [ elem ] } ")" .
//	elem  = [ expr "=>" ] expr .
//
// A statement may begin anywhere in a line. It may go on in the next line in
// parentheses, around the operators of an assignment, after "+" and op, and
// before "{" and else.
//
// A method that meets a mistake reports it. If it has no result then, it says
// so to its caller and leaves the parser at the token where it stopped, and the
// innermost list or statement around it skips to where the next one begins.
type parser struct {
	lexer
	prev, tok, peek token
	depth           int // of blocks and lists around tok
	parens          int // of lists alone

	errs     ErrorList
	stopped  bool         // errs is complete
	cutLines map[int]bool // lines with a string that is not closed
	blamed   Pos          // of the token that was reported last
	unopened int          // blocks that lack "{"; as many stray "}" follow from that
}

func (p *parser) parse() (stmts []Stmt, printed bool) {
	p.start()
	if printed = p.tok.text == "config" && p.peek.kind == tokLeftBrace; printed {
		p.next()
		stmts = p.block()
	}
	stmts = append(stmts, p.stmts()...)
	for p.tok.kind == tokRightBrace {
		if p.unopened > 0 {
			p.unopened--
			p.next()
			p.branches(nil)
		} else {
			p.unexpected(`no "{" is open here; remove it`)
			p.next()
		}
		stmts = append(stmts, p.stmts()...)
	}
	return stmts, printed
}

// start reads the first two tokens.
func (p *parser) start() {
	if strings.HasPrefix(p.src, "\uFEFF") {
		p.report(p.pos(), "the file begins with a byte order mark", "save it as UTF-8 without one")
		p.off = len("\uFEFF")
	}
	if i := strings.IndexByte(p.src, 0); i >= 0 {
		p.moveTo(i)
		p.report(p.pos(), "unexpected NUL byte", "this is not a text file, or not one in UTF-8")
		p.stop()
		return
	}
	p.next()
	p.next()
	p.tok.first = true
}

// next moves on to the next token.
func (p *parser) next() {
	p.prev, p.tok, p.peek = p.tok, p.peek, p.scan()
	if p.peek.cut {
		p.cut(p.peek)
	}
}

// stop makes the parser see the end of the file, and say nothing of it.
func (p *parser) stop() {
	p.stopped = true
	p.off = len(p.src)
	p.tok = token{kind: tokEOF}
	p.peek = p.tok
}

// want consumes a token of kind k, or reports that what is expected.
func (p *parser) want(k tokenKind, what string) (token, bool) {
	t := p.tok
	if t.kind != k || p.lineEnded() {
		p.expected(what, condHint)
		return t, false
	}
	p.next()
	return t, true
}

// enter counts one more block or list around the current token.
func (p *parser) enter() {
	p.depth++
	if p.depth > maxDepth {
		p.report(p.tok.pos, fmt.Sprintf("more than %d blocks and parentheses inside each other", maxDepth), `look for a missing ")" or "}"`)
		p.stop()
	}
}

func (p *parser) leave() { p.depth-- }

// stmts parses statements up to a "}" or the end of the file.
func (p *parser) stmts() []Stmt {
	var list []Stmt
	for p.tok.kind != tokRightBrace && p.tok.kind != tokEOF {
		if s := p.stmt(); s != nil {
			list = append(list, s)
		}
	}
	return list
}

// stmt parses a statement. It returns nil if that has a mistake, and has then
// skipped the rest of it.
func (p *parser) stmt() Stmt {
	switch t := p.tok; {
	case t.kind == tokName && !p.besideValue():
		return p.assign()
	case t.is("include"), t.is("include_shell"):
		return p.include()
	case t.is("global"):
		return p.global()
	case t.is("if"), t.kind == tokDollar:
		return p.conds()
	case t.kind == tokKeyword: // else, elif, ...
		if p.unopened == 0 || p.prev.kind != tokRightBrace {
			p.blame(t.String()+" without a condition before it", `it belongs right after the "}" of a condition`)
		}
		p.branches(nil)
		return nil
	default:
		p.stray()
		return nil
	}
}

func (p *parser) assign() Stmt {
	s := &Assign{NamePos: p.tok.pos, Name: p.tok.text}
	p.next()
	switch p.tok.kind {
	case tokDefine:
		s.Op = Define
	case tokReplace:
		s.Op = Replace
	case tokAppend:
		s.Op = Append
	default:
		hint := "write name = value"
		if word := strings.ToLower(s.Name); keywords[word] {
			hint = "write " + word + " in lower case"
		}
		p.expected(`"=", ":=" or "+=" after the name `+excerpt(s.Name), hint)
		p.skipStmt()
		return nil
	}
	p.next()
	if s.Value = p.expr(); s.Value == nil {
		p.skipStmt()
		return nil
	}
	return s
}

func (p *parser) include() Stmt {
	s := &Include{KeyPos: p.tok.pos, Shell: p.tok.is("include_shell")}
	p.next()
	if s.Arg = p.expr(); s.Arg == nil {
		p.skipStmt()
		return nil
	}
	return s
}

func (p *parser) global() Stmt {
	s := &Global{KeyPos: p.tok.pos}
	p.next()
	if p.tok.kind != tokLeftBrace {
		p.expected(`"{" after "global"`, "write global { ... }")
		p.skipToBlock()
		return nil
	}
	s.Body = p.block()
	return s
}

// conds parses a condition, its block and the else branches after it.
func (p *parser) conds() Stmt {
	if p.tok.is("if") {
		p.next()
		p.wantCond("a condition")
	}
	c := p.cond()
	p.branches(c)
	if c == nil {
		return nil
	}
	return c
}

// branches parses the else branches after the block of c and adds them to it.
// If c is nil, it only looks for mistakes.
func (p *parser) branches(c *Cond) {
	final := false
	for p.tok.isElse() {
		word := p.tok
		if final {
			p.blame(word.String()+` after the final "else"`, "only the last branch can be without a condition")
		}
		p.next()
		what := "a condition"
		if word.is("else") {
			switch {
			case p.tok.kind == tokLeftBrace:
				body := p.block()
				if c != nil {
					c.ElsePos, c.ElseBody, c.HasElse = word.pos, body, true
				}
				c, final = nil, true
				continue
			case p.tok.is("if") && !p.tok.first:
				p.next()
			default:
				what = `"{" or a condition`
			}
		}
		p.wantCond(what)
		branch := p.cond()
		if c != nil && branch != nil {
			c.ElsePos, c.Else = word.pos, branch
		}
		c = branch
	}
}

// wantCond reports what is expected if no condition follows in the line.
func (p *parser) wantCond(what string) {
	if p.tok.kind != tokDollar || p.tok.first {
		p.expected(what+` after "`+p.prev.text+`"`, condHint)
	}
}

// cond parses a condition and its block. It returns nil if the condition has a
// mistake or if there is none, which wantCond has reported then.
func (p *parser) cond() *Cond {
	if p.tok.is("if") { // in the wrong place, but the rest may be right
		p.next()
	}
	c := &Cond{}
	if p.tok.kind != tokDollar || !p.condHead(c) {
		p.skipToBlock()
		return nil
	}
	c.Body = p.block()
	return c
}

// condHead parses a condition up to its block.
func (p *parser) condHead(c *Cond) bool {
	c.FieldPos = p.tok.pos
	p.next()
	field, ok := p.want(tokName, `a name such as HTTP after "$"`)
	if !ok {
		return false
	}
	if _, ok := p.want(tokLeftBracket, `"[" after $`+excerpt(field.text)); !ok {
		return false
	}
	key, ok := p.want(tokString, `a word in quotes after "["`)
	if !ok {
		return false
	}
	if _, ok := p.want(tokRightBracket, `"]"`); !ok {
		return false
	}
	c.Field = field.text
	c.KeyPos, c.Key = key.pos, key.unquote()
	c.OpPos, c.Op = p.tok.pos, condOps[p.tok.text]
	if p.tok.kind != tokCondOp || p.tok.first {
		hint := "use ==, !=, =~, !~, =^ (begins with) or =$ (ends with)"
		if p.tok.isOperator() && !p.tok.first {
			p.blame(`unknown operator "`+excerpt(p.tok.text)+`"`, hint)
		} else {
			p.expected("an operator", hint)
		}
		return false
	}
	p.next()
	if c.Value = p.expr(); c.Value == nil {
		return false
	}
	if p.tok.kind != tokLeftBrace {
		p.expected(`"{" after the condition`, condHint)
		return false
	}
	return true
}

// block parses statements in braces.
func (p *parser) block() []Stmt {
	open, blamed := p.tok, p.tok.pos == p.blamed
	p.enter()
	defer p.leave()
	p.next()
	list := p.stmts()
	switch {
	case p.tok.kind == tokRightBrace:
		p.next()
	case !blamed:
		p.report(open.pos, `this "{" is not closed`, `add a "}" where the block ends`)
	}
	return list
}

// besideValue reports whether the current token stands in one line with a
// value before it and does not begin a statement.
func (p *parser) besideValue() bool {
	switch p.prev.kind {
	case tokString, tokInt, tokName, tokRightParen:
		return !p.tok.first && !p.startsStmt()
	}
	return false
}

// stray reports a token that cannot begin a statement.
func (p *parser) stray() {
	hint := `begin a statement with a name, "include", "global" or a condition`
	switch p.tok.kind {
	case tokSemicolon:
		p.unexpected("")
		p.next()
		return
	case tokString, tokInt, tokBadNumber, tokName, tokLeftParen, tokIllegal:
		if p.besideValue() {
			hint = `put text in quotes; join two values with "+", or list them as ("a", "b")`
		}
	case tokComma:
		hint = "no comma belongs between statements; remove it, or put the values in parentheses"
	case tokPlus:
		hint = `to go on with a value in the next line, end the first line with "+"`
	case tokRightParen:
		hint = `no "(" is open here; remove it`
	case tokLeftBrace:
		hint = `put "global" or a condition in front of the block`
	}
	p.unexpected(hint)
	p.skipStmt()
}

// expr parses a value or a sum of values. It returns nil if there is none.
func (p *parser) expr() Expr {
	x := p.operand()
	if x == nil {
		return nil
	}
	operands := []Expr{x}
	for p.tok.kind == tokPlus && (!p.tok.first || p.parens > 0) {
		p.next()
		if x = p.operand(); x == nil {
			return nil
		}
		operands = append(operands, x)
	}
	if len(operands) > 1 {
		return &Sum{Operands: operands}
	}
	return x
}

func (p *parser) operand() Expr {
	what, hint := "a value", `write a "text" in quotes, a number, a name or a (list)`
	switch p.prev.kind {
	case tokKeyword:
		hint = "write " + p.prev.text + ` "..."`
		fallthrough
	case tokDefine, tokReplace, tokAppend, tokPlus, tokArrow, tokCondOp:
		what += ` after "` + p.prev.text + `"`
	}
	switch t := p.tok; {
	case p.lineEnded():
	case t.kind == tokString:
		p.next()
		return &String{At: t.pos, Value: t.unquote()}
	case t.kind == tokInt:
		v, err := strconv.ParseInt(t.text, 10, 64)
		if err != nil {
			p.blame(t.String()+" is too large", fmt.Sprintf("the largest is %d", math.MaxInt64))
		}
		p.next()
		return &Int{At: t.pos, Value: v}
	case t.kind == tokName:
		p.next()
		return &Var{At: t.pos, Name: t.text}
	case t.kind == tokLeftParen:
		return p.list()
	case t.kind == tokLeftBracket:
		p.unexpected(`a list is written in parentheses: ("a", "b")`)
		return p.list()
	case t.kind == tokBadNumber:
		hint = "write digits alone, or put text in quotes"
		if strings.Contains(t.text, ".") {
			hint = "put it in quotes" // an address, mostly
		}
		p.blame(t.String()+" is not a whole number", hint)
		return nil
	case t.kind == tokKeyword:
		hint = "this word is part of the language; put text in quotes"
	}
	p.expected(what, hint)
	return nil
}

// list parses values in parentheses, or in brackets, which are a mistake.
func (p *parser) list() Expr {
	open, blamed := p.tok, p.tok.pos == p.blamed
	p.enter()
	p.parens++
	defer func() { p.parens--; p.leave() }()
	p.next()
	a := &Array{At: open.pos}
	for {
		switch {
		case p.tok.kind == tokRightParen, p.tok.kind == tokRightBracket:
			if p.tok.kind == tokRightBracket && open.kind == tokLeftParen {
				p.unexpected(`a list ends with ")"`)
			}
			p.next()
			return a
		case p.tok.kind == tokComma:
			p.next()
		case p.listEnds():
			if !blamed {
				p.report(open.pos, `this "(" is not closed`, `add a ")" where the list ends`)
			}
			return a
		case !p.elem(a):
			p.skipElem()
		}
	}
}

// elem parses one element of a. It reports whether the next may follow.
func (p *parser) elem(a *Array) bool {
	var e Elem
	if e.Value = p.expr(); e.Value == nil {
		return false
	}
	switch {
	case p.tok.kind == tokDefine, p.tok.text == ":":
		p.unexpected(`write "=>" between key and value`)
		fallthrough
	case p.tok.kind == tokArrow:
		p.next()
		e.Key = e.Value
		if e.Value = p.expr(); e.Value == nil {
			return false
		}
	}
	a.Elems = append(a.Elems, e)
	switch p.tok.kind {
	case tokComma, tokRightParen, tokRightBracket:
		return true
	}
	if p.listEnds() {
		return true
	}
	p.expected(`"," or ")"`, "put a comma between the elements of a list")
	switch p.tok.kind {
	case tokString, tokInt, tokName, tokLeftParen:
		return true // as if there were a comma
	}
	return false
}
