//go:build unix

package files_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/files"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "not for the public"

// oldTime is the modification time of every file that makeTree writes.
var oldTime = time.Date(2020, 1, 2, 3, 4, 5, 678, time.UTC)

// site is the tree most tests serve. ROOT stands for the document root; the
// file secret is beside it.
var site = [][2]string{
	{"a.txt", "hello"},
	{"ten.txt", "0123456789"},
	{"empty.txt", ""},
	{"page.HTML", "<p>page"},
	{"data.bin", "<html>sniff me"},
	{"noext", "<html>sniff me"},
	{"app.js", "js"},
	{"x.tar.gz", "gz"},
	{"README", "read me"},
	{"d.txt/noext", "no type"},
	{"dir/x.txt", "x"},
	{"idx/index.html", "<p>index"},
	{"idx/index.htm", "<p>second"},
	{"idx2/index.htm", "<p>second"},
	{"idxdir/index.html/x", ""},
	{"idxdir/index.htm", "<p>not this"},
	{"idxlink/index.html", "-> ../a.txt"},
	{"idxlink/index.htm", "<p>second"},
	{"idxout/index.html", "-> ../../secret"},
	{"sp ace%/x", ""},
	{"é/x", ""},
	{`q?#&;+:@"<>[]/x`, ""},
	{`\evil.test/x`, ""},
	{"evil.test/x", ""},
	{"link.txt", "-> a.txt"},
	{"linkdir", "-> dir"},
	{"chain", "-> linkdir"},
	{"chain2/link.txt", "-> ../chain/x.txt"},
	{"abs.txt", "-> ROOT/a.txt"},
	{"absdir", "-> ROOT/dir"},
	{"around.txt", "-> ../root/a.txt"},
	{"out.txt", "-> ../secret"},
	{"outabs.txt", "-> ROOT/../secret"},
	{"outdir", "-> .."},
	{"etc", "-> /etc"},
	{"dangling", "-> nowhere"},
	{"loop", "-> loop"},
}

// makeTree writes entries into a new document root and returns its path. An
// entry is a file's path and content; "-> x" makes it a symbolic link to x.
func makeTree(t testing.TB, entries [][2]string) string {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(base, "root")
	for _, e := range append(entries, [2]string{"../secret", secret}) {
		name := filepath.Join(root, e[0])
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(e[1], "-> "); ok {
			err = os.Symlink(strings.ReplaceAll(target, "ROOT", root), name)
		} else {
			writeFile(t, name, e[1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func writeFile(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, oldTime, oldTime); err != nil {
		t.Fatal(err)
	}
}

// options has every switch on.
func options(root string) *files.Options {
	return &files.Options{
		Root:          root,
		Index:         []string{"index.html", "index.htm"},
		Ranges:        true,
		FollowSymlink: true,
		ETagInode:     true,
		ETagMtime:     true,
		ETagSize:      true,
		Error: func(w http.ResponseWriter, r *http.Request, status int) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			fmt.Fprintf(w, "page for %d", status)
		},
	}
}

// start serves o by a real HTTP server and returns its URL. Paths reach Serve
// decoded and not normalised.
func start(t testing.TB, o *files.Options) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		files.Serve(w, r, r.URL.Path, o)
	}))
	t.Cleanup(func() {
		client.CloseIdleConnections()
		srv.Close()
	})
	return srv.URL
}

