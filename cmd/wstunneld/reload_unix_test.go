//go:build unix

package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// SIGUSR1 loads the configuration again. One with mistakes changes nothing, and
// neither ends a tunnel.
func TestReload(t *testing.T) {
	echo := echoConf(t)
	p := serve(t, echo+`server.tag = "first"`)
	c, head := wstest.Dial(t, "tcp", p.addr, "/ws")
	tags := func(want string) {
		t.Helper()
		if !strings.Contains(head, "Server: "+want+"\r\n") {
			t.Errorf("answer %q, want the tag %q", head, want)
		}
	}
	tags("first")

	p.configure(t, echo+"server.tag = 1\nserver.port = 2\n")
	p.Process.Signal(syscall.SIGUSR1)
	p.waitFor(t, "configuration not loaded")
	p.waitFor(t, `wstunneld.conf:6:`)
	p.waitFor(t, `wstunneld.conf:7:`)
	_, head = wstest.Dial(t, "tcp", p.addr, "/ws")
	tags("first")

	p.configure(t, echo+`server.tag = "second"`)
	p.Process.Signal(syscall.SIGUSR1)
	p.waitFor(t, "configuration loaded")
	_, head = wstest.Dial(t, "tcp", p.addr, "/ws")
	tags("second")

	c.Send(wstest.Text("still here"))
	c.WantData(ws.OpText, "still here")
}
