package urlrule_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/lighttpdtest"
	"github.com/wstunneld/wstunneld/internal/urlrule"
)

// pattern is a regular expression as a Matcher.
type pattern struct{ re *regexp.Regexp }

func (p pattern) Captures(s string) ([]string, bool) {
	caps := p.re.FindStringSubmatch(s)
	return caps, caps != nil
}

// compile compiles pairs of a pattern and a template.
func compile(t testing.TB, pairs [][2]string) urlrule.Rules {
	t.Helper()
	var rules urlrule.Rules
	for _, p := range pairs {
		to, err := urlrule.ParseTemplate(p[1])
		if err != nil {
			t.Fatalf("ParseTemplate(%q): %v", p[1], err)
		}
		rules = append(rules, urlrule.Rule{Match: pattern{regexp.MustCompile(urlrule.NormalizePattern(p[0]))}, To: to})
	}
	return rules
}

// directive returns pairs as they are written in a configuration.
func directive(name string, pairs [][2]string) string {
	var b strings.Builder
	b.WriteString(name + " = (")
	for _, p := range pairs {
		fmt.Fprintf(&b, ` "%s" => "%s",`, strings.ReplaceAll(p[0], `"`, `\"`), strings.ReplaceAll(p[1], `"`, `\"`))
	}
	return b.String() + " )\n"
}

// startLighttpd runs lighttpd until the test ends and returns its address.
// Without one, the rest of the test is skipped, unless CI=true says that it must
// run. lighttpd gets a socket that listens already: nobody has to wait for it.
func startLighttpd(t *testing.T, config string) *net.TCPAddr {
	t.Helper()
	bin := lighttpdtest.Path(t)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	stdin, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	dir := t.TempDir()
	conf := filepath.Join(dir, "lighttpd.conf")
	config = fmt.Sprintf("server.document-root = %q\nserver.errorlog = %q\nserver.bind = \"/dev/stdin\"\nserver.modules = ( \"mod_rewrite\", \"mod_redirect\" )\n%s",
		dir, filepath.Join(dir, "error.log"), config)
	if err := os.WriteFile(conf, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-D", "-f", conf)
	cmd.Stdin = stdin
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("lighttpd says:\n%s", log)
		}
	})
	return ln.Addr().(*net.TCPAddr)
}

// ask sends a request and returns the status of the answer and its Location, or
// "(none)". The status is 0 if the connection is closed without an answer.
func ask(t *testing.T, addr *net.TCPAddr, method, host, target, version string) (status int, location string) {
	t.Helper()
	c, err := net.DialTCP("tcp4", nil, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "%s %s %s\r\nHost: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", method, target, version, host)
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, none
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if l, ok := resp.Header["Location"]; ok {
		return resp.StatusCode, l[0]
	}
	return resp.StatusCode, none
}

const none = "(none)"

// to is one rule that cuts a target in three.
func to(template string) [][2]string {
	return [][2]string{{`^/([^/?]*)/?([^?]*)(\?.*)?$`, template}}
}

