package proxyproto_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/lighttpdtest"
	"github.com/wstunneld/wstunneld/internal/proxyproto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const v1 = "PROXY TCP4 192.0.2.1 198.51.100.1 1111 2222\r\n"

// v2 makes a header of version 2: version and command, family and protocol, and
// what follows their length.
func v2(command, family byte, body string) string {
	return "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{command, family}) + string(binary.BigEndian.AppendUint16(nil, uint16(len(body)))) + body
}

const (
	inet4 = "\xc0\x00\x02\x01\xc6\x33\x64\x01\x04\x57\x08\xae"
	inet6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" + "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08" + "\x00\x01\x00\x02"
)

var unixAddrs = "/tmp/a" + strings.Repeat("\x00", 102) + "/tmp/b" + strings.Repeat("\x00", 102)

func tlv(kind byte, value string) string {
	return string(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(value)))) + value
}

// Why we differ from lighttpd.
const (
	tooLarge = "bug: lighttpd takes any number for a port"
	short    = "bug: lighttpd reads on behind the header"
	long     = "the specification has lines of at most 107 bytes"
	family   = "the specification forbids families that it does not know"
	unspec   = "the library refuses a client of no family"
	large    = "there is room for more extensions than in lighttpd"
)

// TestHeaders sends a header and a request to us and to lighttpd. The answer names
// the client.
func TestHeaders(t *testing.T) {
	tests := []struct {
		header  string
		want    string // scheme and client: "-" for the peer, "refused" without an answer
		differs string
	}{
		{v1, "http 192.0.2.1", ""},
		{"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "http 2001:db8::1", ""},
		{"PROXY UNKNOWN\r\n", "http -", ""},
		{"PROXY UNKNOWN 192.0.2.1 198.51.100.1 1 2\r\n", "http -", ""},
		{"PROXY UNKNOWN " + strings.Repeat("x", 90) + "\r\n", "http -", ""},
		{"PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", "refused", long},
		{"PROXY " + strings.Repeat("x", 200) + "\r\n", "refused", ""},
		{"", "refused", ""},
		{"proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n", "refused", ""},
		{"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n", "refused", ""},
		{"PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n", "refused", ""},
		{"PROXY TCP4 192.0.2.1 198.51.100.1\r\n", "refused", ""},
		{"PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n", "refused", ""},
		{"PROXY TCP4 ::1 ::1 1 2\r\n", "refused", ""},
		{"PROXY TCP4 192.0.2.1 198.51.100.1 x 2\r\n", "refused", ""},
		{"PROXY TCP4 192.0.2.1 198.51.100.1 99999 2\r\n", "refused", tooLarge},
		{"PROXY FOO\r\n", "refused", ""},
		{v2(0x21, 0x11, inet4), "http 192.0.2.1", ""},
		{v2(0x21, 0x21, inet6), "http 2001:db8::7", ""},
		{v2(0x21, 0x31, unixAddrs), "http /tmp/a", ""},
		{v2(0x21, 0x12, inet4), "http -", ""},
		{v2(0x20, 0x11, inet4), "http -", ""},
		{v2(0x20, 0x00, ""), "http -", ""},
		{v2(0x20, 0x00, inet4), "http -", ""},
		{v2(0x21, 0x00, ""), "refused", unspec},
		{v2(0x21, 0x41, inet4), "refused", family},
		{v2(0x22, 0x11, inet4), "refused", ""},
		{v2(0x11, 0x11, inet4), "refused", ""},
		{v2(0x21, 0x11, "abc"), "refused", short},
		{v2(0x21, 0x11, inet4+tlv(0x04, "abcd")), "http 192.0.2.1", ""},
		{v2(0x21, 0x11, inet4+"\x04\xff\xffab"), "http 192.0.2.1", ""},
		{v2(0x21, 0x11, inet4+tlv(0x04, strings.Repeat("a", 400))), "http 192.0.2.1", large},
		{v2(0x21, 0x11, inet4+tlv(0x04, strings.Repeat("a", 4096-len(inet4)-3))), "http 192.0.2.1", large},
		{v2(0x21, 0x11, inet4+tlv(0x04, strings.Repeat("a", 4096-len(inet4)-2))), "refused", ""},
		{v2(0x21, 0x11, inet4+tlv(0x20, "\x01\x00\x00\x00\x00")), "https 192.0.2.1", ""},
		{v2(0x21, 0x11, inet4+tlv(0x20, "\x01\x00\x00\x00\x00"+tlv(0x21, "TLSv1.3"))), "https 192.0.2.1", ""},
		{v2(0x21, 0x11, inet4+tlv(0x20, "\x00\x00\x00\x00\x00")), "http 192.0.2.1", ""},
		{v1 + v1, "400", ""},
		{v2(0x21, 0x11, inet4) + v1, "400", ""},
	}
	const request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
	outcome := func(answer string) string {
		if answer == "" {
			return "refused"
		}
		if m := regexp.MustCompile(`\r\nLocation: /(\w+)/(\S*)\r\n`).FindStringSubmatch(answer); m != nil {
			if m[2] == "127.0.0.1" {
				m[2] = "-"
			}
			return m[1] + " " + m[2]
		}
		return regexp.MustCompile(`^HTTP/1.. `).ReplaceAllString(answer, "")[:3]
	}
	addr := serve(t)
	for _, tt := range tests {
		if got := outcome(lighttpdtest.Send(t, addr, "", tt.header+request)); got != tt.want {
			t.Errorf("%.80q: %s, want %s", tt.header, got, tt.want)
		}
	}
	addr = lighttpdtest.Start(t, `server.modules = ("mod_redirect", "mod_extforward")
		extforward.forwarder = ("127.0.0.1" => "trust")
		extforward.hap-PROXY = "enable"
		$HTTP["scheme"] == "https" { $HTTP["remote-ip"] =~ "^(.*)$" { url.redirect = ("" => "/https/%1") } }
		else $HTTP["remote-ip"] =~ "^(.*)$" { url.redirect = ("" => "/http/%1") }`)
	for _, tt := range tests {
		if got := outcome(lighttpdtest.Send(t, addr, "", tt.header+request)); (got == tt.want) != (tt.differs == "") {
			t.Errorf("%.80q: lighttpd: %s, we: %s; expected to differ: %q", tt.header, got, tt.want, tt.differs)
		}
	}
}

// serve runs net/http behind a Listener. It answers each request with a redirect
// that names the client.
func serve(t *testing.T) (addr string) {
	t.Helper()
	type connKey struct{}
	ln := listen(t, &proxyproto.Listener{Timeout: 5 * time.Second})
	hs := &http.Server{
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			scheme := "http"
			if r.Context().Value(connKey{}).(*proxyproto.Conn).TLS() {
				scheme = "https"
			}
			client, _, err := net.SplitHostPort(r.RemoteAddr)
			if err != nil { // of a Unix socket
				client = r.RemoteAddr
			}
			w.Header().Set("Location", "/"+scheme+"/"+client)
			w.WriteHeader(http.StatusMovedPermanently)
		}),
	}
	served := make(chan error)
	go func() { served <- hs.Serve(ln) }()
	t.Cleanup(func() {
		hs.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// listen opens a socket on the loopback interface for ln. A Trusted that is nil
// trusts all.
func listen(t *testing.T, ln *proxyproto.Listener) *proxyproto.Listener {
	t.Helper()
	inner, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inner.Close() })
	ln.Listener = inner
	if ln.Trusted == nil {
		ln.Trusted = func(netip.Addr) bool { return true }
	}
	return ln
}

