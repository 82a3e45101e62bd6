package compat

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// configName is the configuration's file, in an archive and for the programs.
const configName = "lighttpd.conf"

// A mark says how a case stands that does not agree.
type mark struct {
	differs []string // the ids of rows of docs/compatibility.md
	fields  []string // in which the answers differ by those rows
	pending string   // the topic to wait for
}

// id is what a row of docs/compatibility.md is named by.
var id = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// read takes a comment that may be part of a mark.
func (m *mark) read(comment string) error {
	text := strings.TrimSpace(strings.TrimPrefix(comment, "#"))
	if topic, ok := strings.CutPrefix(text, "pending:"); ok {
		if m.pending = strings.TrimSpace(topic); !id.MatchString(m.pending) {
			return fmt.Errorf("%q: not a topic", m.pending)
		}
		return nil
	}
	row, ok := strings.CutPrefix(text, "differs:")
	if !ok {
		return nil
	}
	name, fields, _ := strings.Cut(strings.TrimSpace(row), " ")
	if !id.MatchString(name) || fields == "" {
		return fmt.Errorf("%s: want an id and the fields that differ", text)
	}
	m.differs = append(m.differs, name)
	for f := range strings.SplitSeq(fields, ",") {
		m.fields = append(m.fields, strings.TrimSpace(f))
	}
	return nil
}

// report fails the test unless the answers stand as the mark says. Diff are the
// fields in which they differ, and show prints one.
func (m *mark) report(t *testing.T, diff []string, show func(field string) string) {
	t.Helper()
	for _, complaint := range m.judge(diff, show) {
		t.Error(complaint)
	}
	if m.pending != "" {
		for _, f := range diff {
			t.Logf("pending: %s: %s: %s", m.pending, f, show(f))
		}
	}
}

// judge returns what is wrong.
func (m *mark) judge(diff []string, show func(field string) string) (wrong []string) {
	switch {
	case m.pending != "":
		if len(diff) == 0 {
			wrong = append(wrong, "agrees, although it is pending: "+m.pending)
		}
	case slices.Contains(diff, "status") && !slices.Contains(m.fields, "status"):
		wrong = append(wrong, "status: "+show("status")) // the rest is not compared then
	default:
		for _, f := range diff {
			if !slices.Contains(m.fields, f) {
				wrong = append(wrong, f+": "+show(f))
			}
		}
		for _, f := range m.fields {
			if !slices.Contains(diff, f) {
				wrong = append(wrong, fmt.Sprintf("%s: agrees, although it is to differ: %v", f, m.differs))
			}
		}
	}
	return wrong
}

// A configCase is a configuration that both programs read.
type configCase struct {
	mark
	name, text string
}

// parseConfigs takes apart an archive of configurations. Files in "files/" are
// there for them to include.
func parseConfigs(a *txtar.Archive) (cases []configCase, files []txtar.File, err error) {
	names := make(map[string]bool)
	for _, f := range a.Files {
		if name, ok := strings.CutPrefix(f.Name, "files/"); ok {
			files = append(files, txtar.File{Name: name, Data: f.Data})
			continue
		}
		c := configCase{name: f.Name, text: string(f.Data)}
		if names[f.Name] {
			return nil, nil, fmt.Errorf("%s: twice", f.Name)
		}
		names[f.Name] = true
		for line := range strings.Lines(c.text) {
			if !strings.HasPrefix(line, "# ") {
				break
			}
			if err := c.read(line); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", f.Name, err)
			}
		}
		cases = append(cases, c)
	}
	return cases, files, nil
}

// A requestCase is something that both servers are sent.
type requestCase struct {
	mark
	line           int // of the section
	then           bool
	method, target string // method is "WS" for an opening handshake, "" for raw bytes
	http10         bool
	headers        []string
	body           string
	raw            string
	answers        int    // how many are read
	from           string // the client's address, if it matters
	port           string // if it is not the first listener's
	links          bool   // compare the links in the body, not the body
}

func (c *requestCase) String() string {
	if c.method == "" {
		return fmt.Sprintf("line %d: raw %.60q", c.line, c.raw)
	}
	s := fmt.Sprintf("line %d: %s %.80s", c.line, c.method, c.target)
	for _, h := range c.headers {
		s += fmt.Sprintf(" [%.60s]", h)
	}
	return s
}

var (
	header  = regexp.MustCompile(`^[!-9;-~]+:`)
	request = regexp.MustCompile(`^(then )?([A-Za-z]+) (\S+)( HTTP/1\.0)?$`)
)

// parseRequests takes apart the requests of an archive.
func parseRequests(text string) ([]*requestCase, error) {
	var cases []*requestCase
	var c *requestCase // the last of cases
	var next mark      // of the case to come
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\n")
		detail, indented := strings.CutPrefix(line, "  ")
		var err error
		switch {
		case line == "":
		case strings.HasPrefix(line, "#"):
			err = next.read(line)
		case indented && c != nil:
			err = c.detail(detail)
		default:
			c = &requestCase{mark: next, line: n, answers: 1}
			next = mark{}
			cases = append(cases, c)
			err = c.first(line)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if next.differs != nil || next.pending != "" {
		return nil, fmt.Errorf("line %d: a mark without a case", n)
	}
	return cases, nil
}

// first reads a line that begins a case.
func (c *requestCase) first(line string) error {
	if count, ok := strings.CutPrefix(line, "raw"); ok {
		if count != "" {
			var err error
			if c.answers, err = strconv.Atoi(strings.TrimSpace(count)); err != nil {
				return err
			}
		}
		return nil
	}
	m := request.FindStringSubmatch(line)
	if m == nil {
		return fmt.Errorf("%q: not a request", line)
	}
	c.then, c.method, c.target, c.http10 = m[1] != "", m[2], m[3], m[4] != ""
	return nil
}

// detail reads an indented line.
func (c *requestCase) detail(line string) error {
	if c.method == "" && strings.HasPrefix(line, `"`) {
		s, err := strconv.Unquote(line)
		c.raw += s
		return err
	}
	if header.MatchString(line) {
		c.headers = append(c.headers, line)
		return nil
	}
	word, value, _ := strings.Cut(line, " ")
	switch word {
	case "body":
		c.body = value
	case "from":
		c.from = value
	case "port":
		c.port = value
	case "links":
		c.links = true
	default:
		return fmt.Errorf("%q: neither a header nor body, from, port, links", line)
	}
	return nil
}

// archives returns the archives of a directory of testdata by their names.
func archives(t *testing.T, dir string) map[string]*txtar.Archive {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archives in %s: %v", dir, err)
	}
	all := make(map[string]*txtar.Archive)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(path), ".txtar")] = txtar.Parse(b)
	}
	return all
}

// section returns a file of an archive.
func section(t *testing.T, a *txtar.Archive, name string) string {
	t.Helper()
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	t.Fatalf("there is no %s", name)
	return ""
}

// writeFiles writes files below dir. A name that ends in a slash is a directory.
func writeFiles(t *testing.T, dir string, files []txtar.File) {
	t.Helper()
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if strings.HasSuffix(f.Name, "/") {
			err = os.MkdirAll(name, 0o755)
		} else {
			err = os.WriteFile(name, f.Data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
