// Package files answers HTTP requests with the files below a document root, as
// lighttpd's mod_staticfile and mod_indexfile do.
//
// Files are opened through [os.Root]: neither a path nor a symbolic link leads
// outside of the document root. Bodies are written by [http.ServeContent] from
// an [*os.File], so that net/http can use sendfile. The package decodes and
// normalises no path (its caller does), lists no directory, compresses nothing
// and knows nothing of the configuration.
package files

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"
)

// Options says which files are served, and how.
type Options struct {
	// Root is the document root; one that does not exist holds no files. Of
	// each directory the right to read is needed, not only to search.
	Root string

	Index []string // names tried in order for a directory; "/name" is relative to Root
	Types *Types   // nil: the built-in table

	Ranges bool // answer Range requests

	// FollowSymlink serves what symbolic links below Root lead to, if that is
	// below Root too. If false, a path with such a link is forbidden. Links in
	// Root itself are always followed.
	FollowSymlink bool

	// What the ETag is made from. If all are false, there is none. Where the
	// system tells no inode numbers (Windows), ETagInode has no effect.
	ETagInode, ETagMtime, ETagSize bool

	// Error writes the answer for a status of 400 or more: header and page.
	// It must not remove the header fields already set. Nil writes a line of
	// plain text.
	Error func(w http.ResponseWriter, r *http.Request, status int)
}

const allow = "OPTIONS, GET, HEAD, POST"

// Serve answers r with the file that path names below o.Root. Path is decoded,
// normalised and starts with a slash; r.URL gives the query alone.
//
// The statuses beside 200, 206 and 304:
//
//   - 301 for a directory without a final slash; Location has no host
//   - 400 for a path with control bytes or that is not UTF-8
//   - 403 for a directory without an index file, a path that goes on after a
//     file, what may not be read, and what is neither file nor directory
//   - 404 for what does not exist or is outside of o.Root
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
	root, err := os.OpenRoot(o.Root)
	if err != nil {
		o.fail(w, r, status(err))
		return
	}
	defer root.Close()
	t := tree{root, o.FollowSymlink}

	name, fi, err := t.stat(path)
	if err != nil {
		o.fail(w, r, status(err))
		return
	}
	slash := strings.HasSuffix(path, "/")
	if fi.IsDir() && !slash {
		u := url.URL{Path: path + "/", RawQuery: r.URL.RawQuery}
		w.Header().Set("Location", u.String())
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}

	// The method counts for what exists only, as in lighttpd: OPTIONS or PUT
	// of a missing file is 404.
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	case http.MethodOptions:
		w.Header().Set("Allow", allow)
		w.WriteHeader(http.StatusOK)
		return
	default:
		o.fail(w, r, http.StatusNotImplemented)
		return
	}

	if fi.IsDir() {
		path, name, fi, err = t.index(path, o.Index)
	} else if slash {
		err = syscall.ENOTDIR
	}
	if err == nil && !fi.Mode().IsRegular() {
		err = fs.ErrPermission
	}
	if err != nil {
		o.fail(w, r, status(err))
		return
	}
	f, fi, err := t.open(name)
	if err != nil {
		o.fail(w, r, status(err))
		return
	}
	defer f.Close()
	o.send(w, r, path, f, fi)
}

// validPath reports whether path is one that a normaliser could have made.
func validPath(path string) bool {
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	return strings.HasPrefix(path, "/") && utf8.ValidString(path) && !strings.ContainsFunc(path, control)
}

// send answers r with the open file f; path decides its type.
func (o *Options) send(w http.ResponseWriter, r *http.Request, path string, f *os.File, fi fs.FileInfo) {
	h := w.Header()
	h.Set("Content-Type", o.Types.Lookup(path)) // set: ServeContent does not sniff
	if tag := o.etag(fi); tag != "" {
		h.Set("ETag", tag)
	}
	req := r
	if !o.takesRange(r) && r.Header.Get("Range") != "" {
		req = r.Clone(r.Context())
		req.Header.Del("Range")
	}
	cw := &contentWriter{ResponseWriter: w, acceptRanges: o.Ranges && r.Method != http.MethodPost}
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

// A tree is what a document root holds.
type tree struct {
	*os.Root
	follow bool // symbolic links
}

// stat describes what path leads to, and gives the name to open it by.
func (t tree) stat(path string) (name string, fi fs.FileInfo, err error) {
	path = strings.TrimSuffix(path[1:], "/")
	// Localize refuses "..", empty elements and, on Windows, device names,
	// streams and backslashes.
	name, err = filepath.Localize(cmp.Or(path, "."))
	if err != nil {
		return "", nil, err
	}
	fi, err = t.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case !t.follow:
		// A link made between this check and open can be followed, but not
		// out of the root.
		if t.hasLink(name) {
			return "", nil, fs.ErrPermission
		}
	case err != nil:
		// For os.Root every absolute link leads out, also one back to the root.
		// If that is what it was, Stat takes the name without links.
		if target, linkErr := t.evalLinks(name); linkErr == nil {
			name = target
			fi, err = t.Stat(name)
		}
	}
	return name, fi, err
}

// hasLink reports whether an element of name is a symbolic link.
func (t tree) hasLink(name string) bool {
	for ; name != "."; name = filepath.Dir(name) {
		if fi, err := t.Lstat(name); err == nil && fi.Mode()&fs.ModeSymlink != 0 {
			return true
		}
	}
	return false
}

// evalLinks follows the links of name by the rules of the system and gives what
// they lead to as a name relative to the root, which may begin with "..".
func (t tree) evalLinks(name string) (string, error) {
	root, err := filepath.Abs(t.Name())
	if err != nil {
		return "", err
	}
	root, err = filepath.EvalSymlinks(root)
	if err != nil {
		return "", err
	}
	target, err := filepath.EvalSymlinks(filepath.Join(root, name))
	if err != nil {
		return "", err
	}
	return filepath.Rel(root, target)
}

// index finds the first of names that exists in the directory dir, a path with
// a final slash. If there is none, the error is [fs.ErrPermission].
func (t tree) index(dir string, names []string) (path, name string, fi fs.FileInfo, err error) {
	for _, n := range names {
		path = dir + n
		if strings.HasPrefix(n, "/") {
			path = n
		}
		name, fi, err = t.stat(path)
		if err == nil || status(err) != http.StatusNotFound {
			return path, name, fi, err
		}
	}
	return "", "", nil, fs.ErrPermission
}

// open opens a regular file. If name is something else by now, the error is
// [fs.ErrPermission]; open does not wait for the writer of a FIFO.
func (t tree) open(name string) (*os.File, fs.FileInfo, error) {
	f, err := t.OpenFile(name, os.O_RDONLY|openNonblock, 0)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fs.ErrPermission
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

// A contentWriter stands between http.ServeContent and the client. It holds
// back ServeContent's error pages, so that Options.Error can write them.
type contentWriter struct {
	http.ResponseWriter
	acceptRanges bool
	failed       int // the error status held back, or 0
}

func (w *contentWriter) WriteHeader(status int) {
	if status >= 400 {
		w.failed = status
		return
	}
	if !w.acceptRanges {
		w.Header().Del("Accept-Ranges")
	}
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