var client = &http.Client{
	Transport:     &http.Transport{DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       10 * time.Second,
}

// do sends a request; header is "Name: value" or empty. The answer's body is
// read and returned beside it.
func do(t testing.TB, method, url, header string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if k, v, ok := strings.Cut(header, ": "); ok {
		req.Header.Set(k, v)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: read body: %v", method, url, err)
	}
	return resp, string(body)
}

func TestServe(t *testing.T) {
	const (
		octets = "application/octet-stream"
		plain  = "text/plain;charset=utf-8"
		allow  = "OPTIONS, GET, HEAD, POST"
	)
	long := "/" + strings.Repeat("x", 300)
	deep := strings.Repeat("/x", 3000)
	tests := []struct {
		method, target string
		status         int
		body           string // not compared if the status is 400 or more
		header         string // "Name: value" the answer has; "Name: " it has not
	}{
		// Files and their types.
		{"GET", "/a.txt", 200, "hello", "Content-Type: " + plain},
		{"GET", "/a.txt", 200, "hello", "Content-Length: 5"},
		{"GET", "/a.txt", 200, "hello", "Accept-Ranges: bytes"},
		{"GET", "/a.txt", 200, "hello", "Last-Modified: Thu, 02 Jan 2020 03:04:05 GMT"},
		{"GET", "/a.txt?q=1", 200, "hello", ""},
		{"GET", "/%61%2etxt", 200, "hello", ""},
		{"GET", "/empty.txt", 200, "", "Content-Length: 0"},
		{"GET", "/page.HTML", 200, "<p>page", "Content-Type: text/html"},
		{"GET", "/data.bin", 200, "<html>sniff me", "Content-Type: " + octets},
		{"GET", "/noext", 200, "<html>sniff me", "Content-Type: " + octets},
		{"GET", "/d.txt/noext", 200, "no type", "Content-Type: " + octets},
		{"GET", "/app.js", 200, "js", "Content-Type: text/javascript"},
		{"GET", "/x.tar.gz", 200, "gz", "Content-Type: application/gzip"},

		// Methods.
		{"HEAD", "/a.txt", 200, "", "Content-Length: 5"},
		{"HEAD", "/a.txt", 200, "", "Accept-Ranges: bytes"},
		{"POST", "/a.txt", 200, "hello", "Content-Type: " + plain},
		{"POST", "/a.txt", 200, "hello", "Accept-Ranges: "},
		{"POST", "/idx/", 200, "<p>index", ""},
		{"OPTIONS", "/a.txt", 200, "", "Allow: " + allow},
		{"OPTIONS", "/idx/", 200, "", "Allow: " + allow},
		{"OPTIONS", "/a.txt", 200, "", "Content-Length: 0"},
		{"OPTIONS", "/missing", 404, "", ""},
		{"CONNECT", "/a.txt", 405, "", "Allow: " + allow},
		{"CONNECT", "/missing", 405, "", ""},
		{"PUT", "/a.txt", 501, "", ""},
		{"DELETE", "/idx/", 501, "", ""},
		{"PATCH", "/a.txt", 501, "", ""},
		{"TRACE", "/a.txt", 501, "", ""},
		{"get", "/a.txt", 501, "", ""},
		{"PROPFIND", "/missing", 404, "", ""},

		// Directories.
		{"GET", "/dir", 301, "", "Location: /dir/"},
		{"GET", "/dir", 301, "", "Content-Length: 0"},
		{"HEAD", "/dir", 301, "", "Location: /dir/"},
		{"GET", "/dir?a=%2F&b=//x", 301, "", "Location: /dir/?a=%2F&b=//x"},
		{"GET", "/dir?", 301, "", "Location: /dir/"},
		{"GET", "/linkdir", 301, "", "Location: /linkdir/"},
		{"GET", "/sp%20ace%25", 301, "", "Location: /sp%20ace%25/"},
		{"GET", "/%C3%A9", 301, "", "Location: /%C3%A9/"},
		{"GET", "/q%3F%23&;+:@%22%3C%3E%5B%5D", 301, "", "Location: /q%3F%23&;+:@%22%3C%3E%5B%5D/"},
		{"GET", "/%5Cevil.test", 301, "", "Location: /%5Cevil.test/"},
		{"GET", "//evil.test", 404, "", "Location: "},
		{"GET", "/%2Fevil.test", 404, "", "Location: "},
		{"GET", "/idx/", 200, "<p>index", "Content-Type: text/html"},
		{"GET", "/idx2/", 200, "<p>second", "Content-Type: text/html"},
		{"GET", "/idxlink/", 200, "hello", "Content-Type: text/html"},
		{"GET", "/idxdir/", 403, "", ""},
		{"GET", "/dir/", 403, "", ""},
		{"GET", "/", 403, "", ""},

		// No such file.
		{"GET", "/missing", 404, "", ""},
		{"GET", "/missing/", 404, "", ""},
		{"GET", "/missing/x", 404, "", ""},
		{"GET", "/A.TXT", 404, "", ""},
		{"GET", long, 404, "", ""},
		{"GET", deep, 404, "", ""},
		{"GET", "/a.txt/extra", 403, "", ""},
		{"GET", "/a.txt/", 403, "", ""},
		{"GET", "/a.txt/.", 404, "", ""},
		{"PUT", "/a.txt/extra", 501, "", ""},
		{"OPTIONS", "/a.txt/extra", 200, "", "Allow: " + allow},

		// Paths no normaliser makes.
		{"GET", "/a%00.txt", 400, "", ""},
		{"GET", "/a.txt%00", 400, "", ""},
		{"GET", "/a%01", 400, "", ""},
		{"GET", "/dir%0D%0ASet-Cookie:x", 400, "", ""},
		{"GET", "/a%7F", 400, "", ""},
		{"GET", "/a%FF", 400, "", ""},
		{"GET", "/%C2%80", 404, "", ""},
		{"GET", "/../secret", 404, "", ""},
		{"GET", "/dir/../../secret", 404, "", ""},
		{"GET", "/%2e%2e/secret", 404, "", ""},
		{"GET", "/..%2fsecret", 404, "", ""},
		{"GET", "/dir/../a.txt", 404, "", ""},
		{"GET", "/./a.txt", 404, "", ""},
		{"GET", "//a.txt", 404, "", ""},
		{"GET", "/dir//x.txt", 404, "", ""},
		{"GET", `/..%5C..%5Csecret`, 404, "", ""},

		// Symbolic links.
		{"GET", "/link.txt", 200, "hello", "Content-Type: " + plain},
		{"GET", "/linkdir/x.txt", 200, "x", ""},
		{"GET", "/chain2/link.txt", 200, "x", ""},
		{"GET", "/abs.txt", 200, "hello", ""},
		{"GET", "/absdir/x.txt", 200, "x", ""},
		{"GET", "/absdir", 301, "", "Location: /absdir/"},
		{"GET", "/absdir/missing", 404, "", ""},
		{"GET", "/around.txt", 200, "hello", ""},
		{"GET", "/out.txt", 404, "", ""},
		{"GET", "/outabs.txt", 404, "", ""},
		{"GET", "/outdir", 404, "", ""},
		{"GET", "/outdir/", 404, "", ""},
		{"GET", "/outdir/secret", 404, "", ""},
		{"GET", "/etc/passwd", 404, "", ""},
		{"GET", "/idxout/", 403, "", ""},
		{"GET", "/dangling", 404, "", ""},
		{"GET", "/loop", 404, "", ""},
		{"GET", "/loop/x", 404, "", ""},
	}
	url := start(t, options(makeTree(t, site)))
	for _, tt := range tests {
		resp, body := do(t, tt.method, url+tt.target, "")
		want := tt.body
		if tt.status >= 400 {
			want = fmt.Sprintf("page for %d", tt.status)
		}
		if resp.StatusCode != tt.status || body != want {
			t.Errorf("%s %.60s: %d %.60q, want %d %.60q", tt.method, tt.target, resp.StatusCode, body, tt.status, want)
		}
		if k, want, ok := strings.Cut(tt.header, ": "); ok {
			if got := resp.Header.Get(k); got != want {
				t.Errorf("%s %.60s: %s %q, want %q", tt.method, tt.target, k, got, want)
			}
		}
	}
}

func TestNoFollowSymlink(t *testing.T) {
	tests := []struct {
		target string
		want   int
	}{
		{"/a.txt", 200},
		{"/dir/x.txt", 200},
		{"/idx/", 200},
		{"/dir", 301},
		{"/link.txt", 403},
		{"/linkdir", 403},
		{"/linkdir/", 403},
		{"/linkdir/x.txt", 403},
		{"/chain2/link.txt", 403},
		{"/abs.txt", 403},
		{"/absdir/x.txt", 403},
		{"/idxlink/", 403},
		{"/idxout/", 403},
		{"/out.txt", 403},
		{"/outdir/secret", 403},
		{"/loop", 403},
		{"/dangling", 404},
		{"/missing", 404},
	}
	// The document root itself may be reached by a link.
	root := makeTree(t, site)
	link := filepath.Join(filepath.Dir(root), "link")
	if err := os.Symlink("root", link); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{root, link} {
		o := options(root)
		o.FollowSymlink = false
		url := start(t, o)
		for _, tt := range tests {
			if resp, _ := do(t, "GET", url+tt.target, ""); resp.StatusCode != tt.want {
				t.Errorf("root %s: GET %s: %d, want %d", filepath.Base(root), tt.target, resp.StatusCode, tt.want)
			}
		}
	}
}

func TestIndex(t *testing.T) {
	tests := []struct {
		index  []string
		target string
		status int
		body   string
	}{
		{nil, "/idx/", 403, "page for 403"},
		{[]string{"none", "index.htm", "index.html"}, "/idx/", 200, "<p>second"},
		{[]string{"index.html", "/a.txt"}, "/idx/", 200, "<p>index"},
		{[]string{"index.html", "/a.txt"}, "/dir/", 200, "hello"},
		{[]string{"/missing", "/dir/x.txt"}, "/", 200, "x"},
		{[]string{"../a.txt", "../../secret", ""}, "/dir/", 403, "page for 403"},
	}
	root := makeTree(t, site)
	for _, tt := range tests {
		o := options(root)
		o.Index = tt.index
		resp, body := do(t, "GET", start(t, o)+tt.target, "")
		if resp.StatusCode != tt.status || body != tt.body {
			t.Errorf("index %q: GET %s: %d %q, want %d %q", tt.index, tt.target, resp.StatusCode, body, tt.status, tt.body)
		}
	}
}

// The name of the index file decides the type, not the directory's.
func TestIndexType(t *testing.T) {
	o := options(makeTree(t, [][2]string{{"dir.html/a.css", "css"}}))
	o.Index = []string{"a.css"}
	resp, _ := do(t, "GET", start(t, o)+"/dir.html/", "")
	if got, want := resp.Header.Get("Content-Type"), "text/css;charset=utf-8"; got != want {
		t.Errorf("GET /dir.html/ with index a.css: Content-Type %q, want %q", got, want)
	}
}

func TestRange(t *testing.T) {
	tests := []struct {
		name, method, header string
		status               int
		contentRange, body   string
	}{
		{"none", "GET", "", 200, "", "0123456789"},
		{"from and to", "GET", "Range: bytes=2-4", 206, "bytes 2-4/10", "234"},
		{"open end", "GET", "Range: bytes=7-", 206, "bytes 7-9/10", "789"},
		{"suffix", "GET", "Range: bytes=-2", 206, "bytes 8-9/10", "89"},
		{"all", "GET", "Range: bytes=0-", 206, "bytes 0-9/10", "0123456789"},
		{"longer than the file", "GET", "Range: bytes=8-99", 206, "bytes 8-9/10", "89"},
		{"beyond the end", "GET", "Range: bytes=10-", 416, "bytes */10", "page for 416"},
		{"no bytes", "GET", "Range: bytes=-0", 200, "", "0123456789"},
		{"no bytes among others", "GET", "Range: bytes=0-1, -00", 200, "", "0123456789"},
		{"not a range", "GET", "Range: bytes=x", 416, "", "page for 416"},
		{"other unit", "GET", "Range: lines=1-2", 200, "", "0123456789"},
		{"no unit", "GET", "Range: 1-2", 200, "", "0123456789"},
		{"HEAD", "HEAD", "Range: bytes=2-4", 200, "", ""},
		{"POST", "POST", "Range: bytes=2-4", 200, "", "0123456789"},
	}
	url := start(t, options(makeTree(t, site)))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := do(t, tt.method, url+"/ten.txt", tt.header)
			got := resp.Header.Get("Content-Range")
			if resp.StatusCode != tt.status || got != tt.contentRange || body != tt.body {
				t.Errorf("%s, %s: %d, Content-Range %q, %q; want %d, %q, %q",
					tt.method, tt.header, resp.StatusCode, got, body, tt.status, tt.contentRange, tt.body)
			}
		})
	}
}

