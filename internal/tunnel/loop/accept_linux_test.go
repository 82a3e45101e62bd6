package loop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// What clients of a door say to have a tunnel, and hear.
const (
	knock  = "open\n"
	opened = "opened\n"
)

// A door is an entrance whose calls are checked: a plan is opened and ends, or is
// dropped, once; a connection that is dropped may be handed over behind it; and
// nothing is called when the entrance is closed.
type door struct {
	testing.TB
	Plan          // what Request returns for a knock, but for the functions
	addr net.Addr // of the listener
	stop func()

	closed          atomic.Bool
	opening, ending sync.WaitGroup // what is neither opened nor dropped; what is open
	asked           chan netip.AddrPort
	results         chan tunnel.Result
	dropped, failed chan error
	handed          chan *handed
}

// A handed is what was handed over.
type handed struct {
	net.Conn
	client netip.AddrPort
	first  string
}

// openDoor has g accept from a listener until the test is over. The backend of
// its plan is addr.
func openDoor(t testing.TB, g *Group, network string, backend Addr, change func(*door, *Entrance)) *door {
	t.Helper()
	addr := "127.0.0.1:0"
	switch network {
	case "unix":
		addr = wstest.SocketPath(t)
	case "tcp6":
		addr = "[::1]:0"
	case "tcp": // IPv6, and IPv4 in its guise
		addr = "[::]:0"
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	const most = 2000 // so that nothing blocks
	d := &door{
		TB: t, addr: dialable(ln.Addr()),
		Plan:  Plan{Backend: backend, Answer: []byte(opened), Size: len(knock), Config: &tunnel.Config{}},
		asked: make(chan netip.AddrPort, most), results: make(chan tunnel.Result, most),
		dropped: make(chan error, most), failed: make(chan error, most), handed: make(chan *handed, most),
	}
	e := &Entrance{Request: d.request, HandOver: d.handOver, Failed: d.fail}
	if change != nil {
		change(d, e)
	}
	stop, err := g.Accept(ln.(Conn), e)
	if err != nil {
		t.Fatal(err)
	}
	d.stop = func() {
		stop()
		d.closed.Store(true)
		d.opening.Wait()
	}
	t.Cleanup(func() {
		d.stop()
		for len(d.handed) > 0 {
			(<-d.handed).Close()
		}
	})
	return d
}

// dialable returns where to dial a listener: one for all addresses over IPv4.
func dialable(addr net.Addr) net.Addr {
	if a, ok := addr.(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: a.Port}
	}
	return addr
}

// called is called first by every function of the entrance.
func (d *door) called(name string) {
	if d.closed.Load() {
		d.Errorf("%s is called when the entrance is closed", name)
	}
}

func (d *door) request(client netip.AddrPort, b []byte) *Plan {
	d.called("Request")
	d.asked <- client
	if !bytes.HasPrefix(b, []byte(knock)) {
		return nil
	}
	const (
		planned = iota
		open
		over
	)
	state := planned
	become := func(name string, from, to int) {
		if state != from {
			d.Errorf("%s is called in state %d, want %d", name, state, from)
		}
		state = to
	}
	d.opening.Add(1)
	p := d.Plan
	p.Opened = func() {
		d.called("Opened")
		become("Opened", planned, open)
		d.ending.Add(1)
		d.opening.Done()
	}
	p.Ended = func(res tunnel.Result) {
		become("Ended", open, over)
		d.results <- res
		d.ending.Done()
	}
	p.Dropped = func(err error) {
		d.called("Dropped")
		become("Dropped", planned, over)
		if err == nil {
			d.Error("Dropped without an error")
		}
		d.dropped <- err
		d.opening.Done()
	}
	return &p
}

func (d *door) handOver(fd int, client netip.AddrPort, first []byte) {
	d.called("HandOver")
	if flags, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0); errno != 0 || flags&syscall.O_NONBLOCK == 0 {
		d.Errorf("flags of what is handed over: %#x, %v; want it not to block", flags, errno)
	}
	c, err := fileConn(fd)
	if err != nil {
		d.Error(err)
	}
	c.SetDeadline(time.Now().Add(wstest.Patience))
	d.handed <- &handed{c, client, string(first)}
}

func (d *door) fail(err error) {
	d.called("Failed")
	d.failed <- err
}

