//go:build unix

package front_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wstunneld/wstunneld/internal/front"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// A hand hands connections over.
type hand struct {
	*front.Handed
	ln net.Listener // where they come from
}

func newHand(t *testing.T) *hand {
	t.Helper()
	ln, err := front.Listen(t.Context(), "tcp4", "127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	h := &hand{front.NewHanded(ln.Addr()), ln}
	t.Cleanup(func() { h.Close(); ln.Close() })
	return h
}

// connect returns a connection, and the descriptor of its other end.
func (h *hand) connect(t *testing.T) (c net.Conn, fd int) {
	t.Helper()
	c, err := net.Dial("tcp", h.ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(wstest.Patience))
	other, err := h.ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	raw, err := other.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(old uintptr) { fd, err = syscall.Dup(int(old)) })
	if err != nil {
		t.Fatal(err)
	}
	return c, fd
}

// handOver hands over a connection of which first has been read.
func (h *hand) handOver(t *testing.T, first string) net.Conn {
	t.Helper()
	c, fd := h.connect(t)
	h.HandOver(fd, netip.MustParseAddrPort(c.LocalAddr().String()), []byte(first))
	return c
}

// serveHanded runs s for what is handed over.
func serveHanded(t *testing.T, s *front.Server) *hand {
	t.Helper()
	h := newHand(t)
	s.Log = slog.New(slog.DiscardHandler)
	s.MaxHeaderBytes = 64 << 10
	s.KeepAliveIdle = time.Minute
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx, h, func() time.Duration { return 10 * time.Second }) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return h
}

// What was read before comes first, wherever in the request it ends, and what the
// client sent later follows.
func TestHandedFirst(t *testing.T) {
	h := serveHanded(t, &front.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.URL.Path+" "+r.Header.Get("X")+" "+r.RemoteAddr+" ")
		io.Copy(w, r.Body)
	})})
	long := wstest.Pattern(20_000) // net/http reads 4 KiB at once
	x := strings.Repeat("x", 10_000)
	request := fmt.Sprintf("POST /path HTTP/1.1\r\nHost: x\r\nX: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", x, len(long), long)
	for _, n := range []int{1, 3, 4095, 4096, 4097, 10_000, 20_000, len(request) - 1, len(request)} {
		c := h.handOver(t, request[:n])
		io.WriteString(c, request[n:])
		answer, err := io.ReadAll(c)
		_, body, _ := strings.Cut(string(answer), "\r\n\r\n")
		if want := "/path " + x + " " + c.LocalAddr().String() + " " + long; !strings.Contains(string(answer), " 200 OK\r\n") || dechunk(body) != want {
			t.Errorf("%d bytes read before: got %.200q, %v; want %.100q", n, answer, err, want)
		}
		c.Close()
	}
}

// dechunk returns the content of a chunked body.
func dechunk(body string) string {
	var b strings.Builder
	for {
		var n int
		size, rest, _ := strings.Cut(body, "\r\n")
		if fmt.Sscanf(size, "%x", &n); n == 0 || n > len(rest) {
			return b.String()
		}
		b.WriteString(rest[:n])
		body = strings.TrimPrefix(rest[n:], "\r\n")
	}
}

// What comes behind a request for an upgrade is the stream's, in order: what
// net/http has buffered, what it has not, and what is still in the socket.
func TestHandedUpgrade(t *testing.T) {
	type upgraded struct {
		front.Stream
		first []byte
	}
	streams := make(chan upgraded, 1)
	h := serveHanded(t, &front.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, first, err := front.Upgrade(w, &front.Answer{Accept: "accept"})
		if err != nil {
			t.Error(err)
		}
		streams <- upgraded{s, first}
	})})
	request, data := string(wstest.Request("/")), wstest.Pattern(100_000)
	for _, n := range []int{0, 1, 100, 3000, 4096, 10_000, len(data)} { // of data, read before
		c := h.handOver(t, request+data[:n])
		io.WriteString(c, data[n:])
		s := <-streams
		s.SetDeadline(time.Now().Add(wstest.Patience))
		got := append([]byte(nil), s.first...)
		rest := make([]byte, len(data)-len(got))
		m, err := io.ReadFull(s, rest)
		if got = append(got, rest[:m]...); string(got) != data {
			t.Errorf("%d bytes read before: %d at first, %d from the stream, %v; right: %v", n, len(s.first), m, err, strings.HasPrefix(data, string(got)))
		}
		if len(s.first) < n {
			t.Errorf("%d bytes read before: Upgrade returns %d", n, len(s.first))
		}
		s.Close()
		if answer, _ := io.ReadAll(c); !strings.HasPrefix(string(answer), "HTTP/1.1 101 ") {
			t.Errorf("got %q", answer)
		}
		c.Close()
	}
}