func TestMultiRange(t *testing.T) {
	url := start(t, options(makeTree(t, site)))
	resp, body := do(t, "GET", url+"/ten.txt", "Range: bytes=0-1,4-5,-1")
	if resp.StatusCode != 206 {
		t.Fatalf("status %d, want 206", resp.StatusCode)
	}
	typ, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || typ != "multipart/byteranges" {
		t.Fatalf("Content-Type %q (%v), want multipart/byteranges", typ, err)
	}
	mr := multipart.NewReader(strings.NewReader(body), params["boundary"])
	for _, want := range []string{"bytes 0-1/10 01", "bytes 4-5/10 45", "bytes 9-9/10 9"} {
		part, err := mr.NextPart()
		if err != nil {
			t.Fatalf("part %q: %v", want, err)
		}
		b, err := io.ReadAll(part)
		if err != nil {
			t.Fatalf("part %q: %v", want, err)
		}
		if got := part.Header.Get("Content-Range") + " " + string(b); got != want {
			t.Errorf("part %q, want %q", got, want)
		}
		if got, want := part.Header.Get("Content-Type"), "text/plain;charset=utf-8"; got != want {
			t.Errorf("part has Content-Type %q, want %q", got, want)
		}
	}
	if _, err := mr.NextPart(); err != io.EOF {
		t.Errorf("after the last part: %v, want EOF", err)
	}
}

