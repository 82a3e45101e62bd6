package pattern_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/pattern"
)

func TestMain(m *testing.M) {
	// The clock of matches by backtracking ends by itself, a while after the last.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock"))
}

func compile(t testing.TB, expr string) *pattern.Pattern {
	t.Helper()
	p, err := pattern.Compile(expr, 9)
	if err != nil {
		t.Fatalf("Compile(%q): %v", expr, err)
	}
	return p
}

func TestCaptures(t *testing.T) {
	tests := []struct {
		expr, s string
		want    []string // nil: no match
	}{
		// What regexp takes.
		{"", "", []string{""}},
		{"b+", "abba", []string{"bb"}},
		{"b+", "aa", nil},
		{"B", "b", nil},
		{"^/(a)?(b)$", "/b", []string{"/b", "", "b"}},
		{"^/((a)|b)", "/ax", []string{"/a", "a", "a"}},
		{"(?i)^A", "ab", []string{"a"}},
		{"(.)(.)(.)(.)(.)(.)(.)(.)(.)", "123456789x", []string{"123456789", "1", "2", "3", "4", "5", "6", "7", "8", "9"}},
		{`\.js$`, "a.js", []string{".js"}},
		{"é(.)", "xéü", []string{"éü", "ü"}},
		{"(Old|Bad)(Bot|Crawler)/1", "a BadCrawler/1", []string{"BadCrawler/1", "Bad", "Crawler"}},
		{"(?i:Bot)|Crawler", "bOT", []string{"bOT"}},
		{"(?:abc){0,2}d|e", "d", []string{"d"}},
		{"(ab){2}", "ab", nil},
		{"(ab)?", "", []string{"", ""}},
		{"a|b|c|d|e|f|g|h|i|j|kk", "kk", []string{"kk"}},

		// What it does not.
		{"^/api/(?!auth|ai)(.*)", "/api/x", []string{"/api/x", "x"}},
		{"^/api/(?!auth|ai)(.*)", "/api/auth", nil},
		{"(?<=/)a(?=b)", "/ab", []string{"a"}},
		{`^/(.)\1$`, "/aa", []string{"/aa", "a"}},
		{`^/(.)\1$`, "/ab", nil},
		{`^(?!x)/(a)?(b)$`, "/b", []string{"/b", "", "b"}},
		{`^/(?P<x>.)(b)(?P=x)$`, "/aba", []string{"/aba", "a", "b"}},
		{`^/(?P<x>.)(?P=x)$`, "/ab", nil},
		{"(?!x)é(.)", "xéü", []string{"éü", "ü"}},
		{"(?!x)^/[[:alpha:]]+$", "/ab", []string{"/ab"}},
		{"(?!x)^/[[:alpha:]]+$", "/a:", nil},
		{"(?!x)^/[][:digit:]]+$", "/]1", []string{"/]1"}},
		{"(?!x)^/[^]a]+$", "/b]", nil},
		{"(?!x)^/[Z-[]+$", "/Z[", []string{"/Z["}},
		{"(?!x)^/[-[a]+$", "/a[-", []string{"/a[-"}},
		{`(?!x)^/\d[\d]\w[\w]$`, "/12a_", []string{"/12a_"}},
		{`(?!x)^/\d$`, "/٣", nil},
		{`(?!x)^/\W$`, "/é", []string{"/é"}},
		{`(?!x)^/\Q[[:alpha:]\E`, "/[[:alpha:]", []string{"/[[:alpha:]"}},
		{`(?!x)\Qa(`, "a(", []string{"a("}},
		{"^/a++a", "/aaa", nil},
		{"^/a{1001}$", "/" + strings.Repeat("a", 1001), []string{"/" + strings.Repeat("a", 1001)}},
		{`(?!x)(?:\()[(](a)\Q(\E`, "((a(", []string{"((a(", "a"}},
	}
	for _, tt := range tests {
		p := compile(t, tt.expr)
		if got := p.String(); got != tt.expr {
			t.Errorf("String of %q is %q", tt.expr, got)
		}
		if got := p.Match(tt.s); got != (tt.want != nil) {
			t.Errorf("%q matches %q: %v, want %v", tt.expr, tt.s, got, tt.want != nil)
		}
		if got, ok := p.Captures(tt.s); !slices.Equal(got, tt.want) || ok != (tt.want != nil) {
			t.Errorf("captures of %q in %q: %q, %v, want %q", tt.expr, tt.s, got, ok, tt.want)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	tests := []struct {
		expr, want string
		hint       bool
	}{
		{"^/(", "this ( is not closed, at its byte 3", true},
		{"(a)(b[(](c(d)", "this ( is not closed, at its byte 9", true},
		{`(\((\Q(\E)`, "this ( is not closed, at its byte 1", true},
		{"a)", "unexpected ), at its byte 2", true},
		{"(?!a)b)c", "unexpected ), at its byte 7", true},
		{"(?!a)(", "this ( is not closed, at its byte 6", true},
		{"^/a[z-b]", "invalid character class range, at its byte 5", false},
		{"(?!x)[z-b]", "[z-b] range in reverse order, at its byte 9", false},
		{"^/[a", "missing closing ], at its byte 3", true},
		{"(?!x)[a", "unterminated [] set, at its byte 6", true},
		{"*a", "missing argument to repetition operator, at its byte 1", true},
		{"a\\", "trailing backslash at end of expression, at its byte 2", false},
		{"(?!x)\\", `illegal \ at end of pattern, at its byte 6`, false},
		{`a\Kb`, `unrecognized escape sequence \K, at its byte 3`, false},
		{`a\h`, `unrecognized escape sequence \h, at its byte 3`, false},
		{"(?|a|b)", "unrecognized grouping construct: (?|, at its byte 2", false},
		{`(a)\2`, "reference to undefined group number 2, at its byte 5", false},
		{`(?!x)(?P=n)`, "reference to undefined group name n, at its byte 10", false},
		{"[[:none:]]", "invalid character class range, at its byte 2", false},
		{"(?!x)[[:^alpha:]]", "the class [:^alpha:] is not known together with look-around or back-references, at its byte 7", true},
		{"a\xff", "it is not UTF-8, at its byte 2", false},
		{"(a)(b)(c)(d)(?:x)(e)(f)(g)(h)(i)(j)", "it has 10 capture groups, more than 9, at its byte 33", true},
		{"(?!x)(a)(?P<n>b)(c)(d)(e)(f)(g)(h)(i)(?<m>j)", "it has 10 capture groups, more than 9, at its byte 38", true},
	}
	for _, tt := range tests {
		p, err := pattern.Compile(tt.expr, 9)
		var e *pattern.Error
		if !errors.As(err, &e) || p != nil {
			t.Errorf("Compile(%q): %v, %v, want an *Error alone", tt.expr, p, err)
			continue
		}
		if !strings.HasSuffix(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "the pattern \"") {
			t.Errorf("Compile(%q): %v, want %s", tt.expr, err, tt.want)
		}
		if e.Expr != tt.expr || tt.hint != (e.Hint != "") {
			t.Errorf("Compile(%q): pattern %q, hint %q, want a hint: %v", tt.expr, e.Expr, e.Hint, tt.hint)
		}
	}
}

// catastrophe is a pattern that needs time exponential in the length of what it
// is matched with.
const catastrophe = `^(?!b)(a|aa)+$`

// A match that backtracks without end is given up, and counts as none.
func TestLimit(t *testing.T) {
	p := compile(t, catastrophe)
	now := time.Unix(1e9, 0)
	calls := 0
	p.Now = func() time.Time { return now }
	p.OnLimit = func() { calls++ }
	long := strings.Repeat("a", 100) + "!"
	check := func(want int) {
		t.Helper()
		start := time.Now()
		if p.Match(long) {
			t.Errorf("%s matches %q", p, long)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("the match took %v", d)
		}
		if calls != want {
			t.Errorf("OnLimit was called %d times, want %d", calls, want)
		}
	}
	if !p.Match("aaaa") || calls != 0 {
		t.Errorf("%s does not match \"aaaa\", or OnLimit was called: %d times", p, calls)
	}
	check(1)
	now = now.Add(59 * time.Second)
	check(1)
	now = now.Add(time.Second)
	check(2)
	now = now.Add(time.Minute)
	if caps, ok := p.Captures(long); ok || caps != nil || calls != 3 {
		t.Errorf("captures of %s: %q, %v and %d calls, want none and 3", p, caps, ok, calls)
	}
}

// OnLimit can be left out, and Now too.
func TestLimitUnheard(t *testing.T) {
	long := strings.Repeat("a", 100) + "!"
	p := compile(t, catastrophe)
	if p.Match(long) {
		t.Errorf("%s matches %q", p, long)
	}
	p = compile(t, catastrophe)
	var calls int
	p.OnLimit = func() { calls++ }
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { p.Match(long) })
	}
	wg.Wait()
	if calls != 1 {
		t.Errorf("OnLimit was called %d times by 4 matches at a time, want 1", calls)
	}
}

