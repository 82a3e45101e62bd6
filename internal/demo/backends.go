package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of what a client may ask of a backend.
const (
	MaxLine = 4096    // bytes in a line to the console, with its end
	MaxBulk = 1 << 30 // bytes in one bulk transfer
)

// Backends are the TCP servers behind the demo's tunnels. They listen on
// loopback ports and speak plain bytes: not one of them knows of WebSockets.
type Backends struct {
	// Console answers lines. A reply is zero or more lines that are not
	// empty, then an empty one. Its commands are in the reply to "help"; any
	// other line comes back as it is. A line of more than [MaxLine] bytes is
	// refused and ends the connection.
	Console *Backend

	// Ping sends back what it receives.
	Ping *Backend

	// Bulk moves many bytes. "down N" makes it send N bytes; "up N" makes it
	// swallow the N bytes that follow the line, or fewer if the stream ends.
	// Either ends with the line "COUNT CRC", the number of bytes moved and
	// their CRC-32 (IEEE) in eight hexadecimal digits; then the next command
	// may come. N is at most [MaxBulk]. Anything else is answered by a line
	// that starts with "error: " and ends the connection.
	Bulk *Backend

	started time.Time
}

// A Backend is one TCP server and what it has counted.
type Backend struct {
	Name string

	ln      net.Listener
	serve   func(net.Conn) // one connection, which the caller closes
	open    atomic.Int64   // connections
	in, out atomic.Int64   // bytes
}

// Listen opens the ports of all backends. The caller ends with
// [Backends.Close], also when [Backends.Run] has returned.
func Listen() (*Backends, error) {
	b := &Backends{started: time.Now()}
	b.Console = &Backend{Name: "console", serve: b.serveConsole}
	b.Ping = &Backend{Name: "ping", serve: servePing}
	b.Bulk = &Backend{Name: "bulk", serve: serveBulk}
	for _, one := range b.all() {
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			b.Close()
			return nil, fmt.Errorf("%s backend: %w", one.Name, err)
		}
		one.ln = ln
	}
	return b, nil
}

func (b *Backends) all() []*Backend { return []*Backend{b.Console, b.Ping, b.Bulk} }

// Close closes the ports.
func (b *Backends) Close() {
	for _, one := range b.all() {
		if one.ln != nil {
			one.ln.Close()
		}
	}
}

// Run serves until ctx is done, then cuts the connections. When it returns,
// every goroutine that it started has ended. It returns nil if ctx ended it,
// else the first failure.
func (b *Backends) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for _, one := range b.all() {
		running.Go(func() {
			if err := one.run(ctx); err != nil {
				cancel(fmt.Errorf("%s backend: %w", one.Name, err))
			}
		})
	}
	running.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Addr is the address that the backend listens on.
func (b *Backend) Addr() *net.TCPAddr { return b.ln.Addr().(*net.TCPAddr) }

func (b *Backend) run(ctx context.Context) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { b.ln.Close() }) // makes Accept return
	for {
		conn, err := b.ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			return err
		}
		conns.Go(func() { b.handle(ctx, conn.(*net.TCPConn)) })
	}
}

// linger is how long a backend that has ended a connection waits for the
// other side to end it too.
const linger = time.Second

func (b *Backend) handle(ctx context.Context, conn *net.TCPConn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	b.open.Add(1)
	defer b.open.Add(-1)
	b.serve(&countedConn{conn, b})

	// Closing a socket that holds unread bytes makes the kernel send RST, which
	// can throw away the last words of the backend before they are read.
	conn.CloseWrite()
	conn.SetReadDeadline(time.Now().Add(linger))
	io.Copy(io.Discard, conn)
}

// countedConn adds what passes through it to the counters of its backend.
type countedConn struct {
	net.Conn
	backend *Backend
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.backend.in.Add(int64(n))
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.backend.out.Add(int64(n))
	return n, err
}

const help = `help         this list
time         the time at the backend
uptime       how long the backend has been running
stats        open connections and bytes, as the backends count
echo TEXT    TEXT
quit         the backend ends the connection
Anything else comes back as it is.`

func (b *Backends) serveConsole(conn net.Conn) {
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, MaxLine)
	for lines.Scan() && lines.Text() != "quit" {
		reply := b.reply(lines.Text())
		if reply != "" {
			reply += "\n"
		}
		if _, err := io.WriteString(conn, reply+"\n"); err != nil {
			return
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		fmt.Fprintf(conn, "error: a line may have %d bytes\n\n", MaxLine)
	}
}

func (b *Backends) reply(line string) string {
	command, text, _ := strings.Cut(line, " ")
	switch command {
	case "help":
		return help
	case "time":
		return time.Now().Format("2006-01-02 15:04:05.000 -07:00")
	case "uptime":
		return time.Since(b.started).Round(time.Millisecond).String()
	case "stats":
		return b.stats()
	case "echo":
		return text
	}
	return line
}

// stats has a line for each backend. The page reads it too.
func (b *Backends) stats() string {
	var lines []string
	for _, one := range b.all() {
		lines = append(lines, fmt.Sprintf("%-7s %s  open %d  in %d  out %d",
			one.Name, one.Addr(), one.open.Load(), one.in.Load(), one.out.Load()))
	}
	return strings.Join(lines, "\n")
}

func servePing(conn net.Conn) { io.Copy(conn, conn) }

func serveBulk(conn net.Conn) {
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
		command, size, err := parseBulk(string(line))
		if err != nil {
			fmt.Fprintf(conn, "error: %v\n", err)
			return
		}
		sum := crc32.NewIEEE()
		if command == "down" {
			err = sendPattern(io.MultiWriter(conn, sum), size)
		} else {
			// The reader's own buffer is small; this one takes what a
			// read of a loopback socket can give.
			size, err = io.CopyBuffer(sum, io.LimitReader(r, size), make([]byte, 256<<10))
		}
		if err != nil {
			return
		}
		fmt.Fprintf(conn, "%d %08x\n", size, sum.Sum32())
	}
}

// parseBulk reads a command line, with its end: "down N" or "up N".
func parseBulk(line string) (command string, size int64, err error) {
	line, ended := strings.CutSuffix(line, "\n")
	command, number, _ := strings.Cut(line, " ")
	if !ended || command != "down" && command != "up" {
		return "", 0, errors.New(`say "down N" or "up N"`)
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || n > MaxBulk {
		return "", 0, fmt.Errorf("a transfer has 0 to %d bytes", MaxBulk)
	}
	return command, int64(n), nil
}

// pattern is what "down" sends, over and over. The period of its bytes is a
// prime, so that no two blocks of a buffer's size are alike: a block that is
// lost, doubled or out of place changes the checksum.
var pattern = sync.OnceValue(func() []byte {
	const period, copies = 65521, 4
	block := make([]byte, period)
	rand.NewChaCha8([32]byte{}).Read(block)
	all := make([]byte, 0, copies*period)
	for range copies {
		all = append(all, block...)
	}
	return all
})

func sendPattern(w io.Writer, size int64) error {
	for size > 0 {
		block := pattern()
		if size < int64(len(block)) {
			block = block[:size]
		}
		if _, err := w.Write(block); err != nil {
			return err
		}
		size -= int64(len(block))
	}
	return nil
}
