// Package logfile writes logs to files that can be opened again, after their
// rotation by another program.
package logfile

import (
	"os"
	"sync"
)

// A File is a log file. Each Write appends what it is given in one piece.
type File struct {
	name string

	mu sync.Mutex
	f  *os.File
}

// Open opens or creates the file name for appending.
func Open(name string) (*File, error) {
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	return &File{name: name, f: f}, nil
}

func open(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
}

// Write appends b. It is safe for concurrent use.
func (l *File) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Write(b)
}

// Reopen goes on with a new file of the same name. If that cannot be opened, the
// old one stays in use.
func (l *File) Reopen() error {
	f, err := open(l.name)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.f
	l.f = f
	return old.Close()
}

// Close closes the file.
func (l *File) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Close()
}
