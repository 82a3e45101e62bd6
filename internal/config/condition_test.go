package config_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

// holds reports whether the condition cond holds for r.
func holds(t *testing.T, cond string, r *config.Request) bool {
	t.Helper()
	cfg := mustLoad(t, cond+` { server.name = "yes" }`)
	return cfg.Resolve(r).ServerName == "yes"
}

func TestConditions(t *testing.T) {
	header := http.Header{
		"User-Agent": {"curl/8"}, "Referer": {"http://r/"}, "Accept-Language": {"de"},
		"Cookie": {"a=1", "b=2"}, "X-Two": {"1", "2"}, "X-Empty": {""},
	}
	tests := []struct {
		cond string
		r    config.Request
		want bool
	}{
		{`$HTTP["url"] == "/a"`, config.Request{Path: "/a"}, true},
		{`$HTTP["url"] == "/a"`, config.Request{Path: "/A"}, false},
		{`$HTTP["url"] != "/a"`, config.Request{Path: "/A"}, true},
		{`$HTTP["url"] != "/a"`, config.Request{Path: "/a"}, false},
		{`$HTTP["url"] =^ "/a"`, config.Request{Path: "/ab"}, true},
		{`$HTTP["url"] =^ "/a"`, config.Request{Path: "/b/a"}, false},
		{`$HTTP["url"] =$ "a"`, config.Request{Path: "/b/a"}, true},
		{`$HTTP["url"] =$ "a"`, config.Request{Path: "/ab"}, false},
		{`$HTTP["url"] =~ "b+"`, config.Request{Path: "/abba"}, true},
		{`$HTTP["url"] =~ "b+"`, config.Request{Path: "/aa"}, false},
		{`$HTTP["url"] !~ "b+"`, config.Request{Path: "/aa"}, true},
		{`$HTTP["url"] !~ "b+"`, config.Request{Path: "/b"}, false},
		{`$HTTP["url"] !~ "^/b"`, config.Request{Path: "/b"}, false},
		{`$HTTP["url"] =~ ""`, config.Request{}, true},

		// What -p prints as another operator is the same test.
		{`$HTTP["url"] =~ "^/a"`, config.Request{Path: "/ab"}, true},
		{`$HTTP["url"] =~ "^/a"`, config.Request{Path: "/b/a"}, false},
		{`$HTTP["url"] =~ "a$"`, config.Request{Path: "/b/a"}, true},
		{`$HTTP["url"] =~ "^/a$"`, config.Request{Path: "/a"}, true},
		{`$HTTP["url"] =~ "^/a$"`, config.Request{Path: "/ab"}, false},
		{`$HTTP["url"] =~ "\.js$"`, config.Request{Path: "/a.js"}, true},
		{`$HTTP["url"] =~ "\.js$"`, config.Request{Path: "/ajs"}, false},

		// PCRE beyond regexp.
		{`$HTTP["url"] =~ "^/api/(?!auth|ai)"`, config.Request{Path: "/api/x"}, true},
		{`$HTTP["url"] =~ "^/api/(?!auth|ai)"`, config.Request{Path: "/api/auth"}, false},
		{`$HTTP["url"] !~ "^/api/(?!auth|ai)"`, config.Request{Path: "/api/auth"}, true},
		{`$HTTP["url"] =~ "(?<=/)a(?=b)"`, config.Request{Path: "/ab"}, true},
		{`$HTTP["url"] =~ "^/(.)\1$"`, config.Request{Path: "/aa"}, true},
		{`$HTTP["url"] =~ "^/(.)\1$"`, config.Request{Path: "/ab"}, false},
		{`$HTTP["url"] =~ "^/(?P<x>.)(?P=x)$"`, config.Request{Path: "/aa"}, true},
		{`$HTTP["url"] =~ "^/(?P<x>.)(?P=x)$"`, config.Request{Path: "/ab"}, false},
		{`$HTTP["url"] =~ "(?!x)^/[[:alpha:]]+$"`, config.Request{Path: "/ab"}, true},
		{`$HTTP["url"] =~ "(?!x)^/[[:alpha:]]+$"`, config.Request{Path: "/a:"}, false},
		{`$HTTP["url"] =~ "(?!x)^/[][:digit:]]+$"`, config.Request{Path: "/]1"}, true},
		{`$HTTP["url"] =~ "(?!x)^/[^]a]+$"`, config.Request{Path: "/b]"}, false},
		{`$HTTP["url"] =~ "(?!x)^/[Z-[]+$"`, config.Request{Path: "/Z["}, true},
		{`$HTTP["url"] =~ "(?!x)^/[-[a]+$"`, config.Request{Path: "/a[-"}, true},
		{`$HTTP["url"] =~ "(?!x)^/\d[\d]\w[\w]$"`, config.Request{Path: "/12a_"}, true},
		{`$HTTP["url"] =~ "(?!x)^/\d$"`, config.Request{Path: "/٣"}, false},
		{`$HTTP["url"] =~ "(?!x)^/\W$"`, config.Request{Path: "/é"}, true},
		{`$HTTP["url"] =~ "(?!x)^/\Q[[:alpha:]\E"`, config.Request{Path: "/[[:alpha:]"}, true},
		{`$HTTP["url"] =~ "^/a++a"`, config.Request{Path: "/aaa"}, false},
		{`$HTTP["url"] =~ "^/a{1001}$"`, config.Request{Path: "/" + strings.Repeat("a", 1001)}, true},

		{`$HTTP["host"] == "a"`, config.Request{Host: "A"}, true},
		{`$HTTP["host"] == "A"`, config.Request{Host: "a"}, true},
		{`$HTTP["host"] != "A"`, config.Request{Host: "a"}, false},
		{`$HTTP["host"] =^ "WWW."`, config.Request{Host: "www.a"}, true},
		{`$HTTP["host"] =$ ".DE"`, config.Request{Host: "www.de"}, true},
		{`$HTTP["host"] =~ "^A."`, config.Request{Host: "ab"}, false}, // a pattern is taken as it is
		{`$HTTP["host"] =~ "^[a]$"`, config.Request{Host: "A"}, true},
		{`$HTTP["host"] =~ "^[a]$"`, config.Request{Host: "a:81"}, false}, // and sees the port
		{`$HTTP["host"] =~ "^A"`, config.Request{Host: "ab"}, true},       // but this is =^ "A"
		{`$HTTP["host"] =~ "^a$"`, config.Request{Host: "a:81"}, true},    // and this == "a"
		{`$HTTP["host"] == "a"`, config.Request{Host: "a:80", Scheme: "http"}, true},
		{`$HTTP["host"] =$ "a"`, config.Request{Host: "a:80", Scheme: "http"}, true},
		{`$HTTP["host"] =$ "a"`, config.Request{Host: "a:80", Scheme: "https"}, false},
		{`$HTTP["host"] =$ "a"`, config.Request{Host: "a:443", Scheme: "https"}, true},
		{`$HTTP["host"] == "a"`, config.Request{Host: "a:8080", Scheme: "http"}, true},
		{`$HTTP["host"] != "a"`, config.Request{Host: "a:8080", Scheme: "http"}, false},
		{`$HTTP["host"] == "a:8080"`, config.Request{Host: "a", Scheme: "http"}, true},
		{`$HTTP["host"] == "a:8080"`, config.Request{Host: "a:8080", Scheme: "http"}, true},
		{`$HTTP["host"] == "a:8080"`, config.Request{Host: "a:8081", Scheme: "http"}, false},
		{`$HTTP["host"] == "a"`, config.Request{Host: "b:8080"}, false},
		{`$HTTP["host"] == "one.test"`, config.Request{Host: "one.test."}, true},
		{`$HTTP["host"] == "one.test:81"`, config.Request{Host: "one.test.:81"}, true},
		{`$HTTP["host"] == "[::1]"`, config.Request{Host: "[::1]:81"}, true},
		{`$HTTP["host"] == "[::1]:81"`, config.Request{Host: "[::1]"}, true},
		{`$HTTP["host"] == "[::2]"`, config.Request{Host: "[::1]"}, false},

		{`$HTTP["remote-ip"] == "10.0.0.1"`, from("10.0.0.1"), true},
		{`$HTTP["remote-ip"] == "10.0.0.1"`, from("10.0.0.10"), false},
		{`$HTTP["remoteip"] != "10.0.0.1"`, from("10.0.0.10"), true},
		{`$HTTP["remote-ip"] == "10.1.2.3/8"`, from("10.9.9.9"), true},
		{`$HTTP["remote-ip"] != "10.0.0.0/8"`, from("10.9.9.9"), false},
		{`$HTTP["remote-ip"] == "10.0.0.0/8"`, from("11.0.0.0"), false},
		{`$HTTP["remote-ip"] == "0.0.0.0/0"`, from("203.0.113.9"), true},
		{`$HTTP["remote-ip"] == "::/0"`, from("2001:db8::1"), true},
		{`$HTTP["remote-ip"] == "0.0.0.0/0"`, from("2001:db8::1"), false},
		{`$HTTP["remote-ip"] == "10.0.0.0/8"`, from("::ffff:10.1.1.1"), true},
		{`$HTTP["remote-ip"] == "::ffff:10.0.0.0/104"`, from("10.1.1.1"), true},
		{`$HTTP["remote-ip"] == "2001:DB8:0::1"`, from("2001:db8::1"), true},
		{`$HTTP["remote-ip"] == "[2001:db8::1]"`, from("2001:db8::1"), true},
		{`$HTTP["remote-ip"] == "[2001:db8::]/32"`, from("2001:db8:1::1"), true},
		{`$HTTP["remote-ip"] == "fe80::/10"`, from("fe80::1%eth0"), true},
		{`$HTTP["remote-ip"] == "10.0.0.1"`, config.Request{RemoteAddr: "/run/x"}, false},
		{`$HTTP["remote-ip"] != "10.0.0.1"`, config.Request{RemoteAddr: "/run/x"}, true},
		{`$HTTP["remote-ip"] == "/run/x"`, config.Request{RemoteAddr: "/run/x"}, true},
		{`$HTTP["remote-ip"] == "/run/x"`, from("10.0.0.1"), false},
		{`$HTTP["remote-ip"] =~ "^10\."`, from("10.0.0.1"), true},
		{`$HTTP["remote-ip"] =~ "^10.0.0.1$"`, from("10.0.0.1"), true},
		{`$HTTP["remote-ip"] =~ "^10$"`, from("10.0.0.1"), false}, // not ==, which takes an address
		{`$HTTP["remote-ip"] =^ "10."`, from("10.0.0.1"), true},
		{`$HTTP["remote-ip"] =$ ".1"`, from("10.0.0.2"), false},

		{`$HTTP["query-string"] == "a=1"`, config.Request{Query: "a=1"}, true},
		{`$HTTP["querystring"] == ""`, config.Request{}, true},
		{`$HTTP["request-method"] == "GET"`, config.Request{Method: "GET"}, true},
		{`$HTTP["request-method"] == "get"`, config.Request{Method: "GET"}, false},
		{`$HTTP["scheme"] == "https"`, config.Request{Scheme: "https"}, true},
		{`$HTTP["user-agent"] =^ "curl"`, config.Request{Header: header}, true},
		{`$HTTP["useragent"] =^ "curl"`, config.Request{Header: header}, true},
		{`$HTTP["referer"] == "http://r/"`, config.Request{Header: header}, true},
		{`$HTTP["language"] == "de"`, config.Request{Header: header}, true},
		{`$HTTP["cookie"] == "a=1; b=2"`, config.Request{Header: header}, true},
		{`$REQUEST_HEADER["x-TWO"] == "1, 2"`, config.Request{Header: header}, true},
		{`$REQUEST_HEADER["X-Empty"] == ""`, config.Request{Header: header}, true},
		{`$REQUEST_HEADER["X-Missing"] == ""`, config.Request{Header: header}, true},
		{`$REQUEST_HEADER["X-Missing"] != ""`, config.Request{}, false},
		{`$REQUEST_HEADER["Host"] == "A:1"`, config.Request{Host: "A:1"}, true},
	}
	for _, tt := range tests {
		if got := holds(t, tt.cond, &tt.r); got != tt.want {
			t.Errorf("%s is %v for %+v, want %v", tt.cond, got, tt.r, tt.want)
		}
	}
}

