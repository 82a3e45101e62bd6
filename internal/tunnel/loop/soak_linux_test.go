package loop

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
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

// TestSoak has many tunnels come and go: echoes, transfers both ways, peers that
// do not read, connections that break, and tunnels that only wait. At the end
// nothing must be left of them.
//
//	go test ./internal/tunnel/loop -run TestSoak -soak=10m -soak.tunnels=10000 -timeout=20m
func TestSoak(t *testing.T) {
	near, far := pair(t, "tcp4", 0) // the runtime opens its poller with the first socket
	near.Close()
	far.Close()
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
	s := &soak{group: g, cfg: &tunnel.Config{PingInterval: time.Second}}
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
	grown := (heap() - before) / int64(tunnels)
	quit()
	<-ended
	t.Logf("%d tunnels, %d MB; %d bytes of heap for each of %d, when all have ended", s.count.Load(), s.bytes.Load()>>20, grown, tunnels)

	for i, l := range g.loops {
		if len(l.slots) > tunnels {
			t.Errorf("loop %d has %d slots for %d tunnels", i, len(l.slots), tunnels)
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

// A soak is a run of TestSoak.
type soak struct {
	group        *Group
	cfg          *tunnel.Config
	count, bytes atomic.Int64
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
	client, driverClient, err1 := connect(network)
	backend, driverBackend, err2 := connect(network)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	ended := make(chan tunnel.Result, 1)
	err := s.group.Start(Tunnel{
		Client: driverClient.(Conn), Backend: driverBackend.(Conn), Config: s.cfg,
		Ended: func(res tunnel.Result) { ended <- res },
	})
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
	select {
	case res := <-ended:
		if err == nil && (res.Cause == tunnel.CauseNone || cause != tunnel.CauseNone && res.Cause != cause) {
			err = fmt.Errorf("result %+v", res)
		}
		s.count.Add(1)
		s.bytes.Add(res.Received + res.Sent)
	case <-time.After(2 * time.Minute):
		err = errors.Join(err, errors.New("the tunnel does not end"))
	}
	if err != nil {
		return fmt.Errorf("%s over %s: %w", kind, network, err)
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
			return fmt.Errorf("%d bytes came back for %d", len(got), len(message))
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
