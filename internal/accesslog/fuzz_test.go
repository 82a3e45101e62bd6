package accesslog_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wstunneld/wstunneld/internal/accesslog"
)

// Every format is an error or prints one line, whatever clients send.
func FuzzFormat(f *testing.F) {
	for _, tt := range fieldTests {
		f.Add(tt.format, "value \"\\\n\x00\xff")
	}
	f.Add(`%{%5d%-e%_H%^a%#Z%Ey%O%`, "x")
	f.Add(`\%{X\}i`, "a\r\nb")
	f.Add("%{X}i", "")
	f.Add("%{%200Y}t%{begin:nsec_frac}t", "")
	f.Fuzz(func(t *testing.T, format, value string) {
		fm, err := accesslog.ParseFormat(format)
		if err != nil {
			fe := err.(*accesslog.FormatError)
			if fe.Offset < 0 || fe.Offset > len(format) || fe.Field == "" || fe.Reason == "" {
				t.Fatalf("ParseFormat(%q): %+v", format, fe)
			}
			return
		}
		for _, esc := range []accesslog.Escaping{accesslog.EscapeDefault, accesslog.EscapeJSON} {
			e := hostile(value)
			line := string(fm.Append(nil, &e, esc))
			if i := strings.IndexFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }); i != len(line)-1 || line[i] != '\n' {
				t.Fatalf("%q with %q prints %q: a control character at %d", format, value, line, i)
			}
			fm.Keep(&e)
			if kept := string(fm.Append(nil, &e, esc)); kept != line {
				t.Fatalf("%q with %q prints %q, after Keep %q", format, value, line, kept)
			}
		}
	})
}

// hostile is an entry with value in each field that a client or a backend fills.
func hostile(value string) accesslog.Entry {
	e := tunnel()
	for _, s := range []*string{&e.Client, &e.Local, &e.Request, &e.Method, &e.Proto, &e.Path, &e.Query, &e.Authority, &e.ServerName, &e.User, &e.File, &e.Tunnel.Cause} {
		*s = value
	}
	e.Header = http.Header{"X": {value, value}, "Cookie": {"a=" + value}}
	e.Response = http.Header{"X": {value}}
	e.Env = map[string]string{"X": value}
	return e
}

// A value between quotes is a string of JSON, the same text if it is UTF-8.
func FuzzJSON(f *testing.F) {
	f.Add("plain")
	f.Add("\a\b\t\n\v\f\r\x00\x1b\x7f\"\\/<>&")
	f.Add("é€\U0001f600\u0085\u2028\ufffd\xed\xa0\x80\xff")
	fm, err := accesslog.ParseFormat(`"%{X}i"`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string) {
		line := fm.Append(nil, &accesslog.Entry{Header: http.Header{"X": {value}}}, accesslog.EscapeJSON)
		if !utf8.Valid(line) {
			t.Fatalf("%q prints %q, which is not UTF-8", value, line)
		}
		var got string
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%q prints %q: %v", value, line, err)
		}
		if value != "" && utf8.ValidString(value) && got != value {
			t.Fatalf("%q prints %q, which reads as %q", value, line, got)
		}
	})
}
