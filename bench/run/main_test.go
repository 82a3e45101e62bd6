//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	o, err := parse([]string{"-wstunneld", "new=/n", "-wstunneld", "/o", "-scenarios", "open, down-1", "-rounds", "3", "-haproxy", "off", "-out", "r.md", "-svg", "r.svg"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if want := []named{{"new", "/n"}, {"wstunneld", "/o"}}; !slices.Equal(o.wstunneld, want) {
		t.Errorf("servers %v, want %v", o.wstunneld, want)
	}
	if got, want := names(o.scenarios), []string{"open", "down-1"}; !slices.Equal(got, want) {
		t.Errorf("scenarios %v, want %v", got, want)
	}
	if o.rounds != 3 || o.haproxy != "off" || o.lighttpd != "" {
		t.Errorf("%d rounds, haproxy %q, lighttpd %q; want 3, off, nothing", o.rounds, o.haproxy, o.lighttpd)
	}
}

func TestParseMistakes(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-rounds 0", "above zero"},
		{"-time -1s", "above zero"},
		{"-scenarios open,shut", `no scenario "shut"`},
		{"-wstunneld /a -wstunneld /b", `two are named "wstunneld"`},
		{"-out /nowhere/r.md", "no place for /nowhere/r.md"},
		{"open", `unexpected argument "open"`},
	}
	for _, tt := range tests {
		if _, err := parse(strings.Fields(tt.args), io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("parse %q: error %v, want one with %q", tt.args, err, tt.want)
		}
	}
}

func TestScenarioNamesDiffer(t *testing.T) {
	all := names(scenarios)
	slices.Sort(all)
	if unique := slices.Compact(slices.Clone(all)); len(unique) != len(all) {
		t.Errorf("scenarios %v, want different ones", all)
	}
}

// quick are limits for a test that measures nothing of use.
func quick(t *testing.T) limits {
	t.Helper()
	l := limits{
		measured: 100 * time.Millisecond,
		warmup:   20 * time.Millisecond,
		settle:   40 * time.Millisecond,
		patience: 15 * time.Second,
		tunnels:  20,
	}
	var err error
	if l.descriptors, err = raiseDescriptors(); err != nil {
		t.Fatal(err)
	}
	return l
}

// wstunneld builds one and returns it.
func wstunneld(t *testing.T) *server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wstunneld")
	if err := build(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	return &server{name: "wstunneld", path: path, subject: true, command: lighttpdCommand()}
}

// Every scenario runs, with few tunnels and for a short time, and what it measured
// is in the table and the chart.
func TestScenarios(t *testing.T) {
	dir := t.TempDir()
	us := wstunneld(t)
	peer := *us // stands in for lighttpd, so that there is a chart
	peer.name, peer.subject = "lighttpd", false
	o := &options{
		limits:    quick(t),
		rounds:    1,
		scenarios: scenarios,
		out:       filepath.Join(dir, "results.md"),
		svg:       filepath.Join(dir, "ratios.svg"),
	}
	var progress strings.Builder
	b := newBench(o, []*server{us, &peer}, &progress)
	for _, step := range []func(context.Context) error{
		b.verify, b.measure, func(context.Context) error { return b.write() },
	} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if b.failed {
		t.Errorf("something failed:\n%s", &progress)
	}
	text, err := os.ReadFile(o.out)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range b.report.Rows {
		if !strings.Contains(string(text), "| "+row.Title+" | "+row.Unit+" | ") {
			t.Errorf("%s has no row %q", o.out, row.Title)
		}
		for i, c := range row.Cells {
			if len(c.Values) != 1 {
				t.Errorf("%s, %s: %d values, want one for the one round", row.Title, b.servers[i].name, len(c.Values))
			} else if v := c.Values[0]; v <= 0 && !strings.HasPrefix(row.Title, "memory") { // so few tunnels are lost in the rest
				t.Errorf("%s, %s: %v, want more than zero", row.Title, b.servers[i].name, v)
			}
		}
	}
	if chart, err := os.ReadFile(o.svg); err != nil || !strings.Contains(string(chart), "bulk backend → client, 1 tunnel") {
		t.Errorf("chart: %v, or without the first scenario:\n%s", err, chart)
	}
}

// However a section ends, its server does too.
func TestServerEndsWithSection(t *testing.T) {
	srv := wstunneld(t)
	failure := errors.New("failure")
	ctx, cancel := context.WithCancelCause(t.Context())
	tests := []struct {
		name string
		run  func(*section) ([]float64, error)
		want string
	}{
		{"it succeeds", func(*section) ([]float64, error) { return []float64{1}, nil }, ""},
		{"it fails", func(*section) ([]float64, error) { return nil, failure }, "failure"},
		{"the load fails", func(s *section) ([]float64, error) {
			s.group.Go(func() error { return failure })
			return nil, sleep(s.ctx, time.Minute)
		}, "failure"},
		{"the server is killed", func(s *section) ([]float64, error) {
			syscall.Kill(s.tree.Root, syscall.SIGKILL)
			return nil, sleep(s.ctx, time.Minute)
		}, "has ended by itself (signal: killed)"},
		{"it is interrupted", func(s *section) ([]float64, error) {
			cancel(errors.New("interrupted"))
			return nil, sleep(s.ctx, time.Minute)
		}, "interrupted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pid := 0
			_, err := runSection(ctx, quick(t), srv, func(s *section) ([]float64, error) {
				pid = s.tree.Root
				if err := syscall.Kill(pid, 0); err != nil {
					t.Errorf("the server is not there: %v", err)
				}
				return tt.run(s)
			})
			if got := text(err); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("error %q, want %q", got, tt.want)
			}
			if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
				t.Errorf("process %d: %v, want that it has ended", pid, err)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestServerDoesNotStart(t *testing.T) {
	srv := &server{name: "sh", path: "/bin/sh", command: func(setup) ([]string, error) {
		return []string{"-c", "echo no configuration; exit 3"}, nil
	}}
	_, err := runSection(t.Context(), quick(t), srv, func(*section) ([]float64, error) { return nil, nil })
	if want := "sh has ended by itself (exit status 3): no configuration"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestPace(t *testing.T) {
	const n = 20
	start := time.Now()
	due := func(k int) time.Time { return start.Add(time.Duration(k) * 200 * time.Microsecond) }
	sent := 0
	err := pace(t.Context(), n, due, func(k int) error {
		if k != sent || time.Now().Before(due(k)) {
			t.Errorf("message %d sent as number %d, %v before it is due", k, sent, time.Until(due(k)))
		}
		sent++
		return nil
	})
	if err != nil || sent != n {
		t.Errorf("%d messages sent, %v; want %d", sent, err, n)
	}
}
