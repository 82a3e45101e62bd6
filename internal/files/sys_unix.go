//go:build unix

package files

import (
	"io/fs"
	"syscall"
)

const openNonblock = syscall.O_NONBLOCK

// inode gives the inode number of a file, if the system tells it.
func inode(fi fs.FileInfo) (n uint64, ok bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Ino, true
}
