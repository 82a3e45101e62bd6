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

// list answers r, a request for urlPath, with a listing of the directory p.
func (o *Options) list(w http.ResponseWriter, r *http.Request, urlPath string, p place) error {
	root, err := p.OpenRoot(p.name)
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
			if err != nil || fi.Mode()&fs.ModeSymlink == 0 {
				return fi, err
			}
			target, err := p.stat(p.join(name)) // what is not served is not shown
			return target.info, err
		},
		Type: o.Types.Lookup,
		Open: func(name string) (io.ReadCloser, error) { return openText(p, name) },
	}, o.DirListing)
	if err != nil {
		return err
	}

	h := w.Header()
	h.Set("Content-Type", o.DirListing.ContentType())
	if age := o.DirListing.MaxAge; age > 0 {
		h.Set("Cache-Control", fmt.Sprintf("max-age=%d", age/time.Second))
	}
	o.Expire.Set(h, r, urlPath, h.Get("Content-Type"), p.info.ModTime(), time.Now())
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		listing.Write(w) // an error means that the client is gone
	}
	return nil
}

// openText opens a text to be shown with the listing of p. A name with a slash in
// front is one of the file system; others are relative to p, and with ".." they
// may lead up to the top of its tree.
func openText(p place, name string) (io.ReadCloser, error) {
	t, file := p.tree, path.Clean(p.join(name))
	if strings.HasPrefix(name, "/") {
		own, rest, err := openTree(name, "", true)
		if err != nil {
			return nil, err
		}
		defer own.Close()
		t, file = own, rest
	}
	text, err := t.stat(file)
	if err != nil {
		return nil, err
	}
	f, _, err := text.open()
	return f, err
}
