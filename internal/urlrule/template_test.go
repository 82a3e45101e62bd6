package urlrule_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/urlrule"
)

func Example() {
	to, err := urlrule.ParseTemplate("https://%1.example.com/$1${qsa}")
	if err != nil {
		fmt.Println(err)
		return
	}
	rules := urlrule.Rules{{Match: pattern{regexp.MustCompile(`^/old/([^?]*)`)}, To: to}}
	u := &urlrule.URL{Scheme: "http", Authority: "www.example.org", Port: 80, Path: "/old/vnc.html", Query: "port=1"}
	cond := []string{"www.example.org", "www"} // of $HTTP["host"] =~ "^([^.]*)\.example\.org$"
	out, i := rules.Apply("/old/vnc.html?port=1", u, cond)
	fmt.Println(i, out, urlrule.RedirectStatus(0, "GET", false))
	// Output: 0 https://www.example.com/vnc.html?port=1 301
}

func TestParseTemplateErrors(t *testing.T) {
	tests := []struct {
		in     string
		offset int
		msg    string // a part of it
	}{
		{"${", 0, `"${" is not closed`},
		{"a%{1", 1, `"%{" is not closed`},
		{"/$1/${url.path", 4, `"${" is not closed`},
		{"${}", 2, `unknown name ""`},
		{"${foo}", 2, `unknown name "foo"`},
		{"/${esc:foo}", 7, `unknown name "foo"`},
		{"${esc1}", 2, `unknown name "esc1"`},
		{"${esc}", 2, `unknown name "esc"`},
		{"${esc:}", 6, `unknown name ""`},
		{"${url.host}", 2, `unknown name "url.host"`},
		{"${URL.path}", 2, `unknown name "URL.path"`},
		{"%{qs}", 2, `unknown name "qs"`},
		{"${1x}", 2, `unknown name "1x"`},
		{"${ 1}", 2, `unknown name " 1"`},
		{"${-1}", 2, `unknown name "-1"`},
		{"${{1}}", 2, `unknown name "{1"`},
		{"${$1}", 2, `unknown name "$1"`},
		{"${20}", 2, "there is no group 20: the last is 19"},
		{"%{10}", 2, "there is no group 10: the last is 9"},
		{"${99999999999999999999}", 2, "there is no group"},
		{"a${foo:1}", 3, `unknown modifier "foo:"`},
		{"${esc:foo:1}", 6, `unknown modifier "foo:"`},
		{"${Esc:1}", 2, `unknown modifier "Esc:"`},
		{"${:1}", 2, `unknown modifier ":"`},
		{"${1:esc}", 2, `unknown modifier "1:"`},
		{"${url.path:1}", 2, `unknown modifier "url.path:"`},
		{"${esc:noesc:1}", 6, `"noesc:" comes second`},
		{"${encb64u:tolower:escape:1}", 18, `"escape:" comes second`},
		{"${tolower:esc:toupper:1}", 14, `"toupper:" comes second`},
	}
	for _, tt := range tests {
		_, err := urlrule.ParseTemplate(tt.in)
		se := (*urlrule.SyntaxError)(nil)
		if !errors.As(err, &se) {
			t.Errorf("ParseTemplate(%q): %v, want a SyntaxError", tt.in, err)
			continue
		}
		if se.Offset != tt.offset || !strings.Contains(se.Msg, tt.msg) {
			t.Errorf("ParseTemplate(%q): offset %d, %q, want offset %d, %q", tt.in, se.Offset, se.Msg, tt.offset, tt.msg)
		}
	}
}

func TestGroups(t *testing.T) {
	tests := []struct {
		in         string
		rule, cond int
		empty      bool
	}{
		{"", -1, -1, true},
		{"/x", -1, -1, false},
		{"${url.path}${qsa}", -1, -1, false},
		{"$$1%%2", -1, -1, false},
		{"$0", 0, -1, false},
		{"%0", -1, 0, false},
		{"$3$1%2", 3, 2, false},
		{"${12}%{esc:4}$9", 12, 4, false},
	}
	for _, tt := range tests {
		to := parse(t, tt.in)
		if rule, cond := to.Groups(); rule != tt.rule || cond != tt.cond || to.Empty() != tt.empty {
			t.Errorf("%q: groups %d, %d, empty %v, want %d, %d, %v", tt.in, rule, cond, to.Empty(), tt.rule, tt.cond, tt.empty)
		}
	}
}

// TestEncode encodes what only the captures of a condition, or a configuration
// without normalisation, bring along.
func TestEncode(t *testing.T) {
	tests := []struct{ to, capture, want string }{
		{"%1", "a b\"é\r\n\x00\x7f%", "a%20b\"%C3%A9%0D%0A%00%7F%"},
		{"%{noesc:1}", "x\r\nSet-Cookie: y", "x%0D%0ASet-Cookie:%20y"},
		{"%{tolower:noesc:1}", "X\xff\r", "x%FF%0D"},
		{"%{1}", "a b/é\r\n", "a%20b/%C3%A9%0D%0A"},
		{"%{escnde:1}", "%41%c3%zz%2/%2f%7E%", "A%c3%25zz%252%2F%2f~%25"},
		{"%{escpsnde:1}", "%41%c3%zz%2/%2f%7E%", "A%c3%25zz%252/%2f~%25"},
		{"%{esc:1}", "%41%c3%zz%2/%2f%7E%", "%2541%25c3%25zz%252%2F%252f%257E%25"},
		{"%{escnde:tolower:1}", "%41%C3Z", "a%C3z"},
		{"%{noesc:toupper:1}", "%c3%az%", "%c3%AZ%"},
		{"%{encb64u:1}", "\xfb\xff\xbf\x00", "-_-_AA"},
		{"%{decb64u:1}", "QUI\nJD", "AB"},
	}
	for _, tt := range tests {
		if got := expand(parse(t, tt.to), tt.capture); got != tt.want {
			t.Errorf("%s of %q: %q, want %q", tt.to, tt.capture, got, tt.want)
		}
	}
}

