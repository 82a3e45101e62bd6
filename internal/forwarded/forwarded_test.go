package forwarded_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/forwarded"
)

// trust makes a Trust of "address=trust address=untrusted ...".
func trust(t testing.TB, text string) (tr forwarded.Trust) {
	t.Helper()
	for _, pair := range strings.Fields(text) {
		who, value, _ := strings.Cut(pair, "=")
		if err := tr.Add(who, value == "trust"); err != nil {
			t.Fatal(err)
		}
	}
	return tr
}

func TestTrust(t *testing.T) {
	tests := []struct {
		trust, addr string
		want        bool
	}{
		{"", "10.0.0.1", false},
		{"10.0.0.1=trust", "10.0.0.1", true},
		{"10.0.0.1=trust", "10.0.0.2", false},
		{"10.0.0.1=trust", "::ffff:10.0.0.1", true},
		{"::ffff:10.0.0.1=trust", "10.0.0.1", true},
		{"::ffff:10.0.0.0/104=trust", "10.0.0.1", true},
		{"10.0.0.9/8=trust", "10.255.0.1", true},
		{"10.0.0.9/8=trust", "11.0.0.1", false},
		{"10.0.0.0/8=trust 10.1.0.0/16=untrusted 10.1.1.1=trust", "10.0.0.1", true},
		{"10.0.0.0/8=trust 10.1.0.0/16=untrusted 10.1.1.1=trust", "10.1.0.1", false},
		{"10.0.0.0/8=trust 10.1.0.0/16=untrusted 10.1.1.1=trust", "10.1.1.1", true},
		{"0.0.0.0/0=trust", "10.0.0.1", true},
		{"0.0.0.0/0=trust", "::1", false},
		{"::/0=trust", "10.0.0.1", false},
		{"[fe80::1]=trust", "fe80::1%lo", true},
		{"fe80::/10=trust", "fe80::1%lo", true},
		{"[2001:db8::]/32=trust", "2001:db8:1::1", true},
		{"all=trust", "::1", true},
		{"ALL=trust 10.0.0.1=untrusted", "10.0.0.1", true},
		{"all=untrusted 10.0.0.1=trust", "10.0.0.1", false},
	}
	for _, tt := range tests {
		tr := trust(t, tt.trust)
		if got := tr.Has(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("%s: Has(%s) = %v", tt.trust, tt.addr, got)
		}
	}
	all, any4 := trust(t, "all=trust"), trust(t, "0.0.0.0/0=trust ::/0=trust")
	if !all.Has(netip.Addr{}) || any4.Has(netip.Addr{}) {
		t.Error("a peer without an address is trusted by all alone")
	}
	for _, who := range []string{"", "x", "10.0.0", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/-1", "10.0.0.1/x", "::1/129", "[::1/128]", "[::1", "/8", "fe80::1%lo/64", "localhost"} {
		if err := all.Add(who, true); err == nil {
			t.Errorf("Add(%q) succeeds", who)
		}
	}
}

// TestForwarded is of what lighttpd 1.4.69 does not do: see TestLighttpd for the
// rest.
func TestForwarded(t *testing.T) {
	const from = "10.0.0.1"
	type client struct{ addr, scheme, host, user string }
	tests := []struct {
		field string
		want  client // zero: malformed
	}{
		{`for=1.2.3.4;host=h;remote_user=u;proto=https`, client{"1.2.3.4", "https", "h", "u"}},
		{`for=1.2.3.4; host = h`, client{"1.2.3.4", "", "", ""}},
		{`For=1.2.3.4 ; HOST="h:81" ; Remote_User="a \"b\\" ; by=_x`, client{"1.2.3.4", "", "h:81", `a "b\`}},
		{`for=9.9.9.9;host=x;remote_user=y, for=1.2.3.4`, client{"1.2.3.4", "", "", ""}},
		{`for=1.2.3.4;host=h, for=10.0.0.2;host=x;remote_user=y;proto=https`, client{"1.2.3.4", "", "h", ""}},
		{`for=9.9.9.9, for=_hidden, for=10.0.0.2;host=h, for=10.0.0.3`, client{"10.0.0.2", "", "h", ""}},
		{`for=9.9.9.9, proto=https, for=10.0.0.2;host=h`, client{"10.0.0.2", "", "h", ""}},
		{`for=9.9.9.9, for=unknown;host=h;remote_user=u;proto=https`, client{addr: from}},
		{`for=10.0.0.2;host=a, for=10.0.0.3;host=b`, client{"10.0.0.2", "", "a", ""}},
		{`for=1.2.3.4;a="x, for=9.9.9.9;host=y"`, client{"1.2.3.4", "", "", ""}},
		{`a=",";for=1.2.3.4`, client{"1.2.3.4", "", "", ""}},
		{`for="[2001:DB8::1]:_port"`, client{"2001:db8::1", "", "", ""}},
		{`for="\1.2.3.\4"`, client{"1.2.3.4", "", "", ""}},
		{`for=1.2.3.4`, client{"1.2.3.4", "", "", ""}},
		{`for=1.2.3.4;`, client{"1.2.3.4", "", "", ""}},
		{`,, ,for=1.2.3.4,;,`, client{"1.2.3.4", "", "", ""}},
		{`for`, client{addr: from}},
		{`for=1.2.3.4, for`, client{addr: from}},
		{`for=[::1`, client{addr: from}},
		{`for="`, client{}},
		{`for="1.2.3.4`, client{}},
		{`for="1.2.3.4\`, client{}},
		{`for="1.2.3.4\"`, client{}},
		{`for="1.2.3.4"5`, client{}},
		{`for=1.2.3."4"`, client{}},
		{`"for"=1.2.3.4`, client{}},
		{`a="b;for=1.2.3.4, for=5.6.7.8`, client{}},
		{`host="x"y, for=5.6.7.8`, client{}},
	}
	p := &forwarded.Policy{Trust: trust(t, "10.0.0.0/8=trust"), Headers: []string{"forwarded"}, Host: true, RemoteUser: true}
	for _, tt := range tests {
		h := http.Header{"Forwarded": {tt.field}}
		got, err := p.Client(netip.MustParseAddr(from), h)
		c := client{got.Addr.String(), got.Scheme, got.Host, got.User}
		if malformed := tt.want == (client{}); malformed != (err != nil) || !malformed && c != tt.want {
			t.Errorf("%s: client %+v, %v, want %+v", tt.field, c, err, tt.want)
		}
	}

	// The parameters are taken only where they are asked for.
	p.Host, p.RemoteUser = false, false
	got, err := p.Client(netip.MustParseAddr(from), http.Header{"Forwarded": {tests[0].field}})
	if want := (forwarded.Client{Addr: netip.MustParseAddr("1.2.3.4"), Scheme: "https"}); got != want || err != nil {
		t.Errorf("without parameters: %+v, %v, want %+v", got, err, want)
	}
}

// TestLines has fields of several lines: what a client sends in a line of its
// own does not change what a proxy says in the next.
func TestLines(t *testing.T) {
	p := &forwarded.Policy{Trust: trust(t, "10.0.0.0/8=trust"), Headers: []string{"X-Forwarded-For", "Forwarded"}}
	tests := []struct {
		h    http.Header
		want string // "": malformed
	}{
		{http.Header{"X-Forwarded-For": {"9.9.9.9", "1.2.3.4"}}, "1.2.3.4"},
		{http.Header{"X-Forwarded-For": {"9.9.9.9", "1.2.3.4", "", "10.0.0.2,"}}, "1.2.3.4"},
		{http.Header{"X-Forwarded-For": {"", ""}, "Forwarded": {"for=1.2.3.4"}}, "1.2.3.4"},
		{http.Header{"X-Forwarded-For": {","}, "Forwarded": {"for=1.2.3.4"}}, "10.0.0.1"},
		{http.Header{"Forwarded": {"for=9.9.9.9", "for=1.2.3.4", "for=10.0.0.2"}}, "1.2.3.4"},
		{http.Header{"Forwarded": {`for=9.9.9.9;a="`, `for=1.2.3.4;b="`}}, ""},
	}
	for _, tt := range tests {
		got, err := p.Client(netip.MustParseAddr("10.0.0.1"), tt.h)
		if tt.want == "" && err == nil || tt.want != "" && (err != nil || got.Addr.String() != tt.want) {
			t.Errorf("%v: %v, %v, want %q", tt.h, got.Addr, err, tt.want)
		}
	}
}

// TestHostile holds that the work is linear: a quadratic one would not end, and
// what is allocated is counted.
func TestHostile(t *testing.T) {
	const size = 1 << 20
	p := &forwarded.Policy{Trust: trust(t, "10.0.0.0/8=trust 10.1.0.0/16=trust 10.0.0.1=trust"), Headers: []string{"X-Forwarded-For", "Forwarded"}}
	peer := netip.MustParseAddr("10.0.0.1")
	for _, unit := range []string{",", ";", " ", "\"", "\\", "=", "x,", ":", "[", "10.0.0.1,", "for=10.0.0.1,", "for=\"10.0.0.1\",", "for=1.2.3.4,", "1.2.3.4,", "for=unknown;", "a=\"\\\"\";"} {
		for _, name := range p.Headers {
			h := http.Header{name: {strings.Repeat(unit, size/len(unit))}}
			var got forwarded.Client
			allocs := testing.AllocsPerRun(1, func() { got, _ = p.Client(peer, h) })
			// Each quoted string is copied, and the error of an address that is none is made.
			if most := 4 * float64(size/len(unit)); allocs > most {
				t.Errorf("%s: %d times %q: %v allocations, want at most %v", name, size/len(unit), unit, allocs, most)
			}
			if a := got.Addr.String(); a != "10.0.0.1" && a != "1.2.3.4" {
				t.Errorf("%s: %d times %q: client %s", name, size/len(unit), unit, a)
			}
		}
	}
}

// FuzzClient holds what must be so whatever clients write in front of what a
// trusted proxy appends: the client is the one that the proxy names.
func FuzzClient(f *testing.F) {
	for _, s := range []string{"", "1.2.3.4", "x", "1.2.3.4,", `for="`, `for=9.9.9.9;host=x`, `"[::1]:80"`, `for="\"`, "for=_x;proto=https", "[::ffff:1.2.3.4]", ";", "=", `\`, `a="b`, "fe80::1%eth0"} {
		f.Add(s, "", true)
		f.Add("10.0.0.2", s, false)
	}
	p := &forwarded.Policy{Trust: trust(f, "10.0.0.0/8=trust"), Host: true, RemoteUser: true}
	proxy := netip.MustParseAddr("10.0.0.1")
	f.Fuzz(func(t *testing.T, spoofed, line string, newLine bool) {
		for _, tt := range []struct{ name, appended string }{
			{"X-Forwarded-For", "5.6.7.8"},
			{"X-Forwarded-For", "5.6.7.8, 10.0.0.2"},
			{"Forwarded", "for=5.6.7.8"},
			{"Forwarded", `for="5.6.7.8:1";by=_y, for=10.0.0.2;host=z`},
		} {
			p.Headers = []string{tt.name}
			lines := []string{line, spoofed + ", " + tt.appended}
			if newLine {
				lines = []string{line, spoofed, tt.appended}
			}
			got, err := p.Client(proxy, http.Header{tt.name: lines})
			want := forwarded.Client{Addr: netip.MustParseAddr("5.6.7.8")}
			if err == nil && got != want || err != nil && tt.name != "Forwarded" {
				t.Errorf("%s: %q: client %+v, %v", tt.name, lines, got, err)
			}
			// Whatever the field, no one believes it of someone else.
			stranger := netip.MustParseAddr("192.0.2.1")
			if got, err := p.Client(stranger, http.Header{tt.name: {spoofed, line}}); got != (forwarded.Client{Addr: stranger}) || err != nil {
				t.Errorf("%s: %q: from a stranger: %+v, %v", tt.name, lines, got, err)
			}
		}
	})
}
