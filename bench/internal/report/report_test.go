package report_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/bench/internal/report"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMedian(t *testing.T) {
	tests := []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1}, 5},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 100, 1, 2}, 3},
	}
	for _, tt := range tests {
		if got := report.Median(tt.values); got != tt.want {
			t.Errorf("Median(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
}

func TestQuantile(t *testing.T) {
	thousand := make([]int, 1000)
	for i := range thousand {
		thousand[i] = i + 1
	}
	tests := []struct {
		values []int
		q      float64
		want   int
	}{
		{[]int{7}, 0.5, 7},
		{[]int{7}, 0.999, 7},
		{[]int{1, 2}, 0.5, 1},
		{[]int{1, 2, 3}, 0.5, 2},
		{thousand, 0.5, 500},
		{thousand, 0.99, 990},
		{thousand, 0.999, 999},
		{thousand, 1, 1000},
	}
	for _, tt := range tests {
		if got := report.Quantile(tt.values, tt.q); got != tt.want {
			t.Errorf("Quantile(1 … %d, %v) = %d, want %d", len(tt.values), tt.q, got, tt.want)
		}
	}
}

func TestCell(t *testing.T) {
	tests := []struct {
		cell report.Cell
		want string
	}{
		{report.Cell{Note: "failed"}, "failed"},
		{report.Cell{Values: []float64{12}}, "12.0"},
		{report.Cell{Values: []float64{12, 12.01}}, "12.0"},
		{report.Cell{Values: []float64{1, 3, 2}, Note: "failed"}, "2.00 (1.00–3.00); failed"},
		{report.Cell{Values: []float64{21_345, 999.6, 1_234_567}}, "21,300 (1,000–1,230,000)"},
		{report.Cell{Values: []float64{0.01234}}, "0.0123"},
		{report.Cell{Values: []float64{0, -1234}}, "-617 (-1,230–0)"},
	}
	for _, tt := range tests {
		if got := tt.cell.String(); got != tt.want {
			t.Errorf("%+v gives %q, want %q", tt.cell, got, tt.want)
		}
	}
}

func TestMet(t *testing.T) {
	times := func(server string, least float64) report.Target {
		return report.Target{Times: []report.Times{{Server: server, Least: least}}}
	}
	tests := []struct {
		name       string
		metric     report.Metric
		ours       []float64
		theirs     []float64
		met, known bool
	}{
		{"no target", report.Metric{}, []float64{2}, []float64{1}, false, false},
		{"a rate, enough", report.Metric{Target: times("peer", 2)}, []float64{2}, []float64{1}, true, true},
		{"a rate, as printed", report.Metric{Target: times("peer", 2)}, []float64{1.996}, []float64{1}, true, true},
		{"a rate, too low", report.Metric{Target: times("peer", 2)}, []float64{1.9}, []float64{1}, false, true},
		{"a cost, low enough", report.Metric{Lower: true, Target: times("peer", 2)}, []float64{1}, []float64{2}, true, true},
		{"a cost, too high", report.Metric{Lower: true, Target: times("peer", 1)}, []float64{3}, []float64{2}, false, true},
		{"at most, reached", report.Metric{Lower: true, Target: report.Target{AtMost: 1}}, []float64{1}, nil, true, true},
		{"at most, exceeded", report.Metric{Lower: true, Target: report.Target{AtMost: 1}}, []float64{1.1}, nil, false, true},
		{"not measured", report.Metric{Target: report.Target{AtMost: 1}}, nil, []float64{1}, false, false},
		{"peer not measured", report.Metric{Target: times("peer", 1)}, []float64{1}, nil, false, false},
		{"no such peer", report.Metric{Target: times("other", 1)}, []float64{1}, []float64{1}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := report.Report{Servers: []report.Server{{Name: "us", Subject: true}, {Name: "peer"}}}
			row := report.Row{Metric: tt.metric, Cells: []report.Cell{{Values: tt.ours}, {Values: tt.theirs}}}
			if met, known := r.Met(&row, 0); met != tt.met || known != tt.known {
				t.Errorf("Met(%+v) = %v, known %v; want %v, known %v", row, met, known, tt.met, tt.known)
			}
		})
	}
}

// sample has a row of each kind: better, worse, by far, missing.
func sample() *report.Report {
	values := func(v ...float64) report.Cell { return report.Cell{Values: v} }
	return &report.Report{
		Facts: []report.Fact{{Name: "command", Value: "`run -a | b`"}, {Name: "kernel", Value: "Linux 6.1"}},
		Servers: []report.Server{
			{Name: "new", Version: "wstunneld/2", Subject: true},
			{Name: "old", Version: "wstunneld/1", Subject: true},
			{Name: "lighttpd", Version: "lighttpd/1.4.69"},
		},
		Rows: []report.Row{
			{
				Metric: report.Metric{Title: "bulk <down>", Unit: "GB / CPU s", Target: report.Target{Times: []report.Times{{Server: "lighttpd", Least: 8}}}},
				Cells:  []report.Cell{values(9, 10, 11), values(2, 2.1), values(1, 1, 1)},
			},
			{
				Metric: report.Metric{Title: "echo", Unit: "round trips / CPU s", Target: report.Target{Times: []report.Times{{Server: "lighttpd", Least: 1.1}}}},
				Cells:  []report.Cell{values(10_000), values(11_000), values(22_222)},
			},
			{
				Metric: report.Metric{Title: "memory", Unit: "KiB / tunnel", Lower: true, Target: report.Target{AtMost: 1}},
				Cells:  []report.Cell{values(0.5), values(10), values(15.5)},
			},
			{
				Metric: report.Metric{Title: "open", Unit: "tunnels / CPU s"},
				Cells:  []report.Cell{values(5), {Note: "failed"}, {Note: "not asked for"}},
			},
		},
	}
}

func TestMarkdown(t *testing.T) {
	var b strings.Builder
	if err := sample().Markdown(&b, "How to read it.\n"); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.md", b.String())
}

func TestSVG(t *testing.T) {
	var b strings.Builder
	if err := sample().SVG(&b, "new", "lighttpd"); err != nil {
		t.Fatal(err)
	}
	golden(t, "ratios.svg", b.String())
}

func TestSVGWithoutRows(t *testing.T) {
	for _, peer := range []string{"haproxy", "lighttpd"} {
		r := sample()
		r.Rows = r.Rows[3:] // what lighttpd has no value for
		var b strings.Builder
		if err := r.SVG(&b, "new", peer); err == nil || b.Len() > 0 {
			t.Errorf("SVG against %s: %d bytes, %v; want an error alone", peer, b.Len(), err)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", file, got, want)
	}
}
