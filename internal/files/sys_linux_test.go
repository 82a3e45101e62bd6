package files_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/wstunneld/wstunneld/internal/dirlist"
	"github.com/wstunneld/wstunneld/internal/files"
)

// A sendfileRecorder notes what its ReadFrom is given. Net/http uses sendfile
// for a file, or for a part of one in the form of a LimitedReader.
type sendfileRecorder struct {
	*httptest.ResponseRecorder
	files int
}

func (w *sendfileRecorder) ReadFrom(src io.Reader) (int64, error) {
	if l, ok := src.(*io.LimitedReader); ok {
		if _, ok := l.R.(*os.File); ok {
			w.files++
		}
	}
	return io.Copy(w.ResponseRecorder, src)
}

func TestSendfile(t *testing.T) {
	root := makeTree(t, site)
	for _, header := range []string{"", "bytes=2-4"} {
		r := httptest.NewRequest("GET", "/ten.txt", nil)
		r.Header.Set("Range", header)
		w := &sendfileRecorder{ResponseRecorder: httptest.NewRecorder()}
		files.Serve(w, r, "/ten.txt", options(root))
		if w.Body.Len() == 0 || w.files != 1 {
			t.Errorf("Range %q: %d bytes, %d files given to ReadFrom, want 1", header, w.Body.Len(), w.files)
		}
	}
}

// serveDirectly calls Serve without a server and returns the status.
func serveDirectly(o *files.Options, target string) int {
	w := httptest.NewRecorder()
	files.Serve(w, httptest.NewRequest("GET", target, nil), target, o)
	return w.Code
}

func TestPermissionDenied(t *testing.T) {
	root := makeTree(t, [][2]string{
		{"file", "x"}, {"dir/file", "x"}, {"idx/index.html", "x"}, {"search/file", "x"}, {"to", "-> ROOT/dir/file"},
	})
	chmod := func(name string, mode os.FileMode) {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	// The user without rights that takes the place of root below must get there.
	chmod(filepath.Dir(filepath.Dir(root)), 0o755)
	chmod(filepath.Dir(root), 0o755)
	for name, mode := range map[string]os.FileMode{"file": 0, "idx/index.html": 0, "dir": 0, "search": 0o311} {
		chmod(filepath.Join(root, name), mode)
	}
	t.Cleanup(func() {
		chmod(filepath.Join(root, "dir"), 0o755)
		chmod(filepath.Join(root, "search"), 0o755)
	})

	tests := []struct {
		target string
		want   int
	}{
		{"/file", http.StatusForbidden},
		{"/idx/", http.StatusForbidden},
		{"/dir", http.StatusMovedPermanently},
		{"/dir/", http.StatusForbidden},
		{"/dir/file", http.StatusForbidden},
		{"/dir/missing", http.StatusForbidden},
		// Lighttpd serves it; os.Root opens each directory for reading.
		{"/search/file", http.StatusForbidden},
		{"/search/", http.StatusForbidden},
	}
	o := options(root)
	o.DirListing = &dirlist.Options{}
	got := make([]int, len(tests))
	done := make(chan error)
	go func() {
		// The thread gives up root's rights and ends with the goroutine.
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			if err := syscall.Setfsuid(65534); err != nil {
				done <- err
				return
			}
		}
		for i, tt := range tests {
			got[i] = serveDirectly(o, tt.target)
		}
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i, tt := range tests {
		if got[i] != tt.want {
			t.Errorf("GET %s: %d, want %d", tt.target, got[i], tt.want)
		}
	}
}

func TestNoDescriptors(t *testing.T) {
	root := makeTree(t, site)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	none := old
	none.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	got := serveDirectly(options(root), "/a.txt")
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if got != http.StatusServiceUnavailable {
		t.Errorf("without file descriptors: %d, want 503", got)
	}
}

func TestDescriptorsClosed(t *testing.T) {
	open := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	o := options(makeTree(t, site))
	serveDirectly(o, "/a.txt") // whatever is opened once
	before := open()
	for _, target := range []string{"/a.txt", "/idx/", "/dir", "/dir/", "/missing", "/out.txt", "/abs.txt", "/a.txt/x"} {
		serveDirectly(o, target)
	}
	for _, tt := range descriptorTests {
		o := options(o.Root)
		tt.set(o)
		serveDirectly(o, tt.target)
	}
	if after := open(); after != before {
		t.Errorf("%d descriptors open before the requests, %d after", before, after)
	}
}
