package config_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

func TestMain(m *testing.M) {
	// The clock of matches by backtracking ends by itself, a while after the last.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock"))
}

func TestLoadStdin(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "more.conf"), []byte(`server.tag = "more"`))
	o := options(dir)
	o.Stdin = strings.NewReader("server.name = \"stdin\"\ninclude \"more.conf\"\n")
	cfg, err := config.Load("-", o)
	if err != nil {
		t.Fatal(err)
	}
	if s := cfg.Resolve(&config.Request{}); s.ServerName != "stdin" || s.ServerTag != "more" {
		t.Errorf("server.name %q and server.tag %q, want \"stdin\" and \"more\"", s.ServerName, s.ServerTag)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sub", "big.conf"), bytes.Repeat([]byte("# a comment\n"), 3<<20))
	tests := []struct {
		name, want string
		stdin      io.Reader
	}{
		{"missing.conf", `missing.conf:1:1: "missing.conf" cannot be read: no such file or directory`, nil},
		{"sub", `sub:1:1: "sub" is a directory: name the files in it, such as "sub/*.conf"`, nil},
		{"sub/big.conf", `sub/big.conf:1:1: "sub/big.conf" is larger than 32 MiB`, nil},
		{"-", `-:1:1: the configuration on standard input cannot be read: broken`, iotest.ErrReader(errors.New("broken"))},
		{"-", `-:1:1: unexpected`, strings.NewReader(")")},
	}
	for _, tt := range tests {
		o := options(dir)
		o.Stdin = tt.stdin
		cfg, err := config.Load(tt.name, o)
		if err == nil || len(cfg.Warnings) != 0 || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("Load(%q): %v, want %s", tt.name, err, tt.want)
		}
	}
}

// Relative names are relative to the directories that they say, not to that of
// the test.
func TestIncludeDirectories(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"etc/lighttpd.conf": `x = "" include "a.conf" include "./b.conf" include "../c.conf" include "d[[]/*.conf" server.name = x`,
		"etc/a.conf":        `x += "a"`,
		"work/b.conf":       `x += "b" include "a2.conf"`,
		"etc/a2.conf":       `x += "2"`,
		"c.conf":            `x += "c"`,
		"etc/d[/e.conf":     `x += "d"`,
	} {
		write(t, filepath.Join(dir, name), []byte(text))
	}
	o := options(filepath.Join(dir, "work"))
	for _, name := range []string{"../etc/lighttpd.conf", filepath.Join(dir, "etc/lighttpd.conf")} {
		cfg, err := config.Load(name, o)
		if err != nil {
			t.Fatal(err)
		}
		if got := cfg.Resolve(&config.Request{}).ServerName; got != "ab2cd" {
			t.Errorf("Load(%q) includes %q, want \"ab2cd\"", name, got)
		}
	}
}

// Braces cannot stand for more names than a machine can try.
func TestIncludeBraces(t *testing.T) {
	for _, tt := range []struct {
		name string
		want string // of the error; "": none
	}{
		{strings.Repeat("{a,b}", 9) + "*", ""},
		{strings.Repeat("{a,b}", 400), "the braces stand for more than 1000 names"},
		{strings.Repeat("{", 5000), "the name of the file to include is longer than 4096 bytes"},
		{"{}*", ""},
		{"{a*", ""},
	} {
		_, err := load(t, `include "`+tt.name+`"`)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("include %.40q: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// A command that includes itself again and again is stopped.
func TestIncludeShellDepth(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "lighttpd.conf"), []byte(`include "self"`))
	write(t, filepath.Join(dir, "self"), []byte(`include_shell "cat self"`))
	_, err := config.Load("lighttpd.conf", options(dir))
	const want = "cat self:1:15: more than 100 files include each other: look for an include that leads back to itself"
	if err == nil || err.Error() != want {
		t.Errorf("Load: %v, want %s", err, want)
	}
}

// The commands have the environment of LoadOptions, and no other.
func TestIncludeShellEnvironment(t *testing.T) {
	t.Setenv("WSTUNNELD_TEST", "of the test")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "lighttpd.conf"), []byte(`include_shell "echo \"server.name = '$WSTUNNELD_TEST'\" | tr \' '\"'"`))
	for _, env := range [][]string{nil, {"WSTUNNELD_TEST=given", "PATH=" + os.Getenv("PATH")}} {
		cfg, err := config.Load("lighttpd.conf", config.LoadOptions{Dir: dir, Environ: env})
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		if env != nil {
			want = "given"
		}
		if got := cfg.Resolve(&config.Request{}).ServerName; got != want {
			t.Errorf("with %q: server.name %q, want %q", env, got, want)
		}
	}
}

// What the commands write to stderr is passed on.
func TestIncludeShellStderr(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "lighttpd.conf"), []byte(`include_shell "echo complaint >&2"`))
	o := options(dir)
	var stderr bytes.Buffer
	o.Stderr = &stderr
	if _, err := config.Load("lighttpd.conf", o); err != nil {
		t.Fatal(err)
	}
	if got := stderr.String(); got != "complaint\n" {
		t.Errorf("stderr is %q, want \"complaint\\n\"", got)
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // the start of each error
	}{
		{"all is there", `
			server.document-root = "/nowhere"
			server.modules = ("mod_wstunnel")
			$SERVER["socket"] == "localhost:81" { }
			wstunnel.server = ("" => (("host" => "localhost"), ("host" => "::1"), ("socket" => "/x")))`, nil},
		{"no document root", ``, []string{"lighttpd.conf:1:1: server.document-root is not set"}},
		{"document root in a condition only", `$HTTP["url"] == "/" { server.document-root = "/x" }`,
			[]string{"lighttpd.conf:1:1: server.document-root is not set"}},
		{"names without an address", "server.document-root = \"/x\"\nserver.bind = \"a.invalid\"\n" +
			"server.modules = (\"mod_wstunnel\")\nwstunnel.server = (\"\" => ((\"host\" => \"b.invalid\")))",
			[]string{`lighttpd.conf:2:15: the name "a.invalid" has no address: `, `lighttpd.conf:4:27: the name "b.invalid" has no address: `}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := mustLoad(t, tt.text).Check()
			var list syntax.ErrorList
			if err != nil && !errors.As(err, &list) {
				t.Fatalf("the error is no list: %v", err)
			}
			ok := len(list) == len(tt.want)
			for i := 0; ok && i < len(list); i++ {
				ok = strings.HasPrefix(list[i].Error(), tt.want[i])
			}
			if !ok {
				t.Errorf("Check: %v, want %q", err, tt.want)
			}
		})
	}
}

type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestPrintError(t *testing.T) {
	if err := mustLoad(t, novnc(t)).Print(fullWriter{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("Print to a full disk: %v, want %v", err, io.ErrShortWrite)
	}
}
