package front_test

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/front"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// plain is an upgrade request in which nothing is unusual.
const plain = "GET /ws?token=1 HTTP/1.1\r\n" +
	"Host: example.org:8080\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
	"Connection: keep-alive, Upgrade\r\n" +
	"Upgrade: websocket\r\n" +
	"Origin: https://example.org\r\n" +
	"Pragma: no-cache\r\n" +
	"Cache-Control: no-cache\r\n" +
	"Sec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: " + wstest.Key + "\r\n" +
	"Cookie: a=b; c=\"d\"\r\n" +
	"\r\n"

const limit = 8192

// A change makes another request of plain.
type change struct{ name, old, new string }

func (c change) apply(t *testing.T) string {
	t.Helper()
	if strings.Count(plain, c.old) != 1 {
		t.Fatalf("%q is not in the plain request once", c.old)
	}
	return strings.Replace(plain, c.old, c.new, 1)
}

var accepted = []change{
	{"plain", "Mozilla", "Mozilla"},
	{"field twice", "Upgrade: websocket", "upgrade: websocket\r\nUPGRADE: other"},
	{"names in lower case", "Sec-WebSocket-Key", "sec-websocket-key"},
	{"spaces around a value", "Upgrade: websocket", "Upgrade:   websocket  "},
	{"no space in front of a value", "Upgrade: websocket", "Upgrade:websocket"},
	{"spaces within a value", "Mozilla", "Mozilla   Mozilla"},
	{"empty value", "Cookie: a=b; c=\"d\"", "Cookie:"},
	{"value of spaces", "Cookie: a=b; c=\"d\"", "Cookie:   "},
	{"colon in a value", "Mozilla", ":Mozilla:"},
	{"every character of a name", "User-Agent", "!#$%&'*+-.^_`|~09azAZ"},
	{"escapes in the path", "/ws?token=1", "/a%20b%2Fc?%zz"},
	{"dots and slashes in the path", "/ws?token=1", "//a/../b/./c//"},
	{"all that may stand in a target", "/ws?token=1", "/!\"#$&'()*+,-.:;<=>?@[\\]^_`{|}~"},
	{"IPv6 host", "example.org:8080", "[::1]:8080"},
	{"Pragma without Cache-Control", "Cache-Control: no-cache\r\n", ""},
	{"Pragma beside another Cache-Control", "Cache-Control: no-cache", "Cache-Control: max-age=0"},
	{"another Pragma", "Pragma: no-cache\r\nCache-Control: no-cache", "Pragma: x"},
}

