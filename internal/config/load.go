package config

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

// LoadOptions are the surroundings that a configuration can look at.
type LoadOptions struct {
	Stdin     io.Reader // read for the name "-"; nil: empty
	Stderr    io.Writer // of the commands of include_shell; nil: dropped
	Environ   []string  // as os.Environ; for env.NAME and include_shell
	Dir       string    // working directory: var.CWD, and what relative names are relative to
	PID       int       // var.PID
	UID       int       // of the user that starts the server; 0 is root
	ServerTag string    // server.tag where the configuration sets none
}

// Load reads the configuration file name, or o.Stdin if name is "-".
//
// If anything is wrong, the error is a [syntax.ErrorList] of all mistakes in all
// files, each with its place, and the Config is of no use but for its Warnings,
// which hold what is only suspicious, and its Explain.
func Load(name string, o LoadOptions) (*Config, error) {
	l := &loader{
		opts: o,
		name: name,
		dir:  filepath.Dir(name),
		env:  environ(o.Environ),

		texts:   make(syntax.Texts),
		misread: make(map[syntax.Pos]bool),
		twice:   make(map[string]bool),
	}
	if name == "-" {
		l.dir = "."
	}
	global := l.newContext(nil, nil)
	global.set("var.CWD", newText(syntax.Pos{}, o.Dir))
	global.set("var.PID", newInteger(syntax.Pos{}, int64(o.PID)))
	l.readTop(global)
	cfg := l.config()
	l.sort(l.errs)
	l.sort(l.warnings)
	cfg.Warnings = slices.CompactFunc(l.warnings, same)
	if len(l.errs) > 0 {
		return &Config{Warnings: cfg.Warnings, texts: l.texts}, slices.CompactFunc(l.errs, same)
	}
	return cfg, nil
}

// A loader holds what is known while a configuration is loaded.
type loader struct {
	opts LoadOptions
	name string // of the top-level file
	dir  string // of the top-level file
	env  map[string]string

	contexts   []*context // by number; the first is the global block
	reading    []source   // the texts being read, outermost first
	files      []string   // the texts read so far, for the order of errors
	texts      syntax.Texts
	incomplete bool                // a text could not be read: definitions are missing
	broken     []string            // the texts with syntax errors, in lower case
	misread    map[syntax.Pos]bool // where those errors are
	twice      map[string]bool     // the files that are known to be read more than once

	found

	headers  []string // that conditions look at
	patterns []located

	errs     syntax.ErrorList
	warnings syntax.ErrorList
}

// config makes the configuration of what was read.
func (l *loader) config() *Config {
	cfg := &Config{name: l.name, texts: l.texts, contexts: l.contexts, base: l.settings(), Server: defaultServer}
	active := activeModules(l.contexts[0])
	sockets := make([]socket, len(l.contexts))
	patches := make([][]patch, len(l.contexts))
	for i, c := range l.contexts {
		sockets[i] = defaultSocket
		if i > 0 {
			sockets[i] = sockets[0]
		}
		patches[i] = l.apply(c, active, &cfg.Server, &sockets[i])
	}
	for _, p := range patches[0] {
		p.set(&cfg.base, p.v)
	}
	l.listeners(cfg, sockets)
	l.addBlocks(cfg, patches)
	cfg.patterns = l.patterns
	l.found.land(cfg)
	cfg.uid = l.opts.UID
	return cfg
}

// errorf reports a mistake. hint says what to do about it, or is "". What the
// parser did not understand is not a second mistake.
func (l *loader) errorf(pos syntax.Pos, hint, format string, args ...any) {
	if l.misread[pos] {
		return
	}
	l.errs = append(l.errs, &syntax.Error{Pos: pos, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

// warnf reports what is accepted but suspicious.
func (l *loader) warnf(pos syntax.Pos, hint, format string, args ...any) {
	l.warnings = append(l.warnings, &syntax.Error{Pos: pos, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

// top is the place of what no line of the configuration says.
func (l *loader) top() syntax.Pos { return syntax.Pos{File: l.name, Line: 1, Col: 1} }

// readTwice reports that the text being read was read before and sets name again.
func (l *loader) readTwice(name string) {
	s := l.reading[len(l.reading)-1]
	if !l.twice[s.name] {
		l.twice[s.name] = true
		l.errorf(s.pos, "include it once, or write := in it", "%s is read a second time here, and sets %s again", quote(s.name), name)
	}
}

// sort orders list by file, in the order of reading, and by place.
func (l *loader) sort(list syntax.ErrorList) {
	order := make(map[string]int)
	for i, f := range l.files {
		if _, ok := order[f]; !ok {
			order[f] = i
		}
	}
	slices.SortStableFunc(list, func(a, b *syntax.Error) int {
		return cmp.Or(
			cmp.Compare(order[a.Pos.File], order[b.Pos.File]),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Col, b.Pos.Col),
		)
	})
}

// same reports whether a and b say the same, as they do of a file read twice.
func same(a, b *syntax.Error) bool { return *a == *b }

// environ returns the variables of list, which is as os.Environ.
func environ(list []string) map[string]string {
	env := make(map[string]string)
	for _, s := range list {
		if name, v, ok := strings.Cut(s, "="); ok {
			env[name] = v
		}
	}
	return env
}

// exec evaluates stmts in block c. inGlobal is set inside "global { }", where
// no condition can stand.
func (l *loader) exec(stmts []syntax.Stmt, c *context, inGlobal bool) {
	for _, s := range stmts {
		switch s := s.(type) {
		case *syntax.Assign:
			l.assign(s, c)
		case *syntax.Include:
			l.include(s, c, inGlobal)
		case *syntax.Global:
			l.exec(s.Body, l.contexts[0], true)
		case *syntax.Cond:
			if inGlobal {
				l.errorf(s.FieldPos, "write the condition outside of the braces", "a condition inside global { }")
				continue
			}
			l.cond(s, c)
		}
	}
}

// assign evaluates the assignment s in block c.
func (l *loader) assign(s *syntax.Assign, c *context) {
	v := l.eval(s.Value, c)
	if _, ok := envName(s.Name); ok {
		l.errorf(s.NamePos, "use a name of your own, such as var.x", "%s cannot be set: env.* is the environment of the server", s.Name)
		return
	}
	key := canonical(s.Name)
	i, defined := c.names[key]
	if defined && c.entries[i].pos.Line == 0 && l.reading[len(l.reading)-1].printed {
		defined = false // -p prints what is predefined, too
	}
	switch {
	case s.Op == syntax.Define && defined:
		const hint = "use += to add to it, or := to replace it"
		switch first := c.entries[i].pos; {
		case first.Line == 0:
			l.errorf(s.NamePos, hint, "%s is already set", s.Name)
		case first == s.NamePos:
			l.readTwice(s.Name)
		default:
			l.errorf(s.NamePos, hint, "%s is already set in this block, at %v", s.Name, first)
		}
	case s.Op == syntax.Append && defined:
		c.entries[i].value = l.add(c.entries[i].value, v)
	case s.Op == syntax.Append:
		if outer := c.lookup(key); outer != nil {
			v = l.add(outer.value, v)
		}
		fallthrough
	default:
		c.set(s.Name, v)
		c.entries[c.names[key]].pos = s.NamePos
	}
}