// redirects is what url.redirect makes of targets, which are normalised ones. The
// rules of row n stand in a condition on the host that is rown.test; its captures
// are "row", "te" and "st". PORT stands for the port.
var redirects = []struct {
	rules    [][2]string
	target   string
	want     string // the Location, or (none)
	lighttpd string // that of 1.4.69, if it differs
	why      string // and why it does
}{
	// Captures.
	{to("$0"), "/a/b?c", "/a/b?c", "", ""},
	{to("$1"), "/a/b?c", "a", "", ""},
	{to("$2-$1"), "/a/b?c", "b-a", "", ""},
	{to("$3"), "/a/b?c", "?c", "", ""},
	{to("x$3"), "/a/b", "x", "", ""},
	{to("x$4$9"), "/a/b", "x", "", ""},
	{to("$10"), "/a/b", "a0", "", ""},
	{to("$1"), "/a%C3%A9%20%25%22$&/", "a%C3%A9%20%25%22$&", "", ""},
	{to("$1$1$1"), "/a/", "aaa", "", ""},
	{[][2]string{{"^/(a)?(b)?(c)?$", "[$1][$2][$3]"}}, "/ac", "[a][][c]", "", ""},
	{[][2]string{{"^/(a)?(b)?(c)?$", "[$1][$2][$3]"}}, "/b", "[][b][]", "", ""},
	{[][2]string{{"^/(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)$", "${9}-${10}-${19}-$10"}}, "/abcdefghijklmnopqrs", "i-j-s-a0", "", ""},
	{[][2]string{{"b+", "[$0]"}}, "/abbbc", "[bbb]", "", ""},
	{[][2]string{{"", "[$0]"}}, "/abbbc", "[]", "", ""},
	{to("$9"), "/a", none, none, "an answer of 301 that leads nowhere"},
	{to("${url.query}"), "/a", none, none, "an answer of 301 that leads nowhere"},

	// Captures of the condition.
	{to("%1"), "/a", "row", "", ""},
	{to("%2%3"), "/a", "test", "", ""},
	{to("x%4%9"), "/a", "x", "", ""},
	{to("%20x"), "/a", "te0x", "", ""},
	{to("%{2}%{3}"), "/a", "test", "", ""},
	{to("%{toupper:noesc:1}"), "/a", "ROW", "row", "toupper: makes lower case"},
	{to("$1%1"), "/a", "arow", "", ""},

	// What stands for itself.
	{to("$$"), "/a", "$", "", ""},
	{to("%%"), "/a", "%", "", ""},
	{to("$$1"), "/a", "$1", "", ""},
	{to("$$$1"), "/a", "$a", "", ""},
	{to("%%1"), "/a", "%1", "", ""},
	{to("%%%1"), "/a", "%row", "", ""},
	{to("$"), "/a", "$", "", ""},
	{to("%"), "/a", "%", "", ""},
	{to("a$"), "/a", "a$", "", ""},
	{to("a%"), "/a", "a%", "", ""},
	{to("a$$"), "/a", "a$", "", ""},
	{to("${1}$"), "/a", "a$", "", ""},
	{to("$a"), "/a", "$a", "", ""},
	{to("%a"), "/a", "%a", "", ""},
	{to("%zz"), "/a", "%zz", "", ""},
	{to("$ 1"), "/a", "$%201", "$ 1", "a URL has no spaces"},
	{to("$-1"), "/a", "$-1", "", ""},
	{to("%$1"), "/a", "%$1", "", ""},
	{to("$%1"), "/a", "$%1", "", ""},
	{to("%${1}"), "/a", "%${1}", "", ""},
	{to("$%{1}"), "/a", "$%{1}", "", ""},
	{to("$${1}"), "/a", "${1}", "", ""},
	{to("$%%1"), "/a", "$%row", "$%", "it sees %% first when it looks for captures to keep"},
	{to("{1}"), "/a", "{1}", "", ""},
	{to("a{b}c[d]<e>^|`"), "/a", "a{b}c[d]<e>^|`", "", ""},
	{to(`"`), "/a", `"`, "", ""},
	{to("//a//b/../c"), "/a", "//a//b/../c", "", ""},
	{to("%%41"), "/a", "%41", "", ""},
	{to("%%7e%%2f"), "/a", "%7E%2F", "", ""},
	{to("%%c3%%a9"), "/a", "%C3%A9", "", ""},
	{to("%%c"), "/a", "%c", "", ""},
	{to("%%%%ab"), "/a", "%%AB", "", ""},
	{to("%c3%a9"), "/a", "%c3%a9", "", ""},
	{to("é"), "/a", "%C3%A9", "", ""},
	{to("x#y"), "/a", "x#y", "", ""},
	{to("a b"), "/a", "a%20b", "a b", "a URL has no spaces"},
	{to("a\tb"), "/a", "a%09b", "a\tb", "a URL has no control characters"},
	{to("a\nx: b"), "/a", "a%0Ax:%20b", "a", "a line break ends a header"},

	// Parts of the URL.
	{to("${url.scheme}"), "/a/b?c", "http", "", ""},
	{to("${url.port}"), "/a/b?c", "PORT", "", ""},
	{to("${url.path}"), "/a/b?c", "/a/b", "", ""},
	{to("${url.query}"), "/a/b?c=%20&d", "c=%20&d", "", ""},
	{to("%{url.path}"), "/a/b?c", "/a/b", "", ""},
	{to("%{url.port}%{url.scheme}"), "/a/b?c", "PORThttp", "", ""},
	{to("https://${url.authority}${url.path}${qsa}"), "/a/b?c", "https://HOST/a/b?c", "", ""},
	{to("x${url.query}"), "/a", "x", "", ""},
	{to("${url.path}"), "/%C3%A9%20/", "/%C3%A9%20/", "", ""},
	{to("${qsa}"), "/a/b?c=%20&d", "?c=%20&d", "", ""},
	{to("%{qsa}"), "/a/b?c", "?c", "", ""},
	{to("x${qsa}"), "/a/b", "x", "", ""},
	{to("x${qsa}"), "/a/b?", "x", "x?", "a query string that is empty is none"},
	{to("x?y${qsa}"), "/a/b?c", "x?y&c", "", ""},
	{to("x?${qsa}"), "/a/b?c", "x?&c", "", ""},
	{to("x?y&${qsa}"), "/a/b?c", "x?y&&c", "", ""},
	{to("x?y${qsa}"), "/a/b", "x?y", "", ""},
	{to("x?y#z${qsa}"), "/a/b?c", "x?y#z&c", "", ""},
	{to("x#z${qsa}"), "/a/b?c", "x#z?c", "", ""},
	{to("x$3${qsa}"), "/a/b?c", "x?c&c", "", ""},
	{to("x${qsa}"), "/a/b?c?d", "x?c?d", "", ""},

	// Modifiers.
	{to("${2}"), "/a/b/%C3%A9~-._!'()*+,;=:@&$", "b/%C3%A9~-._%21%27%28%29%2A%2B%2C%3B%3D%3A%40%26%24", "", ""},
	{to("${3}"), "/a?b=c%5B", "%3Fb%3Dc%5B", "", ""},
	{to("${esc:2}"), "/a/b/%C3%A9~-._!", "b%2F%25C3%25A9~-._%21", "", ""},
	{to("${escape:2}"), "/a/b/%C3%A9~-._!", "b%2F%25C3%25A9~-._%21", "", ""},
	{to("${escnde:2}"), "/a/b/%C3%A9~-._!", "b%2F%C3%A9~-._%21", "", ""},
	{to("${escpsnde:2}"), "/a/b/%C3%A9~-._!", "b/%C3%A9~-._%21", "", ""},
	{to("${noesc:2}"), "/a/b/%C3%A9~-._!", "b/%C3%A9~-._!", "", ""},
	{to("${noescape:2}"), "/a/b/%C3%A9~-._!", "b/%C3%A9~-._!", "", ""},
	{to("${escnde:2}"), "/a/%25zz%25", "%25zz%25", "", ""},
	{to("${noesc:tolower:1}"), "/Ab%C3%A9!", "ab%C3%A9!", "", ""},
	{to("${tolower:noesc:1}"), "/Ab%C3%A9!", "ab%C3%A9!", "", ""},
	{to("${esc:tolower:1}"), "/Ab%C3%A9!", "ab%25c3%25a9%21", "", ""},
	{to("${escnde:tolower:1}"), "/Ab%C3%A9!", "ab%C3%A9%21", "", ""},
	{to("${noesc:toupper:1}"), "/Ab%C3%A9!", "AB%C3%A9!", "ab%C3%A9!", "toupper: makes lower case"},
	{to("x${tolower:1}"), "/Ab%C3%A9!", "xab%C3%A9%21", "x", "tolower: alone gives nothing"},
	{to("x${toupper:1}"), "/Ab%C3%A9!", "xAB%C3%A9%21", "x", "toupper: alone gives nothing"},
	{to("//${tolower:url.authority}/"), "/a", "//HOST/", "///", "tolower: alone gives nothing"},
	{to("${encb64u:1}"), "/Ab~~~", "QWJ-fn4", "", ""},
	{to("${encb64u:tolower:1}"), "/Ab~~~", "qwj-fn4", "", ""},
	{to("[${encb64u:1}]"), "/", "[]", "", ""},
	{to("${decb64u:1}"), "/QUI", "AB", "", ""},
	{to("${decb64u:1}"), "/QUJD", "ABC", "", ""},
	{to("${decb64u:1}"), "/QQ==", "A", "", ""},
	{to("[${decb64u:1}]"), "/QUJDx", "[]", "", ""},
	{to("[${decb64u:1}]"), "/!!!!", "[]", "", ""},
	{to("[${decb64u:1}]"), "/Q", "[]", "", ""},
	{to("${decb64u:1}"), "/QUI%20JD", "AB", "", ""},
	{to("${decb64u:2}"), "/a/QUJE+b/", "ABD", "", ""},
	{to("${decb64u:1}"), "/-_-_", "%FB%FF%BF", "\xfb\xff\xbf", "a URL has nothing but ASCII"},
	{to("[${decb64u:1}"), "/QQ0KWDogeQ", "[A%0D%0AX:%20y", "[A", "a line break ends a header"},
	{to("[${tolower:decb64u:1}"), "/QSAK", "[a%20%0A", "[a", "a line break ends a header"},
	{to("${esc:url.path}"), "/a/b%20?c", "%2Fa%2Fb%2520", "", ""},
	{to("${escnde:url.path}"), "/a/b%20?c", "%2Fa%2Fb%20", "", ""},
	{to("${escpsnde:url.path}"), "/a/b%20?c", "/a/b%20", "", ""},
	{to("${noesc:url.path}"), "/a/b%20?c", "/a/b%20", "", ""},
	{to("${esc:url.query}"), "/a?b=c/d", "b%3Dc%2Fd", "", ""},
	{to("x${esc:qsa}"), "/a?b=c/d", "x?b%3Dc%2Fd", "", ""},
	{to("x${encb64u:qsa}"), "/a?QUI", "x?UVVJ", "", ""},
	{to("${decb64u:url.query}"), "/a?QUI", "AB", "", ""},
	{to("${encb64u:url.port}"), "/a", "PORT", "", ""},

	// Lists of rules.
	{[][2]string{{"^/a", "1"}, {"^/ab", "2"}}, "/ab", "1", "", ""},
	{[][2]string{{"^/ab", "2"}, {"^/a", "1"}}, "/a", "1", "", ""},
	{[][2]string{{"^/ab", ""}, {"^/a", "1"}}, "/ab", none, "", ""},
	{[][2]string{{"^/ab", ""}, {"^/a", "1"}}, "/a", "1", "", ""},
	{[][2]string{{"^/ab$", "1"}}, "/ab?c", none, "", ""},
	{nil, "/", none, "", ""},

	// Patterns and normalised targets.
	{[][2]string{{"^/a%c3%a9$", "x"}}, "/a%C3%A9", "x", "", ""},
	{[][2]string{{"^/é$", "x"}}, "/%C3%A9", "x", "", ""},
	{[][2]string{{"^/%C3%A9$", "x"}}, "/%C3%A9", "x", "", ""},
	{[][2]string{{"^/%7e$", "x"}}, "/~", none, "", ""},
	{[][2]string{{"^/a b$", "x"}}, "/a%20b", none, "", ""},
	{[][2]string{{"^/a%20b$", "x"}}, "/a%20b", "x", "", ""},
	{[][2]string{{"^/a[é]b$", "x"}}, "/aCb", "x", "", ""},
	{[][2]string{{"^/a[^/]b$", "x"}}, "/a%C3%A9b", none, "", ""},
	{[][2]string{{"(?i)^/%c3", "x"}}, "/%C3%A9", "x", "", ""},
	{[][2]string{{`^/\*$`, "x"}}, "/*", "x", "", ""},
}

