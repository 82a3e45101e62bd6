package config_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/wstunneld/wstunneld/internal/config"
)

// novnc returns the published example.
func novnc(t testing.TB) string {
	t.Helper()
	src, err := os.ReadFile("testdata/novnc.txtar")
	if err != nil {
		t.Fatal(err)
	}
	return file(txtar.Parse(src), "lighttpd.conf")
}

func TestPublishedExample(t *testing.T) {
	cfg := mustLoad(t, novnc(t))
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
	if err := cfg.Check(); err != nil {
		t.Errorf("Check: %v", err)
	}
	s := cfg.Resolve(&config.Request{Path: "/websockify"})
	e := s.Wstunnel.Match("/websockify")
	if e == nil || len(e.Hosts) != 1 || e.Hosts[0].Address != "127.0.0.1:5900" || !s.Wstunnel.Binary {
		t.Errorf("/websockify resolves to %+v", s.Wstunnel)
	}
	if s := cfg.Resolve(&config.Request{Path: "/"}); s.Wstunnel.Match("/") != nil {
		t.Errorf("/ resolves to %+v", s.Wstunnel)
	}
}

func TestResolveAllocs(t *testing.T) {
	cfg := mustLoad(t, novnc(t))
	for _, tt := range []struct {
		path string
		want float64
	}{
		{"/", 0},
		{"/websockify", 1},
	} {
		r := &config.Request{Path: tt.path, Host: "example.com", Scheme: "http"}
		if got := testing.AllocsPerRun(100, func() { cfg.Resolve(r) }); got != tt.want {
			t.Errorf("Resolve(%q): %v allocations, want %v", tt.path, got, tt.want)
		}
	}
}

// Resolve gives the same settings to all who ask at the same time.
func TestResolveConcurrently(t *testing.T) {
	cfg := mustLoad(t, `
		$HTTP["url"] =~ "^/(?!x)a" { server.name = "a" server.tag = "1" }
		$HTTP["host"] =~ "^h[0-9]+$" { server.tag = "2" }
		else { server.errorfile-prefix = "3" }`)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				r := &config.Request{Path: "/a", Host: fmt.Sprintf("h%d", j)}
				want := "2"
				if (i+j)%2 == 0 {
					r.Host, want = "other", "1"
				}
				if s := cfg.Resolve(r); s.ServerName != "a" || s.ServerTag != want {
					t.Errorf("host %q: %q and %q, want \"a\" and %q", r.Host, s.ServerName, s.ServerTag, want)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkResolve(b *testing.B) {
	var many strings.Builder
	many.WriteString("server.modules = (\"mod_wstunnel\")\n")
	for i := range 200 {
		fmt.Fprintf(&many, "$HTTP[\"host\"] == \"host%d.example.com\" {\n", i)
		fmt.Fprintf(&many, "wstunnel.server = ( \"/ws\" => ( ( \"port\" => %d ) ) )\n}\n", i+1)
	}
	for _, bm := range []struct {
		name, text, path, host string
	}{
		{"noVNC/file", novnc(b), "/vnc.html", "example.com"},
		{"noVNC/tunnel", novnc(b), "/websockify", "example.com"},
		{"200hosts/none", many.String(), "/ws", "example.com"},
		{"200hosts/last", many.String(), "/ws", "host199.example.com"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			cfg := mustLoad(b, bm.text)
			r := &config.Request{Path: bm.path, Host: bm.host, Scheme: "http", Method: "GET"}
			b.ReportAllocs()
			for b.Loop() {
				cfg.Resolve(r)
			}
		})
	}
}
