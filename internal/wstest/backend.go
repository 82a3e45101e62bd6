package wstest

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// Backend listens on a free loopback port and has each connection served by
// serve, in a goroutine of its own; the connection is closed when serve returns.
// It returns the address. When the test is over, all connections are closed and
// every serve is waited for. Serve must not end the test (t.Error is fine).
func Backend(t testing.TB, serve func(net.Conn)) (addr string) {
	t.Helper()
	return listen(t, "tcp4", "127.0.0.1:0", serve)
}

// UnixBackend is [Backend] on a Unix socket, whose path it returns.
func UnixBackend(t testing.TB, serve func(net.Conn)) (path string) {
	t.Helper()
	return listen(t, "unix", SocketPath(t), serve)
}

// SocketPath returns a path for a Unix socket, short enough for every system,
// in a directory that is removed when the test is over.
func SocketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wstest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func listen(t testing.TB, network, addr string, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	open := make(map[net.Conn]bool) // nil: the test is over
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		open = nil
		mu.Unlock()
		running.Wait()
	})
	running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if open == nil {
				conn.Close()
			} else {
				open[conn] = true
				running.Go(func() {
					serve(conn)
					mu.Lock()
					delete(open, conn)
					mu.Unlock()
					conn.Close()
				})
			}
			mu.Unlock()
		}
	})
	return ln.Addr().String()
}

// Echo sends back what it receives, up to the end of the stream.
func Echo(conn net.Conn) { io.Copy(conn, conn) }

// Flood sends without end and never reads.
func Flood(conn net.Conn) {
	b := []byte(Pattern(64 << 10))
	for {
		if _, err := conn.Write(b); err != nil {
			return
		}
	}
}

// Mute neither reads nor sends. It ends when conn is closed on its own side.
func Mute(conn net.Conn) {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err == nil {
		raw.Read(func(uintptr) bool { return false }) // sees what comes, takes nothing
	}
}

// Refusing returns a loopback address that refuses connections: nobody listens
// there, and nobody can until the test is over.
func Refusing(t testing.TB) (addr string) {
	t.Helper()
	// A port is taken, but refuses, if it is the near end of a connection.
	far := Backend(t, Mute)
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}
	conn, err := d.Dial("tcp4", far)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String()
}

// CloseWrite half-closes a TCP or Unix socket.
func CloseWrite(conn net.Conn) error {
	return conn.(interface{ CloseWrite() error }).CloseWrite()
}

// Reset closes conn so that the peer gets a reset. On a Unix socket it does only
// if conn has unread bytes; otherwise the peer sees the end of the stream.
func Reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}