func TestNoRanges(t *testing.T) {
	o := options(makeTree(t, site))
	o.Ranges = false
	url := start(t, o)
	for _, header := range []string{"", "Range: bytes=0-1", "Range: bytes=99-"} {
		resp, body := do(t, "GET", url+"/ten.txt", header)
		_, accept := resp.Header["Accept-Ranges"]
		if resp.StatusCode != 200 || accept || body != "0123456789" {
			t.Errorf("%q: %d, Accept-Ranges %v, %q; want 200, false, the file", header, resp.StatusCode, accept, body)
		}
	}
}

func TestConditional(t *testing.T) {
	url := start(t, options(makeTree(t, site))) + "/ten.txt"
	resp, _ := do(t, "GET", url, "")
	tag := resp.Header.Get("ETag")
	if len(tag) < 3 || tag[0] != '"' {
		t.Fatalf("ETag %q, want a strong one", tag)
	}
	tests := []struct {
		method, header string
		want           int
	}{
		{"GET", "If-None-Match: " + tag, 304},
		{"HEAD", "If-None-Match: " + tag, 304},
		{"GET", "If-None-Match: W/" + tag, 304},
		{"GET", `If-None-Match: "x", ` + tag, 304},
		{"GET", "If-None-Match: *", 304},
		{"GET", `If-None-Match: "x"`, 200},
		{"POST", "If-None-Match: " + tag, 412},
		{"GET", "If-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT", 304},
		{"GET", "If-Modified-Since: Thu, 02 Jan 2025 00:00:00 GMT", 304},
		{"GET", "If-Modified-Since: Thu, 02 Jan 2020 03:04:04 GMT", 200},
		{"GET", "If-Modified-Since: junk", 200},
		{"POST", "If-Modified-Since: Thu, 02 Jan 2025 00:00:00 GMT", 200},
		{"GET", "If-Match: " + tag, 200},
		{"GET", `If-Match: "x"`, 412},
		{"GET", "If-Unmodified-Since: Thu, 02 Jan 2020 03:04:05 GMT", 200},
		{"GET", "If-Unmodified-Since: Thu, 02 Jan 2020 03:04:04 GMT", 412},
	}
	for _, tt := range tests {
		resp, body := do(t, tt.method, url, tt.header)
		if resp.StatusCode != tt.want {
			t.Errorf("%s, %s: %d, want %d", tt.method, tt.header, resp.StatusCode, tt.want)
		}
		switch got := resp.Header.Get("ETag"); {
		case tt.want == 412:
			if got != "" || body != "page for 412" {
				t.Errorf("%s, %s: ETag %q, %q; want an error page without ETag", tt.method, tt.header, got, body)
			}
		case got != tag:
			t.Errorf("%s, %s: ETag %q, want %q", tt.method, tt.header, got, tag)
		case tt.want == 304 && body != "":
			t.Errorf("%s, %s: 304 with a body: %q", tt.method, tt.header, body)
		}
	}
}

