package config

import (
	"bytes"
	stdctx "context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

const (
	maxFile    = 32 << 20         // bytes of one text
	maxDepth   = 100              // texts that include each other
	maxName    = 4096             // bytes of a file name
	maxBraces  = 1000             // names that the braces of one include stand for
	shellBound = 10 * time.Second // for one command of include_shell
)

// A source is a text being read.
type source struct {
	name string
	info fs.FileInfo // nil: it is not a file
	pos  syntax.Pos  // where it is included

	printed bool // it is a configuration as -p prints it
}

// readTop reads and evaluates the top-level file.
func (l *loader) readTop(global *context) {
	if l.name != "-" {
		l.readFile(l.name, l.top(), global, false)
		return
	}
	var src []byte
	if l.opts.Stdin != nil {
		var err error
		if src, err = io.ReadAll(io.LimitReader(l.opts.Stdin, maxFile+1)); err != nil {
			l.errorf(l.top(), "", "the configuration on standard input cannot be read: %s", reason(err))
			return
		}
	}
	l.run(source{name: l.name, pos: l.top()}, src, global, false)
}

// include evaluates "include" and "include_shell" in block c.
func (l *loader) include(s *syntax.Include, c *context, inGlobal bool) {
	arg := l.eval(s.Arg, c)
	switch {
	case arg.kind == bad:
	case arg.kind != text:
		l.errorf(arg.pos, `write include "conf.d/*.conf" or include_shell "command"`, "%v is not the name of a file or a command", arg)
	case s.Shell:
		l.includeShell(arg, c, inGlobal)
	case arg.text == "":
		l.errorf(arg.pos, `write include "conf.d/*.conf"`, "the name of the file to include is empty")
	case len(arg.text) > maxName:
		l.errorf(arg.pos, "", "the name of the file to include is longer than %d bytes", maxName)
	default:
		l.includeFiles(arg, c, inGlobal)
	}
}

// includeFiles evaluates the files that arg names. Names that start with "./"
// or "../" are relative to the working directory, others to the directory of
// the top-level file, also inside an included file.
func (l *loader) includeFiles(arg value, c *context, inGlobal bool) {
	patterns := braces(arg.text)
	if len(patterns) > maxBraces {
		l.errorf(arg.pos, "", "the braces stand for more than %d names", maxBraces)
		return
	}
	isPattern := strings.ContainsAny(arg.text, "*?[]{}")
	for _, name := range patterns {
		dir := l.dir
		if filepath.IsAbs(name) || strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") {
			dir = ""
		}
		if !isPattern {
			l.readFile(filepath.Join(dir, name), arg.pos, c, inGlobal)
			continue
		}
		matches, err := l.glob(dir, name)
		if err != nil {
			l.errorf(arg.pos, `a "[" needs its "]"`, "%s is not a pattern for file names", quote(arg.text))
			return
		}
		for _, m := range matches {
			l.readFile(m, arg.pos, c, inGlobal)
		}
	}
}

// glob returns the names, in order, of the files in dir that pattern matches.
// They are relative to the working directory unless pattern is absolute.
func (l *loader) glob(dir, pattern string) ([]string, error) {
	full := pattern
	if !filepath.IsAbs(pattern) {
		plain := strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(l.path(dir))
		full = filepath.Join(plain, pattern)
	}
	matches, err := filepath.Glob(full)
	if err != nil {
		return nil, err
	}
	slices.Sort(matches)
	var names []string
	for _, m := range matches {
		if hidden(m, pattern) {
			continue
		}
		if rel, err := filepath.Rel(l.opts.Dir, m); err == nil && !filepath.IsAbs(pattern) {
			m = rel
		}
		names = append(names, m)
	}
	return names, nil
}

// path returns the name by which the operating system finds the file name.
func (l *loader) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(l.opts.Dir, name)
}

// braces returns the patterns that the {a,b} in pattern stand for, in order, or
// some more than maxBraces of them. As in glob(3), "{}" and a brace without its
// pair are plain text.
func braces(pattern string) []string {
	open := strings.IndexByte(pattern, '{')
	if open < 0 {
		return []string{pattern}
	}
	depth, start := 0, open+1
	var parts []string
	for i := open; i < len(pattern); i++ {
		switch pattern[i] {
		case '{':
			depth++
		case ',':
			if depth == 1 {
				parts = append(parts, pattern[start:i])
				start = i + 1
			}
		case '}':
			if depth--; depth > 0 {
				continue
			}
			if i == open+1 {
				return prefixed(pattern[:i+1], braces(pattern[i+1:]))
			}
			var all []string
			for _, p := range append(parts, pattern[start:i]) {
				all = append(all, braces(pattern[:open]+p+pattern[i+1:])...)
				if len(all) > maxBraces {
					break
				}
			}
			return all
		}
	}
	return prefixed(pattern[:open+1], braces(pattern[open+1:]))
}

// prefixed returns list with prefix in front of each string.
func prefixed(prefix string, list []string) []string {
	for i := range list {
		list[i] = prefix + list[i]
	}
	return list
}

