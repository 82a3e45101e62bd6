package backend_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/backend"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listening returns a host that accepts connections.
func listening(t *testing.T, network, address string) *backend.Host {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return &backend.Host{Network: network, Address: ln.Addr().String()}
}

// refusing returns a host that nobody listens on.
func refusing(t *testing.T) *backend.Host {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	return &backend.Host{Network: "tcp", Address: ln.Addr().String()}
}

func TestConnect(t *testing.T) {
	up1, up2 := listening(t, "tcp", "127.0.0.1:0"), listening(t, "unix", filepath.Join(t.TempDir(), "s"))
	down1, down2 := refusing(t), &backend.Host{Network: "unix", Address: filepath.Join(t.TempDir(), "missing")}
	tests := []struct {
		name  string
		hosts []*backend.Host
		want  *backend.Host // nil: none can be reached
	}{
		{"one TCP host", []*backend.Host{up1}, up1},
		{"one Unix socket", []*backend.Host{up2}, up2},
		{"the first that is up", []*backend.Host{up2, up1}, up2},
		{"hosts that are down are passed over", []*backend.Host{down1, down2, up1, up2}, up1},
		{"all down", []*backend.Host{down1, down2}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ext := backend.Ext{Hosts: tt.hosts}
			conn, host, err := ext.Connect(t.Context())
			if err == nil {
				defer conn.Close()
			}
			if host != tt.want || (err == nil) != (tt.want != nil) {
				t.Fatalf("Connect = %+v, %v; want %+v", host, err, tt.want)
			}
			if err == nil {
				return
			}
			if !errors.Is(err, backend.ErrAllDown) {
				t.Errorf("error %v is not ErrAllDown", err)
			}
			for _, h := range tt.hosts {
				if !strings.Contains(err.Error(), h.Address) {
					t.Errorf("error %q does not name %s", err, h.Address)
				}
			}
		})
	}
}

func TestConnectStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ext := backend.Ext{Hosts: []*backend.Host{listening(t, "tcp", "127.0.0.1:0")}}
	if _, _, err := ext.Connect(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Connect with a context that is done: %v", err)
	}
}

// A host whose backlog is full never answers a connect: the timeout moves on to
// the next host.
func TestConnectTimeout(t *testing.T) {
	silent := &backend.Host{Network: "tcp", Address: wstest.FullBacklog(t)}
	silent.ConnectTimeout = 50 * time.Millisecond
	up := listening(t, "tcp", "127.0.0.1:0")
	ext := backend.Ext{Hosts: []*backend.Host{silent, up}}
	conn, host, err := ext.Connect(t.Context())
	if err != nil || host != up {
		t.Fatalf("Connect = %+v, %v; want %+v", host, err, up)
	}
	conn.Close()
}
