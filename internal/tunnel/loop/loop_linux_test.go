package loop_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/tunnel/loop"
	"github.com/wstunneld/wstunneld/internal/tunnel/tunneltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBehaviour(t *testing.T) {
	tunneltest.Run(t, func(ctx context.Context, grace time.Duration, cfg *tunnel.Config, client, backend net.Conn, first []byte) tunnel.Result {
		g, err := loop.New(1)
		if err != nil {
			t.Fatal(err)
		}
		running, quit := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { g.Run(running) })
		results := make(chan tunnel.Result, 1)
		err = g.Start(loop.Tunnel{
			Client: client.(loop.Conn), Backend: backend.(loop.Conn), First: first, Config: cfg,
			Ended: func(res tunnel.Result) { results <- res },
		})
		if err != nil {
			t.Fatal(err)
		}
		stop := context.AfterFunc(ctx, func() { g.Stop(grace) })
		res := <-results
		stop()
		quit()
		wg.Wait()
		return res
	})
}