// FuzzCompile states that Compile takes any text: it gives a pattern whose two
// ways to match agree, or an error whose place is in the text.
func FuzzCompile(f *testing.F) {
	for _, expr := range []string{
		"", "^/(a+)(b)?$", "(?!x)[[:alpha:]-[]", `(?P<n>a)(?P=n)`, `\Q(\E)`, "(?", "[[:none:]]", `(?!x)\p{Greek}`, "a{2,1}", "(?!x)(",
		`(?i:É)\d`, "\xff", "(?<n>a|b)++", `(?!x)\`, "(?#", "[]a]", "[^]", `(?!(?!(?!x)))`, "(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)",
	} {
		f.Add(expr, "/aab")
	}
	f.Fuzz(func(t *testing.T, expr, s string) {
		if len(expr) > 100 || len(s) > 100 {
			return // a long pattern takes long
		}
		p, err := pattern.Compile(expr, 9)
		if err != nil {
			var e *pattern.Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(expr) || e.Msg == "" || strings.Contains(e.Msg, "%!") {
				t.Fatalf("Compile(%q): %#v", expr, err)
			}
			return
		}
		limits := 0
		p.OnLimit = func() { limits++ }
		match := p.Match(s)
		caps, ok := p.Captures(s)
		if limits == 0 && match != ok {
			t.Errorf("%q matches %q: %v, but has captures: %v", expr, s, match, ok)
		}
		if ok != (len(caps) > 0) || ok && !strings.Contains(s, caps[0]) && strings.ToValidUTF8(s, "") == s {
			t.Errorf("captures of %q in %q: %q, %v", expr, s, caps, ok)
		}
	})
}