// dial returns a client that has sent b.
func (d *door) dial(b ...[]byte) *wstest.Client {
	d.Helper()
	c, err := net.Dial(d.addr.Network(), d.addr.String())
	if err != nil {
		d.Fatal(err)
	}
	client := wstest.NewClient(d, c)
	client.SetDeadline(time.Now().Add(wstest.Patience))
	if len(b) > 0 {
		client.Send(b...)
	}
	return client
}

// open returns the client of a tunnel.
func (d *door) open(first ...[]byte) *wstest.Client {
	d.Helper()
	c := d.dial(append([][]byte{[]byte(knock)}, first...)...)
	d.wantOpened(c)
	return c
}

func (d *door) wantOpened(c *wstest.Client) {
	d.Helper()
	got := make([]byte, len(opened))
	if _, err := io.ReadFull(c, got); string(got) != opened {
		d.Fatalf("the client received %q, %v; want %q", got, err, opened)
	}
}

// echo has a client's data come back.
func echo(c *wstest.Client, data string) {
	c.Send(wstest.Binary(data))
	c.WantData(ws.OpBinary, data)
}

// end has a client end its tunnel.
func (d *door) end(c *wstest.Client) {
	d.Helper()
	c.Send(wstest.Close(1000, ""))
	c.WantClose(1000)
	c.WantEOF()
	c.Close()
	if res := next(d, d.results); res.Cause != tunnel.CauseClientClose {
		d.Errorf("result %+v", res)
	}
}

// next receives from a channel.
func next[T any](t testing.TB, c chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(wstest.Patience):
		t.Fatal("nothing comes")
		panic("not reached")
	}
}

// wantNone checks that nothing was told of.
func wantNone[T any](t testing.TB, what string, c chan T) {
	t.Helper()
	select {
	case v := <-c:
		t.Errorf("%s: %v, want none", what, v)
	default:
	}
}

// wantHanded waits for a connection to be handed over with its first bytes.
func (d *door) wantHanded(c *wstest.Client, first string) *handed {
	d.Helper()
	h := next(d, d.handed)
	if h.first != first {
		d.Errorf("handed over with %d bytes %.100q, want %d %.100q", len(h.first), h.first, len(first), first)
	}
	d.wantAddr(c, h.client)
	return h
}

// wantAddr checks the address that was told of c.
func (d *door) wantAddr(c *wstest.Client, got netip.AddrPort) {
	d.Helper()
	var want netip.AddrPort
	if d.addr.Network() != "unix" {
		want = netip.MustParseAddrPort(c.LocalAddr().String())
	}
	if got != want {
		d.Errorf("client %v, want %v", got, want)
	}
}

// wantEmpty checks that g has nothing but listeners.
func wantEmpty(t testing.TB, g *Group) {
	t.Helper()
	for i, l := range g.loops {
		l.call(func() {
			if used := len(l.slots) - len(l.free); used > 0 || l.settled.Load() != 0 {
				t.Errorf("loop %d: %d slots are in use, %d tunnels settled", i, used, l.settled.Load())
			}
			if n := l.timers.empty(); n < wheelSlots {
				t.Errorf("loop %d: a timer is set", i)
			}
		})
	}
}

// tcpAddr returns the address of a backend.
func tcpAddr(addr string) Addr { return Addr{TCP: netip.MustParseAddrPort(addr)} }

// echoes is wstest.Echo without pipes, which the runtime keeps for a while.
func echoes(c net.Conn) {
	io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
}

func echoBackend(t testing.TB) Addr { return tcpAddr(wstest.Backend(t, echoes)) }

// TestAccept opens tunnels between sockets of all kinds, with a request that was
// there before the client was accepted and with one that comes later.
func TestAccept(t *testing.T) {
	backends := map[string]Addr{
		"tcp4": echoBackend(t),
		"unix": {Unix: wstest.UnixBackend(t, echoes)},
	}
	if ln, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		defer ln.Close()
		backends["tcp6"] = tcpAddr(ln.Addr().String())
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				echoes(c)
				c.Close()
			}
		}()
	}
	for _, network := range []string{"tcp4", "tcp6", "tcp", "unix"} {
		for backend, addr := range backends {
			for _, late := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s,%s,late=%v", network, backend, late), func(t *testing.T) {
					if network != "tcp4" && network != "unix" && backends["tcp6"] == (Addr{}) {
						t.Skip("no IPv6 here")
					}
					k := realKernel
					sent, accepted := make(chan struct{}), make(chan struct{})
					k.accept = func(listener int) (int, netip.AddrPort, syscall.Errno) {
						if !late {
							<-sent
						}
						fd, peer, errno := accept(listener)
						if errno == 0 {
							close(accepted)
						}
						return fd, peer, errno
					}
					g := run(t, k)
					d := openDoor(t, g, network, addr, nil)
					c := d.dial()
					if late {
						<-accepted
					}
					c.Send([]byte(knock), wstest.Binary("first "))
					close(sent)
					d.wantOpened(c)
					d.wantAddr(c, next(t, d.asked))
					c.Send(wstest.Binary("second"))
					c.WantData(ws.OpBinary, "first second")
					big := wstest.Pattern(300_000)
					go c.Write(wstest.Binary(big)) // a failure shows in what comes back
					c.WantData(ws.OpBinary, big)
					d.end(c)
					wantNone(t, "dropped", d.dropped)
					wantNone(t, "handed over", d.handed)
					wantEmpty(t, g)
				})
			}
		}
	}
}

