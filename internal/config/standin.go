package config

import "github.com/wstunneld/wstunneld/internal/pattern"

// pattern compiles v. It reports what is wrong with it.
func (l *loader) pattern(v value) (*pattern.Pattern, bool) {
	p, err := pattern.Compile(v.text)
	if err != nil {
		l.errorf(v.pos, "", "%v", err)
	}
	return p, err == nil
}

// captor returns the condition whose captures %0 to %9 are in the block c.
func (c *context) captor() *condition {
	for ; c != nil; c = c.parent {
		if c.cond != nil {
			return c.cond
		}
	}
	return nil
}

// captures returns what %0 to %9 stand for in the block of c.
func (c *condition) captures(r *Request) []string {
	text := r.Path
	if c.field == hostField {
		text = r.Host
	}
	p, err := pattern.Compile(c.text)
	if err != nil {
		return nil
	}
	caps, _ := p.Captures(text)
	return caps
}
