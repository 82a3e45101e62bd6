package accesslog_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/accesslog"
)

// request is an entry with a value for every field.
func request() accesslog.Entry {
	end := time.Date(2026, 2, 3, 4, 5, 6, 78_900_001, time.FixedZone("EET", 2*3600))
	return accesslog.Entry{
		Start: end.Add(-1234567 * time.Microsecond), End: end,
		Client: "192.0.2.77", ClientPort: 40000, Local: "0.0.0.0", LocalPort: 8080,
		Request: "GET /vnc.html?a=b HTTP/1.1", Method: "GET", Proto: "HTTP/1.1", Path: "/vnc.html", Query: "a=b",
		Authority: "a.test:8080", ServerName: "canon.test", User: "jo", File: "/srv/vnc.html",
		Header: http.Header{
			"Referer": {"http://a.test/"}, "User-Agent": {"curl/8"}, "X-Twice": {"1", `"2"`}, "X-Empty": {""},
			"Cookie": {"a=1; session=s p ;ab=2", `c="3"`},
		},
		Response: http.Header{"Content-Type": {"text/html"}},
		Env:      map[string]string{"SECRET": "x"},
		Status:   200, Sent: 15212, SentAll: 15400, Received: 96, KeepAlive: 3, Conn: accesslog.ConnKept,
	}
}

// tunnel is a request that became a tunnel.
func tunnel() accesslog.Entry {
	e := request()
	e.Status = 101
	e.Tunnel = &accesslog.Tunnel{Received: 64, CloseCode: 1000, Cause: "client-close", Duration: 12345678 * time.Microsecond}
	return e
}

