// Package files answers HTTP requests with the files below a document root, as
// lighttpd's mod_staticfile, mod_indexfile, mod_alias and mod_dirlisting do.
//
// Files are opened through [os.Root]: neither a path nor a symbolic link leads
// outside of the document root or of an alias's target. Bodies are written by
// [http.ServeContent] from an [*os.File], so that net/http can use sendfile. The
// package decodes and normalises no path (its caller does), compresses nothing
// and knows nothing of the configuration. The page of a listing is in package
// dirlist, the times of caches are in package expire.
package files

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/wstunneld/wstunneld/internal/dirlist"
	"github.com/wstunneld/wstunneld/internal/expire"
)

// Options says which files are served, and how.
type Options struct {
	// Root is the document root; one that does not exist holds no files. Of
	// each directory the right to read is needed, not only to search.
	Root string

	// Aliases take paths out of the document root. The first whose prefix
	// matches counts, also if there is no such file below its target.
	Aliases []Alias

	Index []string // names tried in order for a directory; "/name" is relative to Root
	Types *Types   // nil: the built-in table

	// IndexDenied reports whether an index file is forbidden, by the path that
	// would ask for it directly. Nil forbids none.
	IndexDenied func(path string) bool

	// Lowercase turns A to Z in paths to lower case before they are looked up,
	// and lets the case of alias prefixes not count. Root, the targets of
	// aliases and Index stay as they are.
	Lowercase bool

	// ExcludeExtensions forbids to read files whose names in the file system end
	// with one of these.
	ExcludeExtensions []string

	PathInfo PathInfo // what is answered to a path that goes on after a file

	// RedirectBase is put before the path in the Location of a directory without
	// a final slash, as "https://host"; "" leaves it relative.
	RedirectBase string

	// DirListing lists directories without an index file for GET and HEAD; nil:
	// they are forbidden.
	DirListing *dirlist.Options

	Expire expire.Rules // how long caches may keep files and listings

	Ranges bool // answer Range requests

	// FollowSymlink serves what symbolic links below Root, or below the target of
	// an alias, lead to, if that is below it too. If false, a path with such a
	// link is forbidden. Links in Root and targets themselves are always
	// followed.
	FollowSymlink bool

	// What the ETag is made from. If all are false, there is none. Where the
	// system tells no inode numbers (Windows), ETagInode has no effect.
	ETagInode, ETagMtime, ETagSize bool

	// Error writes the answer for a status of 400 or more: header and page.
	// It must not remove the header fields already set. Nil writes a line of
	// plain text.
	Error func(w http.ResponseWriter, r *http.Request, status int)
}

// PathInfo says what is answered to a path that goes on after the name of a
// file, as /file/more and /file/ do.
type PathInfo int

const (
	PathInfoForbidden PathInfo = iota // 403
	PathInfoMissing                   // 404
	PathInfoIgnored                   // the file
)

const allow = "OPTIONS, GET, HEAD, POST"

// Serve answers r with the file that path names by o. Path is decoded,
// normalised and starts with a slash; of r.URL the query alone is used.
//
// The statuses beside 200, 206 and 304:
//
//   - 301 for a directory without a final slash
//   - 400 for a path with control bytes or that is not UTF-8
//   - 403 for a directory that has no index file and is not listed, a path that
//     goes on after a file, an excluded extension, what may not be read, what is
//     neither file nor directory, and "." or ".." right behind the prefix of an
//     alias that has no final slash while its target has one
//   - 404 for what does not exist or is outside of o.Root or the alias's target
//   - 405 for CONNECT, 501 for methods other than OPTIONS, GET, HEAD and POST
//   - 412 and 416 as RFC 9110 has them
//   - 503 if there are no file descriptors left
func Serve(w http.ResponseWriter, r *http.Request, path string, o *Options) {
	if r.Method == http.MethodConnect {
		w.Header().Set("Allow", allow)
		o.fail(w, r, http.StatusMethodNotAllowed)
		return
	}
	if !validPath(path) {
		o.fail(w, r, http.StatusBadRequest)
		return
	}
	if err := o.serve(w, r, path); err != nil {
		o.fail(w, r, status(err))
	}
}

