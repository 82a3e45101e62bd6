// Package tunneltest is the table of behaviours that every driver of a tunnel
// must pass, over real sockets.
//
// What the states of a tunnel are and what follows from each event is tested
// without I/O, next to package tunnel; here it matters that a driver moves the
// bytes, all of them and in order, holds few of them, and leaves nothing behind.
package tunneltest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// A Drive drives one tunnel until it is over, closes both ends, and returns what
// remains. The ends are *net.TCPConn or *net.UnixConn; first holds what the
// client sent behind the handshake. When ctx is done, the tunnel ends with close
// code 1001 and has grace to do so.
type Drive func(ctx context.Context, grace time.Duration, cfg *tunnel.Config, client, backend net.Conn, first []byte) tunnel.Result

// Run runs the table.
func Run(t *testing.T, drive Drive) {
	for _, network := range []string{"tcp4", "unix"} {
		t.Run(network, func(t *testing.T) {
			for _, tt := range rows {
				t.Run(tt.name, func(t *testing.T) { tt.run(t, network, drive) })
			}
		})
	}
}

// A row is one tunnel: how it is set up, what its peers do, and its result.
type row struct {
	name  string
	cfg   tunnel.Config
	first []byte
	grace time.Duration // 0: a minute

	// Slow peers need small buffers in the kernel, or all is over before they
	// have read the first byte.
	small bool

	peers func(*peers) // may end before the tunnel does

	cause    tunnel.Cause
	sent     ws.CloseCode
	received ws.CloseCode

	// A client that does not read gets no close frame, unless the kernel makes
	// room for it after all: then it has code 1001.
	stuck bool

	// In a tunnel that ends in good order, the driver's counts are the peers'.
	// Bytes that a reset destroys may have been counted or not.
	lossy bool
}

// peers are the two ends of a tunnel that are not the driver's.
type peers struct {
	*testing.T
	client  *wstest.Client
	backend *end
	raw     *end // of client
	stop    context.CancelFunc
	done    chan struct{} // closed when the tunnel is over
}

func (tt *row) run(t *testing.T, network string, drive Drive) {
	socketPair(t, network, 0) // the runtime opens its poller with the first socket
	goroutines, descriptors := goleak.IgnoreCurrent(), openFiles(t)
	t.Cleanup(func() { // when everything below has been closed
		if err := goleak.Find(goroutines); err != nil {
			t.Error(err)
		}
		if n := openFiles(t); n > descriptors {
			t.Errorf("%d descriptors more than before", n-descriptors)
		}
	})

	size := 0
	if tt.small {
		size = 32 << 10
	}
	client, driverClient := socketPair(t, network, size)
	backend, driverBackend := socketPair(t, network, size)
	ctx, stop := context.WithCancel(t.Context())
	p := &peers{T: t, client: wstest.NewClient(t, client), backend: backend, raw: client, stop: stop, done: make(chan struct{})}
	client.out.Add(int64(len(tt.first)))
	grace := tt.grace
	if grace == 0 {
		grace = time.Minute
	}

	var res tunnel.Result
	go func() {
		defer close(p.done)
		res = drive(ctx, grace, &tt.cfg, driverClient, driverBackend, []byte(string(tt.first)))
	}()
	t.Cleanup(func() { // for a row that has failed; otherwise the tunnel is over
		stop()
		client.Close()
		backend.Close()
		p.wait()
	})
	backend.SetDeadline(time.Now().Add(wstest.Patience))
	tt.peers(p)
	p.wait()

	sent := res.CloseSent == tt.sent || tt.stuck && res.CloseSent == ws.CloseGoingAway
	if res.Cause != tt.cause || !sent || res.CloseReceived != tt.received {
		t.Errorf("result %+v; want cause %v, close codes %d sent, %d received", res, tt.cause, tt.sent, tt.received)
	}
	switch res.Cause {
	case tunnel.CauseClientError, tunnel.CauseProtocolError, tunnel.CauseBackendError:
		if res.Err == nil {
			t.Errorf("result %+v has no error", res)
		}
	default:
		if res.Err != nil {
			t.Errorf("result %+v has an error", res)
		}
	}
	got := [4]int64{res.Received, res.Sent, res.ToBackend, res.FromBackend}
	want := [4]int64{client.out.Load(), client.in.Load(), backend.in.Load(), backend.out.Load()}
	if got != want && !tt.lossy {
		t.Errorf("received, sent, to backend, from backend: %d; the peers count %d", got, want)
	}
	for _, c := range []net.Conn{driverClient, driverBackend} {
		if err := c.Close(); err == nil {
			t.Errorf("the driver left %v open", c.LocalAddr())
		}
	}
}