// hidden reports whether a wildcard of pattern stands for a leading dot in the
// match name. A shell would not match it, and editors leave such files behind.
func hidden(name, pattern string) bool {
	n := strings.Split(filepath.ToSlash(name), "/")
	p := strings.Split(filepath.ToSlash(filepath.Clean(pattern)), "/")
	for i := 1; i <= min(len(n), len(p)); i++ {
		if strings.HasPrefix(n[len(n)-i], ".") && strings.IndexAny(p[len(p)-i], "*?[") == 0 {
			return true
		}
	}
	return false
}

// readFile evaluates the file name in block c. pos is where it is included.
func (l *loader) readFile(name string, pos syntax.Pos, c *context, inGlobal bool) {
	f, err := os.Open(l.path(name))
	if err != nil {
		l.unreadable(name, pos, err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		l.unreadable(name, pos, err)
		return
	}
	if info.IsDir() {
		l.errorf(pos, "name the files in it, such as "+quote(filepath.Join(name, "*.conf")), "%s is a directory", quote(name))
		return
	}
	for i, outer := range l.reading {
		if outer.info != nil && os.SameFile(outer.info, info) {
			l.errorf(pos, "remove this include", "%s includes itself: %s", quote(name), l.chain(i, name))
			return
		}
	}
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		l.unreadable(name, pos, err)
		return
	}
	l.run(source{name: name, info: info, pos: pos}, src, c, inGlobal)
}

// unreadable reports that the file name, included at pos, cannot be read.
func (l *loader) unreadable(name string, pos syntax.Pos, err error) {
	hint := ""
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(l.reading) > 0:
		hint = "create it, correct the name, or write a pattern such as " + quote(name+"*") + ", which may match nothing"
	case errors.Is(err, fs.ErrNotExist):
		hint = "create it, or correct the name"
	case errors.Is(err, fs.ErrPermission):
		hint = "let the user that starts the server read it"
	}
	l.errorf(pos, hint, "%s cannot be read: %s", quote(name), reason(err))
	l.incomplete = true
}

// chain names the texts being read, from the i-th on, and then name.
func (l *loader) chain(i int, name string) string {
	var b strings.Builder
	for _, s := range l.reading[i:] {
		b.WriteString(s.name + " -> ")
	}
	return b.String() + name
}

// includeShell runs the command arg in the directory of the top-level file and
// evaluates what it prints.
func (l *loader) includeShell(arg value, c *context, inGlobal bool) {
	ctx, cancel := stdctx.WithTimeout(stdctx.Background(), shellBound)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", arg.text)
	cmd.Dir = l.path(l.dir)
	cmd.Env = l.opts.Environ
	if cmd.Env == nil {
		cmd.Env = []string{} // nil would be our own environment
	}
	var out bytes.Buffer
	cmd.Stdout = &limitedWriter{w: &out, left: maxFile + 1}
	cmd.Stderr = l.opts.Stderr
	cmd.WaitDelay = time.Second
	killGroup(cmd)
	err := cmd.Run()
	l.incomplete = l.incomplete || err != nil
	switch {
	case ctx.Err() != nil:
		l.errorf(arg.pos, "write what it prints into a file, and include that", "the command %s did not end within %v", quote(arg.text), shellBound)
	case err != nil:
		l.errorf(arg.pos, "run it by hand, in the directory of the configuration, to see why", "the command %s failed: %s", quote(arg.text), reason(err))
	default:
		l.run(source{name: arg.text, pos: arg.pos}, out.Bytes(), c, inGlobal)
	}
}

// A limitedWriter passes on the first left bytes and drops the rest.
type limitedWriter struct {
	w    io.Writer
	left int
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.left)
	w.left -= n
	if _, err := w.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// run parses and evaluates the text src in block c.
func (l *loader) run(s source, src []byte, c *context, inGlobal bool) {
	switch {
	case len(src) > maxFile:
		l.errorf(s.pos, "", "%s is larger than %d MiB", quote(s.name), maxFile>>20)
		return
	case len(l.reading) == maxDepth:
		l.errorf(s.pos, "look for an include that leads back to itself", "more than %d files include each other", maxDepth)
		return
	}
	l.files = append(l.files, s.name)
	l.keep(s.name, string(src))
	file, err := syntax.Parse(s.name, src)
	if list := (syntax.ErrorList)(nil); errors.As(err, &list) {
		l.errs = append(l.errs, list...)
		l.broken = append(l.broken, fold(string(src)))
		for _, e := range list {
			l.misread[e.Pos] = true
		}
	}
	s.printed = file.Printed
	l.reading = append(l.reading, s)
	l.exec(file.Stmts, c, inGlobal)
	l.reading = l.reading[:len(l.reading)-1]
}

// keep keeps the text name for [Config.Explain]. A command that prints another
// text each time has none that could be shown.
func (l *loader) keep(name, text string) {
	if old, ok := l.texts[name]; ok && old != text {
		text = ""
	}
	l.texts[name] = text
}

// reason returns what the operating system says of err, without the name of
// the file, which the message around it has.
func reason(err error) string {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