var refused = []change{
	{"another method", "GET", "POST"},
	{"method in lower case", "GET", "get"},
	{"no method", "GET ", ""},
	{"HTTP/1.0", "HTTP/1.1", "HTTP/1.0"},
	{"HTTP/2.0", "HTTP/1.1", "HTTP/2.0"},
	{"no version", " HTTP/1.1", ""},
	{"version in lower case", "HTTP/1.1", "http/1.1"},
	{"empty line in front", "GET", "\r\nGET"},
	{"two spaces behind the method", "GET ", "GET  "},
	{"two spaces in front of the version", " HTTP/1.1", "  HTTP/1.1"},
	{"space behind the version", "HTTP/1.1", "HTTP/1.1 "},
	{"tab behind the method", "GET ", "GET\t"},

	{"absolute form", "/ws?token=1", "http://example.org/ws"},
	{"authority form", "/ws?token=1", "example.org:80"},
	{"asterisk form", "/ws?token=1", "*"},
	{"no target", "/ws?token=1", ""},
	{"space in the target", "/ws", "/w s"},
	{"control character in the target", "/ws", "/w\x01s"},
	{"DEL in the target", "/ws", "/w\x7fs"},
	{"obs-text in the target", "/ws", "/w\xe4s"},
	{"escape that is none", "/ws", "/w%zzs"},

	{"no host", "Host: example.org:8080\r\n", ""},
	{"empty host", "Host: example.org:8080", "Host:"},
	{"two hosts", "Upgrade: websocket", "Upgrade: websocket\r\nhost: example.org:8080"},
	{"list of hosts", "example.org:8080", "example.org, example.com"},
	{"user in the host", "example.org:8080", "me@example.org"},
	{"path in the host", "example.org:8080", "example.org/x"},
	{"escape in the host", "example.org:8080", "example%2eorg"},

	{"no upgrade", "Upgrade: websocket\r\n", ""},
	{"Content-Length", "Upgrade: websocket", "Upgrade: websocket\r\nContent-Length: 1"},
	{"Content-Length of 0", "Upgrade: websocket", "Upgrade: websocket\r\ncontent-length: 0"},
	{"Transfer-Encoding", "Upgrade: websocket", "Upgrade: websocket\r\nTransfer-Encoding: chunked"},
	{"Expect", "Upgrade: websocket", "Upgrade: websocket\r\nExpect: 100-continue"},
	{"Trailer", "Upgrade: websocket", "Upgrade: websocket\r\nTrailer: X"},

	{"folded line", "Mozilla", "\r\n Mozilla"},
	{"line folded by a tab", "Mozilla", "\r\n\tMozilla"},
	{"first line folded", "Host", " Host"},
	{"line without colon", "Upgrade: websocket", "Upgrade: websocket\r\nX"},
	{"empty name", "Upgrade: websocket", "Upgrade: websocket\r\n: x"},
	{"space in front of the colon", "User-Agent:", "User-Agent :"},
	{"space in a name", "User-Agent", "User Agent"},
	{"control character in a name", "User-Agent", "User\x01Agent"},
	{"obs-text in a name", "User-Agent", "User\xe4Agent"},
	{"parenthesis in a name", "User-Agent", "User(Agent"},
	{"control character in a value", "Mozilla", "Mo\x01zilla"},
	{"NUL in a value", "Mozilla", "Mo\x00zilla"},
	{"tab in a value", "Mozilla", "Mo\tzilla"},
	{"DEL in a value", "Mozilla", "Mo\x7fzilla"},
	{"obs-text in a value", "Mozilla", "M\xf6zilla"},
	{"bare CR in a value", "Mozilla", "Mo\rzilla"},
	{"bare LF in a value", "Mozilla", "Mo\nzilla"},
	{"bare LF behind the request line", "HTTP/1.1\r\n", "HTTP/1.1\n"},
	{"bare LF behind a field", "websocket\r\n", "websocket\n"},
	{"bare LF behind the header", "\"d\"\r\n\r\n", "\"d\"\r\n\n"},
	{"end cut off", "\"d\"\r\n\r\n", "\"d\"\r\n\r"},
}

// TestParseUpgrade accepts what net/http accepts in the same way, and refuses the
// rest.
func TestParseUpgrade(t *testing.T) {
	for _, tt := range accepted {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.apply(t)
			for _, behind := range []string{"", "\x81\x80", plain} {
				if !sameAsNetHTTP(t, []byte(b+behind), len(b)) {
					t.Errorf("%q is refused", b+behind)
				}
			}
			if r, _ := front.ParseUpgrade([]byte(b), len(b)-1); r != nil {
				t.Errorf("accepted though it has a byte more than the limit")
			}
		})
	}
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.apply(t)
			if r, n := front.ParseUpgrade([]byte(b), limit); r != nil || n != 0 {
				t.Errorf("%q is accepted as %+v (%d bytes)", b, r, n)
			}
		})
	}
}

// TestParseUpgradePart refuses a request that is not whole.
func TestParseUpgradePart(t *testing.T) {
	for i := range len(plain) {
		if r, n := front.ParseUpgrade([]byte(plain[:i]), limit); r != nil || n != 0 {
			t.Errorf("%q is accepted as %+v (%d bytes)", plain[:i], r, n)
		}
	}
}

