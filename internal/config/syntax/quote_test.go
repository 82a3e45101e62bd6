package syntax_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

func TestExplain(t *testing.T) {
	x60, x100 := strings.Repeat("x", 60), strings.Repeat("x", 100)
	tests := []struct {
		name, text string
		line, col  int
		want       string // behind the message
	}{
		{"first line", "a = b", 1, 5, "\n    a = b\n        ^"},
		{"first byte", "a = b\n", 1, 1, "\n    a = b\n    ^"},
		{"end of the line", "a =\nb = 1\n", 1, 4, "\n    a =\n       ^"},
		{"beyond the end of the line", "a =\n", 1, 99, "\n    a =\n       ^"},
		{"LF", "a\nb\nc", 2, 1, "\n    b\n    ^"},
		{"CR LF", "a\r\nb\r\nc", 2, 1, "\n    b\n    ^"},
		{"CR", "a\rb\rc", 2, 1, "\n    b\n    ^"},
		{"last line", "a\n\nb", 3, 1, "\n    b\n    ^"},
		{"blank line", "a\n \t\nb", 2, 1, ""},
		{"behind the last line", "a\n", 2, 1, ""},
		{"no such line", "a\n", 9, 1, ""},
		{"no place", "a", 0, 0, ""},
		{"tabs", "\t\ta = \tb", 1, 8, "\n    \t\ta = \tb\n    \t\t    \t^"},
		{"UTF-8", `a = "é€" b`, 1, 13, "\n    a = \"é€\" b\n             ^"},
		{"wide characters", `"日本😀" b`, 1, 14, "\n    \"日本😀\" b\n             ^"},
		{"combining characters", "\"e\u0301\" b", 1, 7, "\n    \"e\u0301\" b\n        ^"},
		{"no-break space", "\u00a0a b", 1, 5, "\n    \u00a0a b\n       ^"},
		{"inside a character", "é = 1", 1, 2, "\n    é = 1\n    ^"},
		{"not UTF-8", "\xff\xfe b", 1, 4, "\n    \ufffd\ufffd b\n       ^"},
		{"control characters", "\x1b[31m\u202e\x00 b", 1, 11, "\n    \ufffd[31m\ufffd\ufffd b\n            ^"},
		{"long in front", x60 + "yz", 1, 62, "\n    …" + x60[1:] + "yz\n     " + strings.Repeat(" ", 60) + "^"},
		{"as long as is shown in front", x60 + "z", 1, 61, "\n    " + x60 + "z\n    " + strings.Repeat(" ", 60) + "^"},
		{"long behind", "a" + x100, 1, 1, "\n    a" + x100[1:] + "…\n    ^"},
		{"as long as is shown behind", x100, 1, 3, "\n    " + x100 + "\n      ^"},
		{"very long", strings.Repeat("é", 1<<20), 1, 1<<20 + 1, "\n    …" + strings.Repeat("é", 100) + "…\n     " + strings.Repeat(" ", 60) + "^"},
	}
	for _, tt := range tests {
		e := &syntax.Error{Pos: syntax.Pos{File: "f", Line: tt.line, Col: tt.col}, Msg: "wrong", Hint: "do it right"}
		texts := syntax.Texts{"f": tt.text, "g": "other"}
		if got, want := texts.Explain(e), e.Error()+tt.want; got != want {
			t.Errorf("%s: Explain gives\n%s\nwant\n%s", tt.name, got, want)
		}
	}
	e := &syntax.Error{Pos: syntax.Pos{File: "unknown", Line: 1, Col: 1}, Msg: "wrong"}
	if got := (syntax.Texts)(nil).Explain(e); got != e.Error() {
		t.Errorf("without texts: Explain gives %q, want %q", got, e.Error())
	}
}

// Explain has one or three lines for any text and place, and nothing in them that
// a terminal would act on.
func FuzzExplain(f *testing.F) {
	f.Add("a = b\r\nc = d", 2, 3)
	f.Add("\t\x1b[0m\u202e日\xff", 1, 5)
	f.Fuzz(func(t *testing.T, text string, line, col int) {
		if line < 1 || col < 1 {
			return
		}
		e := &syntax.Error{Pos: syntax.Pos{File: "f", Line: line, Col: col}, Msg: "wrong"}
		got := syntax.Texts{"f": text}.Explain(e)
		lines := strings.Split(got, "\n")
		if len(lines) != 1 && len(lines) != 3 || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\x00\x1b\u202e") {
			t.Fatalf("Explain of %d:%d in %q gives %q", line, col, text, got)
		}
		if len(lines) == 3 && strings.Trim(lines[2], " \t") != "^" {
			t.Fatalf("Explain of %d:%d in %q gives the caret line %q", line, col, text, lines[2])
		}
	})
}