// TestAcceptHandOver hands over what is no request, with its bytes, and leaves it
// alone then.
func TestAcceptHandOver(t *testing.T) {
	pair(t, "tcp4", 0) // the runtime opens its poller with the first socket
	for _, network := range []string{"tcp4", "unix"} {
		for _, n := range []int{1, 100, minRead - 1, minRead, minRead + 1, 100_000} {
			t.Run(fmt.Sprint(network, n), func(t *testing.T) {
				before := openFiles(t)
				t.Run("", func(t *testing.T) {
					sent := make(chan struct{})
					k := realKernel
					k.accept = func(listener int) (int, netip.AddrPort, syscall.Errno) {
						<-sent
						return accept(listener)
					}
					g := run(t, k)
					d := openDoor(t, g, network, Addr{}, func(_ *door, e *Entrance) { e.Timeout = 50 * time.Millisecond })
					data := wstest.Pattern(n)
					c := d.dial([]byte(data))
					close(sent)
					h := d.wantHanded(c, data[:min(n, minRead)])
					silent := d.dial()
					silent.WantEOF() // by now the time of the first would be over
					c.Send([]byte("more"))
					c.CloseWrite()
					if rest, err := io.ReadAll(h); h.first+string(rest) != data+"more" {
						t.Errorf("got %d bytes and then %d, %v; want %d", len(h.first), len(rest), err, n+4)
					}
					io.WriteString(h, "answer")
					h.Close()
					if b, err := io.ReadAll(c); string(b) != "answer" {
						t.Errorf("the client received %q, %v", b, err)
					}
					wantEmpty(t, g)
				})
				if n := openFiles(t); n > before {
					t.Errorf("%d descriptors more than before", n-before)
				}
			})
		}
	}
}

// TestAcceptAtOnce has all that a client sends be there when its request is read:
// nothing tells of it again.
func TestAcceptAtOnce(t *testing.T) {
	for _, late := range []bool{false, true} { // its request comes when it is accepted
		for _, n := range []int{10, 100_000} {
			t.Run(fmt.Sprintf("late=%v,%d", late, n), func(t *testing.T) {
				sent, met := make(chan struct{}), make(chan struct{}, 1)
				hold := !late // until all is sent
				k := realKernel
				k.read = func(fd int, b []byte) (int, syscall.Errno) {
					n, errno := read(fd, b)
					if !hold && len(b) == minRead {
						hold = true
						met <- struct{}{}
					}
					return n, errno
				}
				k.accept = func(listener int) (int, netip.AddrPort, syscall.Errno) {
					if hold {
						<-sent
					}
					return accept(listener)
				}
				k.poll = func(epoll int, events []syscall.EpollEvent, timeout int) int {
					if hold && late {
						<-sent
					}
					return poll(epoll, events, timeout)
				}
				g := run(t, k)
				d := openDoor(t, g, "unix", echoBackend(t), nil)
				c := d.dial()
				if late {
					<-met
				}
				data := wstest.Pattern(n)
				c.Send([]byte(knock), wstest.Binary(data))
				c.CloseWrite()
				close(sent)
				d.wantOpened(c)
				c.WantData(ws.OpBinary, data)
				c.WantClose(1001)
				c.WantEOF()
				next(t, d.results)
				wantEmpty(t, g)
			})
		}
	}
}