// IsFile reports whether path leads to a regular file by o.
func IsFile(path string, o *Options) bool {
	top, rest, err := o.resolve(path)
	if err != nil || !validPath(path) {
		return false
	}
	t, rest, err := openTree(top, rest, o.FollowSymlink)
	if err != nil {
		return false
	}
	defer t.Close()
	p, err := t.stat(rest)
	return err == nil && p.info.Mode().IsRegular()
}

// Path returns the name in the file system that path is mapped to by o; "" if to
// none. There need not be such a file.
func Path(path string, o *Options) string {
	top, rest, err := o.resolve(path)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(top, "/") + rest
}

// serve is Serve for a valid path. If there is an error, nothing is written yet.
func (o *Options) serve(w http.ResponseWriter, r *http.Request, path string) error {
	top, rest, err := o.resolve(path)
	if err != nil {
		return err
	}
	t, rest, err := openTree(top, rest, o.FollowSymlink)
	if err != nil {
		return err
	}
	defer t.Close()
	p, err := t.stat(rest)
	pathInfo := errors.Is(err, syscall.ENOTDIR) || err == nil && !p.info.IsDir() && strings.HasSuffix(rest, "/")
	if pathInfo {
		if o.PathInfo == PathInfoMissing {
			return fs.ErrNotExist
		}
		p, err = t.beforePathInfo(rest)
	}
	if err != nil {
		return err
	}
	if p.info.IsDir() && !strings.HasSuffix(path, "/") {
		u := url.URL{Path: path + "/", RawQuery: r.URL.RawQuery}
		w.Header().Set("Location", o.RedirectBase+u.String())
		if r.Method != http.MethodHead {
			w.Header().Set("Content-Length", "0")
		}
		w.WriteHeader(http.StatusMovedPermanently)
		return nil
	}

	// The method counts for what exists only, as in lighttpd: OPTIONS or PUT
	// of a missing file is 404.
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	case http.MethodOptions:
		w.Header().Set("Allow", allow)
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
		return nil
	default:
		o.fail(w, r, http.StatusNotImplemented)
		return nil
	}

	if pathInfo && o.PathInfo == PathInfoForbidden {
		return fs.ErrPermission
	}
	if p.info.IsDir() {
		return o.serveDir(w, r, path, p)
	}
	return o.serveFile(w, r, path, p)
}

// serveDir answers r, a request for path, with the directory p.
func (o *Options) serveDir(w http.ResponseWriter, r *http.Request, path string, p place) error {
	for _, n := range o.Index {
		t, file, asked := p.tree, p.join(n), path+n
		if strings.HasPrefix(n, "/") {
			root, err := os.OpenRoot(o.Root)
			if err != nil {
				continue
			}
			defer root.Close()
			t, file, asked = tree{root, o.FollowSymlink}, n, n
		}
		index, err := t.stat(file)
		if err == nil {
			if o.IndexDenied != nil && o.IndexDenied(asked) {
				return fs.ErrPermission
			}
			return o.serveFile(w, r, path, index)
		}
		if status(err) != http.StatusNotFound {
			return err
		}
	}
	if o.DirListing == nil || r.Method == http.MethodPost {
		return fs.ErrPermission
	}
	return o.list(w, r, path, p)
}

// serveFile answers r, a request for path, with the file p.
func (o *Options) serveFile(w http.ResponseWriter, r *http.Request, path string, p place) error {
	full := strings.TrimSuffix(p.Name(), "/") + p.path
	excluded := func(ext string) bool { return strings.HasSuffix(full, ext) }
	if !p.info.Mode().IsRegular() || slices.ContainsFunc(o.ExcludeExtensions, excluded) {
		return fs.ErrPermission
	}
	f, fi, err := p.open()
	if err != nil {
		return err
	}
	defer f.Close()
	o.send(w, r, path, full, f, fi)
	return nil
}

// validPath reports whether path is one that a normaliser could have made.
func validPath(path string) bool {
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	return strings.HasPrefix(path, "/") && utf8.ValidString(path) && !strings.ContainsFunc(path, control)
}