// wait waits for the end of the tunnel.
func (p *peers) wait() {
	p.Helper()
	select {
	case <-p.done:
	case <-time.After(wstest.Patience):
		stacks := make([]byte, 1<<20)
		p.Fatalf("the tunnel does not end\n%s", stacks[:runtime.Stack(stacks, true)])
	}
}

// An end is a socket that counts what passes.
type end struct {
	net.Conn
	in, out atomic.Int64
}

func (e *end) Read(b []byte) (int, error) {
	n, err := e.Conn.Read(b)
	e.in.Add(int64(n))
	return n, err
}

func (e *end) Write(b []byte) (int, error) {
	n, err := e.Conn.Write(b)
	e.out.Add(int64(n))
	return n, err
}

func (e *end) CloseWrite() error { return wstest.CloseWrite(e.Conn) }

// socketPair returns two ends of a connection. A size that is not 0 is that of
// the four buffers.
func socketPair(t *testing.T, network string, size int) (near *end, far net.Conn) {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = wstest.SocketPath(t)
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial(network, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	far, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	if size > 0 {
		for _, c := range []net.Conn{conn, far} {
			sized := c.(interface {
				SetReadBuffer(int) error
				SetWriteBuffer(int) error
			})
			sized.SetReadBuffer(size)
			sized.SetWriteBuffer(size)
		}
	}
	return &end{Conn: conn}, far
}

// openFiles counts this process's descriptors, where there is a way to.
func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil && runtime.GOOS == "linux" {
		t.Fatal(err)
	}
	return len(entries)
}

// heap returns the bytes in use on the heap.
func heap() int64 {
	runtime.GC()
	runtime.GC() // empties pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What peers do. All but what do runs belongs into the goroutine of the test.

// do runs f in a goroutine of its own, which the end of the test waits for.
func (p *peers) do(f func() error) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := f(); err != nil {
			p.Error(err)
		}
	}()
	p.Cleanup(func() {
		p.client.Close()
		p.backend.Close()
		<-ended
	})
}

// toClient has the backend send data.
func (p *peers) toClient(data string) {
	p.Helper()
	if _, err := io.WriteString(p.backend, data); err != nil {
		p.Fatalf("the backend sends: %v", err)
	}
}

// wantBackend has the backend read data.
func (p *peers) wantBackend(data string) {
	p.Helper()
	got := make([]byte, len(data))
	n, err := io.ReadFull(p.backend, got)
	if string(got) != data {
		p.Fatalf("the backend received %s, %v", differ(string(got[:n]), data), err)
	}
}

// wantBackendEOF has the backend read the end of the stream.
func (p *peers) wantBackendEOF() {
	p.Helper()
	if n, err := p.backend.Read(make([]byte, 100)); err != io.EOF {
		p.Fatalf("the backend received %d bytes, %v; want the end of the stream", n, err)
	}
}

// endBackend has the backend read data and the end of the stream, and close.
func (p *peers) endBackend(data string) {
	p.Helper()
	p.wantBackend(data)
	p.wantBackendEOF()
	p.backend.Close()
}

// endClient has the client read a close frame with that code and the end of the
// stream, and close. It returns the reason.
func (p *peers) endClient(code ws.CloseCode) (reason string) {
	p.Helper()
	reason = p.client.WantClose(code)
	p.client.WantEOF()
	p.client.Close()
	return reason
}

// answerClose has the client read a close frame with that code, answer it, and
// do what endClient does then. It returns the reason.
func (p *peers) answerClose(code ws.CloseCode) (reason string) {
	p.Helper()
	reason = p.client.WantClose(code)
	p.client.Send(wstest.Close(code, ""))
	p.client.WantEOF()
	p.client.Close()
	return reason
}

// fill writes to conn until that has not gone on for a while, or most bytes are
// written, and returns how many are.
func fill(conn net.Conn, most int) (n int) {
	piece := []byte(wstest.Pattern(64 << 10))
	for n < most {
		conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		m, err := conn.Write(piece)
		n += m
		if err != nil {
			break
		}
	}
	conn.SetWriteDeadline(time.Now().Add(wstest.Patience))
	return n
}

// slow reads little, and not often.
type slow struct{ net.Conn }

func (s slow) Read(b []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.Conn.Read(b[:min(len(b), 16<<10)])
}

// differ says where got differs from want.
func differ(got, want string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("%.20q at byte %d instead of %.20q", got[i:], i, want[i:])
		}
	}
	return fmt.Sprintf("%d bytes instead of %d", len(got), len(want))
}
