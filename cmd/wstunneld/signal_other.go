//go:build !unix

package main

import "os"

// notifyReload has nothing to notify of: there is no SIGUSR1.
func notifyReload(chan<- os.Signal) {}
