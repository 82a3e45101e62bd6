// Package dirlist writes the page that lists a directory, in the shape of
// lighttpd's mod_dirlisting: a table of names, times, sizes and types, the
// directories first.
//
// It is given functions to read with; it opens no files, decides over no
// request and knows no configuration.
package dirlist

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options says what a listing shows, and how.
type Options struct {
	HideDotfiles bool                   // leave out names that begin with a dot
	Exclude      func(name string) bool // names to leave out; nil: none

	Encoding    string // of the names, as a charset; "" does not tell
	ExternalCSS string // URL of a style sheet in place of the page's own
	ExternalJS  string // URL of a script in place of the page's own

	Header, Readme Text   // above and below the table
	Footer         string // HTML for the foot of the page; "" for no foot

	// AutoLayout writes a whole page. If false, the table alone is written, with
	// its heading, Header and Readme: what makes a page of them is in those.
	AutoLayout bool

	// MaxAge is how long the page may be kept by caches, in whole seconds; 0 does
	// not tell. It is for who writes the header.
	MaxAge time.Duration
}

// ContentType returns the content type of listings.
func (o *Options) ContentType() string {
	if o.Encoding == "" {
		return "text/html"
	}
	return "text/html;charset=" + o.Encoding
}

// A Text is a file that is shown in a listing.
type Text struct {
	Name   string // "": no text
	Hide   bool   // leave the file itself out of the table
	Encode bool   // show it as plain text; if false, it is HTML
}

// A Dir is a directory to list.
type Dir struct {
	Path string // of the URL, decoded, with a slash at the end

	// ReadDir gives the next entries, at most n, as [os.File.ReadDir] does.
	ReadDir func(n int) ([]fs.DirEntry, error)
	// Stat describes what is behind a name, following links. If it fails, the
	// name is left out of the table.
	Stat func(name string) (fs.FileInfo, error)
	// Type gives the content type for the name of a file.
	Type func(name string) string
	// Open opens a Text. If it fails, the text is left out.
	Open func(name string) (io.ReadCloser, error)
}

// MaxEntries is how many names of a directory are listed at most: the first that
// the system tells. A page with fewer than all says so.
const MaxEntries = 100_000

// A Listing is what Read has found.
type Listing struct {
	dir     Dir
	opt     *Options
	entries []entry // sorted
	more    bool    // there are more names than MaxEntries
}

type entry struct {
	name string
	dir  bool
}

