//go:build unix

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
)

// A client is a program of testdata around a WebSocket library.
type client struct {
	name    string
	command func(t *testing.T) *exec.Cmd

	fragments bool // it can send a message in fragments
	pings     bool // it can send pings
	anyCode   bool // it can close with 1001, which browsers' interface cannot
}

var clients = []client{
	{name: "websockets", command: pythonClient("websockets"), fragments: true, pings: true, anyCode: true},
	{name: "aiohttp", command: pythonClient("aiohttp"), pings: true, anyCode: true},
	{name: "ws", command: npmClient, fragments: true, pings: true, anyCode: true},
	{name: "node", command: nodeClient},
}

func pythonClient(module string) func(*testing.T) *exec.Cmd {
	return func(t *testing.T) *exec.Cmd {
		needModule(t, module)
		return exec.Command(python, "testdata/client_"+module+".py")
	}
}

func npmClient(t *testing.T) *exec.Cmd {
	need(t, "node")
	needFiles(t, "node_modules/ws")
	return exec.Command("node", "testdata/client_ws.mjs")
}

func nodeClient(t *testing.T) *exec.Cmd {
	need(t, "node")
	const flag = "--experimental-websocket" // of Node.js 20 and 21, harmless later
	if err := exec.Command("node", flag, "-e", "WebSocket").Run(); err != nil {
		absent(t, []string{"a Node.js that has WebSocket (20.10 or later)"})
	}
	return exec.Command("node", flag, "--no-warnings", "testdata/client_node.mjs")
}

// A clientRequest says what a client does on one connection: it sends a ping and
// a message, receives, and closes.
type clientRequest struct {
	URL       string  `json:"url"`
	Text      bool    `json:"text"`      // the type of the messages, both ways
	Ping      *string `json:"ping"`      // payload; nil: no ping
	File      string  `json:"file"`      // the message; "": none
	Fragments int     `json:"fragments"` // frames to send it in, with the ping behind the first; 0: the message whole, behind the ping
	Await     int     `json:"await"`     // bytes to receive before closing; -1: until the server closes
	Code      int     `json:"code"`      // close code; 0: the server closes
	Reason    string  `json:"reason"`
}

// A clientResult is what came of it.
type clientResult struct {
	Bytes  int    `json:"bytes"` // received
	SHA256 string `json:"sha256"`
	Code   int    `json:"code"` // of the server's Close
	Error  string `json:"error"`
}

// clientsConfig has holes for the document root and the backends' ports. The
// query of a request chooses the frame type.
const clientsConfig = `
server.document-root = %q
server.modules += ( "mod_wstunnel" )
wstunnel.server = (
	"/echo"  => (( "host" => "127.0.0.1", "port" => %d )),
	"/sink"  => (( "host" => "127.0.0.1", "port" => %d )),
	"/eof"   => (( "host" => "127.0.0.1", "port" => %d )),
	"/reset" => (( "host" => "127.0.0.1", "port" => %d )),
)
$HTTP["query-string"] == "binary" {
	wstunnel.frame-type = "binary"
}
`

// echo sends back what it receives.
func echo(c *net.TCPConn) { io.Copy(c, c) }

// eof speaks and ends.
func eof(c *net.TCPConn) { io.WriteString(c, "bye") }

// reset breaks the connection once it has received something.
func reset(c *net.TCPConn) {
	c.Read(make([]byte, 1))
	c.SetLinger(0)
}

// A scenario is a request and what must come of it.
type scenario struct {
	name    string
	path    string
	size    int // of the message to send; -1: none
	request clientRequest
	bytes   int // to receive
	code    int // of the server's Close
}