// TestAcceptSilent cuts off who says nothing for the time it has, and nobody
// else.
func TestAcceptSilent(t *testing.T) {
	var l *loop
	k := realKernel
	k.poll = func(epoll int, events []syscall.EpollEvent, timeout int) int {
		n := poll(epoll, events, timeout)
		for _, ev := range events[:n] {
			if ev.Fd >= 0 && l.slots[ev.Fd>>1].driven == nil {
				t.Error("an event comes of a connection that is not the loop's any more")
			}
		}
		return n
	}
	g, err := newGroup(1, k)
	if err != nil {
		t.Fatal(err)
	}
	l = g.loops[0]
	runGroup(t, g)
	d := openDoor(t, g, "tcp4", echoBackend(t), func(_ *door, e *Entrance) { e.Timeout = 100 * time.Millisecond })
	quiet := d.open()
	late := d.dial()
	begin := time.Now()
	late.Send([]byte("G"))
	h := d.wantHanded(late, "G")
	if b, err := io.ReadAll(d.dial()); len(b) > 0 || err != nil {
		t.Errorf("a silent client received %q, %v", b, err)
	}
	if took := time.Since(begin); took < 90*time.Millisecond {
		t.Errorf("it was cut off after %v", took)
	}
	echo(quiet, "still here")
	io.WriteString(late, "ET")
	got := make([]byte, 2)
	if _, err := io.ReadFull(h, got); string(got) != "ET" {
		t.Errorf("what was handed over gives %q, %v", got, err)
	}
	d.end(quiet)
	if n := len(d.asked); n != 2 {
		t.Errorf("%d requests", n)
	}
	wantEmpty(t, g)
}

// TestAcceptGone has clients go before they have said anything.
func TestAcceptGone(t *testing.T) {
	for _, network := range []string{"tcp4", "unix"} {
		for _, waits := range []bool{false, true} { // it is accepted before it goes
			for _, reset := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s,waits=%v,reset=%v", network, waits, reset), func(t *testing.T) {
					gone, accepted := make(chan struct{}), make(chan struct{}, 2)
					k := realKernel
					k.accept = func(listener int) (int, netip.AddrPort, syscall.Errno) {
						if !waits {
							<-gone
						}
						fd, peer, errno := accept(listener)
						if errno == 0 {
							accepted <- struct{}{}
						}
						return fd, peer, errno
					}
					g := run(t, k)
					d := openDoor(t, g, network, Addr{}, nil)
					c := d.dial()
					if waits {
						<-accepted
					}
					if reset {
						c.Reset()
					} else {
						c.CloseWrite()
					}
					close(gone)
					if !reset {
						c.WantEOF()
					}
					if !waits {
						<-accepted
					}
					d.dial([]byte("next"))
					next(t, d.handed).Close() // everything before it is done
					if n := len(d.asked); n != 1 {
						t.Errorf("%d requests, want that of the second client", n)
					}
					wantEmpty(t, g)
				})
			}
		}
	}
}

// TestAcceptBackendDown drops the plan and hands the client over if the backend
// cannot be connected.
func TestAcceptBackendDown(t *testing.T) {
	resetSocket := func(t *testing.T) int { // whose connection was reset
		near, far := pair(t, "tcp4", 0)
		wstest.Reset(near)
		raw, err := far.(syscall.Conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		fd, err := dup(raw)
		if err != nil {
			t.Fatal(err)
		}
		far.Close()
		return fd
	}
	tests := []struct {
		name    string
		addr    func(*testing.T) Addr
		connect func(*testing.T) (int, syscall.Errno) // nil: the kernel's
		want    syscall.Errno
	}{
		{"refused", func(t *testing.T) Addr { return tcpAddr(wstest.Refusing(t)) }, nil, syscall.ECONNREFUSED},
		{"no such socket", func(t *testing.T) Addr { return Addr{Unix: wstest.SocketPath(t)} }, nil, syscall.ENOENT},
		{"path too long", func(t *testing.T) Addr { return Addr{Unix: strings.Repeat("x", 200)} }, nil, syscall.EINVAL},
		{"no descriptors", nil, func(*testing.T) (int, syscall.Errno) { return -1, syscall.EMFILE }, syscall.EMFILE},
		{"fails later", nil, func(t *testing.T) (int, syscall.Errno) { return resetSocket(t), syscall.EINPROGRESS }, syscall.ECONNRESET},
	}
	pair(t, "tcp4", 0) // the runtime opens its poller with the first socket
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := openFiles(t)
			t.Run("", func(t *testing.T) {
				var addr Addr
				if tt.addr != nil {
					addr = tt.addr(t)
				}
				k := realKernel
				if tt.connect != nil {
					fd, errno := tt.connect(t)
					k.connect = func(Addr) (int, syscall.Errno) { return fd, errno }
				}
				g := run(t, k)
				d := openDoor(t, g, "tcp4", addr, nil)
				c := d.dial([]byte(knock + "and more"))
				h := d.wantHanded(c, knock+"and more")
				if err := next(t, d.dropped); !errors.Is(err, tt.want) || !strings.HasPrefix(err.Error(), "connect: ") {
					t.Errorf("dropped for %v, want %v", err, tt.want)
				}
				io.WriteString(h, "sorry")
				h.Close()
				if b, err := io.ReadAll(c); string(b) != "sorry" {
					t.Errorf("the client received %q, %v", b, err)
				}
				wantEmpty(t, g)
			})
			if n := openFiles(t); n > before {
				t.Errorf("%d descriptors more than before", n-before)
			}
		})
	}
}

