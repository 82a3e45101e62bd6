//go:build unix

package files_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wstunneld/wstunneld/internal/files"
)

// Whatever a client asks for, it is not told what is outside of the document
// root, it does not make the server fail, and it is not sent to another host.
func FuzzServe(f *testing.F) {
	for _, s := range []string{
		"/a.txt", "/idx/", "/dir?q", "/a.txt/x", "/../secret", "/%2e%2e/secret", "/..%2fsecret", "/dir/../../secret",
		"//secret", "/out.txt", "/outdir/secret", "/outabs.txt", "/idxout/", "/absdir/../secret", "/around.txt",
		"/linkdir/../../secret", "//evil.test", "/%5Cevil.test", "/%2Fevil.test", "/.", "/..", "/a%00", "/%FF", "*", "x",
		"http://host/out.txt", "/loop/x", "/\\..\\secret", "/etc/passwd",
	} {
		f.Add(s, "")
		f.Add(s, "bytes=0-0,2-")
	}
	root := makeTree(f, site)
	f.Fuzz(func(t *testing.T, target, ranges string) {
		r := httptest.NewRequest("GET", "/", nil)
		paths := []string{target}
		// The same as a request target.
		if req, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\n\r\n"))); err == nil {
			r = req
			paths = append(paths, r.URL.Path)
		}
		r.Header.Set("Range", ranges)
		for _, path := range paths {
			for _, follow := range []bool{true, false} {
				o := options(root)
				o.FollowSymlink = follow
				w := httptest.NewRecorder()
				files.Serve(w, r, path, o)
				if w.Code == http.StatusInternalServerError {
					t.Errorf("path %q, follow %v: status 500", path, follow)
				}
				// Of the secret and of /etc/passwd.
				if body := w.Body.String(); strings.Contains(body, secret) || strings.Contains(body, "root:") {
					t.Errorf("path %q, follow %v: read outside of the root: %q", path, follow, body)
				}
				if loc := w.Header().Get("Location"); loc != "" && (!strings.HasPrefix(loc, "/") || strings.HasPrefix(loc, "//") || strings.HasPrefix(loc, `/\`)) {
					t.Errorf("path %q, follow %v: Location %q", path, follow, loc)
				}
			}
		}
	})
}

// A path is answered with the file that lighttpd would take, target and rest put
// together, if that is below the target; and with no other.
func FuzzAlias(f *testing.F) {
	for _, s := range []string{
		"/foo", "/foo/x", "/foox", "/foo/", "/foo../x", "/foo./x", "/foo..x", "/foobar/x", "/foo/sub/s.txt", "/foo/up", "/foo/same", "/FOO/X", "/foo//x",
		"/foo/../x", "/foo/sub/../x", "/foo/.", "/one", "/one/", "/one.txt", "/root.txt", "/bar/x", "/foo/x/x", "//x", "/..x", "/etc/passwd",
	} {
		f.Add(s, "/foo", 0, false)
		f.Add(s, "/foo/", 1, true)
		f.Add(s, "", 2, false)
		f.Add(s, "/one", 3, true)
	}
	var entries [][2]string
	for _, e := range aliasSite {
		if !strings.HasPrefix(e[1], "-> ") {
			e[1] = filepath.Join("/root", e[0]) // each file holds its own name
		}
		entries = append(entries, e)
	}
	root := makeTree(f, entries)
	base := filepath.Dir(root)
	targets := []string{"/var/foo", "/var/foo/", "/root/foo", "/var/one.txt", "/var/one.txt/", "/var/", "/var//foo//", "/var/foo/../foo", "/var/foo.", "/none", ""}
	f.Fuzz(func(t *testing.T, path, prefix string, target int, lowercase bool) {
		a := files.Alias{Prefix: prefix, Target: targets[uint(target)%uint(len(targets))]}
		model := modelFile(base, path, a, lowercase)
		if a.Target != "" {
			a.Target = base + a.Target
		}
		o := options(root)
		o.Aliases, o.Lowercase, o.Index = []files.Alias{a}, lowercase, nil
		w := httptest.NewRecorder()
		files.Serve(w, httptest.NewRequest("GET", "/", nil), path, o)
		got := ""
		if w.Code == http.StatusOK {
			got = w.Body.String()
		}
		if got != model {
			t.Fatalf("path %q, alias %q, lowercase %v: file %q, want %q", path, a, lowercase, got, model)
		}
	})
}

// modelFile names the file, below base, that path is answered with; "" is for
// none.
func modelFile(base, path string, a files.Alias, lowercase bool) string {
	if !utf8.ValidString(path) || !strings.HasPrefix(path, "/") || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return ""
	}
	prefix := a.Prefix
	if lowercase {
		path, prefix = modelLower(path), modelLower(prefix)
	}
	target, rest := "/root", path
	if after, ok := strings.CutPrefix(path, prefix); ok {
		target, rest = a.Target, after
	}
	whole := target + rest
	// Dots and empty elements are no names; the slash between target and rest
	// may be there twice. A file has no slash behind it.
	inner := strings.TrimPrefix(rest, "/")
	for elem := range strings.SplitSeq(inner, "/") {
		if elem == "." || elem == ".." || elem == "" && inner != "" {
			return ""
		}
	}
	if target == "" || strings.HasSuffix(whole, "/") {
		return ""
	}
	top, err := filepath.EvalSymlinks(base + target)
	if err != nil {
		return ""
	}
	file, err := filepath.EvalSymlinks(base + whole)
	if err != nil || file != top && !strings.HasPrefix(file, top+"/") {
		return ""
	}
	if fi, err := os.Lstat(file); err != nil || !fi.Mode().IsRegular() {
		return ""
	}
	return strings.TrimPrefix(file, base)
}

func modelLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}
