package config

import (
	"maps"
	"sync"
	"sync/atomic"
)

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
		if len(b.patches) > 0 {
			res = c.derive(res, i)
		}
	}
	return res
}

// maxDerived is how many settings a configuration keeps. Requests mostly agree in
// the conditions that match, and each tunnel holds the settings it began with.
const maxDerived = 1024

// A derivation is the step from one settings to the next, by the patches of a
// block.
type derivation struct {
	from  *Settings
	block int
}

// derived holds the settings that are kept. The map is replaced when one is added.
type derived struct {
	kept atomic.Pointer[map[derivation]*Settings]
	mu   sync.Mutex // of whoever adds
}

// derive returns from with the patches of a block.
func (c *Config) derive(from *Settings, block int) *Settings {
	d := derivation{from, block}
	if kept := c.derived.kept.Load(); kept != nil && (*kept)[d] != nil {
		return (*kept)[d]
	}
	s := *from
	for _, p := range c.blocks[block].patches {
		p.set(&s, p.v)
	}
	return c.derived.keep(d, &s)
}

// keep returns the settings that are kept of d, which are s if there is room.
func (k *derived) keep(d derivation, s *Settings) *Settings {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := make(map[derivation]*Settings)
	if kept := k.kept.Load(); kept != nil {
		if (*kept)[d] != nil {
			return (*kept)[d]
		}
		if len(*kept) == maxDerived {
			return s
		}
		maps.Copy(next, *kept)
	}
	next[d] = s
	k.kept.Store(&next)
	return s
}