// busyBackend returns a backend that does not take connections, and a function
// that has it take one after all, which the kernel tries for about a second later.
func busyBackend(t testing.TB) (addr Addr, release func() net.Conn) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := fileListener(fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	addr = Addr{TCP: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(sa.(*syscall.SockaddrInet4).Port))}
	fill, err := net.Dial("tcp4", addr.TCP.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fill.Close() })
	return addr, func() net.Conn {
		for {
			c, err := ln.Accept()
			if err != nil {
				t.Error(err)
				return nil
			}
			t.Cleanup(func() { c.Close() })
			if c.RemoteAddr().String() != fill.LocalAddr().String() {
				c.SetDeadline(time.Now().Add(wstest.Patience))
				return c
			}
		}
	}
}

// fileListener returns the listener whose socket fd is.
func fileListener(fd int) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	return net.FileListener(f)
}

// TestAcceptPending has a backend take its time: longer than a client has that is
// silent. What the client does meanwhile is the tunnel's.
func TestAcceptPending(t *testing.T) {
	addr, release := busyBackend(t)
	g := run(t, realKernel)
	d := openDoor(t, g, "tcp4", addr, func(_ *door, e *Entrance) { e.Timeout = 100 * time.Millisecond })
	c := d.dial([]byte(knock), wstest.Binary("at once, "))
	next(t, d.asked)
	c.Send(wstest.Binary("later, "))
	d.dial().WantEOF() // a silent client's time is over
	c.Send(wstest.Binary("late"))
	c.CloseWrite()
	gone := d.dial([]byte(knock)) // this one does not wait
	next(t, d.asked)
	gone.Reset()
	wantNone(t, "dropped", d.dropped)

	backends := []net.Conn{release(), release()}
	d.wantOpened(c)
	var got []string
	for _, b := range backends {
		data, _ := io.ReadAll(b) // may be reset
		got = append(got, string(data))
		b.Close()
	}
	c.WantClose(1001)
	c.Close()
	if want := "at once, later, late"; got[0] != want && got[1] != want {
		t.Errorf("the backends received %q, want %q", got, want)
	}
	for range 2 {
		if res := next(t, d.results); res.Cause != tunnel.CauseClientEOF && res.Cause != tunnel.CauseClientError {
			t.Errorf("result %+v", res)
		}
	}
	wantEmpty(t, g)
}

// TestAcceptTimeout gives a backend no longer than its time.
func TestAcceptTimeout(t *testing.T) {
	addr, _ := busyBackend(t)
	g := run(t, realKernel)
	d := openDoor(t, g, "tcp4", addr, func(d *door, _ *Entrance) { d.ConnectTimeout = 100 * time.Millisecond })
	begin := time.Now()
	c := d.dial([]byte(knock))
	d.wantHanded(c, knock).Close()
	if err := next(t, d.dropped); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("dropped for %v", err)
	}
	if took := time.Since(begin); took < 90*time.Millisecond {
		t.Errorf("it was dropped after %v", took)
	}
	wantEmpty(t, g)
}

