package config

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

// maxValue bounds the size of one value: its bytes of text plus its elements.
// Without it, a few lines of "a += a" need all the memory there is.
const maxValue = 1 << 20

type kind int

const (
	bad     kind = iota // the value of a faulty expression; the fault is reported
	text                // a string
	integer             // 0 to 2^63-1
	array
)

// A value is the result of an expression. Values are shared and never modified.
type value struct {
	pos   syntax.Pos
	kind  kind
	text  string
	num   int64
	elems []elem
	size  int // at most maxValue

	quoted bool // written as one string, at pos
}

// An elem is one element of an array.
type elem struct {
	keyed bool
	key   string
	pos   syntax.Pos // of the key, or of the value without one
	value value
}

func newText(pos syntax.Pos, s string) value {
	return value{pos: pos, kind: text, text: s, size: len(s)}
}

func newInteger(pos syntax.Pos, n int64) value {
	return value{pos: pos, kind: integer, num: n}
}

// String describes v in a message.
func (v value) String() string {
	switch v.kind {
	case text:
		return quote(v.text)
	case integer:
		return strconv.FormatInt(v.num, 10)
	default:
		return "an array"
	}
}

// at returns the place of the byte at offset in the text of v, as far as it is
// known: if v is not written there, it is the place of v.
func (v value) at(offset int) syntax.Pos {
	pos := v.pos
	if v.quoted && !strings.ContainsAny(v.text[:offset], "\"\r\n") {
		pos.Col += len(`"`) + offset
	}
	return pos
}

// equal reports whether v and w are of one kind and equal in all their parts.
func (v value) equal(w value) bool {
	return v.kind == w.kind && v.text == w.text && v.num == w.num &&
		slices.EqualFunc(v.elems, w.elems, func(a, b elem) bool {
			return a.keyed == b.keyed && a.key == b.key && a.value.equal(b.value)
		})
}

// keys returns the place in elems of each key, in lower case.
func keys(elems []elem) map[string]int {
	m := make(map[string]int)
	for i, e := range elems {
		if e.keyed {
			m[fold(e.key)] = i
		}
	}
	return m
}

// eval returns the value of e in block c. It reports what is wrong with e.
func (l *loader) eval(e syntax.Expr, c *context) value {
	switch e := e.(type) {
	case *syntax.String:
		v := newText(e.At, e.Value)
		v.quoted = true
		return l.bounded(v)
	case *syntax.Int:
		return newInteger(e.At, e.Value)
	case *syntax.Var:
		v := l.variable(e, c)
		v.pos, v.quoted = e.At, false
		return v
	case *syntax.Array:
		return l.array(e, c)
	case *syntax.Sum:
		v := l.eval(e.Operands[0], c)
		for _, o := range e.Operands[1:] {
			v = l.add(v, l.eval(o, c))
		}
		return v
	}
	panic(fmt.Sprintf("config: unknown expression %T", e))
}

// variable returns the value that e names.
func (l *loader) variable(e *syntax.Var, c *context) value {
	if name, ok := envName(e.Name); ok {
		s, ok := l.env[name]
		if !ok {
			l.errorf(e.At, fmt.Sprintf("set %s in the environment of the server", name), "%s is not in the environment", e.Name)
			return value{}
		}
		return l.bounded(newText(e.At, s))
	}
	key := canonical(e.Name)
	if known := c.lookup(key); known != nil {
		return known.value
	}
	if l.incomplete || l.misunderstood(strings.TrimPrefix(key, "var.")) {
		return value{} // it may be defined in what is missing
	}
	l.errorf(e.At, c.undefinedHint(e.Name), "undefined variable %s", e.Name)
	return value{}
}

// misunderstood reports whether a text with syntax errors looks as if it defines
// name, which is in lower case.
func (l *loader) misunderstood(name string) bool {
	if len(l.broken) == 0 {
		return false
	}
	definition := regexp.MustCompile(`(^|[^a-z0-9._-])(var\.)?` + regexp.QuoteMeta(name) + `\s*(:=|\+=|=($|[^=]))`)
	return slices.ContainsFunc(l.broken, definition.MatchString)
}

