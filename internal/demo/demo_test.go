package demo_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wstunneld/wstunneld/internal/demo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a demo as its user sees it.
type running struct {
	url     *url.URL
	printed string        // up to the URL and the configuration
	cancel  func()        // asks it to end
	ended   chan struct{} // closed when it has ended
}

// start runs the demo until the test ends, with an empty directory for
// temporary files, which must be empty again in the end.
func start(t *testing.T, listen string) *running {
	t.Helper()
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	r := &running{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		err := demo.Run(ctx, in, listen, "wstunneld/test")
		if err != nil {
			t.Errorf("Run(%q): %v, want nil", listen, err)
		}
		in.Close()
	}()
	t.Cleanup(func() {
		cancel()
		<-r.ended
		if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
			t.Errorf("left in the directory for temporary files: %v (%v)", left, err)
		}
	})
	link := regexp.MustCompile(`http://\S+/`)
	for buf := make([]byte, 1<<16); r.url == nil; {
		n, err := out.Read(buf) // what was written at once
		if err != nil {
			t.Fatalf("the demo ended without a URL, after %q", r.printed)
		}
		r.printed += string(buf[:n])
		r.url, _ = url.Parse(link.FindString(r.printed))
		if r.url.Host == "" {
			r.url = nil
		}
	}
	go io.Copy(io.Discard, out)
	return r
}

// get fetches a file of the page.
func (r *running) get(t *testing.T, name string) (contentType, body string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(r.url.JoinPath(name).String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", name, resp.Status, err)
	}
	return resp.Header.Get("Content-Type"), string(all)
}

// Every file that the page names is there, and nothing from elsewhere is named.
func TestPageIsComplete(t *testing.T) {
	r := start(t, "127.0.0.1:0")
	types := map[string]string{".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
	names := regexp.MustCompile(`(?:src|href)="([^"]*)"|from "([^"]*)"|new Worker\("([^"]*)"`)
	seen := map[string]bool{"index.html": true}
	for todo := []string{"index.html"}; len(todo) > 0; todo = todo[1:] {
		contentType, body := r.get(t, todo[0])
		if want := types[path.Ext(todo[0])]; want == "" || !strings.HasPrefix(contentType, want) {
			t.Errorf("%s has the type %q, want %q", todo[0], contentType, want)
		}
		for _, groups := range names.FindAllStringSubmatch(body, -1) {
			name := path.Clean(strings.Join(groups[1:], ""))
			if !seen[name] {
				seen[name] = true
				todo = append(todo, name)
			}
		}
	}
	for _, name := range []string{"app.js", "style.css", "ping-worker.js", "bulk-worker.js", "crc32.js"} {
		if !seen[name] {
			t.Errorf("%s was not found from index.html, only %v", name, seen)
		}
	}
}

func TestConfigurationIsShown(t *testing.T) {
	r := start(t, "127.0.0.1:0")
	if _, body := r.get(t, ""); !strings.Contains(body, "<title>wstunneld demo</title>") {
		t.Errorf("/ is not the page but %.200q", body)
	}
	_, config := r.get(t, "wstunneld.conf")
	for _, want := range []string{`server.port          = ` + r.url.Port() + "\n", `"/console"`, `"/ping"`, `"/bulk"`} {
		if !strings.Contains(config, want) {
			t.Errorf("the configuration has no %s:\n%s", want, config)
		}
	}
	for line := range strings.Lines(config) {
		if !strings.Contains(r.printed, "    "+line) {
			t.Errorf("the line %q of the configuration is not in what was printed:\n%s", line, r.printed)
		}
	}
}

// A line goes through the tunnel and back; then the server ends, and says so.
func TestTunnel(t *testing.T) {
	r := start(t, "127.0.0.1:0")
	conn, err := net.Dial("tcp", r.url.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "GET /console HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", r.url.Host)
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("opening handshake: %v, %v", resp, err)
	}
	// Frames of the server: two bytes of header, then the payload.
	frame := func() (opcode byte, payload string) {
		t.Helper()
		header := make([]byte, 2)
		if _, err := io.ReadFull(in, header); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, header[1])
		if _, err := io.ReadFull(in, p); err != nil {
			t.Fatal(err)
		}
		return header[0] & 0x0f, string(p)
	}
	// A final text frame, masked with zeros.
	io.WriteString(conn, "\x81\x8a\x00\x00\x00\x00echo grü\n")
	if opcode, payload := frame(); opcode != 1 || payload != "grü\n\n" {
		t.Errorf("reply: opcode %d, payload %q, want a text frame with %q", opcode, payload, "grü\n\n")
	}
	r.cancel()
	if opcode, payload := frame(); opcode != 8 || !strings.HasPrefix(payload, "\x03\xe9") {
		t.Errorf("at the end: opcode %d, payload %q, want a close frame with 1001", opcode, payload)
	}
	io.WriteString(conn, "\x88\x82\x00\x00\x00\x00\x03\xe9")
	if more, err := io.ReadAll(in); err != nil || len(more) > 0 {
		t.Errorf("after the close frame: % x, %v, want the end of the connection", more, err)
	}
	conn.Close()
	<-r.ended
}

func TestDefaultAddressIsTaken(t *testing.T) {
	// If this fails, another program has it: just as good.
	if ln, err := net.Listen("tcp", demo.DefaultListen); err == nil {
		defer ln.Close()
	}
	r := start(t, demo.DefaultListen)
	if r.url.Host == demo.DefaultListen || r.url.Hostname() != "127.0.0.1" {
		t.Errorf("the demo is at %v, want another port of 127.0.0.1", r.url)
	}
	r.get(t, "index.html")
}

func TestAddressIsTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	listen := ln.Addr().String()
	if err := demo.Run(t.Context(), io.Discard, listen, "wstunneld/test"); err == nil || !strings.Contains(err.Error(), listen) {
		t.Errorf("Run on a port that is taken: %v, want an error that names %s", err, listen)
	}
}
