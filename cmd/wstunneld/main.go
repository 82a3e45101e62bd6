// Command wstunneld is a server that joins WebSockets to plain byte streams, as
// lighttpd's mod_wstunnel does, from the same configuration.
//
// Usage:
//
//	wstunneld -f FILE     serve
//	wstunneld -tt -f FILE check the configuration
//	wstunneld demo        show what it does, with nothing to set up
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/demo"
	"github.com/wstunneld/wstunneld/internal/server"
)

const (
	version   = "0.1.0"
	serverTag = "wstunneld/" + version
)

// Exit codes, as lighttpd has them.
const (
	exitOK     = 0
	exitForced = 1   // stopped by a second signal, with tunnels still open
	exitFailed = 255 // did not start, or a check found errors
)

type cli struct {
	File       []string `short:"f" sep:"none" placeholder:"FILE" help:"Read the configuration from FILE; - is standard input."`
	Foreground bool     `short:"D" help:"Stay in the foreground (always done: supervisors do the rest today)."`
	Test       int      `short:"t" type:"counter" help:"Check the configuration's text and print \"Syntax OK\"; -tt also checks what a start needs, and prints nothing."`
	Print      bool     `short:"p" help:"Print the configuration as it was understood."`
	Modules    string   `short:"m" placeholder:"DIR" help:"Accepted for lighttpd's sake: there are no loadable modules."`
	Version    bool     `short:"v" help:"Print the version."`
	Features   bool     `short:"V" help:"Print the version and what this build can do."`

	Serve struct{} `cmd:"" default:"1" hidden:""`
	Demo  struct {
		Listen string `placeholder:"ADDRESS" default:"${demo_listen}" help:"Address to serve the demo on (${default}; a free port if that one is taken)."`
	} `cmd:"" help:"Serve a page whose console and bulk transfer travel through a tunnel, on embedded parts."`
}

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is the whole program. It returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var c cli
	exited := -1
	parser := kong.Must(&c,
		kong.Name("wstunneld"),
		kong.Help(help),
		kong.Vars{"demo_listen": demo.DefaultListen},
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
	)
	kctx, err := parser.Parse(args)
	if exited >= 0 { // -h
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "wstunneld: %v: see wstunneld -h\n", err)
		return exitFailed
	}
	switch {
	case kctx.Command() == "demo":
		return c.demo(stdout, stderr)
	case c.Version:
		fmt.Fprintf(stdout, "wstunneld/%s - WebSocket tunnels to plain byte streams\n", version)
		return exitOK
	case c.Features:
		c.features(stdout)
		return exitOK
	case len(c.File) == 0:
		fmt.Fprintln(stderr, "wstunneld: no configuration: name one with -f FILE, or try: wstunneld demo")
		return exitFailed
	case len(c.File) > 1:
		fmt.Fprintln(stderr, "wstunneld: -f is given more than once: name one file, and include the others from there")
		return exitFailed
	}
	return c.serve(stdin, stdout, stderr)
}

// serve loads the configuration, and checks, prints or serves it.
func (c *cli) serve(stdin io.Reader, stdout, stderr io.Writer) int {
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintf(stderr, "wstunneld: %v\n", err)
		return exitFailed
	}
	uid := os.Geteuid() // at the start: it may change
	load := func() (*config.Config, error) {
		return config.Load(c.File[0], config.LoadOptions{
			Stdin:     stdin,
			Stderr:    stderr,
			Environ:   os.Environ(),
			Dir:       dir,
			PID:       os.Getpid(),
			UID:       uid,
			ServerTag: serverTag,
		})
	}
	cfg, err := load()
	for _, w := range cfg.Warnings {
		fmt.Fprintf(stderr, "warning: %s\n", cfg.Explain(w))
	}
	if err != nil {
		fmt.Fprintln(stderr, cfg.Explain(err))
		return exitFailed
	}
	if c.Print {
		if err := cfg.Print(stdout); err != nil {
			fmt.Fprintf(stderr, "wstunneld: printing the configuration: %v\n", err)
			return exitFailed
		}
	}
	if c.Test != 1 && !(c.Print && c.Test == 0) {
		if err := cfg.Check(); err != nil {
			fmt.Fprintln(stderr, cfg.Explain(err))
			return exitFailed
		}
	}
	if c.Test == 1 {
		fmt.Fprintln(stdout, "Syntax OK")
	}
	if c.Test > 0 || c.Print {
		return exitOK
	}
	// Tunnels allocate when they open and hardly afterwards: collecting sooner costs
	// no time that can be measured, and leaves less memory beside theirs.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(40)
	}
	signals := catchSignals() // before anybody is told that the server runs
	defer signals.stop()
	s, err := server.New(cfg, server.Options{Stderr: stderr})
	if err != nil {
		fmt.Fprintln(stderr, explain(cfg, err))
		return exitFailed
	}
	reload := func() (*config.Config, error) {
		if c.File[0] == "-" {
			return nil, errors.New("it came from standard input: name a file with -f to load it again")
		}
		cfg, err := load()
		if err == nil {
			err = cfg.Check()
		}
		return cfg, err
	}
	if err := s.Run(signals.watch(s.ReopenLogs, func() { s.Reload(reload) })); err != nil {
		fmt.Fprintf(stderr, "wstunneld: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// explain returns err, or each error that it joins, as cfg explains it.
func explain(cfg *config.Config, err error) string {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return cfg.Explain(err)
	}
	var lines []string
	for _, e := range joined.Unwrap() {
		lines = append(lines, explain(cfg, e))
	}
	return strings.Join(lines, "\n")
}

func (c *cli) demo(stdout, stderr io.Writer) int {
	signals := catchSignals()
	defer signals.stop()
	if err := demo.Run(signals.watch(func() {}, func() {}), stdout, c.Demo.Listen, serverTag); err != nil {
		fmt.Fprintf(stderr, "wstunneld demo: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// help prints the help. Kong would begin it as if a command were the usual thing.
func help(o kong.HelpOptions, ctx *kong.Context) error {
	if ctx.Selected() == nil || ctx.Selected().Name == "serve" {
		fmt.Fprint(ctx.Stdout, `Usage: wstunneld -f FILE [-D]     serve
       wstunneld -tt -f FILE      check the configuration
       wstunneld demo [flags]     show what it does, with nothing to set up

A server that joins WebSockets to plain byte streams, from a lighttpd
configuration with mod_wstunnel. It ends with 0 after a stop, 1 if a second
signal cut the first one short, and 255 if it did not start or a check failed.

`)
		o.NoAppSummary = true
	}
	return kong.DefaultHelpPrinter(o, ctx)
}

func (c *cli) features(w io.Writer) {
	fmt.Fprintf(w, `wstunneld/%s (%s, %s/%s)

Tunnels   WebSocket (RFC 6455) over HTTP/1.1 to TCP and Unix sockets
Requests  access, alias, redirect, rewrite, setenv, error pages and handlers, throttling
Files     index files, listings, types, ETag, ranges, expiry times
Proxies   the client by X-Forwarded-For, Forwarded and the PROXY protocol
Logs      access log in lighttpd's formats, error log; files, commands, syslog
Process   reload at SIGUSR1, unprivileged user, chroot, limits
Language  lighttpd's, with includes, variables, conditions and regular expressions
`, version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