func parse(t testing.TB, s string) urlrule.Template {
	t.Helper()
	to, err := urlrule.ParseTemplate(s)
	if err != nil {
		t.Fatalf("ParseTemplate(%q): %v", s, err)
	}
	return to
}

// always is a Matcher that matches everything, with these captures.
type always []string

func (m always) Captures(string) ([]string, bool) { return m, true }

// expand applies a rule with this capture, of the rule and of the condition.
func expand(to urlrule.Template, capture string) string {
	u := &urlrule.URL{Scheme: capture, Authority: capture, Port: 80, Path: capture, Query: capture}
	caps := []string{capture, capture}
	out, _ := urlrule.Rules{{Match: always(caps), To: to}}.Apply("", u, caps)
	return out
}

// FuzzTemplate parses any template and puts any capture into it.
func FuzzTemplate(f *testing.F) {
	for _, tt := range redirects {
		for _, rule := range tt.rules {
			f.Add(rule[1], tt.target)
		}
	}
	f.Add("${esc:noesc:1}", "")
	f.Add("a${1", "x")
	f.Add("$1%1${1}%{noesc:1}${url.scheme}${url.authority}${url.path}${url.query}${qsa}", "a\r\nSet-Cookie: b")
	f.Add("${tolower:1}${toupper:decb64u:1}", "DQo%0d%0a\xff")
	f.Fuzz(func(t *testing.T, template, capture string) {
		to, err := urlrule.ParseTemplate(template)
		if err != nil {
			se := (*urlrule.SyntaxError)(nil)
			if !errors.As(err, &se) || se.Offset < 0 || se.Offset > len(template) {
				t.Fatalf("ParseTemplate(%q): error %#v without a place in it", template, err)
			}
			return
		}
		if to.Empty() != (template == "") {
			t.Fatalf("ParseTemplate(%q): empty %v", template, to.Empty())
		}
		out := expand(to, capture)
		for i := range len(out) {
			if out[i] <= ' ' || out[i] >= 0x7f {
				t.Fatalf("%q of %q: %q has the byte %#02x", template, capture, out, out[i])
			}
		}
	})
}

// FuzzEncode holds the modifiers against what is known of them.
func FuzzEncode(f *testing.F) {
	f.Add("a b/%41%zz")
	f.Add("\xff\r\n%")
	f.Add("QUJD%C3%a9Z")
	f.Fuzz(func(t *testing.T, s string) {
		of := func(modifier, s string) string { return expand(parse(t, "${"+modifier+":1}"), s) }
		escaped := of("esc", s)
		if got, err := url.PathUnescape(escaped); got != s || err != nil {
			t.Errorf("esc: of %q is %q, which means %q, %v", s, escaped, got, err)
		}
		once := of("escnde", s)
		if got := of("escnde", once); got != once {
			t.Errorf("escnde: of %q is %q, and again %q", s, once, got)
		}
		if got := of("escnde", escaped); got != escaped {
			t.Errorf("escnde: of %q, which is escaped, is %q", escaped, got)
		}
		segments := strings.Split(s, "/")
		for i := range segments {
			segments[i] = of("escnde", segments[i])
		}
		if got, want := of("escpsnde", s), strings.Join(segments, "/"); got != want {
			t.Errorf("escpsnde: of %q is %q, want %q", s, got, want)
		}
		encoded := of("encb64u", s)
		if got := base64.RawURLEncoding.EncodeToString([]byte(s)); got != encoded {
			t.Errorf("encb64u: of %q is %q, want %q", s, encoded, got)
		}
		if got, want := of("decb64u", encoded), of("noesc", s); got != want {
			t.Errorf("decb64u: of %q is %q, want %q", encoded, got, want)
		}
		visible := of("noesc", s)
		if upper, lower := of("toupper:noesc", s), of("tolower:noesc", s); !strings.EqualFold(upper, visible) || !strings.EqualFold(lower, visible) || of("tolower:noesc", upper) != lower {
			t.Errorf("%q in upper case is %q, in lower %q", visible, upper, lower)
		}
		pattern := urlrule.NormalizePattern(s)
		if got := urlrule.NormalizePattern(pattern); got != pattern {
			t.Errorf("NormalizePattern(%q): %q, and again %q", s, pattern, got)
		}
	})
}

// BenchmarkApply looks for a target in 20 rules.
func BenchmarkApply(b *testing.B) {
	var pairs [][2]string
	for i := range 20 {
		pairs = append(pairs, [2]string{fmt.Sprintf(`^/app%d/([^?]*)`, i), "/$1${qsa}"})
	}
	rules := compile(b, pairs)
	u := &urlrule.URL{Scheme: "http", Authority: "h.test", Port: 80, Path: "/app19/vnc.html", Query: "port=1"}
	for _, bb := range []struct{ name, target string }{
		{"first", "/app0/vnc.html?port=1"},
		{"last", "/app19/vnc.html?port=1"},
		{"none", "/websockify"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rules.Apply(bb.target, u, nil)
			}
		})
	}
}
