package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/wstunneld/wstunneld/internal/server"
)

// signals are the signals that the program acts on, from catchSignals on.
type signals struct {
	end  chan os.Signal // SIGINT, SIGTERM: two of them matter
	hup  chan os.Signal // SIGHUP: many are as good as one
	usr1 chan os.Signal // SIGUSR1, where there is one
	quit chan struct{}
	done chan struct{}
}

func catchSignals() *signals {
	s := &signals{
		end:  make(chan os.Signal, 2),
		hup:  make(chan os.Signal, 1),
		usr1: make(chan os.Signal, 1),
		quit: make(chan struct{}),
		done: make(chan struct{}),
	}
	signal.Notify(s.end, syscall.SIGINT, syscall.SIGTERM)
	signal.Notify(s.hup, syscall.SIGHUP)
	notifyReload(s.usr1)
	close(s.done) // nothing runs yet
	return s
}

// watch returns a context that is done at the first signal to end: SIGTERM, with
// [server.ErrTerminate] as its cause, or SIGINT. A second one ends the process at
// once. At SIGHUP, reopen is called, at SIGUSR1 reload. It may be called once.
func (s *signals) watch(reopen, reload func()) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		defer cancel(nil)
		for {
			select {
			case <-s.quit:
				return
			case <-s.hup:
				reopen()
			case <-s.usr1:
				reload()
			case sig := <-s.end:
				if ctx.Err() != nil {
					os.Exit(exitForced)
				}
				if sig == syscall.SIGTERM {
					cancel(server.ErrTerminate)
				}
				cancel(nil)
			}
		}
	}()
	return ctx
}

// stop gives the signals back.
func (s *signals) stop() {
	for _, c := range []chan os.Signal{s.end, s.hup, s.usr1} {
		signal.Stop(c)
	}
	close(s.quit)
	<-s.done
}
