//go:build !unix

package files

import "io/fs"

const openNonblock = 0 // no file of a directory makes open wait

// inode gives the inode number of a file, if the system tells it.
func inode(fs.FileInfo) (n uint64, ok bool) {
	return 0, false
}
