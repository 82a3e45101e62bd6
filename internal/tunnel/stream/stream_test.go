package stream_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/tunnel/stream"
	"github.com/wstunneld/wstunneld/internal/tunnel/tunneltest"
)

func TestBehaviour(t *testing.T) {
	tunneltest.Run(t, func(ctx context.Context, grace time.Duration, cfg *tunnel.Config, client, backend net.Conn, first []byte) tunnel.Result {
		return stream.Run(ctx, func() time.Duration { return grace }, cfg, client.(stream.Conn), backend.(stream.Conn), first)
	})
}