// TestRedirect redirects without lighttpd.
func TestRedirect(t *testing.T) {
	for n, tt := range redirects {
		got, want := redirect(t, n, 8080), place(tt.want, n, 8080)
		if got != want {
			t.Errorf("row %d, %q: %s: Location %q, want %q", n, tt.rules, tt.target, got, want)
		}
	}
}

// TestRedirectsAsLighttpd runs the same rows against lighttpd.
func TestRedirectsAsLighttpd(t *testing.T) {
	var config strings.Builder
	for n, tt := range redirects {
		fmt.Fprintf(&config, "$HTTP[\"host\"] =~ \"^(row)%d\\.(te)(st)$\" {\n%s}\n", n, directive("url.redirect", tt.rules))
	}
	addr := startLighttpd(t, config.String())
	for n, tt := range redirects {
		want := tt.want
		if tt.lighttpd != "" {
			want = tt.lighttpd
		}
		want = place(want, n, addr.Port)
		if _, got := ask(t, addr, "GET", host(n), tt.target, "HTTP/1.1"); got != want {
			t.Errorf("row %d, %q: %s: Location of lighttpd %q, want %q", n, tt.rules, tt.target, got, want)
		}
	}
}

func host(n int) string { return fmt.Sprintf("row%d.test", n) }

