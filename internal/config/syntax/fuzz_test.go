package syntax_test

import (
	"slices"
	"testing"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

func FuzzParse(f *testing.F) {
	for _, tt := range good {
		f.Add(tt.src)
	}
	for _, tt := range slices.Concat(bad, worse) {
		f.Add(tt.src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		file, err := syntax.Parse("f", []byte(src))
		if list, ok := err.(syntax.ErrorList); err != nil && (!ok || len(list) == 0 || len(list) > 100) {
			t.Fatalf("Parse(%q): error %#v, want nil or an ErrorList of 1 to 100", src, err)
		}
		if err := checkPlaces(src, file, err); err != nil {
			t.Fatalf("Parse(%q): %v", src, err)
		}
		if err != nil {
			return
		}
		// What was parsed, printed, gives the same tree.
		text := format(file.Stmts)
		file2, err := syntax.Parse("f", []byte(text))
		if err != nil {
			t.Fatalf("Parse(%q) prints as %q, which is not parsed: %v", src, text, err)
		}
		if got, want := dump(file2.Stmts), dump(file.Stmts); got != want {
			t.Fatalf("Parse(%q)\n gives %s,\nprinted and parsed again %s", src, want, got)
		}
	})
}
