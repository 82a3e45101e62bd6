package loop

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

var (
	soakTime    = flag.Duration("soak", 5*time.Second, "how long TestSoak runs")
	soakTunnels = flag.Int("soak.tunnels", 300, "how many tunnels TestSoak has at a time")
)

// TestSoak has many tunnels come and go, half of them opened by the loops: echoes,
// transfers both ways, peers that do not read, connections that break, and tunnels
// that only wait. Beside them are clients that get no tunnel. At the end nothing
// must be left of them.
//
//	go test ./internal/tunnel/loop -run TestSoak -soak=10m -soak.tunnels=10000 -timeout=20m
func TestSoak(t *testing.T) {
	near, far := pair(t, "tcp4", 0) // the runtime opens its poller with the first socket
	near.Close()
	far.Close()
	down := refusing(t)
	tunnels := *soakTunnels
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	// A tunnel has four sockets here, another four while it starts, and a pipe.
	if most := (int(limit.Cur) - 1000) / 7; tunnels > most {
		t.Logf("%d tunnels instead of %d, since there are no more than %d descriptors", most, tunnels, limit.Cur)
		tunnels = most
	}
	seed := random(t).Uint64()
	goroutines := goleak.IgnoreCurrent()
	files, before := openFiles(t), heap()

	g, err := New(runtime.GOMAXPROCS(0))
	if err != nil {
		t.Fatal(err)
	}
	ctx, quit := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		g.Run(ctx)
	}()
	s := &soak{group: g, cfg: &tunnel.Config{PingInterval: time.Second}, doors: make(map[string]string), down: down}
	var stops []func()
	for _, network := range []string{"tcp4", "unix"} {
		stops = append(stops, s.listen(t, network))
	}
	end := time.Now().Add(*soakTime)
	var running sync.WaitGroup
	for i := range uint64(tunnels) {
		running.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, i))
			for time.Now().Before(end) && !t.Failed() {
				if err := s.tunnel(rnd); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	for _, stop := range stops {
		stop()
	}
	grown := (heap() - before) / int64(tunnels)
	quit()
	<-ended
	t.Logf("%d tunnels, of which the loops opened %d, and %d clients without; %d MB; %d bytes of heap for each of %d, when all have ended",
		s.count.Load(), s.opened.Load(), s.refused.Load(), s.bytes.Load()>>20, grown, tunnels)
	if s.opened.Load() == 0 || s.refused.Load() == 0 {
		t.Error("the loops have not opened any")
	}

	for i, l := range g.loops {
		if len(l.slots) > 2*tunnels { // the next may come in before the last has gone
			t.Errorf("loop %d has %d slots for %d tunnels", i, len(l.slots), tunnels)
		}
		if n := l.settled.Load(); n != 0 {
			t.Errorf("loop %d: %d tunnels have settled", i, n)
		}
	}
	g = nil
	if n := openFiles(t); n > files {
		t.Errorf("%d descriptors more than before", n-files)
	}
	if err := goleak.Find(goroutines); err != nil {
		t.Error(err)
	}
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
}

// refusing returns an address that refuses connections, and takes no goroutine
// for it.
func refusing(t *testing.T) Addr {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	local := [4]byte{127, 0, 0, 1}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: local}); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd) // it does not listen
	if err != nil {
		t.Fatal(err)
	}
	return Addr{TCP: netip.AddrPortFrom(netip.AddrFrom4(local), uint16(sa.(*syscall.SockaddrInet4).Port))}
}

// A soak is a run of TestSoak.
type soak struct {
	group        *Group
	cfg          *tunnel.Config
	count, bytes atomic.Int64

	doors           map[string]string // by networks: where loops accept
	opening         sync.Map          // by number: a *soakPlan
	opened, refused atomic.Int64
	down            Addr // of a backend that refuses
}

// A soakPlan is what a door does for the client that names its number.
type soakPlan struct {
	Plan
	handed chan struct{} // closed if it is dropped
}