// place puts the host of row n and port into s.
func place(s string, n, port int) string {
	return strings.NewReplacer("HOST", host(n), "PORT", fmt.Sprint(port)).Replace(s)
}

// redirect returns the Location for row n, or (none).
func redirect(t *testing.T, n, port int) string {
	tt := redirects[n]
	u := &urlrule.URL{Scheme: "http", Authority: host(n), Port: port}
	u.Path, u.Query, _ = strings.Cut(tt.target, "?")
	if out, _ := compile(t, tt.rules).Apply(tt.target, u, []string{host(n), "row", "te", "st"}); out != "" {
		return out
	}
	return none
}

// TestStatusAsLighttpd compares the status of redirects.
func TestStatusAsLighttpd(t *testing.T) {
	tests := []struct {
		code            int
		method, version string
		want            int
		lighttpd        int // that of 1.4.69, if it differs
		why             string
	}{
		{0, "GET", "HTTP/1.1", 301, 0, ""},
		{0, "HEAD", "HTTP/1.1", 301, 0, ""},
		{0, "POST", "HTTP/1.0", 301, 0, ""},
		{0, "POST", "HTTP/1.1", 308, 301, "308 is newer than 1.4.69"},
		{0, "PUT", "HTTP/1.1", 308, 301, "308 is newer than 1.4.69"},
		{0, "DELETE", "HTTP/1.1", 308, 301, "308 is newer than 1.4.69"},
		{302, "GET", "HTTP/1.1", 302, 0, ""},
		{302, "POST", "HTTP/1.1", 302, 0, ""},
		{303, "POST", "HTTP/1.1", 303, 0, ""},
		{307, "GET", "HTTP/1.0", 307, 0, ""},
		{308, "GET", "HTTP/1.1", 308, 0, ""},
		{410, "GET", "HTTP/1.1", 410, 0, ""},
		{200, "GET", "HTTP/1.1", 200, 0, ""},
		{999, "GET", "HTTP/1.1", 999, 0, ""},
		{1, "GET", "HTTP/1.1", 301, 0, ""},
		{99, "GET", "HTTP/1.1", 301, 0, ""},
		{1000, "GET", "HTTP/1.1", 301, 0, ""},
		{65535, "GET", "HTTP/1.1", 301, 0, ""},
		{199, "GET", "HTTP/1.1", 301, 199, "a client waits for another answer behind 1xx"},
	}
	codes := make(map[int]string)
	for _, tt := range tests {
		codes[tt.code] = fmt.Sprintf("$HTTP[\"url\"] == \"/%d\" { url.redirect = ( \"\" => \"/x\" )\n url.redirect-code = %d }\n", tt.code, tt.code)
		http10 := tt.version == "HTTP/1.0"
		if got := urlrule.RedirectStatus(tt.code, tt.method, http10); got != tt.want {
			t.Errorf("RedirectStatus(%d, %s, http10=%v): %d, want %d", tt.code, tt.method, http10, got, tt.want)
		}
	}
	addr := startLighttpd(t, strings.Join(slices.Sorted(maps.Values(codes)), ""))
	for _, tt := range tests {
		want := tt.want
		if tt.lighttpd != 0 {
			want = tt.lighttpd
		}
		if got, _ := ask(t, addr, tt.method, "h", fmt.Sprintf("/%d", tt.code), tt.version); got != want {
			t.Errorf("url.redirect-code = %d: %s %s: status of lighttpd %d, want %d", tt.code, tt.method, tt.version, got, want)
		}
	}
}