func TestETag(t *testing.T) {
	root := makeTree(t, [][2]string{{"f", "one"}})
	name := filepath.Join(root, "f")
	changes := []struct {
		what  string
		apply func(*testing.T)
	}{
		{"inode", func(t *testing.T) {
			// The old file stays, so that its number cannot be given again.
			if err := os.Rename(name, name+".old"); err != nil {
				t.Fatal(err)
			}
			writeFile(t, name, "one")
		}},
		{"mtime", func(t *testing.T) {
			// Less than a second: a strong tag tells them apart.
			if err := os.Chtimes(name, oldTime, oldTime.Add(time.Millisecond)); err != nil {
				t.Fatal(err)
			}
		}},
		{"size", func(t *testing.T) { writeFile(t, name, "three") }},
	}
	for mask := range 8 {
		o := &files.Options{Root: root, ETagInode: mask&1 != 0, ETagMtime: mask&2 != 0, ETagSize: mask&4 != 0}
		url := start(t, o) + "/f"
		for i, c := range changes {
			if err := os.RemoveAll(name); err != nil {
				t.Fatal(err)
			}
			writeFile(t, name, "one")
			before, _ := do(t, "GET", url, "")
			c.apply(t)
			after, _ := do(t, "GET", url, "")
			old, now := before.Header.Get("ETag"), after.Header.Get("ETag")
			switch {
			case mask == 0:
				if old != "" || now != "" {
					t.Errorf("all switches off: ETag %q and %q", old, now)
				}
			case old == "" || now == "":
				t.Errorf("switches %03b: no ETag", mask)
			case (old != now) != (mask&(1<<i) != 0):
				t.Errorf("switches %03b: %s changed: ETag %s, then %s", mask, c.what, old, now)
			}
		}
	}
}

