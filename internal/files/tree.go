package files

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A tree is what a document root or the target of an alias holds.
type tree struct {
	*os.Root
	follow bool // symbolic links
}

// openTree opens top, as resolve gives it. If top is a file, the tree is that of
// its directory, and rest changes with it.
func openTree(top, rest string, follow bool) (tree, string, error) {
	root, err := os.OpenRoot(top)
	if err != nil {
		if fi, statErr := os.Stat(top); statErr != nil || fi.IsDir() {
			return tree{}, "", err
		}
		file, err := filepath.EvalSymlinks(top)
		if err != nil {
			return tree{}, "", err
		}
		root, err = os.OpenRoot(filepath.Dir(file))
		if err != nil {
			return tree{}, "", err
		}
		rest = "/" + filepath.Base(file) + rest
	}
	return tree{root, follow}, rest, nil
}

// A place is what a path of a tree leads to.
type place struct {
	tree
	path string // with a slash in front, or empty for the top
	name string // to open it by
	info fs.FileInfo
}

// stat describes what path leads to.
func (t tree) stat(path string) (place, error) {
	// Localize refuses "..", empty elements and, on Windows, device names,
	// streams and backslashes.
	name, err := filepath.Localize(cmp.Or(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), "."))
	if err != nil {
		return place{}, err
	}
	fi, err := t.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case !t.follow:
		// A link made between this check and open can be followed, but not
		// out of the root.
		if t.hasLink(name) {
			return place{}, fs.ErrPermission
		}
	case err != nil:
		// For os.Root every absolute link leads out, also one back to the root.
		// If that is what it was, Stat takes the name without links.
		if target, linkErr := t.evalLinks(name); linkErr == nil {
			name = target
			fi, err = t.Stat(name)
		}
	}
	return place{t, path, name, fi}, err
}

// beforePathInfo describes the file of a path that goes on after it. If there is
// none, the error is [syscall.ENOTDIR] or that of stat.
func (t tree) beforePathInfo(path string) (p place, err error) {
	err = syscall.ENOTDIR
	for errors.Is(err, syscall.ENOTDIR) {
		path = path[:strings.LastIndexByte(path, '/')]
		p, err = t.stat(path)
	}
	if err == nil && p.info.IsDir() { // a link to what is below a file
		err = syscall.ENOTDIR
	}
	return p, err
}

// join gives the path of name in the directory p.
func (p place) join(name string) string {
	return strings.TrimSuffix(p.path, "/") + "/" + name
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

// open opens a regular file. If p is something else by now, the error is
// [fs.ErrPermission]; open does not wait for the writer of a FIFO.
func (p place) open() (*os.File, fs.FileInfo, error) {
	f, err := p.OpenFile(p.name, os.O_RDONLY|openNonblock, 0)
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
