// Package demo runs wstunneld's main job on embedded parts: a page, the TCP
// servers that the page talks to, and the server itself with a configuration
// that joins them.
//
// Nothing of the server is replaced. The page is written to a temporary
// directory and served from there, the configuration is a text that is
// loaded like any other, and the backends are sockets.
package demo

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/server"
)

// DefaultListen is the address to offer when the user names none. If it is
// taken, [Run] uses a free port instead.
const DefaultListen = "127.0.0.1:8080"

// configName is where the page finds the configuration, below the document root.
const configName = "wstunneld.conf"

//go:embed page
var page embed.FS

// Run serves the demo on listen, a "host:port", until ctx is done. It writes
// the URL of the page and the configuration in use to out, and the server's
// errors too. The port 0 means a free one; serverTag is for the Server header.
//
// When Run returns, its temporary directory is gone and every goroutine that
// it started has ended. It returns nil if ctx ended it.
func Run(ctx context.Context, out io.Writer, listen, serverTag string) (err error) {
	host, port, err := choose(listen)
	if err != nil {
		return err
	}
	root, err := os.MkdirTemp("", "wstunneld-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	backends, err := Listen()
	if err != nil {
		return err
	}
	defer backends.Close()

	text := configuration(root, host, port, backends)
	if err := writePage(root, text); err != nil {
		return err
	}
	cfg, err := config.Load("-", config.LoadOptions{Stdin: strings.NewReader(text), Dir: root, PID: os.Getpid(), ServerTag: serverTag})
	if err != nil {
		return fmt.Errorf("configuration of the demo: %w", err)
	}
	srv, err := server.New(cfg, server.Options{Stderr: out})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "The demo is at %s – Ctrl-C ends it. Its configuration:\n\n%s\n", pageURL(host, port), indent(text))
	return runBoth(ctx, srv, backends)
}

// runBoth runs the server until ctx is done and the backends until the server
// has ended, so that tunnels end because of the server, with its close code.
func runBoth(ctx context.Context, srv *server.Server, backends *Backends) error {
	serverCtx, stopServer := context.WithCancel(ctx)
	defer stopServer()
	backendCtx, stopBackends := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackends()

	var running sync.WaitGroup
	var backendErr error
	running.Go(func() {
		backendErr = backends.Run(backendCtx)
		stopServer()
	})
	err := srv.Run(serverCtx)
	stopBackends()
	running.Wait()
	return errors.Join(err, backendErr)
}

// choose splits listen and replaces its port by a free one where that is
// allowed and needed.
func choose(listen string) (host string, port int, err error) {
	host, _, err = net.SplitHostPort(listen)
	if err != nil {
		return "", 0, err
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil && listen == DefaultListen {
		ln, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return "", 0, err
	}
	// The server opens the port itself. Until it does, another program can
	// take it; then the server says so.
	defer ln.Close()
	return host, ln.Addr().(*net.TCPAddr).Port, nil
}

// configuration is the text that the server loads and the page shows.
func configuration(root, host string, port int, b *Backends) string {
	return fmt.Sprintf(`server.document-root = %s
index-file.names     = ( "index.html" )
server.bind          = %s
server.port          = %d
server.modules       = ( "mod_wstunnel" )

# Each path is a tunnel: what comes in WebSocket messages
# goes as plain bytes to a TCP server, and back.
wstunnel.server = (
    "/console" => ( ( "host" => "127.0.0.1", "port" => %d ) ),
    "/ping"    => ( ( "host" => "127.0.0.1", "port" => %d ) ),
    "/bulk"    => ( ( "host" => "127.0.0.1", "port" => %d ) )
)
wstunnel.frame-type    = "binary"
wstunnel.ping-interval = 20

# The console speaks text.
$HTTP["url"] =^ "/console" {
    wstunnel.frame-type = "text"
}
`, quote(root), quote(host), port, b.Console.Addr().Port, b.Ping.Addr().Port, b.Bulk.Addr().Port)
}

// quote writes s as a string of the configuration language, where only the
// quotation mark needs an escape.
func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

// writePage fills the document root: the embedded files and the configuration.
func writePage(root, configuration string) error {
	files, err := fs.Sub(page, "page")
	if err != nil {
		return err
	}
	if err := os.CopyFS(root, files); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, configName), []byte(configuration), 0o644)
}

// pageURL is where a browser on this machine finds the page.
func pageURL(host string, port int) string {
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(port)) + "/"
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ")
}
