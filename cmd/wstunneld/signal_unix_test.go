//go:build unix

package main

import "syscall"

var ignored = []syscall.Signal{syscall.SIGUSR1}
