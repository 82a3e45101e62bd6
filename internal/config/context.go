package config

import (
	"strings"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

// A context is one block of the configuration: the global one, that of a
// condition, or that of a bare else. Contexts are numbered by first appearance.
type context struct {
	index  int
	parent *context   // the block around this one; nil: this is the global block
	prev   *context   // the branch before this "else"; nil: this is not one
	cond   *condition // nil: the global block or a bare else
	listen *Listener  // of $SERVER["socket"] == "…", once the listeners are known

	names    map[string]int // the place in entries of each canonical name
	entries  []entry        // in order of definition
	children []*context     // the blocks inside this one, else branches included, in order of appearance
	known    map[condID]*context
}

// An entry is a name with its value in one block.
type entry struct {
	key   string // canonical
	name  string // as written, with "var." before a user variable
	pos   syntax.Pos
	value value
}

// newContext adds a block inside parent, after the else chain's branch prev.
func (l *loader) newContext(parent, prev *context) *context {
	c := &context{
		index:  len(l.contexts),
		parent: parent,
		prev:   prev,
		names:  make(map[string]int),
		known:  make(map[condID]*context),
	}
	l.contexts = append(l.contexts, c)
	if parent != nil {
		parent.children = append(parent.children, c)
	}
	return c
}

// set gives name the value v, keeping its place if it has one.
func (c *context) set(name string, v value) {
	key := canonical(name)
	if i, ok := c.names[key]; ok {
		c.entries[i].value = v
		return
	}
	if !strings.Contains(name, ".") {
		name = "var." + name
	}
	c.names[key] = len(c.entries)
	c.entries = append(c.entries, entry{key: key, name: name, value: v})
}

// find returns what key, a canonical name, is in this block, or nil.
func (c *context) find(key string) *entry {
	if i, ok := c.names[key]; ok {
		return &c.entries[i]
	}
	return nil
}

// lookup returns what key, a canonical name, is in this block or the nearest
// one around it, or nil.
func (c *context) lookup(key string) *entry {
	for ; c != nil; c = c.parent {
		if e := c.find(key); e != nil {
			return e
		}
	}
	return nil
}

// canonical returns the name by which a variable or directive is found: in
// lower case, and with "var." before one without a dot.
func canonical(name string) string {
	if !strings.Contains(name, ".") {
		name = "var." + name
	}
	return fold(name)
}

// envName returns NAME of "env.NAME", and whether name is of that form.
func envName(name string) (string, bool) {
	if len(name) > 4 && fold(name[:4]) == "env." {
		return name[4:], true
	}
	return "", false
}

// fold returns s with the ASCII letters in lower case.
func fold(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