// A connection that was handed over is kept alive like any other.
func TestHandedKeepAlive(t *testing.T) {
	h := serveHanded(t, &front.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Path, front.CountRequest(r))
	})})
	c := wstest.NewClient(t, h.handOver(t, "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHo"))
	want := func(body string) {
		t.Helper()
		head, got := c.ReadHead(), make([]byte, len(body))
		io.ReadFull(c, got)
		if string(got) != body {
			t.Errorf("got %q and %q, want %q", head, got, body)
		}
	}
	want("/a1")
	c.Send([]byte("st: x\r\n\r\n"))
	want("/b2")
	for i := 3; i < 6; i++ {
		c.Send([]byte("GET /c HTTP/1.1\r\nHost: x\r\n\r\n"))
		want(fmt.Sprint("/c", i))
	}
}

// A client may have reset its connection before it is accepted. It is known all
// the same.
func TestHandedReset(t *testing.T) {
	told := make(chan string, 1)
	h := serveHanded(t, &front.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { told <- r.RemoteAddr }),
		Refused: func(remote string, status int, _ int64) { told <- remote },
	})
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "nonsense\r\n\r\n"} {
		c, fd := h.connect(t)
		wstest.Reset(c)
		if n, err := syscall.Read(fd, make([]byte, 1)); err != syscall.ECONNRESET {
			t.Fatalf("%d bytes, %v; want a reset", n, err)
		}
		h.HandOver(fd, netip.MustParseAddrPort(c.LocalAddr().String()), []byte(request))
		select {
		case remote := <-told:
			if want := c.LocalAddr().String(); remote != want {
				t.Errorf("%q came from %q, want %q", request, remote, want)
			}
		case <-time.After(wstest.Patience):
			t.Fatalf("%q is lost", request)
		}
	}
}

// Close closes what Accept has not returned, and all that comes later.
func TestHandedClose(t *testing.T) {
	h := newHand(t)
	var clients []net.Conn
	for range 3 {
		clients = append(clients, h.handOver(t, "first"))
	}
	c, fd := h.connect(t) // from the listener, which will be closed
	accepted, err := h.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	h.Close()
	h.HandOver(fd, netip.AddrPort{}, nil)
	for i, c := range append(clients[1:], c) {
		if n, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("connection %d: %d bytes, %v; want the end", i, n, err)
		}
	}
	io.WriteString(clients[0], ", second")
	got := make([]byte, len("first, second"))
	if _, err := io.ReadFull(accepted, got); string(got) != "first, second" {
		t.Errorf("what was accepted before gives %q, %v", got, err)
	}
	for range 2 {
		if c, err := h.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v, %v", c, err)
		}
	}
	if c, err := net.Dial("tcp", h.Addr().String()); err == nil {
		c.Close()
		t.Error("the listener is still open")
	}
}

// Close makes every Accept that waits return.
func TestHandedCloseWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHand(t)
		var waiting sync.WaitGroup
		for range 3 {
			waiting.Go(func() {
				if c, err := h.Accept(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Accept: %v, %v", c, err)
				}
			})
		}
		synctest.Wait()
		h.Close()
		waiting.Wait()
	})
}

// Without descriptors, connections come later.
func TestHandedWithoutDescriptors(t *testing.T) {
	h := newHand(t)
	c := h.handOver(t, "first")
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 3
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, err := h.Accept()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if tmp, ok := err.(interface{ Temporary() bool }); !ok || !tmp.Temporary() || !errors.Is(err, syscall.EMFILE) {
		t.Errorf("Accept without descriptors: %v, want a temporary error of EMFILE", err)
	}
	accepted, err := h.Accept()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, ", second")
	c.Close()
	if b, err := io.ReadAll(accepted); string(b) != "first, second" {
		t.Errorf("got %q, %v", b, err)
	}
	accepted.Close()
}
