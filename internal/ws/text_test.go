package ws_test

import (
	"testing"
	"unicode/utf8"

	"github.com/wstunneld/wstunneld/internal/ws"
)

func TestSplitText(t *testing.T) {
	tests := []struct {
		in string
		n  int
		ok bool
	}{
		{"", 0, true},
		{"abc", 3, true},
		{"aä€😀", 10, true},
		{"a\xc3", 1, true},
		{"a\xe2", 1, true},
		{"a\xe2\x82", 1, true},
		{"\xf0\x9f\x98", 0, true},
		{"a\xff", 1, false},
		{"a\xffb", 1, false},
		{"\x80", 0, false},             // a continuation of nothing
		{"ab\xed\xa0", 2, false},       // the start of a surrogate
		{"ab\xe0\x80", 2, false},       // overlong
		{"a\xc3ä\xe2", 1, false},       // broken before the end
		{"ä\xf4\x90\x80", 2, false},    // above U+10FFFF
		{"\x80\x80\x80\x80", 0, false}, // no start within reach
	}
	for _, tt := range tests {
		if n, ok := ws.SplitText([]byte(tt.in)); n != tt.n || ok != tt.ok {
			t.Errorf("SplitText(%q) = %d, %v; want %d, %v", tt.in, n, ok, tt.n, tt.ok)
		}
	}
}

func FuzzSplitText(f *testing.F) {
	f.Add([]byte("aä€😀\xe2\x82"))
	f.Add([]byte("a\xff\xf0\x9f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, ok := ws.SplitText(b)
		if !utf8.Valid(b[:n]) {
			t.Fatalf("SplitText(%q) = %d: the prefix is not valid", b, n)
		}
		rest := b[n:]
		if begun := len(rest) == 0 || !utf8.FullRune(rest); ok != begun {
			t.Fatalf("SplitText(%q) = %d, %v: the rest is %q", b, n, ok, rest)
		}
		if r, size := utf8.DecodeRune(rest); !ok && (r != utf8.RuneError || size != 1) {
			t.Fatalf("SplitText(%q) = %d, false: %q is a character", b, n, rest[:size])
		}
	})
}
