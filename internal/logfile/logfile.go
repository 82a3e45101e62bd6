// Package logfile writes logs: to files that can be opened again after their
// rotation by another program, to commands, and to syslog.
//
// Each Write is one line. Loggers are seldom able to do something about a log that
// fails, and a full disk would have them report every line; so Write drops what
// cannot be written, counts it, and returns a [*LossError] at most once a minute.
package logfile

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// A File is a log file. Each Write appends what it is given in one piece.
type File struct {
	name string

	mu   sync.Mutex
	f    *os.File
	loss losses
}

// Open opens or creates the file name for appending.
func Open(name string) (*File, error) {
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	return &File{name: name, f: f, loss: losses{log: name}}, nil
}

func open(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
}

// Write appends b. It is safe for concurrent use.
func (l *File) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.f.Write(b); err != nil {
		l.loss.add(1, err)
	}
	return len(b), l.loss.due()
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

// Close closes the file. What Write has not told of lost lines, it returns.
func (l *File) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.f.Close(); err != nil {
		l.loss.add(0, err)
	}
	return l.loss.all()
}

// A LossError tells what happened to a log since the last one.
type LossError struct {
	Log   string // file name, command or syslog
	Lines int    // that were lost; 0 if something failed without a loss
	Err   error  // the last failure
}

func (e *LossError) Error() string {
	switch e.Lines {
	case 0:
		return fmt.Sprintf("log %s: %v", e.Log, e.Err)
	case 1:
		return fmt.Sprintf("log %s: 1 line lost: %v", e.Log, e.Err)
	default:
		return fmt.Sprintf("log %s: %d lines lost: %v", e.Log, e.Lines, e.Err)
	}
}

func (e *LossError) Unwrap() error { return e.Err }

// lossInterval is the least time between two errors of one log.
const lossInterval = time.Minute

// losses collects failures until they may be told. Its user locks.
type losses struct {
	log   string
	lines int
	err   error     // the last failure; nil: there is nothing to tell
	next  time.Time // when there may be another error
}

// add counts lines lost by err.
func (l *losses) add(lines int, err error) {
	l.lines += lines
	l.err = err
}

// due returns an error if there is something to tell and it is time.
func (l *losses) due() error {
	if l.err == nil {
		return nil
	}
	now := time.Now()
	if now.Before(l.next) {
		return nil
	}
	l.next = now.Add(lossInterval)
	return l.all()
}

// all returns an error if there is something to tell.
func (l *losses) all() error {
	if l.err == nil {
		return nil
	}
	err := &LossError{Log: l.log, Lines: l.lines, Err: l.err}
	l.lines, l.err = 0, nil
	return err
}