// Read reads the names of d and sorts them: directories first, each by byte
// value. It keeps d and o; times and sizes are looked up as the page is written.
// The error is that of ReadDir.
func Read(d Dir, o *Options) (*Listing, error) {
	l := &Listing{dir: d, opt: o}
	for !l.more {
		batch, err := d.ReadDir(512)
		for _, e := range batch {
			l.add(e)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(l.entries, func(a, b entry) int {
		if a.dir != b.dir {
			if a.dir {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.name, b.name)
	})
	return l, nil
}

// add takes an entry into the listing if it is to be shown.
func (l *Listing) add(de fs.DirEntry) {
	name := de.Name()
	if l.opt.hides(name) {
		return
	}
	dir := de.IsDir()
	if de.Type()&fs.ModeSymlink != 0 {
		fi, err := l.dir.Stat(name)
		if err != nil {
			return
		}
		dir = fi.IsDir()
	}
	if len(l.entries) == MaxEntries {
		l.more = true
		return
	}
	l.entries = append(l.entries, entry{name, dir})
}

func (o *Options) hides(name string) bool {
	return o.HideDotfiles && strings.HasPrefix(name, ".") ||
		o.Header.Hide && name == o.Header.Name ||
		o.Readme.Hide && name == o.Readme.Name ||
		o.Exclude != nil && o.Exclude(name)
}

// Write writes the page to w, piece by piece. The error is that of w.
func (l *Listing) Write(w io.Writer) error {
	b := bufio.NewWriterSize(w, 16<<10)
	o, path := l.opt, escape(l.dir.Path)
	if o.AutoLayout {
		b.WriteString("<!DOCTYPE html>\n<html>\n<head>\n")
		if o.Encoding != "" {
			fmt.Fprintf(b, "<meta charset=\"%s\">\n", escape(o.Encoding))
		}
		fmt.Fprintf(b, "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Index of %s</title>\n", path)
		if o.ExternalCSS != "" {
			fmt.Fprintf(b, "<link rel=\"stylesheet\" href=\"%s\">\n", escape(o.ExternalCSS))
		} else {
			b.WriteString("<style>\n" + style + "</style>\n")
		}
		b.WriteString("</head>\n<body>\n")
	}
	l.writeText(b, o.Header, "header")
	fmt.Fprintf(b, "<h2>Index of %s</h2>\n", path)
	if err := l.writeTable(b); err != nil {
		return err
	}
	l.writeText(b, o.Readme, "readme")
	if o.AutoLayout {
		if o.Footer != "" {
			fmt.Fprintf(b, "<div class=\"foot\">%s</div>\n", o.Footer)
		}
		if o.ExternalJS != "" {
			fmt.Fprintf(b, "<script src=\"%s\"></script>\n", escape(o.ExternalJS))
		} else {
			b.WriteString("<script>\n" + script + "</script>\n")
		}
		b.WriteString("</body>\n</html>\n")
	}
	return b.Flush()
}

func (l *Listing) writeTable(b *bufio.Writer) error {
	b.WriteString("<div class=\"list\">\n<table>\n<thead><tr>" +
		`<th class="n">Name</th><th class="m">Last Modified</th><th class="s">Size</th><th class="t">Type</th>` +
		"</tr></thead>\n<tbody>\n")
	if l.dir.Path != "/" {
		b.WriteString(`<tr class="d"><td class="n"><a href="../">..</a>/</td><td class="m"></td>` +
			`<td class="s">-</td><td class="t">Directory</td></tr>` + "\n")
	}
	for _, e := range l.entries {
		fi, err := l.dir.Stat(e.name)
		if err != nil {
			continue // gone since
		}
		// What is a directory now is not asked: the order would not fit.
		class, slash, bytes, typ := "", "", "", "Directory"
		if e.dir {
			class, slash, bytes = ` class="d"`, "/", "-"
		} else {
			bytes, typ = size(fi.Size()), l.dir.Type(e.name)
		}
		_, err = fmt.Fprintf(b, "<tr%s><td class=\"n\"><a href=\"%s%s\">%s</a>%s</td><td class=\"m\">%s</td><td class=\"s\">%s</td><td class=\"t\">%s</td></tr>\n",
			class, escapeURL(e.name), slash, escape(e.name), slash, fi.ModTime().Local().Format("2006-Jan-02 15:04:05"), bytes, escape(typ))
		if err != nil {
			return err // of no use to go on
		}
	}
	b.WriteString("</tbody>\n</table>\n")
	if l.more {
		fmt.Fprintf(b, "<p>Only %d entries are shown.</p>\n", MaxEntries)
	}
	b.WriteString("</div>\n")
	return nil
}

// writeText writes t. What cannot be read is left out.
func (l *Listing) writeText(b *bufio.Writer, t Text, class string) {
	if t.Name == "" {
		return
	}
	f, err := l.dir.Open(t.Name)
	if err != nil {
		return
	}
	defer f.Close()
	if !t.Encode {
		io.Copy(b, f)
		return
	}
	fmt.Fprintf(b, "<pre class=\"%s\">", class)
	io.Copy(escaper{b}, f)
	b.WriteString("</pre>\n")
}

// An escaper is a writer that escapes.
type escaper struct{ w *bufio.Writer }

func (e escaper) Write(b []byte) (int, error) {
	_, err := e.w.WriteString(escape(string(b)))
	return len(b), err
}

// escape makes a string into text or the value of an attribute of HTML. Control
// bytes too become references: in some encodings they switch to another meaning
// of what follows.
func escape(s string) string {
	return escapeBytes(s, "&#x%02X;", func(c byte) bool {
		return c < ' ' && c != '\n' && c != '\t' || c == 0x7f || strings.IndexByte(`<>&"'`, c) >= 0
	})
}

// escapeURL makes a name into a relative reference (RFC 3986 section 4.2).
func escapeURL(s string) string {
	return escapeBytes(s, "%%%02X", func(c byte) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0)
	})
}

// escapeBytes formats the bytes of s that are special.
func escapeBytes(s, format string, special func(byte) bool) string {
	var b strings.Builder
	from := 0
	for i := range len(s) {
		if special(s[i]) {
			b.WriteString(s[from:i])
			fmt.Fprintf(&b, format, s[i])
			from = i + 1
		}
	}
	if from == 0 {
		return s
	}
	return b.String() + s[from:]
}

// size writes a number of bytes with one digit after the point, cut off, and a
// unit of 1024: K to E. Only an empty file has 0.0K, and from 1000 of a unit on
// the next one is used.
func size(n int64) string {
	const units = "KMGTPE"
	if n > 0 {
		n = max(n, 100)
	}
	for i := 0; ; i++ {
		whole, rest := n>>10, n&1023
		if whole < 1000 || i == len(units)-1 {
			return strconv.FormatInt(whole, 10) + "." + strconv.FormatInt(min(rest/100, 9), 10) + units[i:i+1]
		}
		n = whole
	}
}
