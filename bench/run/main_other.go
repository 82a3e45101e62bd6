//go:build !linux

// Command run measures what tunnels cost. It needs Linux, whose /proc says what a
// process has used.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: needs Linux: it reads /proc")
	os.Exit(1)
}