func from(addr string) config.Request {
	return config.Request{RemoteAddr: addr, RemoteIP: netip.MustParseAddr(addr)}
}

// Each branch of an else chain needs that no earlier one matched, and each
// nested block that those around it did: against a direct evaluation, for all
// combinations of four tests.
func TestChains(t *testing.T) {
	cfg := mustLoad(t, `
		$HTTP["query-string"] =~ "a" {
			server.name = "a"
			$HTTP["query-string"] =~ "b" { server.name = "ab" }
			else $HTTP["query-string"] =~ "c" {
				$HTTP["query-string"] =~ "d" { server.name = "acd" }
			}
			else { server.name = "a-" }
		}
		else $HTTP["query-string"] =~ "b" { server.name = "b" }
		else {
			server.name = "-"
			$HTTP["query-string"] =~ "c" { } else $HTTP["query-string"] =~ "d" { server.name = "-d" }
		}`)
	for i := range 16 {
		var q string
		has := make(map[string]bool)
		for j, s := range []string{"a", "b", "c", "d"} {
			if i>>j&1 == 1 {
				q += s
				has[s] = true
			}
		}
		want := "-"
		switch {
		case has["a"] && has["b"]:
			want = "ab"
		case has["a"] && has["c"] && has["d"]:
			want = "acd"
		case has["a"] && has["c"]:
			want = "a"
		case has["a"]:
			want = "a-"
		case has["b"]:
			want = "b"
		case !has["c"] && has["d"]:
			want = "-d"
		}
		if got := cfg.Resolve(&config.Request{Query: q}).ServerName; got != want {
			t.Errorf("query %q: server.name %q, want %q", q, got, want)
		}
	}
}

