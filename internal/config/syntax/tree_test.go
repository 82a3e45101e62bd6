package syntax_test

import (
	"fmt"
	"strings"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

var assignOps = map[syntax.AssignOp]string{
	syntax.Define: "=", syntax.Replace: ":=", syntax.Append: "+=",
}

var condOps = map[syntax.CondOp]string{
	syntax.Equal: "==", syntax.NotEqual: "!=", syntax.Prefix: "=^",
	syntax.Suffix: "=$", syntax.Match: "=~", syntax.NotMatch: "!~",
}

// dump returns the tree of stmts, without positions, in one line:
//
//	a = 1 + "x"                 (= a (+ 1 "x"))
//	include_shell "cmd"         (include_shell "cmd")
//	x += ("k" => y, ("z"))      (+= x ["k":y ["z"]])
//	$HTTP["url"] == "/" {...}   (if $HTTP[url] == "/" {...})
//	... else if ... { }         (if ... {...} else if ... {...})
//
// Strings are in Go's notation.
func dump(stmts []syntax.Stmt) string {
	var words []string
	for _, s := range stmts {
		words = append(words, dumpStmt(s))
	}
	return strings.Join(words, " ")
}

func dumpStmt(s syntax.Stmt) string {
	switch s := s.(type) {
	case *syntax.Assign:
		return fmt.Sprintf("(%s %s %s)", assignOps[s.Op], s.Name, dumpExpr(s.Value))
	case *syntax.Include:
		if s.Shell {
			return fmt.Sprintf("(include_shell %s)", dumpExpr(s.Arg))
		}
		return fmt.Sprintf("(include %s)", dumpExpr(s.Arg))
	case *syntax.Global:
		return fmt.Sprintf("(global {%s})", dump(s.Body))
	case *syntax.Cond:
		var b strings.Builder
		for c := s; c != nil; c = c.Else {
			fmt.Fprintf(&b, "if $%s[%s] %s %s {%s}", c.Field, c.Key, condOps[c.Op], dumpExpr(c.Value), dump(c.Body))
			switch {
			case c.HasElse:
				fmt.Fprintf(&b, " else {%s}", dump(c.ElseBody))
			case c.Else != nil:
				b.WriteString(" else ")
			}
		}
		return "(" + b.String() + ")"
	}
	panic(fmt.Sprintf("%T", s))
}

func dumpExpr(x syntax.Expr) string {
	var words []string
	switch x := x.(type) {
	case *syntax.String:
		return fmt.Sprintf("%q", x.Value)
	case *syntax.Int:
		return fmt.Sprint(x.Value)
	case *syntax.Var:
		return x.Name
	case *syntax.Array:
		for _, e := range x.Elems {
			if e.Key != nil {
				words = append(words, dumpExpr(e.Key)+":"+dumpExpr(e.Value))
			} else {
				words = append(words, dumpExpr(e.Value))
			}
		}
		return "[" + strings.Join(words, " ") + "]"
	case *syntax.Sum:
		for _, o := range x.Operands {
			words = append(words, dumpExpr(o))
		}
		return "(+ " + strings.Join(words, " ") + ")"
	}
	panic(fmt.Sprintf("%T", x))
}

// format returns stmts as configuration text, from which Parse makes an equal
// tree up to positions.
func format(stmts []syntax.Stmt) string {
	var b strings.Builder
	for _, s := range stmts {
		switch s := s.(type) {
		case *syntax.Assign:
			fmt.Fprintf(&b, "%s %s %s\n", s.Name, assignOps[s.Op], formatExpr(s.Value))
		case *syntax.Include:
			word := "include"
			if s.Shell {
				word = "include_shell"
			}
			fmt.Fprintf(&b, "%s %s\n", word, formatExpr(s.Arg))
		case *syntax.Global:
			fmt.Fprintf(&b, "global {\n%s}\n", format(s.Body))
		case *syntax.Cond:
			for c := s; c != nil; c = c.Else {
				fmt.Fprintf(&b, "$%s[%s] %s %s {\n%s}\n", c.Field, quote(c.Key), condOps[c.Op], formatExpr(c.Value), format(c.Body))
				switch {
				case c.HasElse:
					fmt.Fprintf(&b, "else {\n%s}\n", format(c.ElseBody))
				case c.Else != nil:
					b.WriteString("else ")
				}
			}
		}
	}
	return b.String()
}

func formatExpr(x syntax.Expr) string {
	var words []string
	switch x := x.(type) {
	case *syntax.String:
		return quote(x.Value)
	case *syntax.Array:
		for _, e := range x.Elems {
			if e.Key != nil {
				words = append(words, formatExpr(e.Key)+" => "+formatExpr(e.Value))
			} else {
				words = append(words, formatExpr(e.Value))
			}
		}
		return "(" + strings.Join(words, ", ") + ")"
	case *syntax.Sum:
		for _, o := range x.Operands {
			words = append(words, formatExpr(o))
		}
		return strings.Join(words, " + ")
	}
	return dumpExpr(x)
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

// A place is a position in a tree and the text that must stand there.
type place struct {
	pos  syntax.Pos
	text string
}

// places returns all positions of stmts, in the order of the text.
func places(stmts []syntax.Stmt) []place {
	var list []place
	add := func(pos syntax.Pos, text string) { list = append(list, place{pos, text}) }
	var expr func(x syntax.Expr)
	expr = func(x syntax.Expr) {
		switch x := x.(type) {
		case *syntax.String:
			add(x.Pos(), quote(x.Value))
		case *syntax.Int:
			add(x.Pos(), "") // 007 is 7
		case *syntax.Var:
			add(x.Pos(), x.Name)
		case *syntax.Array:
			add(x.Pos(), "(")
			for _, e := range x.Elems {
				if e.Key != nil {
					expr(e.Key)
				}
				expr(e.Value)
			}
		case *syntax.Sum:
			for _, o := range x.Operands {
				expr(o)
			}
		}
	}
	var walk func(stmts []syntax.Stmt)
	walk = func(stmts []syntax.Stmt) {
		for _, s := range stmts {
			switch s := s.(type) {
			case *syntax.Assign:
				add(s.Pos(), s.Name)
				expr(s.Value)
			case *syntax.Include:
				add(s.Pos(), "include")
				expr(s.Arg)
			case *syntax.Global:
				add(s.Pos(), "global")
				walk(s.Body)
			case *syntax.Cond:
				for c := s; c != nil; c = c.Else {
					add(c.Pos(), "$")
					add(c.KeyPos, quote(c.Key))
					add(c.OpPos, condOps[c.Op])
					expr(c.Value)
					walk(c.Body)
					if c.Else != nil || c.HasElse {
						add(c.ElsePos, "el")
						walk(c.ElseBody)
					}
				}
			}
		}
	}
	walk(stmts)
	return list
}

// checkPlaces returns what is wrong with the positions of what Parse made of
// src: those of f must be where their tokens are, those of err inside src. With
// an error, a token may be another than the tree says.
func checkPlaces(src string, f *syntax.File, err error) error {
	text := newlines.Replace(src)
	lines := strings.Split(text, "\n")
	starts := []int{0}
	for _, line := range lines {
		starts = append(starts, starts[len(starts)-1]+len(line)+1)
	}
	for _, p := range places(f.Stmts) {
		if p.pos.Line < 1 || p.pos.Line > len(lines) || p.pos.Col < 1 || p.pos.Col > len(lines[p.pos.Line-1]) {
			return fmt.Errorf("%s of %q is outside the text", p.pos, p.text)
		}
		if rest := text[starts[p.pos.Line-1]+p.pos.Col-1:]; err == nil && !strings.HasPrefix(rest, newlines.Replace(p.text)) {
			return fmt.Errorf("%s of %q is the place of %.20q", p.pos, p.text, rest)
		}
	}
	if err == nil {
		return nil
	}
	var last syntax.Pos
	for _, e := range err.(syntax.ErrorList) {
		p := e.Pos
		if p.Line < 1 || p.Line > len(lines) || p.Col < 1 || p.Col > len(lines[p.Line-1])+1 {
			return fmt.Errorf("error outside the text: %v", e)
		}
		if p.Line < last.Line || p.Line == last.Line && p.Col < last.Col {
			return fmt.Errorf("error behind one that is further on: %v", e)
		}
		last = p
	}
	return nil
}

// newlines makes all line ends LF.
var newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")
