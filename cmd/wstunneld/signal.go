package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// stopOnSignal returns a context that is done at the first SIGINT or SIGTERM. A
// second one ends the process at once. At SIGHUP, reopen is called. Call stop to
// end all that.
func stopOnSignal(ctx context.Context, reopen func()) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	quit := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case sig := <-signals:
				switch {
				case sig == syscall.SIGHUP:
					reopen()
				case ctx.Err() != nil:
					os.Exit(exitForced)
				default:
					cancel()
				}
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(quit)
		<-done
		cancel()
	}
}
