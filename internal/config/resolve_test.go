package config_test

import (
	"fmt"
	"net/http"
	"net/netip"
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
	for _, path := range []string{"/", "/websockify"} {
		r := &config.Request{Path: path, Host: "example.com", Scheme: "http"}
		if got := testing.AllocsPerRun(100, func() { cfg.Resolve(r) }); got != 0 {
			t.Errorf("Resolve(%q): %v allocations, want none", path, got)
		}
	}
}

// Requests for which the same conditions hold share their settings, and those for
// which others do have their own, however many combinations there are.
func TestResolveShares(t *testing.T) {
	const conditions = 11 // more combinations than are kept
	var conf strings.Builder
	for i := range conditions {
		fmt.Fprintf(&conf, "$HTTP[\"query-string\"] =~ \"%c\" { server.tag = \"%c\" }\n", 'a'+i, 'a'+i)
	}
	cfg := mustLoad(t, conf.String())
	shared := 0
	for round := range 2 {
		for bits := range 1 << conditions {
			query, last := "", cfg.Resolve(&config.Request{}).ServerTag
			for i := range conditions {
				if bits>>i&1 == 1 {
					last = string(rune('a' + i))
					query += last
				}
			}
			r := &config.Request{Query: query}
			got := cfg.Resolve(r)
			if got.ServerTag != last {
				t.Fatalf("Resolve(%q), round %d: tag %q, want %q", query, round, got.ServerTag, last)
			}
			if got == cfg.Resolve(r) {
				shared++
			}
		}
	}
	if shared < 1024 || shared > 2*(1024+1) {
		t.Errorf("%d of %d requests share their settings, want about 1024 in each of 2 rounds", shared, 2<<conditions)
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

// mixed returns a configuration of 200 conditions of all kinds, as one grows for
// many sites: regexes, hosts, addresses, paths, headers, nested blocks and else
// chains. For mixedRequest, one block of each kind changes a setting.
func mixed() string {
	var b strings.Builder
	b.WriteString("server.modules = (\"mod_wstunnel\")\n")
	for i := range 20 { // 10 conditions each
		fmt.Fprintf(&b, `
			$HTTP["host"] == "host%[1]d.example.com" { server.name = "host" }
			else $HTTP["host"] =~ "^(www|app)[0-9]*\.site%[1]d\.(com|net)$" {
				server.name = "site"
				$HTTP["url"] =~ "^/ws(/|$)" { wstunnel.server = ( "/ws" => ( ( "port" => %[2]d ) ) ) }
				else $HTTP["url"] == "/metrics" { server.range-requests = "disable" }
				else { server.tag = "site" }
			}
			else $HTTP["host"] =$ ".zone%[1]d.example.com" { server.name = "zone" }
			$HTTP["remote-ip"] == "10.%[1]d.0.0/16" { server.max-read-idle = %[2]d }
			else $HTTP["remote-ip"] == "2001:db8:%[1]d::/48" { server.max-read-idle = %[2]d }
			$HTTP["url"] =~ "^/app%[1]d/(?!private|internal)[a-z]+" { wstunnel.ping-interval = %[2]d }
			$HTTP["url"] =^ "/static%[1]d/" { server.max-write-idle = %[2]d }
			$HTTP["user-agent"] =~ "(Old|Bad)(Bot|Crawler)/%[1]d\." { server.tag = "bot" }
			`, i, i+1)
	}
	return b.String()
}

func mixedRequest() *config.Request {
	return &config.Request{
		Path: "/app19/room", Host: "www.site19.com", Scheme: "http", Method: "GET",
		RemoteAddr: "10.19.1.2", RemoteIP: netip.MustParseAddr("10.19.1.2"),
		Header: http.Header{"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}},
	}
}

// The common request costs its answer alone; no request of many conditions costs
// more than a few allocations, whatever its headers are.
func TestResolveAllocsMany(t *testing.T) {
	cfg := mustLoad(t, mixed())
	repeated := mixedRequest()
	repeated.Host = "WWW.Site19.com.:8080" // ports count for patterns
	repeated.Header["User-Agent"] = []string{"OldBot", "/19."}
	for _, tt := range []struct {
		name string
		r    *config.Request
		want string // server.name
		max  float64
	}{
		{"all kinds match", mixedRequest(), "site", 1},
		{"nothing matches", &config.Request{Path: "/x", Host: "x"}, "", 0},
		{"upper case and repeated headers", repeated, "", 5},
	} {
		// This also allocates what the engines keep.
		if s := cfg.Resolve(tt.r); s.ServerName != tt.want {
			t.Errorf("%s: server.name %q, want %q", tt.name, s.ServerName, tt.want)
		}
		if got := testing.AllocsPerRun(100, func() { cfg.Resolve(tt.r) }); got > tt.max && !raceDetector {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.max)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	var hosts strings.Builder
	hosts.WriteString("server.modules = (\"mod_wstunnel\")\n")
	for i := range 200 {
		fmt.Fprintf(&hosts, "$HTTP[\"host\"] == \"host%d.example.com\" {\n", i)
		fmt.Fprintf(&hosts, "wstunnel.server = ( \"/ws\" => ( ( \"port\" => %d ) ) )\n}\n", i+1)
	}
	request := func(path, host string) *config.Request {
		return &config.Request{Path: path, Host: host, Scheme: "http", Method: "GET"}
	}
	for _, bm := range []struct {
		name, text string
		r          *config.Request
	}{
		{"noVNC/file", novnc(b), request("/vnc.html", "example.com")},
		{"noVNC/tunnel", novnc(b), request("/websockify", "example.com")},
		{"200hosts/none", hosts.String(), request("/ws", "example.com")},
		{"200hosts/last", hosts.String(), request("/ws", "host199.example.com")},
		{"200mixed/none", mixed(), request("/index.html", "example.com")},
		{"200mixed/all", mixed(), mixedRequest()},
	} {
		b.Run(bm.name, func(b *testing.B) {
			cfg := mustLoad(b, bm.text)
			b.ReportAllocs()
			for b.Loop() {
				cfg.Resolve(bm.r)
			}
		})
	}
}