// Without Options.Error there is still a page.
func TestPlainError(t *testing.T) {
	url := start(t, &files.Options{Root: makeTree(t, site), Ranges: true})
	for target, want := range map[string]string{
		"/missing": "404 Not Found\n",
		"/ten.txt": "416 Requested Range Not Satisfiable\n",
	} {
		resp, body := do(t, "GET", url+target, "Range: bytes=99-")
		if body != want || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("GET %s: %q, %q; want %q as plain text", target, body, resp.Header.Get("Content-Type"), want)
		}
	}
}

func TestMissingRoot(t *testing.T) {
	url := start(t, options(filepath.Join(t.TempDir(), "none")))
	for _, target := range []string{"/", "/x", "/x/"} {
		if resp, _ := do(t, "GET", url+target, ""); resp.StatusCode != 404 {
			t.Errorf("GET %s without a document root: %d, want 404", target, resp.StatusCode)
		}
	}
}

// A FIFO without a writer must not hold the request; the client gives up after
// its timeout.
func TestSpecialFiles(t *testing.T) {
	root := makeTree(t, nil)
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(root) // the name of a socket must be short
	ln, err := net.Listen("unix", "socket")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, tt := range []struct{ root, target string }{
		{root, "/fifo"},
		{root, "/socket"},
		{"/dev", "/null"},
	} {
		if resp, _ := do(t, "GET", start(t, options(tt.root))+tt.target, ""); resp.StatusCode != 403 {
			t.Errorf("GET %s: %d, want 403", tt.target, resp.StatusCode)
		}
	}
}

