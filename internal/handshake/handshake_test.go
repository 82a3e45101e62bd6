package handshake_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/wstunneld/wstunneld/internal/handshake"
)

const (
	key    = "dGhlIHNhbXBsZSBub25jZQ==" // the example of RFC 6455 section 1.3
	accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

func TestIsUpgrade(t *testing.T) {
	tests := []struct {
		name                string
		method              string
		minor               int
		upgrade, connection []string
		want                bool
	}{
		{"browser", "GET", 1, []string{"websocket"}, []string{"keep-alive, Upgrade"}, true},
		{"any case", "GET", 1, []string{"WebSocket"}, []string{"UPGRADE"}, true},
		{"parameter", "GET", 1, []string{"websocket;x=1"}, []string{"upgrade"}, true},
		{"lists over lines", "GET", 1, []string{"foo", "bar , websocket"}, []string{"close", "upgrade"}, true},
		{"HEAD", "HEAD", 1, []string{"websocket"}, []string{"upgrade"}, false},
		{"POST", "POST", 1, []string{"websocket"}, []string{"upgrade"}, false},
		{"HTTP/1.0", "GET", 0, []string{"websocket"}, []string{"upgrade"}, false},
		{"no Upgrade", "GET", 1, nil, []string{"upgrade"}, false},
		{"no Connection", "GET", 1, []string{"websocket"}, nil, false},
		{"another protocol", "GET", 1, []string{"websocket/13"}, []string{"upgrade"}, false},
		{"longer token", "GET", 1, []string{"websockets"}, []string{"upgrade"}, false},
		{"h2c beside it", "GET", 1, []string{"websocket, h2c"}, []string{"upgrade"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{Method: tt.method, ProtoMajor: 1, ProtoMinor: tt.minor, Header: http.Header{}}
			if tt.upgrade != nil {
				r.Header["Upgrade"] = tt.upgrade
			}
			if tt.connection != nil {
				r.Header["Connection"] = tt.connection
			}
			if got := handshake.IsUpgrade(r); got != tt.want {
				t.Errorf("IsUpgrade(%s HTTP/1.%d, Upgrade %q, Connection %q) = %v, want %v", tt.method, tt.minor, tt.upgrade, tt.connection, got, tt.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	valid := func() http.Header {
		return http.Header{"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {key}}
	}
	tests := []struct {
		name        string
		header      string // replaced in a valid request
		values      []string
		origins     []string
		status      int // 0: accepted
		subprotocol string
	}{
		{"valid", "", nil, nil, 0, ""},
		{"version with zero and blanks", "Sec-Websocket-Version", []string{" 013 "}, nil, 0, ""},
		{"no version", "Sec-Websocket-Version", nil, nil, 426, ""},
		{"version 8", "Sec-Websocket-Version", []string{"8"}, nil, 426, ""},
		{"version +13", "Sec-Websocket-Version", []string{"+13"}, nil, 426, ""},
		{"version 13x", "Sec-Websocket-Version", []string{"13x"}, nil, 426, ""},
		{"version list", "Sec-Websocket-Version", []string{"13, 8"}, nil, 426, ""},
		{"two versions", "Sec-Websocket-Version", []string{"13", "13"}, nil, 426, ""},
		{"no key", "Sec-Websocket-Key", nil, nil, 400, ""},
		{"empty key", "Sec-Websocket-Key", []string{""}, nil, 400, ""},
		{"key of 15 bytes", "Sec-Websocket-Key", []string{"MTIzNDU2Nzg5MDEyMzQ1"}, nil, 400, ""},
		{"key not base64", "Sec-Websocket-Key", []string{"dGhlIHNhbXBsZSBub25jZQ=!"}, nil, 400, ""},
		{"key without padding", "Sec-Websocket-Key", []string{"dGhlIHNhbXBsZSBub25jZQ"}, nil, 400, ""},
		{"two keys", "Sec-Websocket-Key", []string{key, key}, nil, 400, ""},

		{"binary offered", "Sec-Websocket-Protocol", []string{"binary"}, nil, 0, "binary"},
		{"old noVNC", "Sec-Websocket-Protocol", []string{"base64, binary"}, nil, 0, "binary"},
		{"base64 is not spoken", "Sec-Websocket-Protocol", []string{"base64"}, nil, 0, ""},
		{"mqtt", "Sec-Websocket-Protocol", []string{"mqtt"}, nil, 0, ""},

		{"origin listed", "Origin", []string{"http://a.test"}, []string{"http://b.test", "http://a.test"}, 0, ""},
		{"origin missing", "Origin", nil, []string{"http://a.test"}, 400, ""},
		{"origin empty", "Origin", []string{""}, []string{"http://a.test"}, 400, ""},
		{"two origins", "Origin", []string{"http://a.test", "http://a.test"}, []string{"http://a.test"}, 400, ""},
		{"origin not listed", "Origin", []string{"http://c.test"}, []string{"http://a.test"}, 403, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := valid()
			if tt.header != "" {
				h[tt.header] = tt.values
			}
			a, err := handshake.Check(h, tt.origins)
			if tt.status == 0 {
				if want := (handshake.Accept{Key: accept, Subprotocol: tt.subprotocol}); err != nil || a != want {
					t.Fatalf("Check(%v, %q) = %+v, %v; want %+v", h, tt.origins, a, err, want)
				}
				return
			}
			var he *handshake.Error
			if !errors.As(err, &he) || he.Status != tt.status {
				t.Fatalf("Check(%v, %q) = %v; want status %d", h, tt.origins, err, tt.status)
			}
			// The name goes out as RFC 6455 writes it, not as net/http would.
			if v := map[string][]string(he.Header)["Sec-WebSocket-Version"]; (tt.status == 426) != (len(v) == 1 && v[0] == "13") {
				t.Errorf("status %d with Sec-WebSocket-Version %q", tt.status, v)
			}
		})
	}
}

// An origin that is not allowed is told so whatever else is wrong.
func TestCheckOriginFirst(t *testing.T) {
	_, err := handshake.Check(http.Header{"Origin": {"http://evil.test"}}, []string{"http://a.test"})
	var he *handshake.Error
	if !errors.As(err, &he) || he.Status != 403 {
		t.Errorf("got %v, want status 403", err)
	}
}

func TestMatchOrigin(t *testing.T) {
	tests := []struct {
		entry, origin string
		want          bool
	}{
		{"example.com", "http://example.com", false}, // a bare domain means its subdomains
		{"example.com", "https://www.example.com", true},
		{"example.com", "https://a.b.example.com", true},
		{"example.com", "https://www.example.com:8443", false},
		{"example.com", "http://x.example.com/", false},
		{"example.com", "http://notexample.com", false},
		{"http://example.com", "http://example.com", true},
		{"http://example.com", "https://example.com", false},
		{"http://example.com", "http://www.example.com", false},
		{"http://example.com", "http://example.com:80", false},
		{"https://example.com:8443", "https://example.com:8443", true},
		{"null", "null", true},
		{"http://example.com", "http://EXAMPLE.com", false},
		{"", "http://example.", false},
	}
	for _, tt := range tests {
		if got := handshake.MatchOrigin(tt.entry, tt.origin); got != tt.want {
			t.Errorf("MatchOrigin(%q, %q) = %v, want %v", tt.entry, tt.origin, got, tt.want)
		}
	}
}