// send answers r, a request for path, with the open file f. Its full name
// decides its type.
func (o *Options) send(w http.ResponseWriter, r *http.Request, path, full string, f *os.File, fi fs.FileInfo) {
	h, typ := w.Header(), o.Types.Lookup(full)
	h.Set("Content-Type", typ) // set: ServeContent does not sniff
	if tag := o.etag(fi); tag != "" {
		h.Set("ETag", tag)
	}
	req := r
	if !o.takesRange(r) && r.Header.Get("Range") != "" {
		req = r.Clone(r.Context())
		req.Header.Del("Range")
	}
	cw := &contentWriter{ResponseWriter: w, succeed: func() {
		if !o.Ranges || r.Method == http.MethodPost {
			h.Del("Accept-Ranges")
		}
		o.Expire.Set(h, r, path, typ, fi.ModTime(), time.Now())
	}}
	http.ServeContent(cw, req, "", fi.ModTime(), f)
	if cw.failed != 0 {
		for _, k := range []string{"Content-Type", "ETag", "Last-Modified"} {
			h.Del(k) // they are the file's, not the error page's
		}
		o.fail(w, r, cw.failed)
	}
}

// takesRange reports whether http.ServeContent may see the Range of r. By RFC
// 9110 section 14.2, Range is for GET alone and unknown units are ignored, while
// ServeContent takes it for any method and answers 416 to other units.
func (o *Options) takesRange(r *http.Request) bool {
	specs, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
	if !ok || !o.Ranges || r.Method != http.MethodGet {
		return false
	}
	for spec := range strings.SplitSeq(specs, ",") {
		// ServeContent answers 206 to a suffix of no bytes, with the end
		// before the start.
		if suffix, ok := strings.CutPrefix(strings.TrimSpace(spec), "-"); ok && strings.Trim(suffix, "0") == "" {
			return false
		}
	}
	return true
}

// etag gives the entity tag of a file, "" if there is to be none. It is strong:
// the time counts in nanoseconds.
func (o *Options) etag(fi fs.FileInfo) string {
	var b []byte
	if n, ok := inode(fi); ok && o.ETagInode {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	if o.ETagMtime {
		b = binary.BigEndian.AppendUint64(b, uint64(fi.ModTime().UnixNano()))
	}
	if o.ETagSize {
		b = binary.BigEndian.AppendUint64(b, uint64(fi.Size()))
	}
	if b == nil {
		return ""
	}
	sum := fnv.New64a() // the inode number is nobody's business
	sum.Write(b)
	return fmt.Sprintf(`"%x"`, sum.Sum64())
}

// fail answers r with an error page.
func (o *Options) fail(w http.ResponseWriter, r *http.Request, status int) {
	if o.Error != nil {
		o.Error(w, r, status)
		return
	}
	http.Error(w, fmt.Sprintf("%d %s", status, http.StatusText(status)), status)
}

// status gives the answer for a file that cannot be had because of err.
func status(err error) int {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOTDIR):
		return http.StatusForbidden
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return http.StatusServiceUnavailable
	}
	// Missing, a name this system cannot have, a loop of links, or a way out
	// of the root, for which package os exports no error.
	return http.StatusNotFound
}

// A contentWriter stands between http.ServeContent and the client. It holds
// back ServeContent's error pages, so that Options.Error can write them.
type contentWriter struct {
	http.ResponseWriter
	succeed func() // called before another header than an error page's is written
	failed  int    // the error status held back, or 0
}

func (w *contentWriter) WriteHeader(status int) {
	if status >= 400 {
		w.failed = status
		return
	}
	w.succeed()
	w.ResponseWriter.WriteHeader(status)
}

func (w *contentWriter) Write(b []byte) (int, error) {
	if w.failed != 0 {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// ReadFrom lets the ResponseWriter see the file, which it needs for sendfile.
func (w *contentWriter) ReadFrom(src io.Reader) (int64, error) {
	return io.Copy(w.ResponseWriter, src)
}
