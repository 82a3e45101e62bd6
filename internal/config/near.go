package config

import "strings"

// nearest returns the one of names that name is most likely a misspelling of,
// or "". Among equals it is the first in alphabetical order.
func nearest(name string, names []string) string {
	best, least := "", min(3, 1+len(name)/5, len(name)/2)
	for _, n := range names {
		d := min(distance(name, n),
			// The names with and without "server." are mixed up often.
			1+distance(strings.TrimPrefix(name, "server."), strings.TrimPrefix(n, "server.")))
		if d < least || d == least && (best == "" || n < best) {
			best, least = n, d
		}
	}
	return best
}

// distance counts the insertions, deletions, substitutions and swaps of two
// neighbours that turn a into b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			same := 1
			if a[i-1] == b[j-1] {
				same = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+same)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
