package front

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Listen opens a listening socket: network is "tcp4", "tcp6", "tcp" or "unix".
// A TCP socket of network "tcp6" serves IPv6 alone. Of a Unix socket, perms are
// the permissions if not 0, and a file left by a server that has ended is
// replaced; an address that starts with "@" is abstract.
func Listen(ctx context.Context, network, address string, perms fs.FileMode) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, network, address)
	if network != "unix" || strings.HasPrefix(address, "@") {
		return ln, err
	}
	if errors.Is(err, syscall.EADDRINUSE) && isStale(address) {
		if err := os.Remove(address); err != nil {
			return nil, fmt.Errorf("listen unix %s: removing the stale socket: %w", address, err)
		}
		ln, err = lc.Listen(ctx, network, address)
	}
	if err != nil {
		return nil, err
	}
	if perms != 0 {
		if err := os.Chmod(address, perms); err != nil {
			ln.Close()
			return nil, fmt.Errorf("listen unix %s: %w", address, err)
		}
	}
	return ln, nil
}

// isStale reports whether address is a socket that nobody listens on.
func isStale(address string) bool {
	fi, err := os.Lstat(address)
	if err != nil || fi.Mode().Type() != fs.ModeSocket {
		return false
	}
	conn, err := net.DialTimeout("unix", address, time.Second)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
