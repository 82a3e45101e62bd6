package backend_test

import (
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/backend"
)

// fullBacklog returns a TCP host whose kernel drops every further connect.
func fullBacklog(t *testing.T) *backend.Host {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sa.(*syscall.SockaddrInet4).Port}).String()
	for range 4 { // one fits, the next may
		conn, err := net.DialTimeout("tcp", addr, 50*time.Millisecond)
		if os.IsTimeout(err) {
			return &backend.Host{Network: "tcp", Address: addr}
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("a backlog of 0 holds four connections")
	return nil
}