// listen has loops accept from a listener until stop is called. A client says a
// number there, and gets what soak.opening has for it.
func (s *soak) listen(t *testing.T, network string) (stop func()) {
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = wstest.SocketPath(t)
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	s.doors[network] = ln.Addr().String()
	plan := func(b []byte) *soakPlan {
		if len(b) < 8 {
			return nil
		}
		p, _ := s.opening.Load(binary.BigEndian.Uint64(b))
		return p.(*soakPlan)
	}
	shut, err := s.group.Accept(ln.(Conn), &Entrance{
		Timeout: time.Minute,
		Request: func(_ netip.AddrPort, b []byte) *Plan {
			if p := plan(b); p != nil {
				return &p.Plan
			}
			return nil
		},
		HandOver: func(fd int, _ netip.AddrPort, first []byte) {
			syscall.Close(fd)
			if p := plan(first); p != nil {
				close(p.handed)
			}
		},
		Failed: func(err error) { t.Error(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		shut()
		ln.Close()
	}
}

// dial returns a client that has said what number p has. Forget takes it back.
func (s *soak) dial(rnd *rand.Rand, network string, p *soakPlan) (c net.Conn, forget func(), err error) {
	n := rnd.Uint64()
	s.opening.Store(n, p)
	forget = func() { s.opening.Delete(n) }
	if c, err = net.Dial(network, s.doors[network]); err != nil {
		return nil, forget, err
	}
	_, err = c.Write(binary.BigEndian.AppendUint64(nil, n))
	return c, forget, err
}

// begin begins a tunnel, and returns its peers.
func (s *soak) begin(rnd *rand.Rand, network string, opened bool, ended chan tunnel.Result) (client, backend net.Conn, err error) {
	if !opened {
		client, driverClient, err1 := connect(network)
		backend, driverBackend, err2 := connect(network)
		if err := errors.Join(err1, err2); err != nil {
			return nil, nil, err
		}
		return client, backend, s.group.Start(Tunnel{
			Client: driverClient.(Conn), Backend: driverBackend.(Conn), Config: s.cfg,
			Ended: func(res tunnel.Result) { ended <- res },
		})
	}
	if rnd.IntN(4) == 0 {
		if err := s.refuse(rnd, network); err != nil {
			return nil, nil, err
		}
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	answered := make(chan error, 1)
	client, forget, err := s.dial(rnd, network, &soakPlan{Plan: Plan{
		Backend: tcpAddr(ln.Addr().String()), Answer: []byte("ok"), Size: 8, Config: s.cfg,
		Opened:  func() { answered <- nil },
		Dropped: func(err error) { answered <- err },
		Ended:   func(res tunnel.Result) { ended <- res },
	}})
	defer forget()
	if err != nil {
		return nil, nil, err
	}
	if backend, err = ln.Accept(); err != nil {
		return nil, nil, err
	}
	if err := <-answered; err != nil {
		return nil, nil, err
	}
	s.opened.Add(1)
	_, err = io.ReadFull(client, make([]byte, 2))
	return client, backend, err
}

// refuse is a client that gets no tunnel.
func (s *soak) refuse(rnd *rand.Rand, network string) error {
	s.refused.Add(1)
	switch rnd.IntN(3) {
	case 0: // says nothing
		c, err := net.Dial(network, s.doors[network])
		if err == nil {
			wstest.Reset(c)
		}
		return err
	case 1: // says nothing that has a plan
		c, err := net.Dial(network, s.doors[network])
		if err != nil {
			return err
		}
		defer c.Close()
		io.WriteString(c, "?")
		if _, err := c.Read(make([]byte, 1)); err == nil {
			return errors.New("an answer to nothing")
		}
		return nil
	}
	p := &soakPlan{Plan: Plan{Backend: s.down, Dropped: func(error) {}}, handed: make(chan struct{})}
	c, forget, err := s.dial(rnd, network, p)
	defer forget()
	if err != nil {
		return err
	}
	defer c.Close()
	<-p.handed
	return nil
}

// A soakTunnel is one of its tunnels.
type soakTunnel struct {
	client, backend net.Conn
	rnd             *rand.Rand // for one goroutine
	frames          ws.Decoder // of client
	running         sync.WaitGroup
}

// tunnel runs one tunnel of a random kind.
func (s *soak) tunnel(rnd *rand.Rand) error {
	network := []string{"tcp4", "unix"}[rnd.IntN(2)]
	ended := make(chan tunnel.Result, 1)
	opened := rnd.IntN(2) == 0
	client, backend, err := s.begin(rnd, network, opened, ended)
	if err != nil {
		return err
	}
	for _, c := range []net.Conn{client, backend} {
		c.SetDeadline(time.Now().Add(2 * time.Minute))
	}
	t := &soakTunnel{client: client, backend: backend, rnd: rnd, frames: ws.Decoder{FromServer: true}}
	var kind string
	cause := tunnel.CauseClientClose
	switch n := rnd.IntN(100); {
	case n < 40:
		kind, err = "echo", t.echo()
	case n < 60:
		kind, err = "transfer", t.transfer()
	case n < 75:
		kind, err = "wait", t.wait()
	default:
		kind, cause = "break", tunnel.CauseNone
		t.breakOff()
	}
	client.Close()
	backend.Close()
	t.running.Wait()
	var res tunnel.Result
	select {
	case res = <-ended:
		if err == nil && (res.Cause == tunnel.CauseNone || cause != tunnel.CauseNone && res.Cause != cause) {
			err = errors.New("a wrong end")
		}
		s.count.Add(1)
		s.bytes.Add(res.Received + res.Sent)
	case <-time.After(2 * time.Minute):
		err = errors.Join(err, errors.New("the tunnel does not end"))
	}
	if err != nil {
		return fmt.Errorf("%s over %s, opened by the loop: %v: %w; result %+v", kind, network, opened, err, res)
	}
	return nil
}

// echo sends messages, and has each come back before the next.
func (t *soakTunnel) echo() error {
	t.running.Go(func() {
		io.CopyBuffer(struct{ io.Writer }{t.backend}, struct{ io.Reader }{t.backend}, make([]byte, 2048))
		t.backend.Close()
	})
	for range 1 + t.rnd.IntN(20) {
		message := wstest.Pattern(1 + t.rnd.IntN(1000))
		if _, err := t.client.Write(wstest.Binary(message)); err != nil {
			return err
		}
		if got := readData(t.client, &t.frames, len(message)); string(got) != message {
			_, err := t.client.Read(make([]byte, 1))
			return fmt.Errorf("%d bytes came back for %d: %w", len(got), len(message), err)
		}
		t.sleep(20 * time.Millisecond)
	}
	return t.close()
}

// transfer sends data both ways at the same time.
func (t *soakTunnel) transfer() error {
	up, down := t.rnd.IntN(1<<20), t.rnd.IntN(1<<20)
	source := func() *rand.ChaCha8 { return rand.NewChaCha8([32]byte{1, byte(up), byte(down)}) }
	var errs [3]error
	t.running.Go(func() {
		r := source()
		buf := make([]byte, 60_000)
		for left := up; left > 0; {
			b := buf[:min(left, len(buf))]
			r.Read(b)
			if _, errs[0] = t.client.Write(wstest.Binary(string(b))); errs[0] != nil {
				return
			}
			left -= len(b)
		}
	})
	t.running.Go(func() { _, errs[1] = io.CopyN(t.backend, source(), int64(down)) })
	t.running.Go(func() {
		errs[2] = sameStream(t.backend, source(), up)
	})
	client := frameReader{t}
	err := sameStream(client, source(), down)
	if err == nil {
		t.running.Wait()
		err = errors.Join(errs[:]...)
	}
	if err == nil {
		t.running.Go(func() { // the end of the stream ends it
			io.Copy(io.Discard, t.backend)
			t.backend.Close()
		})
		err = t.close()
	}
	return err
}

// sameStream compares the hashes of n bytes of each.
func sameStream(got, want io.Reader, n int) error {
	g, w := sha256.New(), sha256.New()
	if m, err := io.CopyN(g, got, int64(n)); err != nil {
		return fmt.Errorf("%d of %d bytes came: %w", m, n, err)
	}
	io.CopyN(w, want, int64(n))
	if [32]byte(g.Sum(nil)) != [32]byte(w.Sum(nil)) {
		return fmt.Errorf("the hash of %d bytes is wrong", n)
	}
	return nil
}

// A frameReader reads the payload that a client receives.
type frameReader struct{ t *soakTunnel }

func (r frameReader) Read(b []byte) (n int, err error) {
	for n == 0 && err == nil {
		var m int
		m, err = r.t.client.Read(b)
		for in := b[:m]; len(in) > 0; {
			p, rest, err := r.t.frames.Next(in)
			if err != nil {
				return n, err
			}
			if p.Opcode == ws.OpBinary {
				n += copy(b[n:], p.Payload) // moves down within b
			}
			in = rest
		}
	}
	return n, err
}

// wait does nothing for a while.
func (t *soakTunnel) wait() error {
	t.running.Go(func() {
		io.Copy(io.Discard, t.backend)
		t.backend.Close()
	})
	t.sleep(2 * time.Second)
	return t.close()
}

// breakOff has one peer send without end to another that does not read, and then
// one of them break the connection.
func (t *soakTunnel) breakOff() {
	from, to := t.client, t.backend
	if t.rnd.IntN(2) == 0 {
		from, to = to, from
	} else {
		from.Write(endless())
	}
	t.running.Go(func() { wstest.Flood(from) })
	t.sleep(500 * time.Millisecond)
	if t.rnd.IntN(2) == 0 {
		wstest.Reset(to)
	} else {
		wstest.Reset(from)
	}
}

func (t *soakTunnel) sleep(most time.Duration) {
	time.Sleep(time.Duration(t.rnd.Int64N(int64(most))))
}

// close has the client close, and wait for the answer.
func (t *soakTunnel) close() error {
	if _, err := t.client.Write(wstest.Close(1000, "")); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, t.client)
	return err
}