// TestAcceptErrors has accept fail in all ways: for want of descriptors the
// listener rests for a while, and then goes on.
func TestAcceptErrors(t *testing.T) {
	var calls []time.Time // in the loop's goroutine, up to the first success
	script := []syscall.Errno{syscall.ECONNABORTED, syscall.EINTR, syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED}
	k := realKernel
	k.accept = func(listener int) (int, netip.AddrPort, syscall.Errno) {
		if len(calls) < len(script) {
			calls = append(calls, time.Now())
			return -1, netip.AddrPort{}, script[len(calls)-1]
		}
		return accept(listener)
	}
	g := run(t, k)
	d := openDoor(t, g, "tcp4", echoBackend(t), nil)
	other := openDoor(t, g, "tcp4", echoBackend(t), nil) // on the same loop
	c := d.open()
	for _, want := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
		if err := next(t, d.failed); !errors.Is(err, want) || !strings.HasPrefix(err.Error(), "accept") {
			t.Errorf("failed by %v, want %v", err, want)
		}
	}
	wantNone(t, "failed", d.failed)
	g.loops[0].call(func() {
		for i := 2; i <= 3; i++ {
			if rest := calls[i+1].Sub(calls[i]); rest < acceptPause/2 {
				t.Errorf("behind %v the listener rested for %v", script[i], rest)
			}
		}
	})
	other.end(other.open())
	d.end(c)
	wantEmpty(t, g)
}

// TestAcceptRestStopped closes an entrance while it rests.
func TestAcceptRestStopped(t *testing.T) {
	k := realKernel
	k.accept = func(int) (int, netip.AddrPort, syscall.Errno) { return -1, netip.AddrPort{}, syscall.EMFILE }
	g := run(t, k)
	d := openDoor(t, g, "tcp4", Addr{}, nil)
	c := d.dial()
	next(t, d.failed)
	l := g.loops[0]
	var lis *listener
	l.call(func() { lis = l.listeners[0] })
	d.stop()
	stranger, err := os.Open(os.DevNull) // gets the number of the listener
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	again := openDoor(t, g, "tcp4", Addr{}, nil) // in its place
	l.call(func() {
		if l.listeners[0] == lis || len(l.listeners) != 1 {
			t.Errorf("%d listeners", len(l.listeners))
		}
		lis.pause.Reset(0) // as if it had fired just before
	})
	again.dial()
	next(t, again.failed)
	next(t, again.failed) // it has rested once more
	wantNone(t, "failed", d.failed)
	c.Close()
}

// TestAcceptMany accepts a lot of clients that come at once, but not all in a row.
func TestAcceptMany(t *testing.T) {
	const clients = 3 * maxAccept
	var row, most int
	ready := make(chan struct{})
	k := realKernel
	k.poll = func(epoll int, events []syscall.EpollEvent, timeout int) int {
		most, row = max(most, row), 0
		return poll(epoll, events, timeout)
	}
	k.accept = func(listener int) (int, netip.AddrPort, syscall.Errno) {
		<-ready
		row++
		return accept(listener)
	}
	g := run(t, k)
	d := openDoor(t, g, "tcp4", Addr{}, nil)
	for range clients {
		d.dial([]byte("x"))
	}
	close(ready)
	for range clients {
		next(t, d.handed).Close()
	}
	g.loops[0].call(func() {
		if most > maxAccept || most < maxAccept/2 {
			t.Errorf("%d clients were accepted in a row", most)
		}
	})
	wantEmpty(t, g)
}

// TestAcceptStop closes an entrance when there are clients in all states.
func TestAcceptStop(t *testing.T) {
	pair(t, "tcp4", 0) // the runtime opens its poller with the first socket
	before := openFiles(t)
	t.Run("", func(t *testing.T) {
		busy, _ := busyBackend(t)
		g := run(t, realKernel)
		d := openDoor(t, g, "tcp4", echoBackend(t), func(_ *door, e *Entrance) { e.Timeout = time.Minute })
		slow := openDoor(t, g, "tcp4", busy, func(d *door, _ *Entrance) { d.ConnectTimeout = time.Minute })
		open := d.open()
		var silent, connecting []*wstest.Client
		for range 5 {
			silent = append(silent, d.dial())
			connecting = append(connecting, slow.dial([]byte(knock)))
			next(t, slow.asked)
		}
		d.dial([]byte("x"))
		next(t, d.handed).Close() // the silent ones are accepted
		stillSilent := slow.dial()
		slow.dial([]byte("x"))
		next(t, slow.handed).Close()
		d.stop()
		d.stop()
		for _, c := range silent {
			c.WantEOF()
		}
		wantNone(t, "dropped", d.dropped)
		stillSilent.Send([]byte("x"))
		next(t, slow.handed).Close() // the other entrance is open
		slow.stop()
		for _, c := range connecting {
			if n, err := c.Read(make([]byte, 1)); err == nil {
				t.Errorf("a client received %d bytes", n)
			}
			if err := next(t, slow.dropped); err != errClosed {
				t.Errorf("dropped for %v, want %v", err, errClosed)
			}
		}
		wantNone(t, "handed over", slow.handed)
		d.dial([]byte(knock)) // waits for ever
		echo(open, "still here")
		d.end(open)
		wantNone(t, "handed over", d.handed)
		wantEmpty(t, g)

		// The group is told to stop: nobody comes in any more.
		last := openDoor(t, g, "tcp4", echoBackend(t), nil)
		g.Stop(time.Minute)
		for _, b := range []string{knock, "x", ""} {
			if n, err := last.dial([]byte(b)).Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
				t.Errorf("behind Stop, a client received %d bytes, %v", n, err)
			}
		}
		last.stop()
		if n := len(last.asked); n != 0 {
			t.Errorf("%d requests behind Stop", n)
		}
	})
	if n := openFiles(t); n > before {
		t.Errorf("%d descriptors more than before", n-before)
	}
}

