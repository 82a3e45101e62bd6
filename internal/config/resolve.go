package config

// maxOnStack is how many conditions are evaluated without an allocation.
const maxOnStack = 256

// A block is a condition that can change the settings of a request, or on which
// one that can depends.
type block struct {
	cond    *condition // nil: a bare else
	listen  *Listener  // of a condition on the socket
	parent  int        // its place in Config.blocks; -1: it is at the top
	prev    int        // the branch before this else, in Config.blocks; -1: it is not one
	patches []patch
}

// state is what is known of a block while a request is resolved.
type state uint8

const (
	matched state = 1 << iota // its patches apply
	taken                     // it or a branch before it matched: no later branch does
)

// addBlocks fills cfg.blocks from the blocks of the configuration and the
// patches of each. What cannot change the settings of a request is left out.
func (l *loader) addBlocks(cfg *Config, patches [][]patch) {
	needed := make([]bool, len(l.contexts))
	for i := len(l.contexts) - 1; i > 0; i-- {
		c := l.contexts[i]
		if len(patches[i]) == 0 && !needed[i] {
			continue
		}
		needed[i] = true
		needed[c.parent.index] = true
		if c.prev != nil {
			needed[c.prev.index] = true
		}
	}
	place := make([]int, len(l.contexts))
	place[0] = -1
	for i, c := range l.contexts {
		if i == 0 || !needed[i] {
			continue
		}
		place[i] = len(cfg.blocks)
		b := block{cond: c.cond, listen: c.listen, parent: place[c.parent.index], prev: -1, patches: patches[i]}
		if c.prev != nil {
			b.prev = place[c.prev.index]
		}
		cfg.blocks = append(cfg.blocks, b)
	}
}

// Resolve returns the settings in force for r: each directive has the value
// from the last block that matches and sets it. The result is shared between
// requests and must not be modified.
func (c *Config) Resolve(r *Request) *Settings {
	if len(c.blocks) == 0 {
		return &c.base
	}
	v := view{Request: r}
	var buf [maxOnStack]state
	states := buf[:]
	if len(c.blocks) > len(buf) {
		states = make([]state, len(c.blocks))
	}
	res := &c.base
	for i := range c.blocks {
		b := &c.blocks[i]
		switch {
		case b.parent >= 0 && states[b.parent]&matched == 0:
			continue
		case b.prev >= 0 && states[b.prev]&taken != 0:
			states[i] = taken
			continue
		case b.cond != nil && !b.cond.match(&v, b.listen):
			continue
		}
		states[i] = matched | taken
		if len(b.patches) == 0 {
			continue
		}
		if res == &c.base {
			s := c.base
			res = &s
		}
		for _, p := range b.patches {
			p.set(res, p.v)
		}
	}
	return res
}
