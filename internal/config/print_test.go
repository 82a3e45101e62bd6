package config_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

// print returns what Print writes of cfg.
func print(t testing.TB, cfg *config.Config) string {
	t.Helper()
	var b strings.Builder
	if err := cfg.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What Print writes can be loaded, and prints the same again but for the numbers
// of blocks.
func TestPrintedLoads(t *testing.T) {
	for _, name := range loadable(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			cfg, err := config.Load(name, options(filepath.Dir(name)))
			if err != nil {
				t.Fatal(err)
			}
			checkReload(t, print(t, cfg))
		})
	}
}

// loadable returns the names of the golden and corpus files without errors.
func loadable(t *testing.T) []string {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	names := corpus(t)
	for _, archive := range archives {
		a, err := txtar.ParseFile(archive)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), filepath.Base(archive))
		for _, f := range a.Files {
			write(t, filepath.Join(dir, f.Name), f.Data)
		}
		names = append(names, filepath.Join(dir, "lighttpd.conf"))
	}
	var good []string
	for _, name := range names {
		if _, err := config.Load(name, options(filepath.Dir(name))); err == nil {
			good = append(good, name)
		}
	}
	if len(good) < len(names)/3 {
		t.Fatalf("only %d of %d configurations load", len(good), len(names))
	}
	return good
}

var blockNumber = regexp.MustCompile(`(?m)^ +# block \d+$`)

func checkReload(t testing.TB, printed string) {
	t.Helper()
	cfg, err := load(t, printed)
	if err != nil {
		t.Fatalf("what was printed does not load: %v\n%s", err, printed)
	}
	got, want := blockNumber.ReplaceAllString(print(t, cfg), ""), blockNumber.ReplaceAllString(printed, "")
	if got != want {
		t.Fatalf("loaded again, it prints\n%s\nwant\n%s", got, want)
	}
}

// The tree of a text is that of what is printed of it, where there is nothing to
// evaluate.
func TestPrintKeepsTrees(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := (&writer{t: rt}).block(3)
		cfg, err := load(t, text)
		if err != nil {
			rt.Fatalf("Load: %v\n%s", err, text)
		}
		printed := print(t, cfg)
		f, err := syntax.Parse("printed", []byte(printed))
		if err != nil || !f.Printed {
			rt.Fatalf("what was printed does not parse: %v\n%s", err, printed)
		}
		source, err := syntax.Parse("source", []byte(text))
		if err != nil {
			rt.Fatal(err)
		}
		want := tree(source.Stmts, "")
		got := tree(f.Stmts[2:], "") // without var.CWD and var.PID
		if got != want {
			rt.Fatalf("the tree of\n%s\nis\n%s\nbut prints as\n%s\nwith the tree\n%s", text, want, printed, got)
		}
		checkReload(t, printed)
	})
}

// A writer writes random configurations, in which each name and each condition
// is another.
type writer struct {
	t *rapid.T
	n int
}

func (w *writer) pick(label string, from ...string) string {
	return rapid.SampledFrom(from).Draw(w.t, label)
}

func (w *writer) block(depth int) string {
	var b strings.Builder
	for range rapid.IntRange(0, 4).Draw(w.t, "statements") {
		w.n++
		if depth == 0 || rapid.Bool().Draw(w.t, "assignment") {
			name := w.pick("name", "x", "X-y", "var.z", "other.Directive", "-", "config")
			fmt.Fprintf(&b, "%s%d %s %s\n", name, w.n, w.pick("operator", "=", ":=", "+="), w.value(2))
			continue
		}
		b.WriteString(w.cond(depth))
		for range rapid.IntRange(0, 2).Draw(w.t, "branches") {
			w.n++
			b.WriteString(w.pick("else", "else ", "else if ", "elif ") + w.cond(depth))
		}
		if rapid.Bool().Draw(w.t, "final else") {
			fmt.Fprintf(&b, "else {\n%s}\n", w.block(depth-1))
		}
	}
	return b.String()
}

func (w *writer) cond(depth int) string {
	field := w.pick("field", `$HTTP["url"]`, `$HTTP["host"]`, `$HTTP["cookie"]`, `$REQUEST_HEADER["X \"y\" é"]`, `$REQUEST_HEADER["A"]`)
	op := w.pick("operator", "==", "!=", "=^", "=$", "=~", "!~")
	value := fmt.Sprintf(`"(%d%s"`, w.n, w.pick("text", ")", "|é)", `|\")`, `|\.)$`, `)+#`))
	return fmt.Sprintf("%s %s %s {\n%s}\n", field, op, value, w.block(depth-1))
}

func (w *writer) value(depth int) string {
	kind := w.pick("kind", "text", "integer", "array")
	switch {
	case kind == "text" || depth == 0:
		var b strings.Builder
		for range rapid.IntRange(0, 3).Draw(w.t, "length") {
			b.WriteString(w.pick("text", "a", "é", `\"`, `\n`, "\n", "#", " ", "%d", `\\.`))
		}
		return `"` + b.String() + `"`
	case kind == "integer":
		return w.pick("integer", "0", "7", "9223372036854775807")
	}
	var elems []string
	for i := range rapid.IntRange(0, 7).Draw(w.t, "elements") {
		e := w.value(depth - 1)
		if rapid.Bool().Draw(w.t, "key") {
			e = fmt.Sprintf(`"k %d\"" => %s`, i, e)
		}
		elems = append(elems, e)
	}
	return "( " + strings.Join(elems, ", ") + " )"
}

// tree returns the tree of stmts as text: of each block the assignments and then
// the conditions, as Print has them.
func tree(stmts []syntax.Stmt, indent string) string {
	var assigns, conds strings.Builder
	for _, s := range stmts {
		switch s := s.(type) {
		case *syntax.Assign:
			name := s.Name
			if !strings.Contains(name, ".") {
				name = "var." + name
			}
			fmt.Fprintf(&assigns, "%s%s = %s\n", indent, name, expr(s.Value))
		case *syntax.Cond:
			for c := s; c != nil; c = c.Else {
				fmt.Fprintf(&conds, "%s$%s[%q] %d %s\n%s", indent, c.Field, c.Key, c.Op, expr(c.Value), tree(c.Body, indent+"  "))
				if c.HasElse {
					fmt.Fprintf(&conds, "%selse\n%s", indent, tree(c.ElseBody, indent+"  "))
				} else if c.Else != nil {
					fmt.Fprintf(&conds, "%selse ", indent)
				}
			}
		}
	}
	return assigns.String() + conds.String()
}

func expr(x syntax.Expr) string {
	switch x := x.(type) {
	case *syntax.String:
		return fmt.Sprintf("%q", x.Value)
	case *syntax.Int:
		return fmt.Sprint(x.Value)
	case *syntax.Array:
		var elems []string
		for _, e := range x.Elems {
			s := expr(e.Value)
			if e.Key != nil {
				s = expr(e.Key) + ":" + s
			}
			elems = append(elems, s)
		}
		return "[" + strings.Join(elems, " ") + "]"
	}
	panic(fmt.Sprintf("unexpected %T", x))
}
