//go:build linux

package main

import (
	"context"
	"runtime"
	"syscall"
	"time"
)

// pace calls send for 0 to n-1, each when it is due; one that is late is sent at
// once. It ends early, with nil, when ctx is done.
//
// It sleeps in the kernel: Go's own timers are a millisecond late when nothing else
// runs, which is more than most messages take.
func pace(ctx context.Context, n int, due func(k int) time.Time, send func(k int) error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for k := range n {
		for wait := time.Until(due(k)); wait > 0; wait = time.Until(due(k)) {
			ts := syscall.NsecToTimespec(int64(wait))
			syscall.Nanosleep(&ts, nil)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err := send(k); err != nil {
			return err
		}
	}
	return nil
}
