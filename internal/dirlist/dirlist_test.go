package dirlist_test

import (
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/dirlist"
)

var changed = time.Date(2026, 3, 9, 7, 5, 2, 0, time.Local)

// A node is a file, or a directory if its name ends with a slash, or a link to
// one if it begins with "@".
type node struct {
	name string
	size int64
}

func (n node) Name() string               { return strings.Trim(n.name, "/@") }
func (n node) IsDir() bool                { return n.Type().IsDir() }
func (n node) Info() (fs.FileInfo, error) { panic("not for use: it may be out of date") }
func (n node) Type() fs.FileMode {
	switch {
	case strings.HasPrefix(n.name, "@"):
		return fs.ModeSymlink
	case strings.HasSuffix(n.name, "/"):
		return fs.ModeDir
	}
	return 0
}

// An info is what is behind a node.
type info struct{ node }

func (n info) Size() int64        { return n.size }
func (n info) Mode() fs.FileMode  { return n.Type() }
func (n info) ModTime() time.Time { return changed }
func (n info) Sys() any           { return nil }
func (n info) IsDir() bool        { return strings.HasSuffix(n.name, "/") }

// dir returns a directory of nodes, and of texts by name. A node whose size is
// negative cannot be described.
func dir(path string, nodes []node, texts map[string]string) dirlist.Dir {
	byName := map[string]node{}
	for _, n := range nodes {
		byName[n.Name()] = n
	}
	rest := nodes
	return dirlist.Dir{
		Path: path,
		ReadDir: func(n int) ([]fs.DirEntry, error) {
			var batch []fs.DirEntry
			for len(rest) > 0 && len(batch) < n {
				batch, rest = append(batch, rest[0]), rest[1:]
			}
			if len(batch) == 0 {
				return nil, io.EOF
			}
			return batch, nil
		},
		Stat: func(name string) (fs.FileInfo, error) {
			n, ok := byName[name]
			if !ok || n.size < 0 {
				return nil, fs.ErrNotExist
			}
			return info{n}, nil
		},
		Type: func(name string) string { return "type/" + name },
		Open: func(name string) (io.ReadCloser, error) {
			s, ok := texts[name]
			if !ok {
				return nil, fs.ErrNotExist
			}
			return io.NopCloser(strings.NewReader(s)), nil
		},
	}
}

