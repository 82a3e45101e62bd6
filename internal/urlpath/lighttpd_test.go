package urlpath_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wstunneld/wstunneld/internal/lighttpdtest"
	"github.com/wstunneld/wstunneld/internal/urlpath"
)

// Why we differ from lighttpd.
const (
	method  = "the caller knows the method"
	noPath  = "RFC 9110 section 4.2.3: an empty path is /"
	notUTF8 = "safer: lighttpd looks only for bytes that UTF-8 does not have"
	ignored = "bug: lighttpd escapes the backslash before it looks for one"
	rawCtrl = "safer: lighttpd shows control characters that are not escaped"
	zeros   = "a port with leading zeros is a port like any other"
	digits  = "bug: a port has digits alone"
	zone    = "a zone means something on the client alone"
	compat  = "glibc writes such addresses with an IPv4 address in them"
)

type targetRow struct{ target, differs string }

func rows(targets ...string) (rs []targetRow) {
	for _, t := range targets {
		rs = append(rs, targetRow{target: t})
	}
	return rs
}

// TestTargetLighttpd asks lighttpd what it makes of request targets, under
// options. In a target, HOST stands for the host of the request.
func TestTargetLighttpd(t *testing.T) {
	common := rows("/a%41", "/a%2f%2fb", "/a%2fb", "/a/../b", "/a//b", "/a/./b", "/a%2e%2fb", "/a%01", "/a?%0a", "/a\x01", "/a%ff", "/a?\xff", "/a%zz", "/a\"%22",
		"/a#b", "/a?b%20c+d d", "/a?%41%7E%2f", "/a%2f?b#", "/a%25%2f", "/a\xc3\xa9%c3%a9", "/a%2f../b", "/a%21%24%26%27%28%29%2a%2b%2c%3b%3d%3a%40%5b",
		"/a?%21%24%26%27%28%29%2a%2b%2c%3b%3d%3a%40%5b%3f%23%25", "/a?a/..//b", "/a%3fb%23c", "/a%20b%2bc d+e", "/a?x%00", "/a?%7f", "/%2541", "/a?%2541")
	differ := func(rs []targetRow, why string, targets ...string) []targetRow {
		rs = slices.Clone(rs)
		for i := range rs {
			for _, target := range targets {
				if rs[i].target == target {
					rs[i].differs = why
				}
			}
		}
		return rs
	}
	tests := []struct {
		options string
		rows    []targetRow
	}{
		{"", slices.Concat(common, []targetRow{
			{"/", ""}, {"//", ""}, {"/.", ""}, {"/..", ""}, {"/./", ""}, {"/../", ""}, {"/...", ""}, {"/.a", ""}, {"/a/.b", ""}, {"/a/..;x/b", ""},
			{"/a/.", ""}, {"/a/..", ""}, {"/a./b", ""}, {"/a/b/../../..", ""}, {"/a/b/c/../..", ""}, {"/..a/../b", ""}, {"/a/././../b//../c/.", ""},
			{"/a//..", ""}, {"/a//../", ""}, {"/a/%2e%2e/b", ""}, {"/%2e%2e/%2E%2E/x", ""}, {"/a%2f..%2fb", ""}, {"/a%2F%2e%2e%2F", ""},
			{"/a%", ""}, {"/a%4", ""}, {"/%%41", ""}, {"/%4%31", ""}, {"/a%252f", ""}, {"/a?%zz", ""}, {"/a?%", ""},
			{"/a?", ""}, {"/a??", ""}, {"/a?b?c", ""}, {"/a%3fb?c", ""}, {"/?a", ""}, {"/a?b#c", ""}, {"/a?#", ""}, {"/a%23b", ""},
			{"/a!$&'()*+,;=:@", ""}, {"/a\"<>[]^`{|}", ""}, {"/a%22%3c%3e%5b%5d%5e%60%7b%7c%7d", ""}, {"/a?!$&'()*+,;=:@/", ""},
			{"/a?\"<>[]^`{|}", ""}, {"/-._~%2d%2e%5f%7e", ""}, {"/a?%2d%2e%5f%7e", ""}, {"/\\a%5cb", ""}, {"/a%5c%2f..", ""}, {"/a?\\%5c", ""},
			{"/a%00", ""}, {"/a%1f", ""}, {"/a%7f", ""}, {"/a\x7f", ""}, {"/a\tb", ""}, {"/a?\x01", ""},
			{"/a%c2%80", ""}, {"/a%f0%9f%98%80", ""}, {"/a%c0%af", ""}, {"/a%c1%81", ""}, {"/a%f5%80%80%80", ""}, {"/a?%fe", ""}, {"/a?%e9", ""},
			{"/a%80", notUTF8}, {"/a%e2%82", notUTF8}, {"/a%ed%a0%80", notUTF8}, {"/a%f4%90%80%80", notUTF8}, {"/\xe9", notUTF8},
			{"http://HOST/a", ""}, {"http://HOST/a?b", ""}, {"HTTP://HOST/a/..", ""}, {"https://HOST/%41", ""}, {"http://HOST//a", ""},
			{"http://HOST", noPath}, {"http://HOST?a", noPath}, {"http://u@HOST/", ""}, {"http:///a", ""}, {"ftp://HOST/a", ""}, {"http:/a", ""}, {"/http://x", ""},
			{"*", method}, {"*?", ""}, {"a", ""}, {"", ""}, {"?a", ""}, {"\\a", ""}, {"HOST:80", ""}, {"%2fa", ""}, {".", ""},
		})},
		{`"url-normalize" => "disable"`, differ(common, rawCtrl, "/a\x01")},
		{`"url-normalize" => "disable", "url-normalize-required" => "enable"`, rows("/a%41%2F", "/a?%7e", "/a#b")},
		{`"url-normalize-unreserved" => "disable"`, common},
		{`"url-normalize-required" => "enable"`, slices.Concat(common, rows("/a?a%3db%26c%3b%2b%20", "/%3f%23%25", "/a?%25%34%31", "/a%3bb%2f..%2fc", "/%7b%7D"))},
		{`"url-normalize-required" => "enable", "url-path-2f-decode" => "disable"`, rows("/a%2fb", "/a%2f..", "/a?%2f")},
		{`"url-ctrls-reject" => "disable"`, slices.Concat(common, rows("/a%00", "/a%7f", "/a%1f?%1F"))},
		{`"url-path-backslash-trans" => "enable"`, []targetRow{{"/a\\b", ignored}, {"/a%5cb", ignored}, {"/a\\..\\b", ignored}, {"/a?\\%5c", ""}, {"/a/b", ""}, {"\\a", ""}}},
		{`"url-path-2f-decode" => "disable"`, common},
		{`"url-path-2f-decode" => "disable", "url-path-2f-reject" => "enable"`, slices.Concat(common, rows("/a?%2f", "/a%2F", "/%252f", "/%2", "/a#%2f"))},
		{`"url-path-dotseg-remove" => "disable"`, common},
		{`"url-path-dotseg-remove" => "disable", "url-path-2f-decode" => "disable"`, common},
		{`"url-path-dotseg-remove" => "disable", "url-path-dotseg-reject" => "enable"`, slices.Concat(common, rows("/", "//", "/.", "/..", "/./", "/../", "/...", "/.a", "/a/.b",
			"/a/..;x", "/a/", "/a//", "/a/.", "/a/..", "/a./b", "/a../b", "/a/%2e/b", "/a%2f.", "/a%2f..%2fb", "/.a/..b/", "/a?/../", "/a?//", "/./a"))},
		{`"url-path-dotseg-remove" => "disable", "url-path-dotseg-reject" => "enable", "url-path-2f-decode" => "disable"`, rows("/a%2f.", "/a%2f..%2fb", "/a/%2e")},
		{`"url-query-20-plus" => "enable"`, slices.Concat(common, rows("/a?a+b%20c d%2b", "/a?%2520", "/a%20b?"))},
		{`"url-invalid-utf8-reject" => "disable"`, slices.Concat(common, rows("/a?%c0%e9", "/a%80", "/\xe9"))},
	}
	n := 0
	for _, tt := range tests {
		o := parse(t, tt.options)
		addr := lighttpdtest.Start(t, `server.modules = ("mod_redirect")
			server.http-parseopts = (`+tt.options+`)
			$HTTP["host"] == "path" { $HTTP["url"] =~ "^(?s)(.*)$" { url.redirect = ("(?s)^(.*)$" => "/?${encb64u:1}&%{encb64u:1}") } }
			$HTTP["host"] == "query" { $HTTP["query-string"] =~ "^(?s)(.*)$" { url.redirect = ("(?s)^(.*)$" => "/?${encb64u:1}&%{encb64u:1}") } }`)
		for _, row := range tt.rows {
			n++
			got := ours(row.target, o)
			want := theirs(t, addr, row.target)
			if (got == want) != (row.differs == "") {
				t.Errorf("(%s) %q: %s, lighttpd has %s; expected to differ: %q", tt.options, row.target, got, want, row.differs)
			}
		}
	}
	if n < 150 {
		t.Errorf("%d targets were compared, want 150", n)
	}
}