// TestAcceptStopWhileConnecting stops the group when a backend is being connected:
// the tunnel begins, and ends with close code 1001.
func TestAcceptStopWhileConnecting(t *testing.T) {
	addr, release := busyBackend(t)
	g := run(t, realKernel)
	d := openDoor(t, g, "tcp4", addr, nil)
	c := d.dial([]byte(knock), wstest.Binary("hello"))
	next(t, d.asked)
	g.Stop(time.Minute)
	backend := release()
	d.wantOpened(c)
	c.WantClose(1001)
	c.Send(wstest.Close(1001, ""))
	if b, err := io.ReadAll(backend); string(b) != "hello" {
		t.Errorf("the backend received %q, %v", b, err)
	}
	backend.Close()
	c.WantEOF()
	c.Close()
	if res := next(t, d.results); res.Cause != tunnel.CauseStop {
		t.Errorf("result %+v", res)
	}
}

// TestAcceptLateEvent has an event of a listener come when it is gone, and when
// another has its place.
func TestAcceptLateEvent(t *testing.T) {
	var late atomic.Int32
	k := realKernel
	k.poll = func(epoll int, events []syscall.EpollEvent, timeout int) int {
		n := poll(epoll, events[:len(events)-1], timeout)
		if n > 0 {
			late.Add(1)
			events[n] = syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: listenTag}
			n++
		}
		return n
	}
	g := run(t, k)
	d := openDoor(t, g, "tcp4", echoBackend(t), nil)
	d.end(d.open())
	d.stop()
	wantEmpty(t, g)
	n := late.Load()
	wantEmpty(t, g)
	if late.Load() == n {
		t.Error("no event has come")
	}
	other := openDoor(t, g, "tcp4", echoBackend(t), nil)
	other.end(other.open())
}

// TestAcceptAnswer ends the tunnel if the answer does not fit into the client's
// socket.
func TestAcceptAnswer(t *testing.T) {
	for _, errno := range []syscall.Errno{0 /* and a short write */, syscall.EAGAIN, syscall.EPIPE} {
		t.Run(fmt.Sprint(int(errno)), func(t *testing.T) {
			k := realKernel
			k.send = func(fd int, b []byte, flags int) (int, syscall.Errno) {
				switch {
				case string(b) != opened:
					return send(fd, b, flags)
				case errno == 0:
					return send(fd, b[:3], flags)
				}
				return -1, errno
			}
			g := run(t, k)
			d := openDoor(t, g, "tcp4", echoBackend(t), nil)
			c := d.dial([]byte(knock), wstest.Binary("hello"))
			got, err := io.ReadAll(c)
			if want := opened[:3]; err == nil && errno == 0 && string(got) != want {
				t.Errorf("the client received %q, want %q", got, want)
			}
			want := errno
			if errno == 0 {
				want = syscall.ENOBUFS
			}
			if res := next(t, d.results); res.Cause != tunnel.CauseClientError || !errors.Is(res.Err, want) {
				t.Errorf("result %+v, want a client error of %v", res, want)
			}
			wantEmpty(t, g)
		})
	}
}

// TestAcceptClosed has Accept fail.
func TestAcceptClosed(t *testing.T) {
	g := run(t, realKernel)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	before := openFiles(t)
	if _, err := g.Accept(ln.(Conn), &Entrance{}); err == nil {
		t.Error("Accept succeeds on a listener that is closed")
	}
	if n := openFiles(t); n > before {
		t.Errorf("%d descriptors more than before", n-before)
	}
}

