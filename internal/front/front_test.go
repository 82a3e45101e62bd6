package front_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/front"
	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs s on a socket of its own. It returns the address and a function
// that stops the server and returns what Run returned.
func serve(t *testing.T, s *front.Server) (addr string, stop func() error) {
	t.Helper()
	s.Log = slog.New(slog.DiscardHandler)
	ln, err := front.Listen(t.Context(), "tcp4", "127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ln, func() time.Duration { return 10 * time.Second }) }()
	stop = func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
	t.Cleanup(func() { stop() })
	return ln.Addr().String(), stop
}

func TestListenUnix(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("permissions of sockets are for Unix systems")
	}
	dir := t.TempDir()
	leave := func(name string) { // a socket file that nobody listens on
		ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		ln.SetUnlinkOnClose(false)
		ln.Close()
	}
	tests := []struct {
		name  string
		setup func(path string)
		perms fs.FileMode
		ok    bool
	}{
		{"free", func(string) {}, 0, true},
		{"with permissions", func(string) {}, 0o601, true},
		{"stale socket", leave, 0o600, true},
		{"in use", func(path string) {
			ln, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { ln.Close() })
		}, 0, false},
		{"a file", func(path string) {
			if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, 0, false},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, fmt.Sprint("s", i))
			tt.setup(path)
			ln, err := front.Listen(t.Context(), "unix", path, tt.perms)
			if (err == nil) != tt.ok {
				t.Fatalf("Listen: %v, want success: %v", err, tt.ok)
			}
			if err != nil {
				if _, err := os.Lstat(path); err != nil {
					t.Errorf("what was in the way is gone: %v", err)
				}
				return
			}
			defer ln.Close()
			if fi, err := os.Stat(path); err != nil || tt.perms != 0 && fi.Mode().Perm() != tt.perms {
				t.Errorf("mode %v, %v; want %v", fi.Mode().Perm(), err, tt.perms)
			}
		})
	}
}

// Upgrade leaves nothing of HTTP on the connection: no deadline, no buffer.
func TestUpgrade(t *testing.T) {
	streams := make(chan front.Stream, 1)
	firsts := make(chan []byte, 1)
	addr, stop := serve(t, &front.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, first, err := front.Upgrade(w, &front.Answer{Accept: "accept", Subprotocol: "binary", Server: "tag"})
			if err != nil {
				t.Error(err)
			}
			streams <- s
			firsts <- first
		}),
		MaxHeaderBytes: 8192,
		ReadTimeout:    50 * time.Millisecond,
		WriteIdle:      50 * time.Millisecond,
		KeepAliveIdle:  time.Second,
	})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := wstest.NewClient(t, conn)
	c.Send(wstest.Request("/"), wstest.Text("early"))
	head := c.ReadHead()
	if want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: accept\r\n" +
		"Sec-WebSocket-Protocol: binary\r\nConnection: upgrade\r\nDate: "; !strings.HasPrefix(head, want) || !strings.HasSuffix(head, "\r\nServer: tag\r\n\r\n") {
		t.Errorf("head %q, want %q...", head, want)
	}
	s := <-streams
	defer s.Close()
	if first := <-firsts; string(first) != string(wstest.Text("early")) {
		t.Errorf("behind the request came % x", first)
	}
	if err := stop(); err != nil { // it does not wait for, nor close, what was upgraded
		t.Error(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { c.Write([]byte("x")) }) // behind every deadline of HTTP
	b := make([]byte, 1)
	if _, err := io.ReadFull(s, b); err != nil {
		t.Errorf("reading from the stream: %v", err)
	}
	s.Write(ws.AppendHeader(nil, ws.Header{Fin: true, Opcode: ws.OpBinary}))
	c.Want(ws.OpBinary, "")
}

