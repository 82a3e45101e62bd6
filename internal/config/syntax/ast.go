// Package syntax parses the configuration language of lighttpd to a tree.
//
// It knows the shape of a configuration text: statements, blocks, conditions
// and values, each with its place in the text. It does not know what they mean:
// it opens no included file, looks up no variable, and takes any name for a
// directive and any word for the field of a condition. Giving them meaning is
// the work of package config.
//
// lighttpd drops tokens that do not fit its grammar and goes on without a word.
// Here each is an error, and [Parse] reports all errors of a text at once.
package syntax

import "fmt"

// A Pos is a place in a configuration text. The zero Pos is no place.
type Pos struct {
	File string // as it was named to Parse
	Line int    // from 1
	Col  int    // from 1, in bytes; a tab is one byte
}

// String returns "file:line:col", or "-" for the zero Pos.
func (p Pos) String() string {
	if p.Line == 0 {
		return "-"
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// A File is one parsed configuration text.
type File struct {
	Name    string
	Stmts   []Stmt
	Printed bool // the text is a configuration as -p prints it: "config { ... }" is around Stmts
}

// A Stmt is an *Assign, *Include, *Global or *Cond.
type Stmt interface {
	Pos() Pos // of its first byte; of the "$" in a condition
	stmt()
}

func (s *Assign) Pos() Pos  { return s.NamePos }
func (s *Include) Pos() Pos { return s.KeyPos }
func (s *Global) Pos() Pos  { return s.KeyPos }
func (s *Cond) Pos() Pos    { return s.FieldPos }

func (*Assign) stmt()  {}
func (*Include) stmt() {}
func (*Global) stmt()  {}
func (*Cond) stmt()    {}

// AssignOp is the operator of an assignment.
type AssignOp int

const (
	Define  AssignOp = iota // =
	Replace                 // :=
	Append                  // +=
)

// An Assign is "name = value", "name := value" or "name += value".
type Assign struct {
	NamePos Pos
	Name    string // as written
	Op      AssignOp
	Value   Expr
}

// An Include is "include expr" or "include_shell expr".
type Include struct {
	KeyPos Pos
	Shell  bool
	Arg    Expr
}

// A Global is "global { ... }".
type Global struct {
	KeyPos Pos
	Body   []Stmt
}

// A Cond is one condition with its block and the else branches behind it.
type Cond struct {
	FieldPos Pos    // of "$"
	Field    string // "HTTP", "SERVER", "REQUEST_HEADER", ...: the word behind "$"
	KeyPos   Pos
	Key      string // the text in the brackets
	OpPos    Pos
	Op       CondOp
	Value    Expr
	Body     []Stmt

	Else    *Cond // "else COND { }", or nil
	ElsePos Pos   // of "else" in front of Else or ElseBody
	// ElseBody is the block of a final "else { }"; it is meaningful if
	// HasElse is set, and then Else is nil.
	ElseBody []Stmt
	HasElse  bool
}

// CondOp is the operator of a condition.
type CondOp int

const (
	Equal    CondOp = iota // ==
	NotEqual               // !=
	Prefix                 // =^
	Suffix                 // =$
	Match                  // =~
	NotMatch               // !~
)

// An Expr is a *String, *Int, *Array, *Var or *Sum.
type Expr interface {
	Pos() Pos // of its first byte
	expr()
}

func (x *String) Pos() Pos { return x.At }
func (x *Int) Pos() Pos    { return x.At }
func (x *Array) Pos() Pos  { return x.At }
func (x *Var) Pos() Pos    { return x.At }
func (x *Sum) Pos() Pos    { return x.Operands[0].Pos() }

func (*String) expr() {}
func (*Int) expr()    {}
func (*Array) expr()  {}
func (*Var) expr()    {}
func (*Sum) expr()    {}

// A String is a quoted string; Value has the quotes and `\"` resolved.
type String struct {
	At    Pos
	Value string
}

// An Int is a decimal integer, 0 to 2^63-1.
type Int struct {
	At    Pos
	Value int64
}

// A Var is a name whose value is wanted: a variable, a directive or env.NAME.
type Var struct {
	At   Pos
	Name string // as written
}

// An Array is "( elem, ... )".
type Array struct {
	At    Pos
	Elems []Elem
}

// An Elem is one element of an array; Key is nil for one without "=>".
type Elem struct {
	Key   Expr
	Value Expr
}

// A Sum is two or more operands joined by "+", evaluated left to right.
type Sum struct {
	Operands []Expr
}
