package config

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// oneLine is how many elements a list without keys can have to be printed on
// one line.
const oneLine = 5

// Print writes the configuration as lighttpd's -p does: every block with its
// values, after includes and variables are evaluated. An error is one of w.
//
// Load reads what Print wrote, and gives a configuration that prints the same but
// for the numbers of blocks: those inside another are printed with it, wherever
// they first appeared. Only strings that end in a backslash cannot be written in
// this language; they come from the environment.
func (c *Config) Print(w io.Writer) error {
	p := &printer{w: bufio.NewWriter(w), elses: make(map[*context][]*context), printed: make(map[*context]bool)}
	for _, b := range c.contexts {
		if b.prev != nil {
			p.elses[b.prev] = append(p.elses[b.prev], b)
		}
	}
	p.w.WriteString("config {\n")
	p.body(c.contexts[0], 1)
	p.w.WriteString("}\n")
	return p.w.Flush()
}

type printer struct {
	w       *bufio.Writer
	elses   map[*context][]*context // the branches behind each block
	printed map[*context]bool
}

// line writes one line at the given depth.
func (p *printer) line(depth int, format string, args ...any) {
	p.indent(depth)
	fmt.Fprintf(p.w, format+"\n", args...)
}

func (p *printer) indent(depth int) {
	p.w.WriteString(strings.Repeat("    ", depth))
}

// body writes what is inside the braces of b.
func (p *printer) body(b *context, depth int) {
	width := 0
	for _, e := range b.entries {
		width = max(width, len(e.name))
	}
	for _, e := range b.entries {
		p.indent(depth)
		fmt.Fprintf(p.w, "%-*s = ", width, e.name)
		p.value(e.value, depth)
		p.w.WriteByte('\n')
	}
	p.w.WriteByte('\n')
	for _, child := range b.children {
		if child.prev == nil {
			p.chains(nil, child, depth)
		}
	}
}

// chains writes the else chains that begin with the blocks before and then b.
// There is more than one if the text has several "COND { } else …" for one COND.
func (p *printer) chains(before []*context, b *context, depth int) {
	chain := append(before[:len(before):len(before)], b)
	if len(p.elses[b]) == 0 {
		p.w.WriteByte('\n')
		for i, b := range chain {
			p.block(b, i > 0, depth)
		}
	}
	for _, next := range p.elses[b] {
		p.chains(chain, next, depth)
	}
}

// block writes b, or only its head and number if it was written before.
func (p *printer) block(b *context, isElse bool, depth int) {
	head, name := "else", "else"
	if b.cond != nil {
		head, name = "if "+b.cond.String(), b.cond.String()
		if isElse {
			head = "else " + head
		}
	}
	p.line(depth, "%s {", head)
	p.line(depth+1, "# block %d", b.index)
	if !p.printed[b] {
		p.printed[b] = true
		p.body(b, depth+1)
	}
	p.line(depth, "} # end of %s", name)
}

// value writes v; its first line goes behind what is on the line already.
func (p *printer) value(v value, depth int) {
	switch v.kind {
	case text:
		p.w.WriteString(literal(v.text))
		return
	case integer:
		p.w.WriteString(strconv.FormatInt(v.num, 10))
		return
	}
	width, short := 0, len(v.elems) <= oneLine
	for _, e := range v.elems {
		if e.keyed {
			width = max(width, len(literal(e.key)))
		}
		short = short && !e.keyed && e.value.kind != array
	}
	p.w.WriteByte('(')
	for i, e := range v.elems {
		switch {
		case !short:
			p.w.WriteByte('\n')
			p.indent(depth + 1)
		case i > 0:
			p.w.WriteString(", ")
		}
		if e.keyed {
			fmt.Fprintf(p.w, "%-*s => ", width, literal(e.key))
		}
		p.value(e.value, depth+1)
		if !short {
			p.w.WriteByte(',')
		}
	}
	if !short {
		p.w.WriteByte('\n')
		p.indent(depth)
	}
	p.w.WriteByte(')')
}
