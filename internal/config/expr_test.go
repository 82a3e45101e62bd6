package config_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

// A model has the values of variables after assignments outside of blocks: what
// "+", "=", ":=" and "+=" give, by the table of the language. Values are string,
// int64 and list.
type model map[string]any

type list []item

type item struct {
	key   *string
	value any
}

// errModel is any mistake.
var errModel = errors.New("mistake")

// lower returns s with A to Z in lower case; other letters have no case here.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// variable returns the full name of the variable name.
func variable(name string) string {
	if !strings.Contains(name, ".") {
		name = "var." + name
	}
	return lower(name)
}

func (m model) assign(s *syntax.Assign) error {
	name := variable(s.Name)
	v, err := m.eval(s.Value)
	if err != nil {
		return err
	}
	old, defined := m[name]
	switch {
	case strings.HasPrefix(name, "env."):
		return errModel
	case s.Op == syntax.Define && defined:
		return errModel
	case s.Op == syntax.Append && defined:
		if v, err = plus(old, v); err != nil {
			return err
		}
	}
	m[name] = v
	return nil
}

func (m model) eval(x syntax.Expr) (any, error) {
	switch x := x.(type) {
	case *syntax.String:
		return x.Value, nil
	case *syntax.Int:
		return x.Value, nil
	case *syntax.Var:
		if v, ok := m[variable(x.Name)]; ok {
			return v, nil
		}
		return nil, errModel
	case *syntax.Array:
		l := list{}
		for _, e := range x.Elems {
			it, err := m.item(e)
			if err != nil || it.key != nil && l.find(*it.key) != nil {
				return nil, errModel
			}
			l = append(l, it)
		}
		return l, nil
	case *syntax.Sum:
		sum, err := m.eval(x.Operands[0])
		for _, o := range x.Operands[1:] {
			if err != nil {
				return nil, err
			}
			var v any
			if v, err = m.eval(o); err == nil {
				sum, err = plus(sum, v)
			}
		}
		return sum, err
	}
	panic(fmt.Sprintf("unexpected %T", x))
}

func (m model) item(e syntax.Elem) (item, error) {
	v, err := m.eval(e.Value)
	if err != nil || e.Key == nil {
		return item{value: v}, err
	}
	k, err := m.eval(e.Key)
	if _, ok := k.(list); ok || err != nil {
		return item{}, errModel
	}
	key := fmt.Sprint(k)
	return item{&key, v}, nil
}

// find returns the item of l with that key in any case of letters.
func (l list) find(key string) *item {
	for i := range l {
		if l[i].key != nil && lower(*l[i].key) == lower(key) {
			return &l[i]
		}
	}
	return nil
}

func plus(a, b any) (any, error) {
	la, aIsList := a.(list)
	lb, bIsList := b.(list)
	na, aIsInt := a.(int64)
	nb, bIsInt := b.(int64)
	switch {
	case aIsList != bIsList:
		return nil, errModel
	case aIsList:
		sum := append(list{}, la...)
		for _, it := range lb {
			if it.key != nil {
				if old := sum.find(*it.key); old != nil {
					if format(old.value) != format(it.value) {
						return nil, errModel
					}
					continue
				}
			}
			sum = append(sum, it)
		}
		return sum, nil
	case aIsInt && bIsInt:
		if na > math.MaxInt64-nb {
			return nil, errModel
		}
		return na + nb, nil
	}
	return fmt.Sprint(a) + fmt.Sprint(b), nil
}

// format returns v as expr returns what is parsed.
func format(v any) string {
	l, ok := v.(list)
	if !ok {
		if s, ok := v.(string); ok {
			return fmt.Sprintf("%q", s)
		}
		return fmt.Sprint(v)
	}
	var elems []string
	for _, it := range l {
		s := format(it.value)
		if it.key != nil {
			s = fmt.Sprintf("%q:%s", *it.key, s)
		}
		elems = append(elems, s)
	}
	return "[" + strings.Join(elems, " ") + "]"
}

// FuzzAssign states that assignments have the values that the model gives them,
// or a mistake where it finds one.
func FuzzAssign(f *testing.F) {
	for _, text := range []string{
		`x = "a" + "b" + 1 + 2`, `x = 1 + 2 + "b" + 3`, `x = 1 x += 2 x += "c" x += 3`, `x = 9223372036854775807 + 1`,
		`x = ("a") + ("b", "c") + ()`, `x = ("a") + "b"`, `x = "a" + ("b")`, `x = 1 + ()`,
		`x = ("k" => 1) + ("K" => 1, "l" => 2)`, `x = ("k" => 1) + ("k" => "1")`, `x = ("k" => ("a")) x += ("k" => ("a"))`,
		`x = ("k" => 1, "K" => 1)`, `x = (1 => "a", "1" => "b")`, `x = (1 + 1 => "a", "b" + 2 => ("c" => ()))`, `x = (() => 1)`,
		`x += "a" X += "b" var.x := x + x`, `x = 1 x = 2`, `x = y`, `y = 1 x = (y, y => y + y)`, `a.b = 1 x = A.B + "c"`,
		`env.x = 1`, `x = (y)`, `x = PID + 1 y = cwd cwd := ()`, `x = env.HOME`, `pid += 1 PID = 2`, `x = ("k" => 1) x += ("k" => 2)`, `x = (,"a",,) x += ("é" => 1) x += ("É" => 1)`, `x = 1 x := x + y y = 1`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 {
			return // large values are refused
		}
		file, err := syntax.Parse("f", []byte(text))
		if err != nil || file.Printed {
			return
		}
		m := model{"var.cwd": "/dir", "var.pid": int64(7)}
		var failed error
		for _, s := range file.Stmts {
			a, ok := s.(*syntax.Assign)
			if !ok || !strings.HasPrefix(variable(a.Name), "var.") && !strings.HasPrefix(variable(a.Name), "env.") {
				return // a directive takes not every value
			}
			if failed == nil {
				failed = m.assign(a)
			}
		}
		cfg, err := config.Load("-", config.LoadOptions{Stdin: strings.NewReader(text), Dir: "/dir", PID: 7})
		if (err != nil) != (failed != nil) {
			t.Fatalf("Load(%q): %v; the model says %v", text, err, failed)
		}
		if err != nil {
			return
		}
		printed, err := syntax.Parse("printed", []byte(print(t, cfg)))
		if err != nil {
			t.Fatalf("Load(%q) prints what does not parse: %v", text, err)
		}
		for _, s := range printed.Stmts {
			a := s.(*syntax.Assign)
			if got, want := expr(a.Value), format(m[variable(a.Name)]); got != want {
				t.Fatalf("Load(%q): %s is %s, want %s", text, a.Name, got, want)
			}
		}
		if got, want := len(printed.Stmts), len(m); got != want {
			t.Fatalf("Load(%q): %d variables, want %d", text, got, want)
		}
	})
}
