package files

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/wstunneld/wstunneld/internal/dirlist"
)

// list answers r, a request for urlPath, with a listing of the directory name of
// t, which is dir as a path with a final slash.
func (o *Options) list(w http.ResponseWriter, r *http.Request, urlPath string, t tree, dir, name string, fi fs.FileInfo) error {
	root, err := t.OpenRoot(name)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	listing, err := dirlist.Read(dirlist.Dir{
		Path:    urlPath,
		ReadDir: f.ReadDir,
		Stat: func(name string) (fs.FileInfo, error) {
			fi, err := root.Lstat(name)
			if err == nil && fi.Mode()&fs.ModeSymlink != 0 {
				_, fi, err = t.stat(dir + name) // what is not served is not shown
			}
			return fi, err
		},
		Type: o.Types.Lookup,
		Open: func(name string) (io.ReadCloser, error) { return openText(t, dir, name) },
	}, o.DirListing)
	if err != nil {
		return err
	}

	h := w.Header()
	h.Set("Content-Type", o.DirListing.ContentType())
	if age := o.DirListing.MaxAge; age > 0 {
		h.Set("Cache-Control", fmt.Sprintf("max-age=%d", age/time.Second))
	}
	o.Expire.Set(h, r, urlPath, h.Get("Content-Type"), fi.ModTime(), time.Now())
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		listing.Write(w) // an error means that the client is gone
	}
	return nil
}

// openText opens a text to be shown with the listing of dir, a path in t. A name
// with a slash in front is one of the file system; others are relative to dir,
// and with ".." they may lead up to the top of t.
func openText(t tree, dir, name string) (io.ReadCloser, error) {
	file := path.Join(dir, name)
	if strings.HasPrefix(name, "/") {
		own, rest, err := openTree(name, "", true)
		if err != nil {
			return nil, err
		}
		defer own.Close()
		t, file = own, rest
	}
	file, _, err := t.stat(file)
	if err != nil {
		return nil, err
	}
	f, _, err := t.open(file)
	return f, err
}