// TestAcceptChurn opens 1,000 tunnels in few slots, among clients that go, ask for
// something else, or have a backend that is down.
func TestAcceptChurn(t *testing.T) {
	const workers, rounds = 10, 100
	pair(t, "tcp4", 0) // the runtime opens its poller with the first socket
	before := openFiles(t)
	seed := random(t).Uint64()
	t.Run("", func(t *testing.T) {
		g, err := New(2)
		if err != nil {
			t.Fatal(err)
		}
		runGroup(t, g)
		down := openDoor(t, g, "tcp4", tcpAddr(wstest.Refusing(t)), nil)
		doors := []*door{
			openDoor(t, g, "tcp4", echoBackend(t), nil),
			openDoor(t, g, "unix", Addr{Unix: wstest.UnixBackend(t, echoes)}, nil),
			openDoor(t, g, "tcp4", Addr{Unix: wstest.UnixBackend(t, echoes)}, nil),
		}
		done := make(chan struct{})
		var closing, running sync.WaitGroup
		for _, d := range append(doors, down) {
			closing.Go(func() {
				for {
					select {
					case h := <-d.handed:
						h.Close()
					case <-done:
						return
					}
				}
			})
		}
		var open, handed atomic.Int64
		for w := range uint64(workers) {
			running.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, w))
				for range rounds {
					d := doors[rnd.IntN(len(doors))]
					if err := churnAccept(d, down, rnd, &open, &handed); err != nil {
						t.Errorf("%v: %v", d.addr, err)
						return
					}
				}
			})
		}
		running.Wait()
		close(done)
		closing.Wait()
		var results int
		for _, d := range doors {
			d.stop()
			d.ending.Wait()
			results += len(d.results)
			wantNone(t, "dropped", d.dropped)
			wantNone(t, "failed", d.failed)
		}
		if results != int(open.Load()) || results < workers*rounds {
			t.Errorf("%d tunnels have ended, of %d", results, open.Load())
		}
		down.stop()
		if n := len(down.dropped); n != int(handed.Load()) {
			t.Errorf("%d plans were dropped, of %d", n, handed.Load())
		}
		wantEmpty(t, g)
		for i, l := range g.loops {
			if n := len(l.slots); n > 4*workers { // some wait for the end of their backend
				t.Errorf("loop %d has %d slots for %d clients at a time", i, n, workers)
			}
		}
	})
	if n := openFiles(t); n > before {
		t.Errorf("%d descriptors more than before", n-before)
	}
}

// churnAccept opens a tunnel of d and ends it in a random way, beside a client
// that gets none.
func churnAccept(d, down *door, rnd *rand.Rand, open, refused *atomic.Int64) error {
	dial := func(d *door, b string) (net.Conn, error) {
		c, err := net.Dial(d.addr.Network(), d.addr.String())
		if err != nil {
			return nil, err
		}
		c.SetDeadline(time.Now().Add(wstest.Patience))
		_, err = io.WriteString(c, b)
		return c, err
	}
	switch rnd.IntN(4) {
	case 0: // says nothing
		c, err := dial(d, "")
		if err != nil {
			return err
		}
		if rnd.IntN(2) == 0 {
			wstest.Reset(c)
		} else {
			defer c.Close()
		}
	case 1: // asks for something else
		c, err := dial(d, "x")
		if err != nil {
			return err
		}
		io.Copy(io.Discard, c)
		c.Close()
	case 2:
		c, err := dial(down, knock)
		if err != nil {
			return err
		}
		refused.Add(1)
		io.Copy(io.Discard, c)
		c.Close()
	}
	data := strings.Repeat(string(rune('a'+rnd.IntN(26))), 1+rnd.IntN(20_000))
	c, err := dial(d, knock+string(wstest.Binary(data)))
	if err != nil {
		return err
	}
	defer c.Close()
	open.Add(1)
	head := make([]byte, len(opened))
	if _, err := io.ReadFull(c, head); string(head) != opened {
		return fmt.Errorf("got %q, %v", head, err)
	}
	frames := ws.Decoder{FromServer: true}
	if got := readData(c, &frames, len(data)); string(got) != data {
		return fmt.Errorf("got %d bytes of %d, or another's", len(got), len(data))
	}
	switch rnd.IntN(3) {
	case 0:
		c.Write(wstest.Close(1000, ""))
		readData(c, &frames, 1)
	case 1:
		wstest.CloseWrite(c)
		readData(c, &frames, 1)
	}
	return nil
}
