package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wstunneld/wstunneld/internal/urlrule"
)

// URLRules are the rules of one url.redirect, or those of all url.rewrite
// directives of one block.
type URLRules struct {
	Rules urlrule.Rules

	around *condition // whose captures %0 to %9 are; nil: there are none
}

// Captures returns what %0 to %9 are in the rules for r, which is the request as
// it was when it was resolved to them. It evaluates the condition again.
func (u *URLRules) Captures(r *Request) []string {
	if u.around == nil {
		return nil
	}
	return u.around.captures(r)
}

// orNil returns u, or nil if it has no rules.
func (u *URLRules) orNil() *URLRules {
	if len(u.Rules) == 0 {
		return nil
	}
	return u
}

// checkRedirect reads the rules of a url.redirect.
func checkRedirect(l *loader, d *Directive, v *typed) {
	v.rules = &URLRules{Rules: l.rules(d, v, false), around: v.block.captor()}
}

// checkRedirectCode replaces the values of url.redirect-code that stand for the
// default by 0.
func checkRedirectCode(l *loader, d *Directive, v *typed) {
	if v.num != 0 && (v.num < 200 || v.num > 999) {
		l.warnf(v.value.pos, "write "+d.Name+" = 302", "%s is %d, which is no final status: the default is used", d.Name, v.num)
		v.num = 0
	}
}

// rules reads the rules of d. It reports what is wrong with them, and leaves
// those out.
func (l *loader) rules(d *Directive, v *typed, again bool) urlrule.Rules {
	var rules urlrule.Rules
	for _, e := range v.value.elems {
		expr := e.key
		if l.normalizesURLs() {
			expr = urlrule.NormalizePattern(expr)
		}
		p, ok := l.pattern(newText(e.pos, expr), urlrule.MaxGroups)
		to, err := urlrule.ParseTemplate(e.value.text)
		if err != nil {
			l.errorf(e.value.pos, "", "the replacement %s in %s cannot be used: %v", quote(e.value.text), d.Name, err)
		}
		if ok && err == nil {
			rules = append(rules, urlrule.Rule{Match: p, To: to, Again: again})
		}
	}
	return rules
}

// A rewritePart is the place of a directive's rules among those of its block.
type rewritePart int

// As lighttpd has them, in whatever order they are written.
const (
	rewriteOnce rewritePart = iota
	rewriteFinal
	rewriteOld
	rewriteRepeat
	rewriteParts // how many there are
)

// A rewriteKey tells the lists of rewrites apart.
type rewriteKey struct {
	block   *context
	notFile bool
}

// rewrites are the rules of the url.rewrite directives of one block. They are
// one list: an inner block that has one of them hides all of an outer block.
type rewrites struct {
	parts [rewriteParts]urlrule.Rules
	URLRules
}

// rewrite reads the rules of d, which are part p of those of its block. The
// result is that of every part: it is complete when all of the block is read.
func (l *loader) rewrite(d *Directive, v *typed, p rewritePart, notFile bool) *URLRules {
	key := rewriteKey{v.block, notFile}
	w := l.rewrites[key]
	if w == nil {
		if l.rewrites == nil {
			l.rewrites = make(map[rewriteKey]*rewrites)
		}
		w = &rewrites{URLRules: URLRules{around: v.block.captor()}}
		l.rewrites[key] = w
	}
	w.parts[p] = l.rules(d, v, p == rewriteRepeat)
	w.Rules = slices.Concat(w.parts[:]...)
	return &w.URLRules
}

// checkAlias reports the keys of an alias.url that can never count, as an
// earlier one fits every path that they fit.
func checkAlias(l *loader, d *Directive, v *typed) {
	for i, e := range v.value.elems {
		for _, before := range v.value.elems[:i] {
			if strings.HasPrefix(e.key, before.key) {
				l.errorf(e.pos, fmt.Sprintf("write it before %s", quote(before.key)),
					"%s in %s is never used, as %s at %v comes first and fits, too", quote(e.key), d.Name, quote(before.key), before.pos)
				break
			}
		}
	}
}

// checkHeader warns of header fields that cannot be sent.
func checkHeader(l *loader, d *Directive, v *typed) {
	for _, e := range v.value.elems {
		if !isToken(e.key) {
			l.warnf(e.pos, "", "%s in %s is left out: it is no name of a header field", quote(e.key), d.Name)
		}
		if strings.ContainsAny(e.value.text, "\r\n") {
			l.warnf(e.value.pos, "write it on one line", "the value of %s in %s has a line end: a space is sent for it", quote(e.key), d.Name)
		}
	}
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2, as the name of
// a header field has to be.
func isToken(s string) bool {
	return s != "" && strings.Trim(fold(s), "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") == ""
}