// rewrites is what url.rewrite-once and url.rewrite-repeat make of targets.
var rewrites = []struct {
	once, repeat [][2]string
	target       string
	want         string // the target in the end, or (error): no answer from lighttpd
}{
	{[][2]string{{"^/a", "/b"}}, nil, "/a", "/b"},
	{[][2]string{{"^/a", "/b"}}, nil, "/c", "/c"},
	{[][2]string{{"^/a", "/b"}, {"^/b", "/c"}}, nil, "/a", "/b"},
	{[][2]string{{"^/a", ""}, {"^/", "/c"}}, nil, "/a", "/a"},
	{[][2]string{{`^/a/([^?]*)(\?.*)?`, "/x.php?p=$1${qsa}"}}, nil, "/a/b?c", "/x.php?p=b&c"},
	{[][2]string{{"^/a", "/x${url.path}-${url.query}-$0"}}, nil, "/a?c", "/x/a-c-/a"},
	{[][2]string{{"^/a", "/b c"}}, nil, "/a", "/b%20c"},
	{[][2]string{{"^/a", "/é"}}, nil, "/a", "/%C3%A9"},
	{[][2]string{{"^/a", "b"}}, nil, "/a", "(error)"},
	{[][2]string{{"^/a", "http://h/b"}}, nil, "/a", "(error)"},
	{[][2]string{{"^/a", "*"}}, nil, "/a", "(error)"},
	{[][2]string{{"^/a", "?b"}}, nil, "/a", "(error)"},
	{[][2]string{{"^/a", "$1"}}, nil, "/a", "(error)"},

	{nil, [][2]string{{"^/a", "/b"}, {"^/b", "/c"}}, "/a", "/c"},
	{nil, [][2]string{{"^/b", "/c"}, {"^/a", "/b"}}, "/a", "/c"},
	{nil, [][2]string{{"^/a", "/b"}, {"^/b", ""}, {"", "/c"}}, "/a", "/b"},
	{nil, [][2]string{{"^/a", "b"}}, "/a", "(error)"},
	{nil, [][2]string{{"^/a", "/a"}}, "/a", "(error)"},
	{nil, [][2]string{{"^/a", "/b"}, {"^/b", "/a"}}, "/b", "(error)"},
	{nil, [][2]string{{"^/(a+)a$", "/$1"}}, "/" + strings.Repeat("a", 101), "/a"},
	{nil, [][2]string{{"^/(a+)a$", "/$1"}}, "/" + strings.Repeat("a", 102), "(error)"},

	{[][2]string{{"^/a", "/b"}}, [][2]string{{"^/b", "/c"}, {"^/a", "/d"}}, "/a", "/b"},
	{[][2]string{{"^/a", "/b"}}, [][2]string{{"^/b", "/c"}, {"^/a", "/d"}}, "/b", "/c"},
	{[][2]string{{"^/c", "/d"}}, [][2]string{{"^/b", "/c"}, {"^/d", "/e"}}, "/b", "/d"},
	{[][2]string{{"^/a", ""}}, [][2]string{{"^/a", "/b"}}, "/a", "/a"},
	{[][2]string{{"^/a", "/b"}}, [][2]string{{"^/a", ""}}, "/a", "/b"},
}