// parse sets the options of a directive as the configuration has it.
func parse(t *testing.T, text string) *urlpath.Options {
	t.Helper()
	o := urlpath.DefaultOptions
	for _, m := range regexp.MustCompile(`"([^"]+)" => "([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if err := o.Set(m[1], m[2] == "enable"); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Check(); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return &o
}

func ours(target string, o *urlpath.Options) string {
	got, err := urlpath.Normalize(target, o)
	if err != nil {
		return "400"
	}
	return outcome(got.Path, got.Normal, got.Query)
}

// outcome leaves out a path that lighttpd, by regular expressions, cannot show.
func outcome(path, normal, query string) string {
	if !utf8.ValidString(normal) {
		path, normal, query = "?", "?", "?"
	}
	if !utf8.ValidString(path) {
		path = "?"
	}
	return fmt.Sprintf("path %q normal %q query %q", path, normal, query)
}

func theirs(t *testing.T, addr, target string) string {
	t.Helper()
	caps := make(map[string][2]string)
	for _, host := range []string{"path", "query"} {
		answer := lighttpdtest.Send(t, addr, "", "GET "+strings.ReplaceAll(target, "HOST", host)+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		if strings.HasPrefix(answer, "HTTP/1.") && strings.HasPrefix(answer[len("HTTP/1.1 "):], "400") {
			return "400"
		}
		caps[host] = [2]string{"\xff", "\xff"}
		if m := regexp.MustCompile(`\r\nLocation: /\?(\S*)&(\S*)\r\n`).FindStringSubmatch(answer); m != nil {
			caps[host] = [2]string{unbase64(t, m[1]), unbase64(t, m[2])}
		}
	}
	normal := caps["query"][0]
	if caps["path"][0] != "\xff" {
		normal = caps["path"][0]
	}
	return outcome(caps["path"][1], normal, caps["query"][1])
}

func unbase64(t *testing.T, s string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestHostLighttpd asks lighttpd what it makes of Host fields.
func TestHostLighttpd(t *testing.T) {
	tests := []struct {
		host                      string
		strict, normal, untouched string // why we differ with host-strict, with host-normalize alone, with neither
	}{
		{"a", "", "", ""}, {"A.Example.COM", "", "", ""}, {"a:80", "", "", ""}, {"a:443", "", "", ""}, {"a:8080", "", "", ""}, {"a:", "", "", ""}, {"a:0", "", "", ""},
		{"a:00", "", "", ""}, {"a:01", "", "", ""}, {"a:080", zeros, zeros, ""}, {"a:00080", zeros, zeros, ""}, {"a:65535", "", "", ""}, {"a:65536", "", "", ""},
		{"a:123456", "", "", ""}, {"a:x", "", "", ""}, {"a:8a", "", "", ""}, {"a:-1", "", "", ""}, {"a:+80", "", digits, ""}, {"a: 80", "", digits, ""},
		{"a.", "", "", ""}, {"a.:80", "", "", ""}, {"a.:", "", "", ""}, {"a.b.:8080", "", "", ""}, {"a..", "", "", ""}, {".a", "", "", ""}, {"a..b", "", "", ""},
		{".", "", "", ""}, {"-a", "", "", ""}, {"a-", "", "", ""}, {"a--b", "", "", ""}, {"-", "", "", ""}, {"a.-b", "", "", ""}, {"a-.b", "", "", ""},
		{"a_b", "", "", ""}, {"a b", "", "", ""}, {"a,b", "", "", ""}, {"a/b", "", "", ""}, {"a@b", "", "", ""}, {"u:p@b", "", "", ""}, {"a%41", "", "", ""},
		{"a\xc3\xa9", "", "", ""}, {"xn--e1a", "", "", ""}, {"1.2.3.4", "", "", ""}, {"1.2.3.4.", "", "", ""}, {"1.2.3.4:80", "", "", ""}, {"1.2.3", "", "", ""},
		{"1.2.3.4.5", "", "", ""}, {"256.1.1.1", "", "", ""}, {"127.1", "", "", ""}, {"0x7f.1", "", "", ""}, {"01.02.03.04", "", "", ""}, {"1.2.3.a", "", "", ""},
		{"1.2.3.4-5", "", "", ""}, {"a.1", "", "", ""}, {"a.1a", "", "", ""}, {"1.a", "", "", ""}, {"1", "", "", ""}, {"1.", "", "", ""}, {"1..2", "", "", ""}, {"0x1", "", "", ""},
		{"[::1]", "", "", ""}, {"[::1]:80", "", "", ""}, {"[::1]:8080", "", "", ""}, {"[::1]:", "", "", ""}, {"[::1]:x", "", "", ""}, {"[::1]x", "", "", ""},
		{"[::1].", "", "", ""}, {"[::1", "", "", ""}, {"::1", "", "", ""}, {"::1]:80", "", "", ""}, {"[]", "", "", ""}, {"[]:80", "", "", ""}, {"[::g]", "", "", ""},
		{"[0:0:0:0:0:0:0:1]", "", "", ""}, {"[::FFFF:1.2.3.4]", "", "", ""}, {"[::ffff:7f00:1]", "", "", ""}, {"[FE80::1]", "", "", ""}, {"[0001::0]", "", "", ""},
		{"[::00001]", "", "", ""}, {"[::01.2.3.4]", "", "", ""}, {"[::1.2.3.4]", compat, compat, ""}, {"[1:0:0:4:5:0:0:8]", "", "", ""}, {"[1:0:3:4:5:6:7:8]", "", "", ""},
		{"[1::2.3.4.5]", "", "", ""}, {"[fe80::1%eth0]", "", zone, ""}, {"[fe80::1%25eth0]", "", zone, ""}, {"[v1.a]", "", "", ""}, {"[1:2]", "", "", ""}, {"[1::2::3]", "", "", ""},
		{"a:80:80", "", "", ""}, {"a::80", "", "", ""}, {":80", "", "", ""}, {":", "", "", ""}, {"*", "", "", ""}, {"(a)", "", "", ""}, {"a;b", "", "", ""}, {"a~b", "", "", ""},
		{strings.Repeat("a", 64), "", "", ""}, {strings.Repeat("a.", 200) + "b", "", "", ""},
	}
	for _, mode := range []struct {
		options string
		differs func(i int) string
	}{
		{``, func(i int) string { return tests[i].strict }},
		{`"host-normalize" => "enable"`, func(i int) string { return tests[i].strict }},
		{`"host-strict" => "disable", "host-normalize" => "enable"`, func(i int) string { return tests[i].normal }},
		{`"host-strict" => "disable"`, func(i int) string { return tests[i].untouched }},
	} {
		o := parse(t, mode.options)
		addr := lighttpdtest.Start(t, `server.modules = ("mod_redirect")
			server.http-parseopts = (`+mode.options+`)
			$HTTP["host"] =~ "^(.*)$" { url.redirect = ("" => "/?%{encb64u:1}") }`)
		for i, tt := range tests {
			want := "400"
			answer := lighttpdtest.Send(t, addr, "", "GET / HTTP/1.1\r\nHost: "+tt.host+"\r\nConnection: close\r\n\r\n")
			if m := regexp.MustCompile(`\r\nLocation: /\?(\S*)\r\n`).FindStringSubmatch(answer); m != nil {
				want = unbase64(t, m[1])
			}
			got, err := urlpath.Host(tt.host, "http", o)
			if err != nil {
				got = "400"
			}
			if differs := mode.differs(i); (got == want) != (differs == "") {
				t.Errorf("(%s) %q: %q, lighttpd has %q; expected to differ: %q", mode.options, tt.host, got, want, differs)
			}
		}
	}
}

// TestOptionsLighttpd asks lighttpd which options it takes.
func TestOptionsLighttpd(t *testing.T) {
	tests := []string{
		`"url-normalize" => "enable"`,
		`"url-normalise" => "enable"`,
		`"URL-normalize" => "enable"`,
		`"url-path-2f-reject" => "enable"`,
		`"url-path-2f-reject" => "enable", "url-path-2f-decode" => "disable"`,
		`"url-path-2f-reject" => "enable", "url-normalize" => "disable"`,
		`"url-path-dotseg-reject" => "enable"`,
		`"url-path-dotseg-reject" => "enable", "url-path-dotseg-remove" => "disable"`,
		`"url-path-2f-decode" => "disable"`,
	}
	for _, options := range tests {
		theirs, message := lighttpdtest.Accepts(t, "server.http-parseopts = ("+options+")")
		o, ours := urlpath.DefaultOptions, true
		for _, m := range regexp.MustCompile(`"([^"]+)" => "([^"]+)"`).FindAllStringSubmatch(options, -1) {
			ours = ours && o.Set(m[1], m[2] == "enable") == nil
		}
		ours = ours && o.Check() == nil
		if ours != theirs {
			t.Errorf("(%s): accepted %v, by lighttpd %v: %s", options, ours, theirs, message)
		}
	}
}
