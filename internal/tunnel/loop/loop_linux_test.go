package loop

import (
	"context"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/tunnel/tunneltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBehaviour(t *testing.T) {
	tunneltest.Run(t, func(ctx context.Context, grace time.Duration, cfg *tunnel.Config, client, backend net.Conn, first []byte) tunnel.Result {
		g, err := New(1)
		if err != nil {
			t.Fatal(err)
		}
		return driveOn(t, g, ctx, grace, cfg, client, backend, first)
	})
}
