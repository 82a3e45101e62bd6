//go:build unix

package files_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