func page(t testing.TB, d dirlist.Dir, o *dirlist.Options) string {
	t.Helper()
	l, err := dirlist.Read(d, o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := l.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const (
	tableStart = "<div class=\"list\">\n<table>\n<thead><tr>" +
		`<th class="n">Name</th><th class="m">Last Modified</th><th class="s">Size</th><th class="t">Type</th>` + "</tr></thead>\n<tbody>\n"
	parent   = `<tr class="d"><td class="n"><a href="../">..</a>/</td><td class="m"></td><td class="s">-</td><td class="t">Directory</td></tr>` + "\n"
	tableEnd = "</tbody>\n</table>\n</div>\n"
)

func row(name string) string {
	if bare, ok := strings.CutSuffix(name, "/"); ok {
		return fmt.Sprintf(`<tr class="d"><td class="n"><a href="%s/">%[1]s</a>/</td><td class="m">2026-Mar-09 07:05:02</td><td class="s">-</td><td class="t">Directory</td></tr>`+"\n", bare)
	}
	return fmt.Sprintf(`<tr><td class="n"><a href="%s">%[1]s</a></td><td class="m">2026-Mar-09 07:05:02</td><td class="s">0.0K</td><td class="t">type/%[1]s</td></tr>`+"\n", name)
}

func TestTable(t *testing.T) {
	nodes := []node{{"b", 0}, {"a", 0}, {"z/", 0}, {"B", 0}, {".hid", 0}, {"@link/", 0}, {"@flink", 0}, {"@bad", -1}, {"gone", -1}, {"c~", 0}, {".d/", 0}}
	texts := map[string]string{"a": "<i>&\n", "b": "<b>"}
	tests := []struct {
		name string
		path string
		opt  dirlist.Options
		want string
	}{
		{"all", "/x/", dirlist.Options{},
			"<h2>Index of /x/</h2>\n" + tableStart + parent + row(".d/") + row("link/") + row("z/") +
				row(".hid") + row("B") + row("a") + row("b") + row("c~") + row("flink") + tableEnd},
		{"top", "/", dirlist.Options{HideDotfiles: true, Exclude: func(name string) bool { return name != "a" && name != "z" }},
			"<h2>Index of /</h2>\n" + tableStart + row("z/") + row("a") + tableEnd},
		{"texts", "/<&/", dirlist.Options{
			Exclude: func(name string) bool { return len(name) > 1 },
			Header:  dirlist.Text{Name: "a", Encode: true, Hide: true}, Readme: dirlist.Text{Name: "b"}, Footer: "not in a table alone"},
			"<pre class=\"header\">&#x3C;i&#x3E;&#x26;\n</pre>\n<h2>Index of /&#x3C;&#x26;/</h2>\n" + tableStart + parent + row("z/") + row("B") + row("b") + tableEnd + "<b>"},
		{"missing texts", "/", dirlist.Options{
			Exclude: func(name string) bool { return true },
			Header:  dirlist.Text{Name: "none", Encode: true}, Readme: dirlist.Text{Name: "none"}},
			"<h2>Index of /</h2>\n" + tableStart + tableEnd},
	}
	for _, tt := range tests {
		if got := page(t, dir(tt.path, nodes, texts), &tt.opt); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestLayout(t *testing.T) {
	tests := []struct {
		opt  dirlist.Options
		want []string // in this order
		not  string
		typ  string
	}{
		{dirlist.Options{}, []string{"<!DOCTYPE html>\n<html>\n<head>\n", "<title>Index of /a&#x22;/</title>", "<style>", "</style>\n</head>\n<body>\n<h2>",
			tableEnd, "<script>\n", "</script>\n</body>\n</html>\n"}, "foot\"", "text/html"},
		{dirlist.Options{Encoding: `u"8`}, []string{`<meta charset="u&#x22;8">`}, "foot\"", `text/html;charset=u"8`},
		{dirlist.Options{ExternalCSS: `/"c.css`}, []string{`<link rel="stylesheet" href="/&#x22;c.css">`, "</head>"}, "<style", "text/html"},
		{dirlist.Options{ExternalJS: `/"j.js`}, []string{`<script src="/&#x22;j.js"></script>`, "</body>"}, "addEventListener", "text/html"},
		{dirlist.Options{Footer: `<b>f</b>`}, []string{tableEnd + `<div class="foot"><b>f</b></div>`}, "charset", "text/html"},
	}
	for _, tt := range tests {
		tt.opt.AutoLayout = true
		rest := page(t, dir(`/a"/`, nil, nil), &tt.opt)
		if strings.Contains(rest, tt.not) {
			t.Errorf("%+v: the page has %q", tt.opt, tt.not)
		}
		for _, s := range tt.want {
			_, after, ok := strings.Cut(rest, s)
			if !ok {
				t.Errorf("%+v: no %q in %q", tt.opt, s, rest)
			}
			rest = after
		}
		if got := tt.opt.ContentType(); got != tt.typ {
			t.Errorf("%+v: content type %q, want %q", tt.opt, got, tt.typ)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0.0K", 1: "0.1K", 99: "0.1K", 199: "0.1K", 200: "0.2K", 1000: "0.9K", 1023: "0.9K", 1024: "1.0K", 10239: "9.9K",
		999*1024 + 1023: "999.9K", 1000 * 1024: "0.9M", 1<<20 - 1: "0.9M", 1 << 20: "1.0M", 3_000_000: "2.8M", 1 << 30: "1.0G",
		5 << 40: "5.0T", 7 << 50: "7.0P", 1<<63 - 1: "7.9E",
	} {
		if got := page(t, dir("/", []node{{"f", n}}, nil), &dirlist.Options{}); !strings.Contains(got, `<td class="s">`+want+`</td>`) {
			t.Errorf("size %d: %s, want %s", n, got, want)
		}
	}
}

// The texts are escaped also where a piece of them ends.
func TestLongText(t *testing.T) {
	text := strings.Repeat("<é>", 50_000)
	o := &dirlist.Options{Readme: dirlist.Text{Name: "t", Encode: true}}
	_, got, _ := strings.Cut(page(t, dir("/", nil, map[string]string{"t": text}), o), `<pre class="readme">`)
	if got, _, _ = strings.Cut(got, "</pre>"); strings.Contains(got, "<") || html.UnescapeString(got) != text {
		t.Errorf("%d bytes come back as %d", len(text), len(got))
	}
}

func TestReadError(t *testing.T) {
	want := errors.New("disk")
	d := dir("/", []node{{"a", 0}}, nil)
	read := d.ReadDir
	d.ReadDir = func(n int) ([]fs.DirEntry, error) {
		if b, err := read(n); err == nil {
			return b, nil
		}
		return nil, want
	}
	if _, err := dirlist.Read(d, &dirlist.Options{}); !errors.Is(err, want) {
		t.Errorf("Read: %v, want %v", err, want)
	}
}

// A failingWriter is a client that is gone.
type failingWriter struct{ writes int }

func (w *failingWriter) Write([]byte) (int, error) {
	w.writes++
	return 0, io.ErrClosedPipe
}

// When the client is gone, the rest of the page is not made.
func TestWriteError(t *testing.T) {
	nodes := make([]node, 10_000)
	for i := range nodes {
		nodes[i].name = fmt.Sprint(i)
	}
	d := dir("/", nodes, nil)
	stats, stat := 0, d.Stat
	d.Stat = func(name string) (fs.FileInfo, error) { stats++; return stat(name) }
	l, err := dirlist.Read(d, &dirlist.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &failingWriter{}
	if err := l.Write(w); !errors.Is(err, io.ErrClosedPipe) || w.writes != 1 || stats > 500 {
		t.Errorf("Write: %v after %d writes and %d files, want %v after 1 and a few", err, w.writes, stats, io.ErrClosedPipe)
	}
}

// A heapWriter notes how much memory is in use as the page passes.
type heapWriter struct {
	calls, bytes, largest int
	heap                  uint64
}

func (w *heapWriter) Write(b []byte) (int, error) {
	if w.calls%128 == 0 {
		w.heap = max(w.heap, heap())
	}
	w.calls++
	w.bytes += len(b)
	w.largest = max(w.largest, len(b))
	return len(b), nil
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// However large the directory, a listing keeps no more than the names of
// MaxEntries, and no page.
func TestLargeDirectory(t *testing.T) {
	next := 0
	d := dirlist.Dir{
		Path: "/",
		ReadDir: func(n int) ([]fs.DirEntry, error) {
			batch := make([]fs.DirEntry, n)
			for i := range batch {
				batch[i] = node{name: fmt.Sprintf("file-%09d", next*7919%1_000_003)}
				next++
			}
			return batch, nil // without end
		},
		Stat: func(name string) (fs.FileInfo, error) { return info{node{name: name}}, nil },
		Type: func(name string) string { return "text/plain" },
	}
	before := heap()
	l, err := dirlist.Read(d, &dirlist.Options{AutoLayout: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &heapWriter{}
	if err := l.Write(w); err != nil {
		t.Fatal(err)
	}
	if limit := uint64(8 << 20); w.heap > before+limit || w.bytes < 10<<20 || w.largest > 16<<10 {
		t.Errorf("a page of %d bytes in pieces of at most %d took %d bytes of memory, want at most %d", w.bytes, w.largest, w.heap-before, limit)
	}
	if next > dirlist.MaxEntries+1000 {
		t.Errorf("%d names read, want not many more than %d", next, dirlist.MaxEntries)
	}

	next = 0
	got := page(t, d, &dirlist.Options{Exclude: func(name string) bool { return strings.HasSuffix(name, "0") }})
	_, foot, _ := strings.Cut(got, "</tbody>")
	if n := strings.Count(got, "<tr><td"); n != dirlist.MaxEntries || !strings.Contains(foot, "Only 100000 entries are shown.") {
		t.Errorf("%d rows and %q, want %d and that there are more", n, foot, dirlist.MaxEntries)
	}
}

// A directory of just MaxEntries is listed whole.
func TestMaxEntries(t *testing.T) {
	nodes := make([]node, dirlist.MaxEntries)
	for i := range nodes {
		nodes[i].name = fmt.Sprint(i)
	}
	if got := page(t, dir("/", nodes, nil), &dirlist.Options{}); strings.Contains(got, "Only") || strings.Count(got, "<tr><td") != len(nodes) {
		t.Errorf("%d rows, want %d and no more", strings.Count(got, "<tr><td"), len(nodes))
	}
}

var rowPattern = regexp.MustCompile(`(?s)<tr><td class="n"><a href="([^"]*)">([^<]*)</a></td>`)

// Whatever a file is called, its row is one row, its text is its name, and its
// link leads to it.
func FuzzName(f *testing.F) {
	for _, s := range []string{
		"a.txt", `<script>alert(1)</script>`, `" onclick="x`, `'`, "&amp;", "&#x3C;", "javascript:alert(1)", "http:", "%2e%2e", "a?b#c", "a b", "\\\\evil", "\n", "\r\n",
		"\x1b$B", "\x00", "\xff\xfe", "é", "日本", "\u202e", "..", "//evil.test", "+", ";",
	} {
		f.Add(s)
	}
	plain := page(f, dir("/", []node{{"x", 0}}, nil), &dirlist.Options{AutoLayout: true})
	base := &url.URL{Scheme: "http", Host: "host", Path: "/dir/"}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00@") {
			return // no names of files, or of links in this test
		}
		d := dir("/", []node{{name, 0}}, nil)
		d.Type = func(string) string { return "type/x" }
		got := page(t, d, &dirlist.Options{AutoLayout: true})
		for _, s := range []string{"<", ">", `"`, "'"} {
			if n, want := strings.Count(got, s), strings.Count(plain, s); n != want {
				t.Errorf("name %q: %d of %s, want %d", name, n, s, want)
			}
		}
		rows := rowPattern.FindAllStringSubmatch(got, -1)
		if len(rows) != 1 {
			t.Fatalf("name %q: rows %q", name, rows)
		}
		if text := html.UnescapeString(rows[0][2]); text != name {
			t.Errorf("name %q: text %q", name, text)
		}
		link, err := base.Parse(rows[0][1])
		if err != nil || link.Host != "host" || link.Path != "/dir/"+name || link.RawQuery != "" || link.Fragment != "" {
			t.Errorf("name %q: link %q leads to %v, %v", name, rows[0][1], link, err)
		}
	})
}