// scenarios are what every client does that can.
func scenarios() []scenario {
	var ss []scenario
	for _, n := range payloadSizes {
		ss = append(ss, scenario{fmt.Sprintf("echo %d", n), "/echo", n, clientRequest{Await: n, Code: 1000}, n, 1000})
	}
	for _, payload := range []string{"", "hello", strings.Repeat("ü", 62) + "."} {
		ss = append(ss, scenario{fmt.Sprintf("ping %d", len(payload)), "/echo", 125, clientRequest{Ping: &payload, Await: 125, Code: 1000}, 125, 1000})
	}
	between := "between fragments"
	return append(ss,
		scenario{"fragments", "/echo", 65535, clientRequest{Fragments: 3, Ping: &between, Await: 65535, Code: 1000}, 65535, 1000},
		scenario{"close 1000", "/echo", -1, clientRequest{Code: 1000, Reason: "done"}, 0, 1000},
		scenario{"close 1001", "/echo", -1, clientRequest{Code: 1001, Reason: "going away"}, 0, 1001},
		scenario{"close 3000", "/echo", -1, clientRequest{Code: 3000}, 0, 3000},
		scenario{"close 4999", "/echo", -1, clientRequest{Code: 4999, Reason: strings.Repeat("ü", 61) + "."}, 0, 4999},
		scenario{"data and close at once", "/sink", 65536, clientRequest{Code: 1000}, 0, 1000},
		scenario{"backend ends", "/eof", -1, clientRequest{Await: -1}, len("bye"), 1001},
		scenario{"backend resets", "/reset", 1, clientRequest{Await: -1}, 0, 1011},
	)
}

func (c client) can(r clientRequest) bool {
	return (c.pings || r.Ping == nil) && (c.fragments || r.Fragments == 0) && (c.anyCode || r.Code != 1001)
}

// TestClients lets each client do the same, with text and with binary messages,
// and checks what the client, the backend and a tap on the wire have seen.
func TestClients(t *testing.T) {
	payloads := writePayloads(t)
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startPeer(t, c.command(t))
			sunk := make(chan []byte, 1)
			sink := func(c *net.TCPConn) {
				b, _ := io.ReadAll(c)
				sunk <- b
			}
			_, port := startServer(t, fmt.Sprintf(clientsConfig, t.TempDir(),
				serve(t, echo), serve(t, sink), serve(t, eof), serve(t, reset)))
			for _, kind := range []string{"text", "binary"} {
				for _, s := range scenarios() {
					if !c.can(s.request) {
						continue
					}
					if p.ended() { // the last request hung
						p = startPeer(t, c.command(t))
					}
					t.Run(kind+" "+s.name, func(t *testing.T) {
						tp := startTap(t, port)
						r := s.request
						r.URL = fmt.Sprintf("ws://127.0.0.1:%d%s?%s", tp.port, s.path, kind)
						r.Text = kind == "text"
						if s.size >= 0 {
							r.File = payloads[kind][s.size].file
						}
						var got clientResult
						p.call(t, r, &got)

						checkResult(t, got, s)
						if s.path == "/echo" && got.Bytes == s.size && got.SHA256 != payloads[kind][s.size].sha256 {
							t.Errorf("%d bytes came back, but not those sent", s.size)
						}
						if s.path == "/sink" {
							var b []byte
							select {
							case b = <-sunk:
							case <-time.After(patience):
								t.Fatal("the backend's connection does not end")
							}
							if hash(b) != payloads[kind][s.size].sha256 {
								t.Errorf("backend received %d bytes, want the %d sent", len(b), s.size)
							}
						}
						checkFrames(t, tp, r, s.code)
					})
				}
			}
		})
	}
}

// TestClientsServerStops pings each client, which must answer, and stops the server.
func TestClientsServerStops(t *testing.T) {
	payloads := writePayloads(t)
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startPeer(t, c.command(t))
			s, port := startServer(t, fmt.Sprintf(`
				server.document-root = %q
				server.modules += ( "mod_wstunnel" )
				wstunnel.server = ( "/" => (( "host" => "127.0.0.1", "port" => %d )) )
				wstunnel.ping-interval = 1
				`, t.TempDir(), serve(t, echo)))
			tp := startTap(t, port)
			r := clientRequest{URL: fmt.Sprintf("ws://127.0.0.1:%d/", tp.port), Text: true, File: payloads["text"][126].file, Await: -1}
			p.send(t, r)
			eventually(t, func() error {
				client, server := tp.frames(t)
				if len(client.with(opPong)) < 2 {
					return fmt.Errorf("server sent %v, client %v; want two pongs", server, client)
				}
				return nil
			})
			s.signal(t, syscall.SIGTERM)

			var got clientResult
			p.receive(t, &got)
			checkResult(t, got, scenario{request: r, bytes: 126, code: 1001})
			checkFrames(t, tp, r, 1001)
			client, server := tp.frames(t)
			checkPongs(t, server.with(opPing), client.with(opPong))
			s.awaitEnd(t)
		})
	}
}