var fieldTests = []struct {
	format string
	want   string // of request
}{
	{"plain text", "plain text"},
	{`a\tb\q`, "a\tbq"},
	{`a\\b\"c\'`, `a\b"c'`},
	{`end\`, `end\`},
	{`\%h %\h %\{X-Empty\}i`, "192.0.2.77 192.0.2.77 -"},
	{"%%|%%%%|100%%", "%|%%|100%"},
	{"%h %a %{mask}a %{mask}h", "192.0.2.77 192.0.2.77 192.0.2.0 192.0.2.0"},
	{"%A %p %{local}p %{canonical}p %{remote}p", "0.0.0.0 8080 8080 8080 40000"},
	{"%b %B %O %I", "15212 15212 15400 96"},
	{"%{session}C|%{a}C|%{c}C|%{b}C|%{A}C|%C|", `s p|1|\"3\"||||`},
	{"%{SECRET}e %{SECRET}n %{secret}e %e %n", "x x - - -"},
	{"%f %H %k %l %m", "/srv/vnc.html HTTP/1.1 3 - GET"},
	{"%{referer}i|%{X-Twice}i|%{X-None}i|%{X-Empty}i|%{host}i", `http://a.test/|1, \"2\"|-|-|a.test:8080`},
	{"%{content-type}o %{X-None}o", "text/html -"},
	{"[%P] [%{pid}P] %q %U %r", "[] [] a=b /vnc.html GET /vnc.html?a=b HTTP/1.1"},
	{"%s %>s %<s %>h %{x}s", "200 200 200 192.0.2.77 200"},
	{"%u %v %V %X", "jo canon.test a.test:8080 +"},
	{"%D %{x}D %T %{s}T %{sec}T %{ms}T %{msec}T %{us}T %{usec}T %{ns}T %{nsec}T", "1234567 1234567 1 1 1 1235 1235 1234567 1234567 1234567000 1234567000"},
	{"%t", "[03/Feb/2026:04:05:06 +0200]"},
	{"%{sec}t %{msec}t %{usec}t %{nsec}t", "1770084306 1770084306079 1770084306078901 1770084306078900001"},
	{"%{msec_frac}t %{usec_frac}t %{nsec_frac}t", "079 078901 078900001"},
	{"%{begin:sec}t %{begin:msec}t %{end:msec}t", "1770084304 1770084304845 1770084306079"},
	{"%{begin:%H:%M:%S}t", "04:05:04"},
	{"%{end:%d/%b/%Y:%H:%M:%S %z}t", "03/Feb/2026:04:05:06 +0200"},
	{"%{%a %A %b %B %h %C %d %e}t", "Tue Tuesday Feb February Feb 20 03  3"},
	{"%{%D %F %T %R %r %c}t", "02/03/26 2026-02-03 04:05:06 04:05 04:05:06 AM Tue Feb  3 04:05:06 2026"},
	{"%{%x %X %g %G %V %H %I %k %l %j %m %M}t", "02/03/26 04:05:06 26 2026 06 04 04  4  4 034 02 05"},
	{"%{%p %P %s %S %u %w %U %W %y %Y %z %Z}t", "AM am 1770084306 06 2 2 05 05 26 2026 +0200 EET"},
	{"%{%-d %_d %05d %3d %^a %#a %#p %#Z %-e %_H %0e %6a %06a}t", "3  3 00003 003 TUE TUE am eet 3  4 03    Tue 000Tue"},
	{"%{%Ey %Od %% %t| %f %Ei %}t", "26 03 % \t| %f %Ei %"},
	{"%{tunnel.rx}n %{tunnel.tx}n %{tunnel.close}n %{tunnel.cause}n %{tunnel.duration}n %{tunnel.rx}e", "- - - - - -"},
}

func TestFields(t *testing.T) {
	for _, tt := range fieldTests {
		f, err := accesslog.ParseFormat(tt.format)
		if err != nil {
			t.Errorf("ParseFormat(%q): %v", tt.format, err)
			continue
		}
		e := request()
		if got := string(f.Append(nil, &e, accesslog.EscapeDefault)); got != tt.want+"\n" {
			t.Errorf("%q prints\n     %q\nwant %q", tt.format, got, tt.want+"\n")
		}
		f.Keep(&e)
		if got := string(f.Append(nil, &e, accesslog.EscapeDefault)); got != tt.want+"\n" {
			t.Errorf("%q prints after Keep\n     %q\nwant %q", tt.format, got, tt.want+"\n")
		}
		if e.Header != nil || e.Response != nil || e.Env != nil {
			t.Errorf("%q: Keep leaves %v, %v, %v", tt.format, e.Header, e.Response, e.Env)
		}
	}
}

// What is not known is a dash, but for cookies and queries.
func TestMissing(t *testing.T) {
	f, err := accesslog.ParseFormat("%a %{mask}a %A %p %{remote}p %b %O %I [%{a}C] %{A}e %f %H %k %m %{A}i %{A}o %{Host}i [%q] %U %r %s %u %v %V %X %D")
	if err != nil {
		t.Fatal(err)
	}
	got := string(f.Append(nil, &accesslog.Entry{}, accesslog.EscapeDefault))
	want := "- - - - - - - - [] - - - 0 - - - - [] - - 0 - - - - 0\n"
	if got != want {
		t.Errorf("an empty entry prints\n     %q\nwant %q", got, want)
	}
}

func TestMask(t *testing.T) {
	f, err := accesslog.ParseFormat("%{mask}a")
	if err != nil {
		t.Fatal(err)
	}
	for client, want := range map[string]string{
		"203.0.113.9":             "203.0.113.0",
		"2001:db8:1:2:3:4:5:6":    "2001:db8:1::",
		"fe80::1%eth0":            "fe80::",
		"::ffff:203.0.113.9":      "203.0.113.0",
		"::1":                     "::",
		"/run/wstunneld.sock":     "/run/wstunneld.sock",
		"not an address \"\n\x00": `not an address \"\n\x00`,
	} {
		if got := string(f.Append(nil, &accesslog.Entry{Client: client}, accesslog.EscapeDefault)); got != want+"\n" {
			t.Errorf("%%{mask}a of %q prints %q, want %q", client, got, want+"\n")
		}
	}
}

func TestDefault(t *testing.T) {
	aborted := tunnel()
	aborted.Header, aborted.User = nil, ""
	aborted.Tunnel = &accesslog.Tunnel{Cause: "client-error"}
	tests := []struct {
		name string
		e    accesslog.Entry
		want string
	}{
		{"request", request(),
			`192.0.2.77 a.test:8080 jo [03/Feb/2026:04:05:06 +0200] "GET /vnc.html?a=b HTTP/1.1" 200 15212 "http://a.test/" "curl/8"` + "\n"},
		{"tunnel", tunnel(),
			`192.0.2.77 a.test:8080 jo [03/Feb/2026:04:05:06 +0200] "GET /vnc.html?a=b HTTP/1.1" 101 15212 "http://a.test/" "curl/8" rx=64 tx=15212 close=1000 cause=client-close duration=12.346` + "\n"},
		{"tunnel without a close frame", aborted,
			`192.0.2.77 a.test:8080 - [03/Feb/2026:04:05:06 +0200] "GET /vnc.html?a=b HTTP/1.1" 101 15212 "-" "-" rx=0 tx=15212 close=- cause=client-error duration=0.000` + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(accesslog.Default.Append(nil, &tt.e, accesslog.EscapeDefault)); got != tt.want {
				t.Errorf("the default format prints\n     %s\nwant %s", got, tt.want)
			}
			accesslog.Default.Keep(&tt.e)
			if got := string(accesslog.Default.Append(nil, &tt.e, accesslog.EscapeDefault)); got != tt.want {
				t.Errorf("the default format prints after Keep\n     %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A format of one's own prints what it says and no more, of tunnels too.
func TestTunnelFields(t *testing.T) {
	tests := []struct{ format, want string }{
		{`%h "%r" %s`, `192.0.2.77 "GET /vnc.html?a=b HTTP/1.1" 101`},
		{"%{tunnel.rx}n|%{tunnel.tx}n|%{tunnel.close}n|%{tunnel.cause}n|%{tunnel.duration}n", "64|15212|1000|client-close|12.346"},
	}
	for _, tt := range tests {
		f, err := accesslog.ParseFormat(tt.format)
		if err != nil {
			t.Fatalf("ParseFormat(%q): %v", tt.format, err)
		}
		e := tunnel()
		if got := string(f.Append(nil, &e, accesslog.EscapeDefault)); got != tt.want+"\n" {
			t.Errorf("%q prints %q, want %q", tt.format, got, tt.want+"\n")
		}
	}
}

func TestEscaping(t *testing.T) {
	tests := []struct{ value, plain, json string }{
		{"", "-", "-"},
		{`a"b\c/`, `a\"b\\c/`, `a\"b\\c/`},
		{"\a\b\t\n\v\f\r", `\a\b\t\n\v\f\r`, `\u0007\b\t\n\u000B\f\r`},
		{"\x00\x1b\x1f\x7f", `\x00\x1B\x1F\x7F`, `\u0000\u001B\u001F\u007F`},
		{"é€\U0001f600", `\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80`, "é€\U0001f600"},
		{"\u0085\u009f", `\xC2\x85\xC2\x9F`, `\u0085\u009F`},
		{"a\xff\xc3", `a\xFF\xC3`, `a\u00FF\u00C3`},
		{"\ufffd", `\xEF\xBF\xBD`, "\ufffd"},
	}
	f, err := accesslog.ParseFormat("%{X}i")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		e := accesslog.Entry{Header: http.Header{"X": {tt.value}}}
		if got := string(f.Append(nil, &e, accesslog.EscapeDefault)); got != tt.plain+"\n" {
			t.Errorf("%q prints %q, want %q", tt.value, got, tt.plain+"\n")
		}
		if got := string(f.Append(nil, &e, accesslog.EscapeJSON)); got != tt.json+"\n" {
			t.Errorf("%q prints %q with escapes of JSON, want %q", tt.value, got, tt.json+"\n")
		}
	}
}

// The last milliseconds of a second are not rounded up to a fraction of 1000.
func TestFractionNearSecond(t *testing.T) {
	f, err := accesslog.ParseFormat("%{msec_frac}t %{usec_frac}t")
	if err != nil {
		t.Fatal(err)
	}
	e := accesslog.Entry{End: time.Unix(1, 999_999_900)}
	if got, want := string(f.Append(nil, &e, accesslog.EscapeDefault)), "999 999999\n"; got != want {
		t.Errorf("%d ns print %q, want %q", e.End.Nanosecond(), got, want)
	}
}

func TestFormatErrors(t *testing.T) {
	tests := []struct {
		format string
		offset int
		field  string
	}{
		{"", 0, `""`},
		{"%", 0, "%"},
		{"%h %", 3, "%"},
		{`\t\t%Z`, 4, "%Z"},
		{`a\"%{x`, 3, "%{x"},
		{"%{}i", 0, "%{}"},
		{"%{a}", 0, "%{a}"},
		{"%{a}>s", 0, "%{a}>"},
		{"%>{a}i", 0, "%>{"},
		{"%>", 0, "%>"},
		{"x%i", 1, "%i"},
		{"%o", 0, "%o"},
		{"%é", 0, "%\xc3"},
		{`%{a\}}t`, 0, "%{a}}"},
		{"%{foo}a", 0, "%{foo}a"},
		{"%{foo}p", 0, "%{foo}p"},
		{"%{m}T", 0, "%{m}T"},
		{"%h %{secs}t", 3, "%{secs}t"},
		{"%{begin:}t", 0, "%{begin:}t"},
		{"%{begin:foo}t", 0, "%{begin:foo}t"},
		{"%t %{sec}t", 3, "%{sec}t"},
		{"%{%Y}t%{begin:%Y}t", 6, "%{begin:%Y}t"},
		{"%{%n}t", 0, "%{%n}t"},
		{"%{%256d}t", 0, "%{%256d}t"},
		{"%{%99999999999999999999d}t", 0, "%{%99999999999999999999d}t"},
		{"%{tunnel.foo}n", 0, "%{tunnel.foo}n"},
		{`a\nb`, 1, `\n`},
		{"a\r", 1, "\r"},
		{"ab\x7f", 2, "\x7f"},
	}
	for _, tt := range tests {
		_, err := accesslog.ParseFormat(tt.format)
		var fe *accesslog.FormatError
		if !errors.As(err, &fe) {
			t.Errorf("ParseFormat(%q): %v, want a FormatError", tt.format, err)
			continue
		}
		if fe.Offset != tt.offset || fe.Field != tt.field {
			t.Errorf("ParseFormat(%q) complains of %q at %d, want %q at %d", tt.format, fe.Field, fe.Offset, tt.field, tt.offset)
		}
	}
	_, err := accesslog.ParseFormat("%h %{m}T")
	if got, want := err.Error(), "%{m}T at byte 4: the unit of %T is one of s, sec, ms, msec, us, usec, ns, nsec"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
}

func TestAppendAllocations(t *testing.T) {
	b := make([]byte, 0, 4096)
	for _, tt := range fieldTests {
		f, err := accesslog.ParseFormat(tt.format)
		if err != nil {
			t.Fatalf("ParseFormat(%q): %v", tt.format, err)
		}
		e := tunnel()
		for _, esc := range []accesslog.Escaping{accesslog.EscapeDefault, accesslog.EscapeJSON} {
			if n := testing.AllocsPerRun(5, func() { f.Append(b, &e, esc) }); n != 0 {
				t.Errorf("%q allocates %v times", tt.format, n)
			}
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	e := tunnel()
	line := make([]byte, 0, 4096)
	for b.Loop() {
		accesslog.Default.Append(line, &e, accesslog.EscapeDefault)
	}
}