// sameAsNetHTTP reports whether ParseUpgrade accepts b. If it does, net/http must
// read the same request from it, and take as many bytes.
func sameAsNetHTTP(t *testing.T, b []byte, limit int) bool {
	t.Helper()
	in := bytes.Clone(b)
	got, n := front.ParseUpgrade(in, limit)
	if !bytes.Equal(in, b) {
		t.Errorf("%q has become %q", b, in)
	}
	clear(in) // the request does not refer to it
	if got == nil {
		if n != 0 {
			t.Errorf("%q is refused with size %d", b, n)
		}
		return false
	}
	src := bytes.NewReader(b)
	buffered := bufio.NewReader(src)
	want, err := http.ReadRequest(buffered)
	if err != nil {
		t.Fatalf("%q is accepted; net/http: %v", b, err)
	}
	if size := len(b) - src.Len() - buffered.Buffered(); n != size || n > limit {
		t.Errorf("%q: took %d bytes, net/http %d; the limit is %d", b, n, size, limit)
	}
	if body, err := io.ReadAll(want.Body); len(body) > 0 || err != nil {
		t.Errorf("%q has a body: %q, %v", b, body, err)
	}
	for _, f := range []struct {
		name      string
		got, want any
	}{
		{"Method", got.Method, want.Method},
		{"RequestURI", got.RequestURI, want.RequestURI},
		{"URL", got.URL, want.URL},
		{"Proto", got.Proto, want.Proto},
		{"ProtoMajor", got.ProtoMajor, want.ProtoMajor},
		{"ProtoMinor", got.ProtoMinor, want.ProtoMinor},
		{"Host", got.Host, want.Host},
		{"Header", got.Header, want.Header},
		{"ContentLength", got.ContentLength, want.ContentLength},
		{"TransferEncoding", got.TransferEncoding, want.TransferEncoding},
		{"Trailer", got.Trailer, want.Trailer},
	} {
		if !reflect.DeepEqual(f.got, f.want) {
			t.Errorf("%q: %s %+v, of net/http %+v", b, f.name, f.got, f.want)
		}
	}
	// One value's list must not run into another's.
	for _, name := range slices.Collect(maps.Keys(got.Header)) {
		got.Header.Add(name, "more")
	}
	for name, values := range want.Header {
		if !slices.Equal(got.Header[name], append(values, "more")) {
			t.Errorf("%q: with a value more, %s is %q", b, name, got.Header[name])
		}
	}
	return true
}

// FuzzParseUpgrade: what ParseUpgrade accepts is to net/http the same request.
func FuzzParseUpgrade(f *testing.F) {
	for _, c := range slices.Concat(accepted, refused) {
		f.Add([]byte(strings.Replace(plain, c.old, c.new, 1)), uint16(limit))
	}
	f.Add([]byte(plain+"GET / HTTP/1.1\r\n\r\n"), uint16(len(plain)))
	f.Add(wstest.Request("/"), uint16(100))
	f.Fuzz(func(t *testing.T, b []byte, limit uint16) {
		sameAsNetHTTP(t, b, int(limit))
	})
}

// TestParseUpgradeAllocs bounds what a request costs: its text, its URL, itself, a
// header, one array of values, and names that are not written as net/http does.
func TestParseUpgradeAllocs(t *testing.T) {
	b := []byte(plain)
	const most = 12
	got := testing.AllocsPerRun(100, func() { front.ParseUpgrade(b, limit) })
	if got > most {
		t.Errorf("%v allocations, want at most %d", got, most)
	}
}

func BenchmarkParseUpgrade(b *testing.B) {
	in := []byte(plain)
	b.Run("ParseUpgrade", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if r, _ := front.ParseUpgrade(in, limit); r == nil {
				b.Fatal("refused")
			}
		}
	})
	b.Run("http.ReadRequest", func(b *testing.B) {
		b.ReportAllocs()
		src := bytes.NewReader(in)
		buffered := bufio.NewReader(src)
		for b.Loop() {
			src.Reset(in)
			buffered.Reset(src)
			if _, err := http.ReadRequest(buffered); err != nil {
				b.Fatal(err)
			}
		}
	})
}