// checkResult checks what a client saw.
func checkResult(t *testing.T, got clientResult, want scenario) {
	t.Helper()
	if got.Error != "" {
		t.Fatal(got.Error)
	}
	if got.Bytes != want.bytes || got.Code != want.code {
		t.Errorf("received %d bytes and close code %d, want %d and %d", got.Bytes, got.Code, want.bytes, want.code)
	}
}

// checkFrames checks what went over the wire: the server's data frames are of the
// type asked for, its pongs carry the payloads of the client's pings, and each side
// sent one Close, as its last frame, the server with the code. If that is the
// client's, the reason is the client's or left out.
func checkFrames(t *testing.T, tp *tap, r clientRequest, code int) {
	t.Helper()
	opcode := byte(opBinary)
	if r.Text {
		opcode = opText
	}
	// The client may have ended before the tap has passed on its last frame.
	eventually(t, func() error {
		client, server := tp.frames(t)
		if !client.closed() || !server.closed() {
			return fmt.Errorf("client sent %v, server %v; want one Close each, at the end", client, server)
		}
		return nil
	})
	client, server := tp.frames(t)
	for _, f := range server.with(0, opText, opBinary) {
		if f.opcode != opcode || !f.fin || (r.Text && !utf8.Valid(f.payload)) {
			t.Errorf("server sent %v, fin %v; want opcode %d, fin true, and UTF-8 in text", f, f.fin, opcode)
		}
	}
	got, want := server[len(server)-1].String(), fmt.Sprintf("close %d ", code)
	reason, ok := strings.CutPrefix(got, want)
	if !ok || r.Code != 0 && reason != `""` && reason != strconv.Quote(r.Reason) {
		t.Errorf("server sent %s, want %s and no reason or %q", got, want, r.Reason)
	}
	pings := client.with(opPing)
	if (r.Ping != nil) != (len(pings) == 1) {
		t.Errorf("client sent %v", client)
	}
	checkPongs(t, pings, server.with(opPong))
	if n := len(client.with(0, opText, opBinary)); r.File != "" && n < max(1, r.Fragments) {
		t.Errorf("client sent %d data frames, want %d", n, max(1, r.Fragments))
	}
}

// checkPongs checks that pongs answer pings.
func checkPongs(t *testing.T, pings, pongs frames) {
	t.Helper()
	if len(pings) != len(pongs) {
		t.Fatalf("pings %v, pongs %v; want as many", pings, pongs)
	}
	for i := range pings {
		if got, want := string(pongs[i].payload), string(pings[i].payload); got != want {
			t.Errorf("pong %q, want %q", got, want)
		}
	}
}

var payloadSizes = []int{0, 1, 125, 126, 2047, 2048, 4095, 65535, 65536, 16 << 20}

// A payload is a message to send, in a file.
type payload struct {
	file   string
	sha256 string
}

// writePayloads makes the messages, by kind ("text", "binary") and size.
func writePayloads(t *testing.T) map[string]map[int]payload {
	t.Helper()
	dir := t.TempDir()
	rnd := rand.NewChaCha8([32]byte{})
	payloads := map[string]map[int]payload{"text": {}, "binary": {}}
	for _, n := range payloadSizes {
		random := make([]byte, n)
		rnd.Read(random)
		for kind, b := range map[string][]byte{"binary": random, "text": text(random)} {
			file := filepath.Join(dir, fmt.Sprintf("%s-%d", kind, n))
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			payloads[kind][n] = payload{file, hash(b)}
		}
	}
	return payloads
}

// text returns as many bytes of UTF-8 as random has, in characters of one to four
// bytes that random chooses.
func text(random []byte) []byte {
	runes := []rune("aZ\n\x00é߀߿€語\uffff😀𝄞\U0010ffff")
	b := make([]byte, 0, len(random))
	for _, r := range random {
		c := runes[int(r)%len(runes)]
		if len(b)+utf8.RuneLen(c) <= len(random) {
			b = utf8.AppendRune(b, c)
		}
	}
	for len(b) < len(random) {
		b = append(b, '.')
	}
	return b
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
