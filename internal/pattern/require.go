package pattern

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// maxRequired is how many literals are looked for before a match: with more, the
// match itself is as quick.
const maxRequired = 8

// required returns literals of which every match of expr contains at least one.
// Looking for them first is far quicker than a match that fails. There are none
// if expr has no such literals.
func required(expr string) []string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	return literals(re)
}

func literals(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return []string{string(re.Rune)}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return literals(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return literals(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if set := literals(sub); shortest(set) > shortest(best) {
				best = set
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			set := literals(sub)
			if set == nil {
				return nil
			}
			all = append(all, set...)
		}
		if len(all) <= maxRequired {
			return all
		}
	}
	return nil
}

// shortest returns the length of the shortest string of set, 0 if it is empty.
func shortest(set []string) int {
	if len(set) == 0 {
		return 0
	}
	return len(slices.MinFunc(set, func(a, b string) int { return len(a) - len(b) }))
}

// containsAny reports whether s contains one of set.
func containsAny(s string, set []string) bool {
	for _, lit := range set {
		if strings.Contains(s, lit) {
			return true
		}
	}
	return false
}
