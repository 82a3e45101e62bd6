package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// signals are the signals that the program acts on, from catchSignals on.
type signals struct {
	end  chan os.Signal // SIGINT, SIGTERM: two of them matter
	hup  chan os.Signal // SIGHUP: many are as good as one
	quit chan struct{}
	done chan struct{}
}

func catchSignals() *signals {
	s := &signals{
		end:  make(chan os.Signal, 2),
		hup:  make(chan os.Signal, 1),
		quit: make(chan struct{}),
		done: make(chan struct{}),
	}
	signal.Notify(s.end, syscall.SIGINT, syscall.SIGTERM)
	signal.Notify(s.hup, syscall.SIGHUP)
	close(s.done) // nothing runs yet
	return s
}

// watch returns a context that is done at the first signal to end. A second one
// ends the process at once. At SIGHUP, reopen is called. It may be called once.
func (s *signals) watch(reopen func()) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		defer cancel()
		for {
			select {
			case <-s.quit:
				return
			case <-s.hup:
				reopen()
			case <-s.end:
				if ctx.Err() != nil {
					os.Exit(exitForced)
				}
				cancel()
			}
		}
	}()
	return ctx
}

// stop gives the signals back.
func (s *signals) stop() {
	signal.Stop(s.end)
	signal.Stop(s.hup)
	close(s.quit)
	<-s.done
}
