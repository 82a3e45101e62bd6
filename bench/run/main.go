//go:build linux

// Command run measures what tunnels cost: wstunneld, lighttpd, websockify and, as
// the reference for what a proxy can do at all, haproxy passing TCP through.
//
//	go run ./bench/run
//
// It starts each server on loopback, one at a time, round by round, and is itself
// the client and the backend. What it counts is the CPU time and memory of the
// server alone, children included. It writes a table and a chart.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/wstunneld/wstunneld/bench/internal/load"
	"github.com/wstunneld/wstunneld/bench/internal/report"
)

const module = "github.com/wstunneld/wstunneld"

// options are what the flags say.
type options struct {
	limits
	rounds     int
	scenarios  []scenario
	wstunneld  []named
	lighttpd   string
	websockify string
	haproxy    string
	out, svg   string
}

type named struct{ name, path string }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parse parses the flags. A mistake is written to stderr, too.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{scenarios: scenarios, limits: limits{
		measured: 2 * time.Second,
		warmup:   500 * time.Millisecond,
		settle:   2 * time.Second,
		patience: 90 * time.Second,
	}}
	f := flag.NewFlagSet("bench/run", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Func("wstunneld", "`[NAME=]PATH` of a wstunneld, may be repeated to compare several (default: build ./cmd/wstunneld)", func(v string) error {
		name, path, ok := strings.Cut(v, "=")
		if !ok {
			name, path = "wstunneld", v
		}
		if slices.ContainsFunc(o.wstunneld, func(n named) bool { return n.name == name }) {
			return fmt.Errorf("two are named %q: write NAME=PATH", name)
		}
		o.wstunneld = append(o.wstunneld, named{name, path})
		return nil
	})
	const peer = "`PATH`; \"off\" leaves it out (default: what is installed)"
	f.StringVar(&o.lighttpd, "lighttpd", "", peer)
	f.StringVar(&o.websockify, "websockify", "", peer)
	f.StringVar(&o.haproxy, "haproxy", "", peer)
	f.Func("scenarios", "comma-separated `NAMES`, of: "+strings.Join(names(scenarios), " ")+" (default: all)", func(v string) (err error) {
		o.scenarios, err = choose(strings.Split(v, ","))
		return err
	})
	f.IntVar(&o.rounds, "rounds", 5, "how often everything is measured")
	f.DurationVar(&o.measured, "time", o.measured, "how long each server is measured in each scenario and round")
	f.StringVar(&o.out, "out", "bench/RESULTS.md", "write the table to `FILE`")
	f.StringVar(&o.svg, "svg", "bench/ratios.svg", "write the chart to `FILE`")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: see -h", f.Arg(0))
	}
	if o.rounds < 1 || o.measured <= 0 {
		return nil, errors.New("-rounds and -time must be above zero")
	}
	for _, file := range []string{o.out, o.svg} { // better now than when all is measured
		if _, err := os.Stat(filepath.Dir(file)); err != nil {
			return nil, fmt.Errorf("no place for %s: %w", file, err)
		}
	}
	o.patience += o.measured
	return o, nil
}

func names(s []scenario) (names []string) {
	for i := range s {
		names = append(names, s[i].name)
	}
	return names
}

// choose returns the scenarios of those names.
func choose(wanted []string) (chosen []scenario, err error) {
	for _, name := range wanted {
		i := slices.Index(names(scenarios), strings.TrimSpace(name))
		if i < 0 {
			return nil, fmt.Errorf("no scenario %q", name)
		}
		chosen = append(chosen, scenarios[i])
	}
	return chosen, nil
}

// run is the whole program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.descriptors, err = raiseDescriptors(); err != nil {
		return err
	}
	// A tunnel takes two descriptors, here as in the servers. lighttpd accepts no
	// more when nine tenths of its own are in use.
	o.tunnels = o.descriptors*9/20 - 100
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	servers, err := o.servers(ctx, dir, stderr)
	if err != nil {
		return err
	}
	b := newBench(o, servers, stdout)
	b.report.Facts = facts(o, args)
	if err := b.verify(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	if err := b.write(); err != nil {
		return err
	}
	if b.failed {
		return errors.New("some of it failed; see above")
	}
	return nil
}

// servers finds the servers to measure, and builds wstunneld into dir if none is
// named.
func (o *options) servers(ctx context.Context, dir string, stderr io.Writer) ([]*server, error) {
	if len(o.wstunneld) == 0 {
		path := filepath.Join(dir, "wstunneld")
		if err := build(ctx, path); err != nil {
			return nil, err
		}
		o.wstunneld = []named{{"wstunneld", path}}
	}
	var servers []*server
	for _, w := range o.wstunneld {
		path, err := filepath.Abs(w.path)
		if err != nil {
			return nil, err
		}
		servers = append(servers, &server{
			name: w.name, path: path, version: wstunneldVersion(path), subject: true, command: lighttpdCommand(),
		})
	}
	for _, p := range []struct {
		server
		flag        string
		versionArgs []string
	}{
		{server{name: "lighttpd", command: lighttpdCommand("-D")}, o.lighttpd, []string{"-v"}},
		{server{name: "haproxy", command: haproxyCommand, protocol: load.Plain}, o.haproxy, []string{"-v"}},
		{server{name: "websockify", command: websockifyCommand, most: 100}, o.websockify, nil},
	} {
		path, err := findPeer(p.name, p.flag)
		if err != nil {
			return nil, err
		}
		if path == "" {
			fmt.Fprintf(stderr, "%s is left out: not wanted or not found\n", p.name)
			continue
		}
		p.path = path
		if p.versionArgs != nil {
			p.version = firstLine(path, p.versionArgs...)
		} else {
			p.version = websockifyVersion()
		}
		servers = append(servers, &p.server)
	}
	return servers, nil
}

