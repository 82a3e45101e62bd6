package forwarded_test

import (
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/forwarded"
	"github.com/wstunneld/wstunneld/internal/lighttpdtest"
)

// Why we differ from lighttpd.
const (
	skipped  = "safer: lighttpd passes over what is no address"
	fragment = "bug: lighttpd takes a part of the element for an address"
	port     = "addresses may have ports"
	mapped   = "an IPv4 address is one however it is written"
	short    = "IPv4 addresses have four decimal numbers"
	written  = "addresses are compared and shown in their short form"
	single   = "bug: lighttpd does not understand an element of one pair"
	unquoted = "addresses need no quotation marks"
	escaped  = "a quoted string may have escapes"
	noFor    = "safer: a proxy that does not name its client says nothing of who is in front"
	longest  = "of all prefixes, the longest counts"
	mark     = "quotation marks that do not match are malformed"
)

type row struct{ field, differs string }

func xff(value string, differs ...string) row {
	return row{"X-Forwarded-For: " + value, strings.Join(differs, "")}
}

func fwd(value string, differs ...string) row {
	return row{"Forwarded: " + value, strings.Join(differs, "")}
}

// TestLighttpd asks us and lighttpd who the client is, and by which scheme. In
// Forwarded, "@" stands for "by=b;": lighttpd takes no element of one pair.
func TestLighttpd(t *testing.T) {
	const some = "127.0.0.1=trust 10.0.0.0/8=trust 192.168.1.1=trust 192.168.1.2=untrusted"
	tests := []struct {
		trust, headers, from string
		rows                 []row
	}{
		{some, "", "", []row{
			{"A: b", ""}, xff("1.2.3.4"), xff("1.2.3.4, 5.6.7.8"), xff("1.2.3.4, 10.1.1.1"), xff("10.1.1.1"), xff("10.1.1.1, 10.2.2.2"), xff("10.2.2.2,192.168.1.2"),
			xff("1.2.3.4, 192.168.1.1, 10.0.0.1"), xff("x"), xff("1.2.3.4, x", skipped), xff("x, 1.2.3.4"), xff(""), xff(","), xff(",,1.2.3.4"), xff("1.2.3.4,,"),
			xff("1.2.3.4\t,\t10.0.0.1"), xff("1.2.3.4:80", port), xff("1.2.3.4:80, 10.0.0.1:80", port), xff("[::1]:80", port), xff("::1"), xff("[::1]"), xff("2001:db8::1"),
			xff("2001:DB8:0::1, 10.0.0.1", written), xff(`"1.2.3.4"`), xff(`"[::1]"`), xff("unknown"), xff("1.2.3.4, unknown", skipped), xff("unknown, 10.0.0.1"), xff("1.2.3", short),
			xff("1.2.3.4.5"), xff("256.1.1.1"), xff("01.2.3.4", short), xff("1.2.3.4 5.6.7.8", fragment), xff("1.2.3.4;5.6.7.8", fragment), xff("a.b.c"), xff("1.2.3.4, a.b, 10.0.0.1"),
			xff("abc1.2.3.4"), xff("1.2.3.4abc"), xff("::ffff:1.2.3.4", mapped), xff("1.2.3.4, ::ffff:10.0.0.1"), xff("fe80::1%eth0", fragment), xff("/tmp/sock"), xff("1.2.3.4, 127.0.0.1"), xff("1.2.3.4, 127.0.0.2"),
			{"Forwarded-For: 1.2.3.4", ""}, {"Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8", ""}, {"X-Forwarded-For:\r\nForwarded-For: 1.2.3.4", ""}, {"X-Forwarded-For: x\r\nForwarded-For: 1.2.3.4", ""},
			{"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8", ""}, {"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 10.0.0.1", ""}, {"Forwarded: for=1.2.3.4;by=x", ""}, {"X-Real-IP: 1.2.3.4", ""},
			{"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https", ""}, {"X-Forwarded-Proto: https", ""}, {"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: HTTPS", ""}, {"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: ftp", ""},
			{"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https, http", ""}, {"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Proto: https", ""},
			{"X-Forwarded-For: x\r\nX-Forwarded-Proto: https", ""}, {"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https", ""}, {"Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https", ""},
			xff(strings.Repeat("10.0.0.1, ", 300)), xff("1.2.3.4, " + strings.Repeat("10.0.0.1, ", 300)), xff(strings.Repeat(",", 2000)), xff("1.2.3.4" + strings.Repeat(",", 2000)),
		}},
		{some, "X-Real-IP", "", []row{{"X-Real-IP: 1.2.3.4", ""}, xff("1.2.3.4"), {"x-real-ip: 1.2.3.4\r\nX-Forwarded-Proto: https", ""}}},
		{some, "X-Forwarded-For Forwarded", "", []row{fwd("for=1.2.3.4;by=x"), {"Forwarded: for=1.2.3.4;by=x\r\nX-Forwarded-For: 5.6.7.8", ""}}},
		{some, "Forwarded X-Forwarded-For", "", []row{
			fwd("for=1.2.3.4;proto=https"), fwd("for=1.2.3.4", single), fwd("for=1.2.3.4, for=10.0.0.1", single), fwd("for=1.2.3.4, for=5.6.7.8"), fwd("For=1.2.3.4;PROTO=HTTPS, @for=10.0.0.1"),
			fwd("proto=https;for=1.2.3.4;host=e, @for=10.0.0.1"), fwd("for=1.2.3.4, @for=10.0.0.1;proto=https", single), fwd("@for=1.2.3.4, @for=10.0.0.1;proto=https"), fwd("@for=1.2.3.4, @for=5.6.7.8"),
			fwd(`@for="1.2.3.4", @for=10.0.0.1`), fwd(`@for="1.2.3.4:80", @for=10.0.0.1`), fwd(`@for=1.2.3.4:80, @for=10.0.0.1`, unquoted), fwd(`@for="[::1]", @for=10.0.0.1`), fwd(`@for="[::1]:80", @for=10.0.0.1`),
			fwd(`@for=[::1], @for=10.0.0.1`, unquoted), fwd(`@for=::1`), fwd(`@for="::1", @for=10.0.0.1`, unquoted), fwd(`@for=5.6.7.8, @for="10.0.0.1:99"`), fwd("@for=unknown, @for=10.0.0.1"), fwd("@for=_x, @for=10.0.0.1"),
			fwd("@for=1.2.3.4, @for=_x, @for=10.0.0.1"), fwd("@for=1.2.3.4, @for=unknown"), fwd("@for=unknown;proto=https"), fwd("@for=10.0.0.1"), fwd("@for=10.0.0.1, @for=10.0.0.2"),
			fwd("for=10.0.0.1;proto=https, for=10.0.0.2;proto=http"), fwd("@for=1.2.3.4, proto=https;by=x", noFor), fwd("@for=1.2.3.4, proto=https;by=x, @for=10.0.0.1", noFor), fwd("proto=https;by=x"), fwd("@for="), fwd(`@for="", @for=10.0.0.1`),
			fwd("@for=x"), fwd("@for=1.2.3, @for=10.0.0.1", short), fwd("for=1.2.3.4;for=5.6.7.8, @for=10.0.0.1"), fwd("for=1.2.3.4;proto=https;proto=http"), fwd("for=1.2.3.4;proto=ftp"), fwd("for=1.2.3.4;proto=wss"),
			fwd(`for=1.2.3.4;proto="https"`), fwd("for=1.2.3.4 ; proto=https, @for=10.0.0.1"), fwd("for=1.2.3.4;;proto=https, @for=10.0.0.1"), fwd(",@for=1.2.3.4,,@for=10.0.0.1,"), fwd("garbage"), fwd(";;;"), fwd(",,,"), fwd("=1.2.3.4"),
			fwd(`@for="[::1%eth0]"`, "zones are cut off"), fwd(`@for="\1.2.3.4"`, escaped), fwd(`for=1.2.3.4;a="x,for=9.9.9.9;host=z"`), fwd(`for=1.2.3.4;a="x\",for=9.9.9.9;host=z"`), fwd("@for=1.2.3.4 5.6.7.8"), fwd(`@for="/tmp/x"`),
			fwd(`for="1.2.3.4, @for=10.0.0.1`), fwd(`a="`), fwd(`for=1.2.3.4;a="x`), fwd(`for="1.2.3.4"x;by=a`, mark),
			{"Forwarded: for=1.2.3.4;by=x\r\nX-Forwarded-Proto: https", ""}, {"Forwarded: for=1.2.3.4;by=x\r\nForwarded: for=10.0.0.1;by=x", ""}, {"Forwarded: for=1.2.3.4;by=x\r\nX-Forwarded-For: 5.6.7.8", ""}, xff("1.2.3.4"),
		}},
		{"all=trust", "", "", []row{xff("1.2.3.4"), xff("1.2.3.4, 5.6.7.8"), xff("1.2.3.4, 127.0.0.1"), xff("x, 5.6.7.8"), xff("1.2.3.4, a.b"), xff("1.2.3.4, x", skipped), xff("::1, 2001:db8::1")}},
		{"all=trust", "Forwarded", "", []row{fwd("for=1.2.3.4;proto=https, for=5.6.7.8;proto=http"), fwd("for=1.2.3.4;proto=https, for=unknown;by=x"), fwd("for=1.2.3.4;proto=https, by=x;proto=https", noFor)}},
		{"ALL=trust 127.0.0.1=untrusted", "", "", []row{xff("1.2.3.4, 5.6.7.8")}},
		{"all=untrusted 127.0.0.1=trust", "", "", []row{xff("1.2.3.4, 5.6.7.8")}},
		{"127.0.0.1=trust 10.0.0.0/8=trust 10.1.1.1=untrusted", "", "", []row{xff("10.0.0.2, 10.1.1.1, 10.1.1.2")}},
		{"127.0.0.1=trust 10.0.0.0/8=untrusted 10.1.1.1=trust", "", "", []row{xff("1.2.3.4, 10.1.1.1"), xff("1.2.3.4, 10.1.1.2")}},
		{"127.0.0.1=trust 10.0.0.0/8=trust 10.1.0.0/16=untrusted", "", "", []row{xff("1.2.3.4, 10.2.0.1"), xff("1.2.3.4, 10.1.0.1", longest)}},
		{"127.0.0.1=trust [2001:db8::1]=trust", "", "", []row{xff("1.2.3.4, 2001:db8::1", written)}},
		{"127.0.0.0/8=trust 2001:db9::/32=trust 2001:db8::1=trust", "", "", []row{xff("::1, 2001:db8::1, 2001:db9::1"), xff("::1, 2001:db8::2"), xff("::1, 2001:dba::1")}},
		{"127.0.0.0/8=trust", "", "127.9.9.9", []row{xff("1.2.3.4"), xff("1.2.3.4, 127.1.1.1")}},
		{"127.0.0.1=trust", "", "127.9.9.9", []row{xff("1.2.3.4"), {"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https", ""}}},
		{"127.0.0.9/31=trust", "", "127.0.0.8", []row{xff("1.2.3.4")}},
		{"127.0.0.9/31=trust", "", "127.0.0.7", []row{xff("1.2.3.4")}},
		{"", "Forwarded", "", []row{xff("1.2.3.4"), fwd(`for=1.2.3.4;a=b`)}},
	}
	n := 0
	for _, tt := range tests {
		p := &forwarded.Policy{Trust: trust(t, tt.trust), Headers: forwarded.DefaultHeaders}
		config := `server.modules = ("mod_redirect", "mod_extforward")
			$HTTP["scheme"] == "https" { $HTTP["remote-ip"] =~ "^(.*)$" { url.redirect = ("" => "/https/%1") } }
			else $HTTP["remote-ip"] =~ "^(.*)$" { url.redirect = ("" => "/http/%1") }` + "\n"
		for _, pair := range strings.Fields(tt.trust) {
			config += `extforward.forwarder += ("` + strings.Replace(pair, "=", `" => "`, 1) + "\")\n"
		}
		if tt.headers != "" {
			p.Headers = strings.Fields(tt.headers)
			config += `extforward.headers = ("` + strings.Join(p.Headers, `", "`) + "\")\n"
		}
		from := tt.from
		if from == "" {
			from = "127.0.0.1"
		}
		addr := lighttpdtest.Start(t, config)
		for _, r := range tt.rows {
			n++
			fields := strings.ReplaceAll(r.field, "@", "by=b;")
			want := lighttpdClient(t, addr, from, fields)
			got := ourClient(p, from, fields)
			if (got == want) != (r.differs == "") {
				t.Errorf("%s; %s; from %s: %.150q: %s, lighttpd has %s; expected to differ: %q", tt.trust, tt.headers, from, fields, got, want, r.differs)
			}
		}
	}
	if n < 60 {
		t.Errorf("%d requests were compared, want 60", n)
	}
}

func ourClient(p *forwarded.Policy, from, fields string) string {
	h := make(http.Header)
	for line := range strings.SplitSeq(fields, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		h.Add(name, strings.Trim(value, " \t"))
	}
	c, err := p.Client(netip.MustParseAddr(from), h)
	if err != nil {
		return "400"
	}
	if c.Scheme == "" {
		c.Scheme = "http"
	}
	return c.Scheme + "/" + c.Addr.String()
}

func lighttpdClient(t *testing.T, addr, from, fields string) string {
	t.Helper()
	answer := lighttpdtest.Send(t, addr, from, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"+fields+"\r\n\r\n")
	if m := regexp.MustCompile(`\r\nLocation: /(\S*)\r\n`).FindStringSubmatch(answer); m != nil {
		return m[1]
	}
	if strings.HasPrefix(answer, "HTTP/1.1 400 ") {
		return "400"
	}
	t.Fatalf("%q: lighttpd answers %q", fields, answer)
	return ""
}
