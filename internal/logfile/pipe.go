package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

const (
	// maxWaiting is how many bytes wait for a command that does not read, beside
	// what the pipe holds.
	maxWaiting = 1 << 20

	// keptBuffer is the size up to which an empty buffer is kept for later lines.
	keptBuffer = 64 << 10

	// A command that ends is started again after the first delay, then after
	// twice the last one, until one has lived for long.
	firstDelay = 100 * time.Millisecond
	lastDelay  = 30 * time.Second
	longLife   = 10 * time.Second

	// defaultCloseTimeout is that of a new Pipe.
	defaultCloseTimeout = 5 * time.Second
)

// ErrNotReading is the cause of lines that are lost because a command does not
// read them as fast as they come.
var ErrNotReading = errors.New("the command does not read")

// A Pipe is a command that reads a log from its standard input.
//
// /bin/sh runs it, with our environment, in a process group of its own: a ^C in
// the terminal is for us, and we end the command. Its outputs go to /dev/null, as
// lighttpd has it. When it ends, it is started again; what it has not read then
// waits for the next, with the pipe. lighttpd 1.4.69 starts again only what has
// lived for more than five seconds.
type Pipe struct {
	// CloseTimeout bounds the time that Close waits for the command. It may be
	// set before the first Write.
	CloseTimeout time.Duration

	command string
	r, w    *os.File // r is kept so that the pipe outlives the command

	mu      sync.Mutex
	waiting []byte // lines for copyLines
	copying int    // bytes that it is about to write
	closed  bool
	loss    losses

	wake   chan struct{} // waiting or closed has changed; holds one
	copied chan struct{} // closed when copyLines has ended

	startMu sync.Mutex // guards cmd, and that none is started once closing is closed
	cmd     *exec.Cmd
	closing chan struct{}
	ended   chan struct{} // closed when supervise has ended, and with it the command
}

// OpenPipe starts command. That it exists is known to its shell alone: one that
// does not is like one that ends at once.
func OpenPipe(command string) (*Pipe, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &Pipe{
		CloseTimeout: defaultCloseTimeout,
		command:      command,
		r:            r,
		w:            w,
		loss:         losses{log: "|" + command},
		wake:         make(chan struct{}, 1),
		copied:       make(chan struct{}),
		closing:      make(chan struct{}),
		ended:        make(chan struct{}),
	}
	if err := p.start(); err != nil {
		r.Close()
		w.Close()
		return nil, err
	}
	go p.copyLines()
	go p.supervise()
	return p, nil
}

// Write hands b, a line, to the command. It never blocks: a line that finds more
// than 1 MiB of others waiting is lost. It is safe for concurrent use. After Close
// it returns [os.ErrClosed].
func (p *Pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, os.ErrClosed
	}
	if len(p.waiting)+p.copying+len(b) > maxWaiting {
		p.loss.add(1, ErrNotReading)
	} else {
		p.waiting = append(p.waiting, b...)
		p.signal()
	}
	return len(b), p.loss.due()
}

// Reopen does nothing: like lighttpd, we leave rotation to the command.
func (p *Pipe) Reopen() error { return nil }

// Close ends the input of the command and waits for its end. If it takes longer
// than CloseTimeout, its process group is killed. Close returns what Write has not
// told of lost lines, those among them that the command has left in the pipe.
func (p *Pipe) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return os.ErrClosed
	}
	p.closed = true
	p.signal()
	p.mu.Unlock()

	p.startMu.Lock()
	close(p.closing)
	cmd := p.cmd
	p.startMu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), p.CloseTimeout)
	defer cancel()
	select {
	case <-p.copied:
	case <-p.ended: // nobody reads any more
	case <-ctx.Done():
	}
	p.w.SetWriteDeadline(time.Now())
	<-p.copied
	p.w.Close()
	select {
	case <-p.ended:
	case <-ctx.Done():
		killGroup(cmd)
		p.fail(0, fmt.Errorf("the command was killed: its input had ended, but it ran on for %v", p.CloseTimeout))
		<-p.ended
	}
	if n := p.countUnread(); n > 0 {
		p.fail(n, ErrNotReading)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loss.all()
}

// countUnread returns how many lines are left in the pipe, of which the write end
// is closed, and closes it.
func (p *Pipe) countUnread() int {
	b, _ := io.ReadAll(p.r)
	p.r.Close()
	return bytes.Count(b, []byte("\n"))
}

// signal wakes copyLines. The caller holds mu.
func (p *Pipe) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *Pipe) fail(lines int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loss.add(lines, err)
}

// copyLines writes what waits to the pipe until the Pipe is closed.
func (p *Pipe) copyLines() {
	defer close(p.copied)
	var b []byte
	for {
		p.mu.Lock()
		p.waiting, b = b[:0], p.waiting
		p.copying = len(b)
		closed := p.closed
		p.mu.Unlock()
		if len(b) == 0 {
			if closed {
				return
			}
			<-p.wake
			continue
		}
		// Both ends of the pipe are ours, so this fails only at the deadline that
		// Close sets.
		if n, err := p.w.Write(b); err != nil {
			p.fail(bytes.Count(b[n:], []byte("\n")), ErrNotReading)
		}
		if cap(b) > keptBuffer {
			b = nil
		}
	}
}

// start starts the command, unless the Pipe is closed.
func (p *Pipe) start() error {
	p.startMu.Lock()
	defer p.startMu.Unlock()
	select {
	case <-p.closing:
		return os.ErrClosed
	default:
	}
	cmd := exec.Command("/bin/sh", "-c", p.command)
	cmd.Stdin = p.r
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd = cmd
	return nil
}

// supervise starts the command again whenever it ends, until the Pipe is closed.
func (p *Pipe) supervise() {
	defer close(p.ended)
	delay := firstDelay
	for {
		started := time.Now()
		p.cmd.Wait()
		if time.Since(started) > longLife {
			delay = firstDelay
		}
		err := fmt.Errorf("the command ended: %v", p.cmd.ProcessState)
		for err != nil {
			select {
			case <-p.closing:
				return
			default:
			}
			p.fail(0, err)
			select {
			case <-p.closing:
				return
			case <-time.After(delay):
			}
			delay = min(2*delay, lastDelay)
			err = p.start()
		}
	}
}
