package accesslog_test

import (
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/accesslog"
)

func TestAppend(t *testing.T) {
	end := time.Date(2026, 2, 3, 4, 5, 6, 0, time.FixedZone("", 2*3600))
	tests := []struct {
		name string
		e    accesslog.Entry
		want string
	}{
		{"file", accesslog.Entry{
			Client: "127.0.0.1", Authority: "a.test:8080", End: end, Request: "GET /vnc.html?a=b HTTP/1.1", Status: 200, Sent: 15212,
			Referer: "http://a.test/", UserAgent: "curl/8",
		}, `127.0.0.1 a.test:8080 - [03/Feb/2026:04:05:06 +0200] "GET /vnc.html?a=b HTTP/1.1" 200 15212 "http://a.test/" "curl/8"` + "\n"},
		{"nothing known", accesslog.Entry{End: end, Status: 400},
			`- - - [03/Feb/2026:04:05:06 +0200] "-" 400 0 "-" "-"` + "\n"},
		{"escapes", accesslog.Entry{
			Client: "::1", Authority: "a", End: end, Request: "GET /\"\\ HTTP/1.1", Status: 404, Sent: 1,
			Referer: "x\ty\n", UserAgent: "é\x7f\x00",
		}, `::1 a - [03/Feb/2026:04:05:06 +0200] "GET /\"\\ HTTP/1.1" 404 1 "x\ty\x0A" "\xC3\xA9\x7F\x00"` + "\n"},
		{"tunnel", accesslog.Entry{
			Client: "127.0.0.1", Authority: "a", End: end, Request: "GET /websockify HTTP/1.1", Status: 101, Sent: 1210,
			Tunnel: &accesslog.Tunnel{Received: 96, CloseCode: 1000, Cause: "client-close", Duration: 12345678 * time.Microsecond},
		}, `127.0.0.1 a - [03/Feb/2026:04:05:06 +0200] "GET /websockify HTTP/1.1" 101 1210 "-" "-" rx=96 tx=1210 close=1000 cause=client-close duration=12.346` + "\n"},
		{"tunnel without a close frame", accesslog.Entry{
			Client: "127.0.0.1", Authority: "a", End: end, Request: "GET / HTTP/1.1", Status: 101,
			Tunnel: &accesslog.Tunnel{Cause: "client-error"},
		}, `127.0.0.1 a - [03/Feb/2026:04:05:06 +0200] "GET / HTTP/1.1" 101 0 "-" "-" rx=0 tx=0 close=- cause=client-error duration=0.000` + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(accesslog.Append(nil, &tt.e)); got != tt.want {
				t.Errorf("Append(%+v)\n got %s\nwant %s", tt.e, got, tt.want)
			}
		})
	}
}
