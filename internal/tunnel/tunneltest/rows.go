package tunneltest

import (
	"fmt"
	"io"
	"math"
	"sync/atomic"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

var mega = wstest.Pattern(1 << 20)

// bounded is more than the kernel keeps in small buffers on the way from one
// peer to the other, and a driver beside it.
const bounded = 1 << 20

var rows = []row{
	{
		name:  "data both ways",
		cause: tunnel.CauseClientClose, sent: 1000, received: 1000,
		peers: func(p *peers) {
			p.client.Send(wstest.Text("hello, "), wstest.Binary("backend"))
			p.wantBackend("hello, backend")
			p.toClient("hello, client")
			p.client.WantData(ws.OpBinary, "hello, client")
			p.client.Send(wstest.Close(1000, ""))
			p.endBackend("")
			p.endClient(1000)
		},
	},
	{
		name:  "bytes behind the handshake",
		first: wstest.Join(wstest.Binary("early "), wstest.Ping("?"), wstest.Binary("bird"))[:20],
		cause: tunnel.CauseClientClose, sent: 1000, received: 1000,
		peers: func(p *peers) {
			p.wantBackend("early ")
			p.client.Want(ws.OpPong, "?")
			p.client.Send(wstest.Join(wstest.Binary("early "), wstest.Ping("?"), wstest.Binary("bird"))[20:])
			p.wantBackend("bird")
			p.client.Send(wstest.Close(1000, ""))
			p.endBackend("")
			p.endClient(1000)
		},
	},
	{
		name:  "everything behind the handshake",
		first: wstest.Join(wstest.Binary("hello"), wstest.Close(4000, "")),
		cause: tunnel.CauseClientClose, sent: 4000, received: 4000,
		peers: func(p *peers) {
			p.endBackend("hello")
			p.endClient(4000)
		},
	},

	// The client ends.
	{
		name:  "client close behind data",
		cause: tunnel.CauseClientClose, sent: 4000, received: 4000,
		peers: func(p *peers) {
			p.client.Send(wstest.Binary("hello,"), wstest.Text(" world"), wstest.Close(4000, "done"))
			if reason := p.endClient(4000); reason != "" {
				p.Errorf("close frame with the reason %q, want none", reason)
			}
			p.endBackend("hello, world")
		},
	},
	{
		name:  "client close without a code",
		cause: tunnel.CauseClientClose, sent: 1005, received: 1005,
		peers: func(p *peers) {
			p.client.Send(wstest.Close(ws.CloseNoStatus, ""))
			p.endClient(ws.CloseNoStatus)
			p.endBackend("")
		},
	},
	{
		name:  "client close behind 1 MiB to a slow backend",
		small: true,
		cause: tunnel.CauseClientClose, sent: 1000, received: 1000,
		peers: func(p *peers) {
			p.backend.Conn = slow{p.backend.Conn}
			p.do(func() error {
				_, err := p.client.Write(wstest.Join(wstest.Binary(mega), wstest.Close(1000, "")))
				return err
			})
			p.endBackend(mega)
			p.endClient(1000)
		},
	},
	{
		name:  "client close behind 1 MiB to a slow backend that sends 32 MiB",
		cause: tunnel.CauseClientClose, sent: 1000, received: 1000,
		lossy: true,
		peers: func(p *peers) {
			flood := p.backend.Conn
			p.do(func() error {
				for range 32 { // may fail when the backend has its payload, and closes
					if _, err := io.WriteString(flood, mega); err != nil {
						break
					}
				}
				return nil
			})
			p.do(func() error {
				_, err := p.client.Write(wstest.Join(wstest.Binary(mega), wstest.Close(1000, "")))
				return err
			})
			p.do(func() error {
				n, err := io.Copy(io.Discard, p.client)
				if n == 0 || err != nil {
					return fmt.Errorf("the client read %d bytes, %v", n, err)
				}
				return p.client.Close()
			})
			p.backend.Conn = slow{p.backend.Conn}
			p.endBackend(mega)
		},
	},
	{
		name:  "client violation behind data",
		cause: tunnel.CauseProtocolError, sent: 1002,
		peers: func(p *peers) {
			p.client.Send(wstest.Binary("kept"), []byte("\x83\x80garbage"))
			p.endClient(1002)
			p.endBackend("kept")
		},
	},
	{
		name:  "client text that stops being UTF-8",
		cause: tunnel.CauseProtocolError, sent: 1007,
		peers: func(p *peers) {
			p.client.Send(wstest.Text("good\xffbad"))
			p.endClient(1007)
			p.endBackend("good")
		},
	},
	{
		name:  "client over its limit",
		cfg:   tunnel.Config{MaxClientBytes: 26},
		cause: tunnel.CauseTooBig, sent: 1009,
		peers: func(p *peers) {
			p.client.Send(wstest.Binary("0123456789"), wstest.Binary("abcdefghij"))
			p.endClient(1009)
			p.endBackend("0123456789abcd")
		},
	},
	{
		name:  "client half-close, then 1 MiB from the backend",
		small: true,
		cause: tunnel.CauseClientEOF, sent: 1001,
		peers: func(p *peers) {
			p.client.Send(wstest.Binary("question"))
			p.client.CloseWrite()
			p.wantBackend("question")
			p.wantBackendEOF()
			p.do(func() error {
				_, err := io.WriteString(p.backend, mega)
				p.backend.Close()
				return err
			})
			p.client.WantData(ws.OpBinary, mega)
			p.endClient(1001)
		},
	},
	{
		name:  "client reset behind data",
		cause: tunnel.CauseClientError,
		lossy: true,
		peers: func(p *peers) {
			p.toClient("not read") // makes a reset on a Unix socket, too
			p.raw.Read(make([]byte, 1))
			p.client.Send(wstest.Binary("hello"))
			p.wantBackend("hello")
			wstest.Reset(p.raw.Conn)
			p.endBackend("")
		},
	},

	// The backend ends.
	{
		name:  "backend close behind 1 MiB to a slow client",
		small: true,
		cause: tunnel.CauseBackendEOF, sent: 1001, received: 1001,
		peers: func(p *peers) {
			p.do(func() error {
				_, err := io.WriteString(p.backend, mega)
				p.backend.Close()
				return err
			})
			p.raw.Conn = slow{p.raw.Conn}
			p.client.WantData(ws.OpBinary, mega)
			p.answerClose(1001)
		},
	},
	{
		name:  "backend half-close behind 1 MiB, then 1 MiB from the client",
		small: true,
		cause: tunnel.CauseBackendEOF, sent: 1001, received: 1001,
		peers: func(p *peers) {
			p.do(func() error {
				_, err := io.WriteString(p.backend, mega)
				p.backend.CloseWrite()
				return err
			})
			p.client.WantData(ws.OpBinary, mega)
			p.client.WantClose(1001)
			p.do(func() error {
				_, err := p.client.Write(wstest.Join(wstest.Binary(mega), wstest.Close(1001, "")))
				return err
			})
			p.endBackend(mega)
			p.client.WantEOF()
			p.client.Close()
		},
	},
	{
		name:  "backend reset behind data",
		cause: tunnel.CauseBackendError, sent: 1011, received: 1011,
		lossy: true,
		peers: func(p *peers) {
			p.client.Send(wstest.Binary("not read")) // makes a reset on a Unix socket, too
			p.wantBackend("n")
			p.toClient("last words")
			wstest.Reset(p.backend.Conn)
			p.client.WantData(ws.OpBinary, "last words")
			if reason := p.answerClose(1011); reason == "" {
				p.Error("close frame without a reason")
			}
		},
	},
	{
		name:  "text, characters cut anywhere",
		cfg:   tunnel.Config{Text: true},
		cause: tunnel.CauseBackendEOF, sent: 1001, received: 1001,
		peers: func(p *peers) {
			p.toClient("a\xe2") // has been read when the client gets the a
			p.client.WantData(ws.OpText, "a")
			p.toClient("\x82\xacb\xf0\x9f\x98")
			p.client.WantData(ws.OpText, "€b")
			p.toClient("\x80")
			p.client.WantData(ws.OpText, "😀")
			p.backend.Close()
			p.answerClose(1001)
		},
	},
	{
		name:  "text that stops being UTF-8",
		cfg:   tunnel.Config{Text: true},
		cause: tunnel.CauseNotUTF8, sent: 1007, received: 1007,
		peers: func(p *peers) {
			p.toClient("good\xffbad")
			p.client.WantData(ws.OpText, "good")
			p.answerClose(1007)
			p.endBackend("")
		},
	},
	{
		name:  "text that ends inside of a character",
		cfg:   tunnel.Config{Text: true},
		cause: tunnel.CauseNotUTF8, sent: 1007, received: 1007,
		peers: func(p *peers) {
			p.toClient("a\xe2\x82")
			p.backend.CloseWrite()
			p.client.WantData(ws.OpText, "a")
			p.answerClose(1007)
			p.endBackend("")
		},
	},

	// The server stops.
	{
		name:  "stop",
		cause: tunnel.CauseStop, sent: 1001, received: 1001,
		peers: func(p *peers) {
			p.stop()
			p.client.WantClose(1001)
			p.client.Send(wstest.Binary("already on its way"), wstest.Close(1001, ""))
			p.client.WantEOF()
			p.client.Close()
			p.endBackend("already on its way")
		},
	},
	{
		name:  "stop, a client that does not answer",
		grace: 100 * time.Millisecond,
		cause: tunnel.CauseStop, sent: 1001,
		peers: func(p *peers) {
			p.stop()
			p.client.WantClose(1001)
			p.wait()
			p.client.WantEOF()
		},
	},
	{
		name:  "stop, a client that does not read",
		grace: 100 * time.Millisecond,
		small: true,
		cause: tunnel.CauseStop,
		stuck: true,
		lossy: true,
		peers: func(p *peers) {
			fill(p.backend, bounded)
			p.stop()
			p.wait()
		},
	},
	{
		name:  "stop, a backend that does not read",
		grace: 100 * time.Millisecond,
		small: true,
		cause: tunnel.CauseStop, sent: 1001,
		lossy: true,
		peers: func(p *peers) {
			p.client.Write(endless())
			fill(p.client, bounded)
			p.stop()
			p.client.WantClose(1001)
			p.wait()
		},
	},

	// Pings.
	{
		name:  "pings during a download",
		cause: tunnel.CauseClientClose, sent: 1000, received: 1000,
		lossy: true,
		peers: func(p *peers) {
			var enough atomic.Bool
			p.do(func() error {
				var err error // the backend may be closed while it sends
				for err == nil && !enough.Load() {
					_, err = io.WriteString(p.backend, mega[:64<<10])
				}
				return nil
			})
			for i := range 10 {
				p.client.Send(wstest.Ping(fmt.Sprint(i)))
				for n := 0; ; {
					f := p.client.Next()
					if f.Opcode == ws.OpPong && string(f.Payload) == fmt.Sprint(i) {
						break
					}
					if n += len(f.Payload); f.Opcode != ws.OpBinary || n > 64<<20 {
						p.Fatalf("%v and %d bytes of data instead of a pong", f.Opcode, n)
					}
				}
			}
			enough.Store(true)
			p.client.Send(wstest.Close(1000, ""))
			if _, code, _ := p.client.ReadAll(); code != 1000 {
				p.Errorf("close code %d, want 1000", code)
			}
			p.client.WantEOF()
			p.client.Close()
			p.backend.Close()
		},
	},
	{
		name:  "a ping behind data that the backend does not read",
		small: true,
		first: wstest.Join(wstest.Binary(mega), wstest.Ping("?"), wstest.Close(1000, "")),
		cause: tunnel.CauseClientClose, sent: 1000, received: 1000,
		peers: func(p *peers) {
			p.client.Want(ws.OpPong, "?")
			p.endClient(1000)
			p.endBackend(mega)
		},
	},
	{
		name:  "100,000 pings from a client that does not read",
		cause: tunnel.CauseClientClose, sent: 1000, received: 1000,
		peers: func(p *peers) {
			const n = 100_000
			ping := func(i int) string { return fmt.Sprintf("%0125d", i) }
			before := heap()
			var b []byte
			for i := range n {
				b = append(b, wstest.Ping(ping(i))...)
				if len(b) > 64<<10 || i == n-1 {
					p.client.Send(b)
					b = b[:0]
				}
			}
			p.client.Send(wstest.Binary("still there?"))
			p.wantBackend("still there?")
			b = nil
			if grown := heap() - before; grown > 1<<20 {
				p.Errorf("the heap has grown by %d bytes", grown)
			}
			last := ""
			for last != ping(n-1) {
				f := p.client.Next()
				if f.Opcode != ws.OpPong || string(f.Payload) <= last {
					p.Fatalf("%v %q behind %q; want pongs up to %q", f.Opcode, f.Payload, last, ping(n-1))
				}
				last = string(f.Payload)
			}
			p.client.Send(wstest.Close(1000, ""))
			p.endClient(1000)
			p.endBackend("")
		},
	},
	{
		name:  "pings to the client",
		cfg:   tunnel.Config{PingInterval: 20 * time.Millisecond},
		cause: tunnel.CauseClientClose, sent: 1000, received: 1000,
		peers: func(p *peers) {
			start := time.Now()
			for range 3 {
				p.client.Want(ws.OpPing, "ping")
				p.client.Send(wstest.Pong("ping"))
			}
			if took := time.Since(start); took < 40*time.Millisecond {
				p.Errorf("three pings in %v", took)
			}
			p.client.Send(wstest.Close(1000, ""))
			if _, code, _ := p.client.ReadAll(); code != 1000 {
				p.Errorf("close code %d, want 1000", code)
			}
			p.client.WantEOF()
			p.client.Close()
			p.endBackend("")
		},
	},

	// Limits.
	{
		name:  "idle",
		cfg:   tunnel.Config{IdleTimeout: 50 * time.Millisecond},
		cause: tunnel.CauseIdle, sent: 1001, received: 1001,
		peers: func(p *peers) {
			p.answerClose(1001)
			p.endBackend("")
		},
	},
	{
		name:  "bytes that a stuck client leaves unread are bounded",
		small: true,
		cause: tunnel.CauseClientError,
		lossy: true,
		peers: func(p *peers) {
			before := heap()
			if n := fill(p.backend, 16<<20); n > bounded {
				p.Errorf("the backend could send %d bytes", n)
			}
			if grown := heap() - before; grown > 1<<20 {
				p.Errorf("the heap has grown by %d bytes", grown)
			}
			wstest.Reset(p.raw.Conn)
			p.backend.Close()
		},
	},
	{
		name:  "bytes that a stuck backend leaves unread are bounded",
		small: true,
		cause: tunnel.CauseBackendError, sent: 1011,
		lossy: true,
		peers: func(p *peers) {
			before := heap()
			p.client.Write(endless())
			if n := fill(p.client, 16<<20); n > bounded {
				p.Errorf("the client could send %d bytes", n)
			}
			if grown := heap() - before; grown > 1<<20 {
				p.Errorf("the heap has grown by %d bytes", grown)
			}
			wstest.Reset(p.backend.Conn)
			p.client.WantClose(1011)
			p.client.Close()
		},
	},
	{
		name:  "a client that does not read for too long",
		cfg:   tunnel.Config{IdleTimeout: time.Minute, WriteIdleTimeout: 100 * time.Millisecond},
		small: true,
		cause: tunnel.CauseWriteIdle,
		stuck: true,
		lossy: true,
		peers: func(p *peers) {
			fill(p.backend, bounded)
			p.wait()
		},
	},
}

// endless returns the header of a frame that has no end.
func endless() []byte {
	return wstest.Encode(ws.Header{Fin: true, Opcode: ws.OpBinary, Masked: true, Length: math.MaxInt64}, "")
}