// pair returns both ends of a connection to ln, after sent has been sent.
func pair(t *testing.T, ln net.Listener, sent string) (accepted, peer net.Conn) {
	t.Helper()
	peer, err := net.Dial(ln.Addr().Network(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	if _, err := io.WriteString(peer, sent); err != nil {
		t.Fatal(err)
	}
	accepted, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	return accepted, peer
}

func TestUntrusted(t *testing.T) {
	ln := listen(t, &proxyproto.Listener{Trusted: func(peer netip.Addr) bool {
		if peer != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("Trusted(%v), want 127.0.0.1", peer)
		}
		return false
	}})
	c, peer := pair(t, ln, v1)
	if _, ok := c.(*net.TCPConn); !ok {
		t.Errorf("accepted a %T, want a *net.TCPConn", c)
	}
	peer.Close()
	if got, err := io.ReadAll(c); string(got) != v1 || err != nil {
		t.Errorf("read %q, %v, want all that was sent", got, err)
	}
}

func TestUnixSocket(t *testing.T) {
	inner, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	ln := &proxyproto.Listener{Listener: inner, Trusted: func(peer netip.Addr) bool { return !peer.IsValid() }}
	c, _ := pair(t, ln, v1)
	if got := c.RemoteAddr().String(); got != "192.0.2.1:1111" {
		t.Errorf("RemoteAddr() = %s, want 192.0.2.1:1111", got)
	}
	if raw, _ := c.(*proxyproto.Conn).Unwrap(); raw.LocalAddr().Network() != "unix" {
		t.Errorf("Unwrap() gives a %T", raw)
	}
}

// TestUnwrap holds that no byte behind a header is lost, whoever reads it, and
// that the raw connection is ready for whoever takes it.
func TestUnwrap(t *testing.T) {
	for _, header := range []string{v1, v2(0x21, 0x11, inet4), v2(0x21, 0x21, inet6+tlv(4, strings.Repeat("a", 1000)))} {
		for _, n := range []int{0, 1, 100, 1000, 3000} {
			payload := strings.Repeat("0123456789", 300)
			c, peer := pair(t, listen(t, &proxyproto.Listener{Timeout: time.Hour}), header+payload)
			if err := peer.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, n)
			if _, err := io.ReadFull(c, got); err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				c.RemoteAddr()
			}
			raw, behind := c.(*proxyproto.Conn).Unwrap()
			if _, ok := raw.(*net.TCPConn); !ok {
				t.Fatalf("Unwrap() gives a %T, want a *net.TCPConn", raw)
			}
			if len(behind) > 256 {
				t.Errorf("%.20q: %d bytes are behind the header, want at most 256", header, len(behind))
			}
			rest, err := io.ReadAll(raw)
			if err != nil {
				t.Fatal(err)
			}
			if all := string(got) + string(behind) + string(rest); all != payload {
				t.Errorf("%.20q, %d bytes read: %d, %d and %d bytes are not what was sent", header, n, len(got), len(behind), len(rest))
			}
		}
	}
}