// A client that takes a large answer slowly is served as long as it goes on; one
// that stops is let go.
func TestWriteIdle(t *testing.T) {
	name := filepath.Join(t.TempDir(), "large")
	const size = 24 << 20
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	addr, _ := serve(t, &front.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f, err := os.Open(name)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			w.Header().Set("Content-Length", fmt.Sprint(size))
			_, err = io.Copy(w, f)
			failed <- err
		}),
		MaxHeaderBytes: 8192,
		WriteIdle:      300 * time.Millisecond,
		KeepAliveIdle:  time.Second,
	})
	get := func() net.Conn {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.(*net.TCPConn).SetReadBuffer(64 << 10)
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		return conn
	}
	slow := get()
	buf, total := make([]byte, 1<<20), 0
	for begin := time.Now(); total < size; { // at a pace that takes several times WriteIdle
		slow.SetReadDeadline(time.Now().Add(wstest.Patience))
		n, err := slow.Read(buf)
		if total += n; err != nil {
			t.Fatalf("a slow client got %d of %d bytes in %v: %v", total, size, time.Since(begin), err)
		}
		if total%(1<<20) < n {
			time.Sleep(30 * time.Millisecond) // the client's pace
		}
	}
	if err := <-failed; err != nil {
		t.Errorf("serving a slow client: %v", err)
	}
	stuck := get()
	if err := <-failed; !os.IsTimeout(err) {
		t.Errorf("serving a client that does not read: %v, want a timeout", err)
	}
	stuck.Close()
}

// What net/http refuses on its own is told; what a handler answers is not.
func TestRefused(t *testing.T) {
	type refusal struct {
		status int
		sent   int64
	}
	refusals := make(chan refusal, 1)
	addr, _ := serve(t, &front.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "400 Bad Request", http.StatusBadRequest)
		}),
		Refused: func(remote string, status int, sent int64) {
			if !strings.HasPrefix(remote, "127.0.0.1:") {
				t.Errorf("remote %q", remote)
			}
			refusals <- refusal{status, sent}
		},
		MaxHeaderBytes: 5000,
		KeepAliveIdle:  time.Second,
	})
	for _, tt := range []struct {
		request string
		status  int
	}{
		{"nonsense\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n\r\n", 400},
		{"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505},
		{"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 6000) + "\r\n\r\n", 431},
		{"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 0}, // the handler's
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(wstest.Patience))
		io.WriteString(conn, tt.request)
		answer, _ := io.ReadAll(conn)
		conn.Close()
		_, body, _ := strings.Cut(string(answer), "\r\n\r\n")
		var got refusal
		select {
		case got = <-refusals:
		default: // told before the connection is closed, or not at all
		}
		want := refusal{tt.status, int64(len(body))}
		if tt.status == 0 {
			want = refusal{}
		}
		if got != want {
			t.Errorf("%.40q: told %+v, want %+v; answer %q", tt.request, got, want, answer)
		}
	}
}

func TestCountRequest(t *testing.T) {
	var counts []int
	addr, stop := serve(t, &front.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			counts = append(counts, front.CountRequest(r))
		}),
		MaxHeaderBytes: 8192,
		KeepAliveIdle:  time.Second,
	})
	for range 2 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(wstest.Patience))
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		io.Copy(io.Discard, conn)
		conn.Close()
	}
	stop()
	if fmt.Sprint(counts) != "[1 2 1 2]" {
		t.Errorf("requests counted %v, want [1 2 1 2]", counts)
	}
}

// A stop waits for requests under way, but not for connections that are silent.
func TestStop(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	var served atomic.Bool
	addr, stop := serve(t, &front.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(begun)
			<-release
			served.Store(true)
		}),
		MaxHeaderBytes: 8192,
		KeepAliveIdle:  time.Minute,
	})
	var conns []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	io.WriteString(conns[0], "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	time.AfterFunc(50*time.Millisecond, func() { close(release) })
	begin := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if !served.Load() {
		t.Error("Run returned with a request under way")
	}
	if d := time.Since(begin); d > 4*time.Second { // net/http alone waits 5 s
		t.Errorf("stopping took %v beside silent connections", d)
	}
}