// undefinedHint says what to do about name, which is not defined in c.
func (c *context) undefinedHint(name string) string {
	switch fold(name) {
	case "enable", "enabled", "true", "disable", "disabled", "false":
		return fmt.Sprintf("write %q in quotes", name)
	}
	if strings.Trim(name, "-0123456789") == "" {
		return "a number has digits only, and no sign"
	}
	var names []string
	for b := c; b != nil; b = b.parent {
		for k := range b.names {
			names = append(names, strings.TrimPrefix(k, "var."))
		}
	}
	if near := nearest(strings.TrimPrefix(fold(name), "var."), names); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "define it before its first use"
}

// array returns the value of the array e in block c.
func (l *loader) array(e *syntax.Array, c *context) value {
	v := value{pos: e.At, kind: array, elems: make([]elem, 0, len(e.Elems))}
	seen := make(map[string]syntax.Pos)
	for _, x := range e.Elems {
		var el elem
		ok := true
		if x.Key != nil {
			el.keyed = true
			el.key, ok = l.key(x.Key, c, seen)
			el.pos = x.Key.Pos()
		}
		el.value = l.eval(x.Value, c)
		if !el.keyed {
			el.pos = el.value.pos
		}
		if !ok || el.value.kind == bad {
			v.kind = bad
		}
		v.elems = append(v.elems, el)
		v.size += 1 + len(el.key) + el.value.size
	}
	return l.bounded(v)
}

// key returns the text of an array key, and whether it can be one. It adds it
// to seen, which holds the keys of the array so far, in lower case.
func (l *loader) key(e syntax.Expr, c *context, seen map[string]syntax.Pos) (string, bool) {
	k := l.eval(e, c)
	if k.kind == array {
		l.errorf(k.pos, "", "the key of an array element is an array, but must be a string or an integer")
	}
	if k.kind == array || k.kind == bad {
		return "", false
	}
	s := k.plain()
	if first, ok := seen[fold(s)]; ok {
		l.errorf(k.pos, "write each key once; upper and lower case are the same here",
			"the key %s is already in this array, at %v", quote(s), first)
		return s, false
	}
	seen[fold(s)] = k.pos
	return s, true
}

// add returns v + w at the place of v, and reports it if there is no such sum.
func (l *loader) add(v, w value) value {
	sum := value{pos: v.pos}
	switch {
	case v.kind == bad || w.kind == bad:
		return sum
	case v.kind == array && w.kind == array:
		return l.join(v, w)
	case v.kind == array || w.kind == array:
		l.errorf(w.pos, `write a single element as ( "…" )`, "%v cannot be added to %v", w, v)
		return sum
	case v.kind == integer && w.kind == integer:
		if v.num > math.MaxInt64-w.num {
			l.errorf(w.pos, "", "%d + %d is too large", v.num, w.num)
			return sum
		}
		return newInteger(v.pos, v.num+w.num)
	default:
		return l.bounded(newText(v.pos, v.plain()+w.plain()))
	}
}

// plain returns the text of a string or an integer.
func (v value) plain() string {
	if v.kind == integer {
		return strconv.FormatInt(v.num, 10)
	}
	return v.text
}

// join returns the array v with the elements of w behind its own.
func (l *loader) join(v, w value) value {
	sum := value{pos: v.pos, kind: array, elems: slices.Clip(v.elems), size: v.size}
	seen := keys(v.elems)
	for _, e := range w.elems {
		if i, ok := seen[fold(e.key)]; ok && e.keyed {
			old := v.elems[i]
			if !old.value.equal(e.value) {
				l.errorf(e.pos, "give each key one value; upper and lower case are the same here",
					"the key %s already has another value, at %v", quote(e.key), old.pos)
				sum.kind = bad
				continue
			}
			l.warnf(e.pos, "", "the key %s already has this value, at %v", quote(e.key), old.pos)
			continue
		}
		sum.elems = append(sum.elems, e)
		sum.size += 1 + len(e.key) + e.value.size
	}
	return l.bounded(sum)
}

// bounded returns v if it is not larger than maxValue, else reports it.
func (l *loader) bounded(v value) value {
	if v.size <= maxValue {
		return v
	}
	l.errorf(v.pos, "", "the value is too large: more than %d bytes", maxValue)
	return value{pos: v.pos}
}