func TestWrite(t *testing.T) {
	c, peer := pair(t, listen(t, &proxyproto.Listener{}), v1)
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("file"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.WriteString(c, "text,"); err != nil {
		t.Fatal(err)
	}
	if n, err := c.(io.ReaderFrom).ReadFrom(f); n != 4 || err != nil {
		t.Errorf("ReadFrom = %d, %v, want 4", n, err)
	}
	if err := c.(*proxyproto.Conn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(peer); string(got) != "text,file" || err != nil {
		t.Errorf("the peer reads %q, %v, want %q", got, err, "text,file")
	}
}

// TestRefused holds what becomes of a connection without a header, and that it
// does not keep others waiting.
func TestRefused(t *testing.T) {
	tests := []struct {
		name, sent string
		end        func(accepted, peer net.Conn) error // after sent; nil: wait for the time-out
		told       bool
		want       error
	}{
		{"silence", "", nil, true, os.ErrDeadlineExceeded},
		{"half a header", v1[:20], nil, true, os.ErrDeadlineExceeded},
		{"half a binary header", v2(0x21, 0x11, inet4)[:20], nil, true, os.ErrDeadlineExceeded},
		{"half a header and an end", v1[:20], func(_, peer net.Conn) error { return peer.Close() }, true, io.ErrUnexpectedEOF},
		{"an end", "", func(_, peer net.Conn) error { return peer.Close() }, false, io.EOF},
		{"closed by us", "", func(accepted, _ net.Conn) error { return accepted.Close() }, false, net.ErrClosed},
		{"another protocol", "SSH-2.0-x\r\n", func(net.Conn, net.Conn) error { return nil }, true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			told := make(chan error, 1)
			ln := listen(t, &proxyproto.Listener{
				Timeout: time.Hour,
				Refused: func(_ net.Addr, err error) { told <- err },
			})
			if tt.end == nil {
				ln.Timeout = 20 * time.Millisecond
			}
			c, peer := pair(t, ln, tt.sent)
			next, _ := pair(t, ln, v1)
			if got := next.RemoteAddr().String(); got != "192.0.2.1:1111" {
				t.Errorf("the next connection is from %s", got)
			}
			if tt.end != nil {
				if err := tt.end(c, peer); err != nil {
					t.Fatal(err)
				}
			}
			_, err := c.Read(make([]byte, 10))
			var op *net.OpError
			if !errors.As(err, &op) || op.Op != "read" || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("Read: %v, want a *net.OpError of %v", err, tt.want)
			}
			for _, err2 := range []error{second(c.Write([]byte("x"))), second(c.(io.ReaderFrom).ReadFrom(strings.NewReader("x"))), second(c.Read(nil))} {
				if err2 != err {
					t.Errorf("later: %v, want the same error", err2)
				}
			}
			if got, want := c.RemoteAddr().String(), peer.LocalAddr().String(); got != want {
				t.Errorf("RemoteAddr() = %s, want the peer, %s", got, want)
			}
			select {
			case got := <-told:
				if !tt.told || got != err {
					t.Errorf("Refused is told %v", got)
				}
			default:
				if tt.told {
					t.Error("Refused is not told")
				}
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// A memory is a connection whose peer has sent all it will.
type memory struct {
	net.Conn
	r    io.Reader
	read int
}

func (m *memory) Read(b []byte) (int, error) {
	n, err := m.r.Read(b)
	m.read += n
	return n, err
}
func (m *memory) CloseWrite() error    { return nil }
func (m *memory) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

type memoryListener struct {
	net.Listener
	conn net.Conn
}

func (l memoryListener) Accept() (net.Conn, error) { return l.conn, nil }

// FuzzHeader holds that a connection gives what comes behind its header or
// nothing, that headers are bounded, and that it does not matter in which pieces
// they come.
func FuzzHeader(f *testing.F) {
	for _, header := range []string{v1, "PROXY UNKNOWN\r\n", "PROXY UNKNOWN x\r", "PROXY TCP6 ::1 ::ffff:1.2.3.4 1 65535\r\n", v2(0x21, 0x11, inet4), v2(0x20, 0, ""), v2(0x21, 0x21, inet6+tlv(0x20, "\x01\x00\x00\x00\x00")), v2(0x21, 0x31, unixAddrs), v2(0x21, 0x11, "abc"), v2(0x21, 0x11, strings.Repeat("a", 5000)), "GET /", "\r\n\r\n", ""} {
		f.Add([]byte(header + "rest"))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		var first string
		for _, pieces := range []bool{false, true} {
			m := &memory{r: bytes.NewReader(sent)}
			if pieces {
				m.r = iotest.OneByteReader(m.r)
			}
			ln := &proxyproto.Listener{Listener: memoryListener{conn: m}, Trusted: func(netip.Addr) bool { return true }}
			c, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			remote := c.RemoteAddr().String()
			const most = 16 + 4096
			if m.read > most+256 {
				t.Errorf("%d bytes are read for a header", m.read)
			}
			rest, err := io.ReadAll(c)
			if err != nil && (len(rest) > 0 || remote != "127.0.0.1:1") {
				t.Errorf("%q: %v, but %q is read, from %s", sent, err, rest, remote)
			}
			header := len(sent) - len(rest)
			if err == nil && (!bytes.HasSuffix(sent, rest) || header > most || header < len("PROXY UNKNOWN\r\n")) {
				t.Errorf("%q: read %q behind the header", sent, rest)
			}
			got := fmt.Sprintf("%q, from %s, TLS %v, success %v", rest, remote, c.(*proxyproto.Conn).TLS(), err == nil)
			if pieces && got != first {
				t.Errorf("%q: in one piece: %s; in bytes: %s", sent, first, got)
			}
			first = got
		}
	})
}
