//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// ignoreReload keeps SIGUSR1, which makes lighttpd load its configuration again,
// from ending this process and its tunnels: it does not reload.
func ignoreReload() { signal.Ignore(syscall.SIGUSR1) }
