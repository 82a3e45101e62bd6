package config

import (
	"errors"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
	"github.com/wstunneld/wstunneld/internal/pattern"
)

// A located pattern is one that the configuration has at pos.
type located struct {
	*pattern.Pattern
	pos syntax.Pos
}

// maxGroups is how many capture groups the pattern of a condition may have: %1
// to %9.
const maxGroups = 9

// pattern compiles v, a string, as a regular expression with at most so many
// capture groups. It reports what is wrong with it.
func (l *loader) pattern(v value, groups int) (*pattern.Pattern, bool) {
	p, err := pattern.Compile(v.text, groups)
	if e := (*pattern.Error)(nil); errors.As(err, &e) {
		l.errorf(v.at(e.Offset), e.Hint, "the pattern %s cannot be used: %s, at its byte %d", quote(v.text), e.Msg, e.Offset+1)
		return nil, false
	}
	l.patterns = append(l.patterns, located{p, v.pos})
	return p, true
}

// OnPatternLimit makes report be called when matching a pattern of the
// configuration was given up, because it took too long or too much memory: with
// the place of the pattern and its text, and at most once a minute for each. It
// must be called before the first Resolve.
func (c *Config) OnPatternLimit(report func(pos syntax.Pos, expr string)) {
	for _, p := range c.patterns {
		p.OnLimit = func() { report(p.pos, p.String()) }
	}
}
