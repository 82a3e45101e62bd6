// Package urlrule applies the rules of lighttpd's url.redirect and url.rewrite
// directives: a pattern for the target of a request, and a template for the URL
// to put in its place.
//
// It knows neither directives nor conditions nor regular expressions: the
// caller brings compiled patterns and the captures of a condition, and says
// which rules are in force. What a target is, decoded and normalised, is the
// caller's business, too.
package urlrule

import "net/http"

// MaxGroups is how many capture groups the pattern of a rule can have, as in
// lighttpd; a template reaches those behind the ninth as ${10} to ${19}.
const MaxGroups = 19

// A Matcher is a compiled regular expression.
type Matcher interface {
	// Captures returns the first match in s and its groups: caps[0] is the whole
	// match, and a group that took no part in it is empty. ok is false if there
	// is no match.
	Captures(s string) (caps []string, ok bool)
}

// A Rule is a pattern and what to put in the place of a target that it matches.
type Rule struct {
	Match Matcher
	To    Template
	Again bool // of url.rewrite-repeat: the new target is looked at again
}

// Rules are the rules of one directive, or of the url.rewrite directives of one
// block: first those of rewrite-once, then those of rewrite-repeat, in whatever
// order the two are written. The rules of an inner block replace those of the
// blocks around it, also where one has rewrite-once and the other rewrite-repeat.
type Rules []Rule

// A URL is what a template can take of the URL of a request.
type URL struct {
	Scheme    string // "http" or "https"
	Authority string // as the client named it, without a default port
	Port      int    // of the listener
	Path      string // as in the target
	Query     string // without "?"
}

// Apply returns what the first rule that matches target makes of it, and the
// index of that rule, or -1 if none matches. u must not be nil; cond are the
// captures of the condition around the rules.
//
// out is a URL or a target of visible ASCII characters: everything else that a
// capture or a part of u brings along is percent-encoded, so that out can be
// sent in a header. It is empty if the template is (lighttpd: look no further,
// and change nothing), or if nothing has come of the captures that it asks for:
// there is nowhere to redirect to in either case.
func (r Rules) Apply(target string, u *URL, cond []string) (out string, i int) {
	for i := range r {
		if caps, ok := r[i].Match.Captures(target); ok {
			return r[i].To.expand(u, caps, cond), i
		}
	}
	return "", -1
}

// RedirectStatus returns the status of a redirect: code, which is the value of
// url.redirect-code; if that is not a final status of three digits, 301 for
// GET, HEAD and HTTP/1.0, which does not know 308, and else 308, which keeps the
// method.
func RedirectStatus(code int, method string, http10 bool) int {
	switch {
	case code >= 200 && code <= 999:
		return code
	case http10 || method == http.MethodGet || method == http.MethodHead:
		return http.StatusMovedPermanently
	}
	return http.StatusPermanentRedirect
}