// While a name is a file, then a FIFO, then a link out of the root, and so on,
// a request for it neither hangs nor reads what is outside.
func TestSwapped(t *testing.T) {
	root := makeTree(t, [][2]string{{"file", "hello"}})
	name := filepath.Join(root, "name")
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		next := filepath.Join(root, "next")
		for i := 0; ; i++ {
			var err error
			switch i % 3 {
			case 0:
				err = os.Link(filepath.Join(root, "file"), next)
			case 1:
				err = syscall.Mkfifo(next, 0o644)
			case 2:
				err = os.Symlink("../secret", next)
			}
			if err == nil {
				err = os.Rename(next, name)
			}
			select {
			case <-stop:
				done <- err
				return
			default:
				if err != nil {
					<-stop
					done <- err
					return
				}
			}
		}
	}()
	url := start(t, options(root)) + "/name"
	seen := map[int]int{}
	for range 2000 {
		resp, body := do(t, "GET", url, "")
		if resp.StatusCode == 200 && body != "hello" {
			t.Errorf("200 with %q, want the file in the root", body)
		}
		seen[resp.StatusCode]++
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if seen[200]+seen[403]+seen[404] != 2000 {
		t.Errorf("statuses %v, want none but 200, 403 and 404", seen)
	}
}

// big is more than the sockets between server and client can hold.
var big = func() []byte {
	b := make([]byte, 24<<20)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}()

func TestLargeFileByRanges(t *testing.T) {
	const size = 3<<20 + 17
	url := start(t, options(makeTree(t, [][2]string{{"big", string(big[:size])}}))) + "/big"
	_, whole := do(t, "GET", url, "")
	var parts strings.Builder
	for from := 0; from < size; from += 333_331 {
		resp, body := do(t, "GET", url, fmt.Sprintf("Range: bytes=%d-%d", from, from+333_330))
		if resp.StatusCode != 206 {
			t.Fatalf("range from %d: %d, want 206", from, resp.StatusCode)
		}
		parts.WriteString(body)
	}
	if whole != string(big[:size]) {
		t.Error("the whole file differs from what was written")
	}
	if parts.String() != whole {
		t.Error("the ranges together differ from the whole file")
	}
}

// A client that is reading a file gets the end of that file, also when another
// has taken its name.
func TestReplaced(t *testing.T) {
	root := makeTree(t, [][2]string{{"big", string(big)}, {"new", "new"}})
	url := start(t, options(root)) + "/big"
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := os.Rename(filepath.Join(root, "new"), filepath.Join(root, "big")); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(body, big) {
		t.Errorf("replaced while it is read: %d bytes, %v; want the %d of the old file", len(body), err, len(big))
	}
	if _, body := do(t, "GET", url, "If-None-Match: "+resp.Header.Get("ETag")); body != "new" {
		t.Errorf("then: %q, want the new file", body)
	}
}

// A file that gets shorter under the server ends the connection: the client
// must not take what it has for the whole.
func TestTruncated(t *testing.T) {
	root := makeTree(t, [][2]string{{"big", string(big)}})
	resp, err := client.Get(start(t, options(root)) + "/big")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := os.Truncate(filepath.Join(root, "big"), 1); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Errorf("truncated while it is read: %d of %d bytes and no error", n, len(big))
	}
}
