package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

// A pidFile is an open server.pid-file. It stays open, so that it can be written
// and emptied when its name is out of reach. Nil is none.
type pidFile struct {
	config.File
	f    *os.File
	made bool // by openPID
}

// openPID opens file and leaves what it holds: until the start has succeeded,
// another server may be running by it.
func openPID(file config.File) (*pidFile, error) {
	if file.Name == "" {
		return nil, nil
	}
	p := &pidFile{File: file, made: true}
	var err error
	p.f, err = os.OpenFile(file.Name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		p.made = false
		p.f, err = os.OpenFile(file.Name, os.O_RDWR|os.O_CREATE, 0o644)
	}
	if err != nil {
		return nil, p.failed(err)
	}
	return p, nil
}

func (p *pidFile) write() error {
	if p == nil {
		return nil
	}
	p.f.Truncate(0) // what is no regular file has nothing in it
	if _, err := p.f.WriteString(pid()); err != nil {
		return p.failed(err)
	}
	return nil
}

func (p *pidFile) failed(err error) error {
	return &syntax.Error{Pos: p.Pos, Msg: "server.pid-file: " + err.Error(), Hint: fileHint}
}

// remove removes the file if it is ours. Where its name is out of reach, or its
// directory not ours to change, it is left empty, as lighttpd leaves it.
func (p *pidFile) remove() {
	if p == nil {
		return
	}
	b := make([]byte, len(pid())+1)
	if n, _ := p.f.ReadAt(b, 0); string(b[:n]) == pid() {
		p.f.Truncate(0)
		p.unlink()
	}
	p.f.Close()
}

// discard closes the file, which was not written, and removes it if it is new.
func (p *pidFile) discard() {
	if p == nil {
		return
	}
	if p.made {
		p.unlink()
	}
	p.f.Close()
}

// unlink removes the name of the file, if it still is one.
func (p *pidFile) unlink() {
	named, err := os.Stat(p.Name)
	if err != nil {
		return
	}
	if opened, err := p.f.Stat(); err == nil && os.SameFile(named, opened) {
		os.Remove(p.Name)
	}
}

func pid() string { return fmt.Sprintln(os.Getpid()) }
