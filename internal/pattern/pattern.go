// Package pattern compiles and matches the regular expressions of lighttpd's
// configuration, which are those of PCRE.
//
// Package regexp takes most of them, and cannot be made slow. For the rest, with
// look-around and back-references, there is a library that backtracks; a limit
// bounds what one match can take. What PCRE has beyond both is an error. Where
// patterns stand in a configuration, and what they are matched with, is the
// business of package config.
package pattern

import (
	"fmt"
	"regexp"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
)

const (
	limit = 100 * time.Millisecond // of one match by backtracking
	quiet = time.Minute            // between two calls of OnLimit
)

// A Pattern is a compiled regular expression. It matches anywhere in a string
// unless it is anchored, and tells upper from lower case. It is safe for
// concurrent use, once its fields are set.
type Pattern struct {
	// OnLimit is called when a match was given up because it took more than 100
	// ms or too much memory, but at most once a minute. Nil calls nothing.
	OnLimit func()

	Now func() time.Time // nil: time.Now

	expr string
	re   *regexp.Regexp  // or else
	back *regexp2.Regexp // this one

	required []string // unless empty, every match of re contains one of these

	mu     sync.Mutex
	called time.Time // when OnLimit was called last
}

// Compile compiles expr, which may have so many capture groups. The error is an
// [*Error].
func Compile(expr string, maxGroups int) (*Pattern, error) {
	if !utf8.ValidString(expr) {
		return nil, &Error{Expr: expr, Offset: invalidUTF8(expr), Msg: "it is not UTF-8"}
	}
	p := &Pattern{expr: expr}
	var err error
	if p.re, err = regexp.Compile(expr); err == nil {
		p.required = required(expr)
		return p.limited(p.re.NumSubexp(), maxGroups)
	}
	var problem *Error
	if p.back, problem = compileBack(expr); problem != nil {
		return nil, explain(expr, err, problem)
	}
	p.back.MatchTimeout = limit
	return p.limited(len(p.back.GetGroupNumbers())-1, maxGroups)
}

// limited returns p, or an error if so many capture groups are too many.
func (p *Pattern) limited(groups, maxGroups int) (*Pattern, error) {
	if groups <= maxGroups {
		return p, nil
	}
	return nil, &Error{
		Expr:   p.expr,
		Offset: groupAt(p.expr, maxGroups+1),
		Msg:    fmt.Sprintf("it has %d capture groups, more than %d", groups, maxGroups),
		Hint:   "write (?:…) for a group whose text is not needed",
	}
}

// String returns the expression that p was compiled from.
func (p *Pattern) String() string { return p.expr }

// Match reports whether s contains a match of p. One that runs into the limit
// counts as none, as it does in PCRE with its own limits.
func (p *Pattern) Match(s string) bool {
	if p.re != nil {
		return (len(p.required) == 0 || containsAny(s, p.required)) && p.re.MatchString(s)
	}
	ok, err := p.back.MatchString(s)
	if err != nil {
		p.exceeded()
	}
	return ok && err == nil
}

// Captures returns the first match of p in s and what its groups matched there:
// caps[0] is the whole match, and a group that took no part in it is "".
func (p *Pattern) Captures(s string) (caps []string, ok bool) {
	if p.re != nil {
		caps = p.re.FindStringSubmatch(s)
		return caps, caps != nil
	}
	m, err := p.back.FindStringMatch(s)
	if err != nil {
		p.exceeded()
	}
	if err != nil || m == nil {
		return nil, false
	}
	for _, g := range m.Groups() {
		caps = append(caps, g.String())
	}
	return caps, true
}

// exceeded calls OnLimit, unless it did a short time ago.
func (p *Pattern) exceeded() {
	if p.OnLimit == nil {
		return
	}
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	p.mu.Lock()
	t := now()
	due := p.called.IsZero() || t.Sub(p.called) >= quiet
	if due {
		p.called = t
	}
	p.mu.Unlock()
	if due {
		p.OnLimit()
	}
}
