package config_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/wstunneld/wstunneld/internal/accesslog"
	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/config/syntax"
	"github.com/wstunneld/wstunneld/internal/forwarded"
	"github.com/wstunneld/wstunneld/internal/pattern"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden loads the lighttpd.conf of each testdata/*.txtar, with the other
// files of the archive around it. The file "want" of the archive is what the
// configuration says: its errors, or else its warnings and all values that
// differ from those of an empty configuration. If there is a file "requests",
// the settings of each request in it that differ from the base follow. If there
// is a file "print", it is what -p prints, and "explained" is what Explain says
// of the errors or warnings.
func TestGolden(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			for _, f := range a.Files {
				write(t, filepath.Join(dir, f.Name), f.Data)
			}
			cfg, err := config.Load("lighttpd.conf", options(dir))
			clean := func(s string) []byte {
				return []byte(strings.ReplaceAll(s, dir, "$DIR"))
			}
			for i, f := range a.Files {
				var got []byte
				switch f.Name {
				case "want":
					got = clean(describe(t, cfg, err, file(a, "requests")))
				case "print":
					var b strings.Builder
					if err := cfg.Print(&b); err != nil {
						t.Fatal(err)
					}
					got = clean(b.String())
				case "explained":
					list := err
					if list == nil {
						list = cfg.Warnings
					}
					got = clean(cfg.Explain(list) + "\n")
				default:
					continue
				}
				if bytes.Equal(got, f.Data) {
					continue
				}
				if *update {
					a.Files[i].Data = got
					continue
				}
				t.Errorf("%s of %s:\n%s\nwant:\n%s", f.Name, name, got, f.Data)
			}
			if *update {
				if err := os.WriteFile(name, txtar.Format(a), 0o666); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// options returns what the tests load configurations in dir with.
func options(dir string) config.LoadOptions {
	return config.LoadOptions{
		Environ:   []string{"SOCK=/run/env.sock", "PORT=7624", "PATH=" + os.Getenv("PATH")},
		Dir:       dir,
		PID:       1,
		ServerTag: "wstunneld/test",
	}
}

// load loads text as a configuration file.
func load(t testing.TB, text string) (*config.Config, error) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "lighttpd.conf"), []byte(text))
	return config.Load("lighttpd.conf", options(dir))
}

// mustLoad loads text, in which there is no mistake.
func mustLoad(t testing.TB, text string) *config.Config {
	t.Helper()
	cfg, err := load(t, text)
	if err != nil {
		t.Fatalf("Load: %v\n%s", err, text)
	}
	return cfg
}

func write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

func file(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// describe returns the result of Load as text.
func describe(t *testing.T, cfg *config.Config, err error, requests string) string {
	t.Helper()
	var b strings.Builder
	if err != nil {
		list := (syntax.ErrorList)(nil)
		if !errors.As(err, &list) || len(list) == 0 {
			t.Fatalf("the error of Load is no list: %v", err)
		}
		fmt.Fprintf(&b, "errors:\n%v\n", list)
		return b.String()
	}
	if len(cfg.Warnings) > 0 {
		fmt.Fprintf(&b, "warnings:\n%v\n\n", cfg.Warnings)
	}
	empty := mustLoad(t, "")
	differences(&b, "server", &empty.Server, &cfg.Server)
	for _, ln := range cfg.Listeners {
		fmt.Fprintf(&b, "listener %s %s (%v)", ln.Network, ln.Address, ln.Pos)
		if ln.SocketPerms != 0 {
			fmt.Fprintf(&b, " mode %v", ln.SocketPerms)
		}
		if ln.HAProxyPROXY {
			b.WriteString(" with PROXY")
		}
		b.WriteString("\n")
	}
	for _, log := range cfg.AccessLogs {
		fmt.Fprintf(&b, "access log %s (%v)\n", logName(log), log.Pos)
	}
	for _, log := range cfg.ErrorLogs {
		fmt.Fprintf(&b, "error log %s (%v)\n", logName(log), log.Pos)
	}
	fmt.Fprintf(&b, "%d exts, %d mimetype.assign in all\n", len(cfg.Exts), len(cfg.MimeAssigns))
	base := cfg.Resolve(&config.Request{})
	differences(&b, "settings", empty.Resolve(&config.Request{}), base)
	for line := range strings.Lines(requests) {
		line = strings.TrimSpace(line)
		fmt.Fprintf(&b, "\n> %s\n", line)
		s := cfg.Resolve(request(t, cfg, line))
		differences(&b, "settings", base, s)
		if e := s.Wstunnel.Match(request(t, cfg, line).Path); e != nil {
			fmt.Fprintf(&b, "match %q\n", e.Key)
		}
	}
	return b.String()
}

// logName returns log as the configuration names it.
func logName(log config.Log) string {
	if log.Command != "" {
		return "|" + log.Command
	}
	return log.File
}

// request reads a request such as
//
//	GET http://host/path?query from=10.0.0.1 on=127.0.0.1:80 Cookie=a
func request(t *testing.T, cfg *config.Config, line string) *config.Request {
	t.Helper()
	words := strings.Fields(line)
	r := &config.Request{Method: words[0], Header: http.Header{}, Listener: cfg.Listeners[0]}
	var rest string
	r.Scheme, rest, _ = strings.Cut(words[1], "://")
	slash := strings.IndexByte(rest, '/')
	r.Host = rest[:slash]
	r.Path, r.Query, _ = strings.Cut(rest[slash:], "?")
	for _, w := range words[2:] {
		k, v, _ := strings.Cut(w, "=")
		switch k {
		case "from":
			r.RemoteAddr = v
			r.RemoteIP, _ = netip.ParseAddr(v)
		case "on":
			i := slices.IndexFunc(cfg.Listeners, func(ln *config.Listener) bool { return ln.Address == v })
			if i < 0 {
				t.Fatalf("%s: no such listener", line)
			}
			r.Listener = cfg.Listeners[i]
		default:
			r.Header.Add(k, v)
		}
	}
	return r
}

// differences writes the fields of the struct got that differ from those of want.
func differences(b *strings.Builder, prefix string, want, got any) {
	w, g := reflect.ValueOf(want).Elem(), reflect.ValueOf(got).Elem()
	for i := range g.NumField() {
		name := prefix + "." + g.Type().Field(i).Name
		if log, ok := g.Field(i).Interface().(config.Log); ok {
			if log != w.Field(i).Interface() {
				fmt.Fprintf(b, "%s: %q (%v)\n", name, logName(log), log.Pos)
			}
			continue
		}
		if g.Field(i).Kind() == reflect.Struct {
			differences(b, name, w.Field(i).Addr().Interface(), g.Field(i).Addr().Interface())
			continue
		}
		if reflect.DeepEqual(w.Field(i).Interface(), g.Field(i).Interface()) {
			continue
		}
		switch v := g.Field(i).Interface().(type) {
		case []*config.Ext:
			fmt.Fprintf(b, "%s:\n", name)
			for _, e := range v {
				exts(b, e)
			}
		case *config.MimeAssign:
			fmt.Fprintf(b, "%s: %q\n", name, v.Pairs)
		case *config.URLRules:
			rules := 0
			if v != nil {
				rules = len(v.Rules)
			}
			fmt.Fprintf(b, "%s: %d rules\n", name, rules)
		case *accesslog.Format:
			fmt.Fprintf(b, "%s: another\n", name)
		case *forwarded.Policy:
			fmt.Fprintf(b, "%s: headers %q, host %v, user %v\n", name, v.Headers, v.Host, v.RemoteUser)
		case *config.Throttle:
			fmt.Fprintf(b, "%s: %+v\n", name, v)
		case []*pattern.Pattern:
			fmt.Fprintf(b, "%s: %d patterns\n", name, len(v))
		case string, []string, []config.KV:
			fmt.Fprintf(b, "%s: %q\n", name, v)
		default:
			fmt.Fprintf(b, "%s: %v\n", name, v)
		}
	}
}

func exts(b *strings.Builder, e *config.Ext) {
	fmt.Fprintf(b, "  %q (%v)\n", e.Key, e.Pos)
	for _, h := range e.Hosts {
		fmt.Fprintf(b, "    %s %s (%v) label %q, connect %v, read %v, write %v, disable %v\n",
			h.Network, h.Address, h.Pos, h.Label, h.ConnectTimeout, h.ReadTimeout, h.WriteTimeout, h.DisableTime)
	}
}
