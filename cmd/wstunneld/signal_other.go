//go:build !unix

package main

// ignoreReload has nothing to ignore here: there is no SIGUSR1.
func ignoreReload() {}
