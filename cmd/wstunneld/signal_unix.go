//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyReload has SIGUSR1 sent to c.
func notifyReload(c chan<- os.Signal) { signal.Notify(c, syscall.SIGUSR1) }
