package urlrule

import (
	"fmt"
	"strings"
)

// maxRewrites is how often one request can be rewritten, as in lighttpd.
const maxRewrites = 100

// A Rewriting is the rewriting of one request. The zero value is ready for use.
type Rewriting struct {
	n    int
	done bool
}

// Step rewrites target by the first of rules that matches it. If it returns true,
// out is the new target, which starts with "/" but is not normalised: the caller
// does that, evaluates its conditions on it, and calls Step again, with the rules
// that are in force then. It returns false once nothing more is to be done: no
// rule matches, the one that does has an empty template, or a rule without Again
// has been applied before. u and cond are as for [Rules.Apply].
//
// An error means that the rules are wrong: one makes a target that does not start
// with "/", or they go round in a circle, which is to say that a request is
// rewritten more than 100 times. lighttpd then closes the connection without an
// answer; status 500 says the same more clearly.
func (w *Rewriting) Step(rules Rules, target string, u *URL, cond []string) (out string, ok bool, err error) {
	if w.done {
		return "", false, nil
	}
	out, i := rules.Apply(target, u, cond)
	switch {
	case i < 0 || rules[i].To.Empty():
		return "", false, nil
	case w.n == maxRewrites:
		return "", false, fmt.Errorf("rewritten %d times, at last to %q: the rules of url.rewrite-repeat go round in a circle", w.n, target)
	case !strings.HasPrefix(out, "/"):
		return "", false, fmt.Errorf("%q rewritten to %q, which does not start with \"/\"", target, out)
	}
	w.n++
	w.done = !rules[i].Again
	return out, true, nil
}