// rewrite returns the target that row n ends with, or (error).
func rewrite(t *testing.T, n int) string {
	t.Helper()
	tt := rewrites[n]
	rules := append(compile(t, tt.once), compile(t, tt.repeat)...)
	for i := len(tt.once); i < len(rules); i++ {
		rules[i].Again = true
	}
	var w urlrule.Rewriting
	for target := tt.target; ; {
		u := &urlrule.URL{Scheme: "http", Authority: host(n), Port: 80}
		u.Path, u.Query, _ = strings.Cut(target, "?")
		out, ok, err := w.Step(rules, target, u, nil)
		switch {
		case err != nil:
			return "(error)"
		case !ok:
			return target
		}
		target = out
	}
}

// TestRewrite rewrites without lighttpd.
func TestRewrite(t *testing.T) {
	for n, tt := range rewrites {
		if got := rewrite(t, n); got != tt.want {
			t.Errorf("row %d, once %q, repeat %q: %s rewritten to %q, want %q", n, tt.once, tt.repeat, tt.target, got, tt.want)
		}
	}
}

// TestRewritesAsLighttpd runs the same rows against lighttpd, which redirects to
// the target in the end.
func TestRewritesAsLighttpd(t *testing.T) {
	var config strings.Builder
	config.WriteString("url.redirect = ( \"\" => \"${url.path}${qsa}\" )\n")
	for n, tt := range rewrites {
		fmt.Fprintf(&config, "$HTTP[\"host\"] == %q {\n", host(n))
		if tt.repeat != nil {
			config.WriteString(directive("url.rewrite-repeat", tt.repeat))
		}
		if tt.once != nil {
			config.WriteString(directive("url.rewrite-once", tt.once))
		}
		config.WriteString("}\n")
	}
	addr := startLighttpd(t, config.String())
	for n, tt := range rewrites {
		status, got := ask(t, addr, "GET", host(n), tt.target, "HTTP/1.1")
		if status == 0 {
			got = "(error)"
		}
		if got != tt.want {
			t.Errorf("row %d, once %q, repeat %q: lighttpd rewrites %s to %q, want %q", n, tt.once, tt.repeat, tt.target, got, tt.want)
		}
	}
}