// A bench is a run of all scenarios with all servers.
type bench struct {
	*options
	servers []*server
	out     io.Writer // progress
	report  report.Report
	failed  bool
}

func newBench(o *options, servers []*server, out io.Writer) *bench {
	b := &bench{options: o, servers: servers, out: out}
	for _, s := range servers {
		b.report.Servers = append(b.report.Servers, report.Server{Name: s.name, Version: s.version, Subject: s.subject})
	}
	for i := range o.scenarios {
		for _, m := range o.scenarios[i].metrics {
			if o.scenarios[i].tunnels > o.tunnels {
				m.Title += fmt.Sprintf(" (only %s here)", thousands(o.tunnels))
			}
			b.report.Rows = append(b.report.Rows, report.Row{Metric: m, Cells: make([]report.Cell, len(servers))})
		}
	}
	return b
}

// verify checks what each server does with the bytes; one that alters them makes
// the run fail, but not end.
func (b *bench) verify(ctx context.Context) error {
	for _, s := range b.servers {
		verdict := "every byte arrives as it was sent"
		_, err := runSection(ctx, b.limits, s, verify)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			b.failed = true
			verdict = "FAILED: " + err.Error()
		}
		fmt.Fprintf(b.out, "%-12s contents: %s\n", s.name, verdict)
		b.report.Facts = append(b.report.Facts, report.Fact{Name: "contents, " + s.name, Value: verdict})
	}
	return nil
}

// measure fills the report. The servers take turns within each scenario, and the
// one that begins changes from round to round.
func (b *bench) measure(ctx context.Context) error {
	for round := range b.rounds {
		row := 0
		for i := range b.scenarios {
			sc := &b.scenarios[i]
			rows := b.report.Rows[row:][:len(sc.metrics)]
			row += len(sc.metrics)
			for turn := range b.servers {
				at := (round + turn) % len(b.servers)
				if err := b.measureOne(ctx, round, sc, at, rows); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// measureOne measures one scenario with one server, whose cells in rows take the
// values. The error is that of ctx; any other becomes a note in the cells.
func (b *bench) measureOne(ctx context.Context, round int, sc *scenario, at int, rows []report.Row) error {
	s := b.servers[at]
	if s.most > 0 && sc.tunnels > s.most {
		for i := range rows {
			rows[i].Cells[at].Note = "not asked for"
		}
		return nil
	}
	values, err := runSection(ctx, b.limits, s, sc.run)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fmt.Fprintf(b.out, "round %d of %d  %-11s %-12s", round+1, b.rounds, sc.name, s.name)
	if err != nil {
		b.failed = true
		fmt.Fprintf(b.out, " failed: %v\n", err)
		for i := range rows {
			rows[i].Cells[at].Note = "failed"
		}
		return nil
	}
	for i, v := range values {
		rows[i].Cells[at].Values = append(rows[i].Cells[at].Values, v)
		fmt.Fprintf(b.out, " %.4g %s ", v, rows[i].Unit)
	}
	fmt.Fprintln(b.out)
	return nil
}

// write writes the table, and the chart if there is something to draw.
func (b *bench) write() error {
	var text strings.Builder
	if err := b.report.Markdown(&text, reading); err != nil {
		return err
	}
	if err := os.WriteFile(b.options.out, []byte(text.String()), 0o644); err != nil {
		return err
	}
	fmt.Fprintln(b.out, "wrote", b.options.out)
	var chart strings.Builder
	if err := b.report.SVG(&chart, b.servers[0].name, "lighttpd"); err != nil {
		fmt.Fprintln(b.out, "no chart:", err)
		return nil
	}
	if err := os.WriteFile(b.svg, []byte(chart.String()), 0o644); err != nil {
		return err
	}
	fmt.Fprintln(b.out, "wrote", b.svg)
	return nil
}

// reading is what a reader of the results has to know.
const reading = `
"CPU s" is a second of processor time of the server, children included. The clients and backends, one program that is not counted, share the
machine with it. All is on loopback, over TCP on both sides; each value comes from a server freshly started.

- lighttpd and wstunneld read the same configuration, with one tunnel to a TCP port, long timeouts and no access log.
- haproxy passes TCP through and knows no frames: its clients send and count the payload alone, without handshake, header, mask and close
  frame. It splices always, through pipes of 1 MiB. It shows what moving the bytes costs, and does less than the others.
- websockify starts a process for each tunnel, and is asked for no more than 100 at a time.
- Of its frames with a 16-bit length, lighttpd 1.4.69 refuses those with bit 11 set, such as 2048 to 4095 bytes; none of that kind is sent.
- Bulk data counts payload, 1 GB = 10⁹ bytes. Frames from the client carry random masks.
- Echo: each client sends its next message when the last one has come back. With a rate offered, message k is due at k/rate seconds, over
  all tunnels in turn, and latency counts from then; it contains the client's and the backend's own.
- Memory is the proportional set size (PSS) over that of the same server after one tunnel. Idle tunnels have carried one message each way.
  Stuck ones have a client that never reads and a backend that sends on, both with 64 KiB socket buffers; the kernel's part is that of all
  TCP sockets of the machine, at both ends of the two connections, without pipes.
`
