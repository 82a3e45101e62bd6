package ws_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wstunneld/wstunneld/internal/ws"
)

func TestParseClose(t *testing.T) {
	tests := []struct {
		name, payload string
		code          ws.CloseCode
		reason        string
		err           ws.CloseCode // 0: accepted
	}{
		{"no code", "", ws.CloseNoStatus, "", 0},
		{"one byte", "\x03", 0, "", ws.CloseProtocolError},
		{"1000", "\x03\xe8", 1000, "", 0},
		{"1001 with reason", "\x03\xe9bye", 1001, "bye", 0},
		{"999", "\x03\xe7", 0, "", ws.CloseProtocolError},
		{"1004, reserved", "\x03\xec", 0, "", ws.CloseProtocolError},
		{"1005, never sent", "\x03\xed", 0, "", ws.CloseProtocolError},
		{"1006, never sent", "\x03\xee", 0, "", ws.CloseProtocolError},
		{"1014", "\x03\xf6", 1014, "", 0},
		{"1015, never sent", "\x03\xf7", 0, "", ws.CloseProtocolError},
		{"2999", "\x0b\xb7", 0, "", ws.CloseProtocolError},
		{"3000", "\x0b\xb8", 3000, "", 0},
		{"4999", "\x13\x87", 4999, "", 0},
		{"5000", "\x13\x88", 0, "", ws.CloseProtocolError},
		{"reason is not UTF-8", "\x03\xe8\xff", 0, "", ws.CloseInvalidPayload},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, reason, err := ws.ParseClose([]byte(tt.payload))
			if code != tt.code || reason != tt.reason || closeCode(err) != tt.err {
				t.Errorf("ParseClose(%q) = %d, %q, %v; want %d, %q, close code %d", tt.payload, code, reason, err, tt.code, tt.reason, tt.err)
			}
			if err == nil {
				if got := string(ws.AppendClose(nil, code, reason)); got != tt.payload {
					t.Errorf("AppendClose(%d, %q) = %q, want %q", code, reason, got, tt.payload)
				}
			}
		})
	}
}

func TestAppendCloseCutsReason(t *testing.T) {
	b := ws.AppendClose(nil, ws.CloseNormal, strings.Repeat("€", 50))
	if len(b) != 2+123 || !utf8.Valid(b[2:]) {
		t.Errorf("a reason of 150 bytes gives %d bytes, % x", len(b), b)
	}
	b = ws.AppendClose(nil, ws.CloseNormal, "x"+strings.Repeat("€", 50))
	if len(b) != 2+121 || !utf8.Valid(b[2:]) {
		t.Errorf("a reason of 151 bytes gives %d bytes, % x", len(b), b)
	}
}
