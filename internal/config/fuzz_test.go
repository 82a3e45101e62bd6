package config_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

// FuzzLoad states that Load takes any text: it gives a configuration that can be
// used, and that can be printed and loaded again, or errors that have a place and
// a text.
func FuzzLoad(f *testing.F) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file(a, "lighttpd.conf"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		// No commands, and no files but those of the test.
		if strings.Contains(text, "include_shell") || strings.Contains(text, "include") && strings.Contains(text, "/") {
			return
		}
		dir := t.TempDir()
		write(t, filepath.Join(dir, "lighttpd.conf"), []byte(text))
		write(t, filepath.Join(dir, "a.conf"), []byte("a += \"1\"\n"))
		cfg, err := config.Load("lighttpd.conf", config.LoadOptions{Dir: dir})
		if err != nil {
			var list syntax.ErrorList
			if !errors.As(err, &list) || len(list) == 0 {
				t.Fatalf("the error is no list: %v", err)
			}
			checkErrors(t, text, list)
			return
		}
		checkErrors(t, text, cfg.Warnings)
		for _, ln := range cfg.Listeners {
			r := &config.Request{Path: "/ws", Host: "Example.com:80", Scheme: "http", Listener: ln}
			if s := cfg.Resolve(r); s == nil {
				t.Fatal("Resolve: nil")
			} else if e := s.Wstunnel.Match(r.Path); e != nil && len(e.Hosts) == 0 {
				t.Fatalf("Match: no hosts in %+v", e)
			}
		}
		checkReload(t, print(t, cfg))
	})
}

// checkErrors reports errors without a place or a text, and those with the mark
// that package fmt leaves where a verb does not fit.
func checkErrors(t *testing.T, text string, list syntax.ErrorList) {
	for _, e := range list {
		if e.Pos.File == "" || e.Pos.Line < 1 || e.Pos.Col < 1 || e.Msg == "" ||
			strings.Contains(e.Error(), "%!") && !strings.Contains(text, "%!") {
			t.Errorf("bad error: %+v", e)
		}
	}
}