// More conditions than fit on the stack are evaluated alike.
func TestManyConditions(t *testing.T) {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "$HTTP[\"url\"] == \"/%d\" { server.name = \"%d\" }\n", i, i)
	}
	cfg := mustLoad(t, b.String())
	for _, want := range []string{"0", "255", "256", "999"} {
		if got := cfg.Resolve(&config.Request{Path: "/" + want}).ServerName; got != want {
			t.Errorf("path /%s: server.name %q, want %q", want, got, want)
		}
	}
}

// %0 to %9 are of the innermost condition around a directive that says what is
// there.
func TestCaptures(t *testing.T) {
	const text = `
		$HTTP["url"] =~ "^/(a+)(b)?(c)?" {                        # 1
			$HTTP["host"] =~ "^(.)ost" {                          # 2
				$HTTP["query-string"] != "x" { x = 1 }            # 3
				else { x = 1 }                                    # 4
				$HTTP["query-string"] !~ "(y)" { x = 1 }          # 5
			}
			else $HTTP["host"] == "NAME" { x = 1 }                # 6
			else { $HTTP["scheme"] == "http" { x = 1 } }          # 7, 8
			$HTTP["query-string"] =~ "^plain" { x = 1 }           # 9
			$HTTP["remote-ip"] == "10.0.0.0/8" { x = 1 }          # 10
			$SERVER["socket"] =^ "0.0" { x = 1 }                  # 11
			$HTTP["url"] =~ "(?!x)(d)(e)?" { x = 1 }              # 12
		}
		$SERVER["socket"] == ":80" { x = 1 }                      # 13
		$HTTP["host"] != "a" { x = 1 }                            # 14
		$HTTP["cookie"] =$ "=1" { x = 1 }                         # 15
		$HTTP["host"] == "name:81" { x = 1 }                      # 16`
	cfg := mustLoad(t, text)
	header := http.Header{"Cookie": {"a=1", "b=1"}}
	tests := []struct {
		block int
		r     config.Request
		want  []string
	}{
		{1, config.Request{Path: "/aabx"}, []string{"/aab", "aa", "b", ""}},
		{1, config.Request{Path: "/x"}, nil},
		{2, config.Request{Path: "/a", Host: "HOST:80", Scheme: "http"}, []string{"host", "h"}},
		{3, config.Request{Path: "/a", Host: "host"}, []string{"host", "h"}},
		{4, config.Request{Path: "/a", Host: "host", Query: "x"}, []string{"host", "h"}},
		{5, config.Request{Path: "/a", Host: "host"}, []string{"host", "h"}},
		{6, config.Request{Path: "/a", Host: "Name:8080"}, []string{"name"}},
		{6, config.Request{Path: "/a", Host: "other"}, nil},
		{7, config.Request{Path: "/a"}, []string{"/a", "a", "", ""}},
		{8, config.Request{Path: "/a", Scheme: "http"}, []string{"http"}},
		{9, config.Request{Query: "plainly"}, []string{"plain"}},
		{10, from("10.1.2.3"), []string{"10.1.2.3"}},
		{10, from("11.1.2.3"), nil},
		{11, config.Request{Listener: cfg.Listeners[0]}, []string{"0.0"}},
		{11, config.Request{}, nil},
		{12, config.Request{Path: "/ad"}, []string{"d", "d", ""}},
		{13, config.Request{Listener: cfg.Listeners[0]}, []string{"0.0.0.0:80"}},
		{14, config.Request{Host: "b"}, nil},
		{15, config.Request{Header: header}, []string{"=1"}},
		{16, config.Request{Host: "name"}, []string{"name:81"}},
	}
	for _, tt := range tests {
		if got := cfg.Captures(tt.block, &tt.r); !slices.Equal(got, tt.want) {
			t.Errorf("captures in block %d of %+v: %q, want %q", tt.block, tt.r, got, tt.want)
		}
	}
}

// A pattern that backtracks without end is given up, counts as no match, and is
// reported with its place.
func TestOnPatternLimit(t *testing.T) {
	cfg := mustLoad(t, `
		slow = "^/(?!b)(a|aa)+$"
		$HTTP["url"] =~ slow { server.name = "yes" }
		else $HTTP["url"] !~ "^/x" { server.name = "no" }`)
	var reports []string
	cfg.OnPatternLimit(func(pos syntax.Pos, expr string) { reports = append(reports, fmt.Sprint(pos, " ", expr)) })
	start := time.Now()
	for range 2 {
		if s := cfg.Resolve(&config.Request{Path: "/" + strings.Repeat("a", 100) + "!"}); s.ServerName != "no" {
			t.Errorf("server.name %q, want \"no\"", s.ServerName)
		}
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("two requests took %v", d)
	}
	if want := []string{"lighttpd.conf:3:19 ^/(?!b)(a|aa)+$"}; !slices.Equal(reports, want) {
		t.Errorf("reports %q, want %q", reports, want)
	}
}
