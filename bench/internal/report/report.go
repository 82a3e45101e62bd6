// Package report turns what a benchmark measured into a table (Markdown) and a
// chart (SVG). It measures nothing and reads no files: every number and name comes
// from the caller.
package report

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Report is one run of the benchmark.
type Report struct {
	Facts   []Fact
	Servers []Server
	Rows    []Row
}

// A Fact is a circumstance of the run, such as the kernel's version.
type Fact struct{ Name, Value string }

// A Server is something that was measured.
type Server struct {
	Name    string
	Version string
	Subject bool // what the benchmark is about; the others are there to compare with
}

// A Row is one measured thing, for every server.
type Row struct {
	Metric
	Cells []Cell // in the order of the servers
}

// A Metric is what was measured.
type Metric struct {
	Title  string
	Unit   string
	Lower  bool // the lower the better
	Target Target
}

// A Target is what a subject should reach; a zero field asks for nothing.
type Target struct {
	Times  []Times
	AtMost float64 // in the metric's unit
}

// Times asks for a ratio of at least Least to a server.
type Times struct {
	Server string
	Least  float64
}

// A Cell is what one server reached.
type Cell struct {
	Values []float64 // one per round
	Note   string    // why there are none, or fewer
}

// Median returns the median of the values, and 0 for none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	mid := len(v) / 2
	if len(v)%2 == 1 {
		return v[mid]
	}
	return (v[mid-1] + v[mid]) / 2
}

// Quantile returns the smallest of the values, which must be sorted, that at least
// the share q of them do not exceed, 0 < q ≤ 1.
func Quantile[T any](values []T, q float64) T {
	return values[max(int(math.Ceil(q*float64(len(values)))), 1)-1]
}

// Better says how many times as good as peer a cell is, by the medians: above 1 it
// is better, whether the metric is a rate or a cost. It is 0 if either is missing.
func (m *Metric) Better(c, peer Cell) float64 {
	a, b := Median(c.Values), Median(peer.Values)
	if m.Lower {
		a, b = b, a
	}
	if b == 0 {
		return 0
	}
	return a / b
}

// Met reports whether cell number subject of the row reaches the target. That is
// not known without a target, or if a server that it names was not measured.
func (r *Report) Met(row *Row, subject int) (met, known bool) {
	cell, t := row.Cells[subject], row.Target
	if len(cell.Values) == 0 || t.AtMost == 0 && len(t.Times) == 0 {
		return false, false
	}
	met = t.AtMost == 0 || Median(cell.Values) <= t.AtMost
	for _, times := range t.Times {
		i := r.index(times.Server)
		if i < 0 || len(row.Cells[i].Values) == 0 {
			return false, false
		}
		ratio := math.Round(row.Better(cell, row.Cells[i])*100) / 100 // as it is printed
		met = met && ratio >= times.Least
	}
	return met, true
}

// index returns the index of a server, or -1.
func (r *Report) index(server string) int {
	return slices.IndexFunc(r.Servers, func(s Server) bool { return s.Name == server })
}

// number formats v with three significant digits, and commas between thousands.
func number(v float64) string {
	if v == 0 {
		return "0"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	unit := math.Pow10(-digits)
	s := strconv.FormatFloat(math.Round(v/unit)*unit, 'f', max(digits, 0), 64)
	whole, fraction, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return whole
}

// times formats a ratio.
func times(ratio float64) string {
	return strconv.FormatFloat(ratio, 'f', 2, 64)
}

// least formats a ratio that is asked for.
func least(ratio float64) string {
	return strconv.FormatFloat(ratio, 'f', -1, 64)
}
