//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/wstunneld/wstunneld/bench/internal/load"
)

// A server is a program to measure.
type server struct {
	name     string
	path     string
	version  string
	subject  bool // wstunneld
	protocol load.Protocol
	most     int // tunnels at a time that it is asked for; 0: no limit

	// command returns the arguments that make it serve setup in the foreground.
	command func(setup) (args []string, err error)
}

// A setup is what a server is configured for: to listen at 127.0.0.1:port and
// tunnel to 127.0.0.1:backend.
type setup struct {
	dir           string // to write files to
	port, backend int
	limits
}

// lighttpdConf is for lighttpd and wstunneld alike. HTTP/2 is off because lighttpd
// takes only max-fds/10 connections with it, and max-fds/2 without.
const lighttpdConf = `server.bind = "127.0.0.1"
server.port = %d
server.document-root = "%s"
server.modules = ("mod_wstunnel")
server.feature-flags = ("server.h2proto" => "disable")
server.max-fds = %d
server.max-connections = %d
server.listen-backlog = 1024
server.max-read-idle = 3600
server.max-write-idle = 3600
wstunnel.frame-type = "binary"
wstunnel.server = ("/" => (("host" => "127.0.0.1", "port" => %d)))
`

func lighttpdCommand(flags ...string) func(setup) ([]string, error) {
	return func(s setup) ([]string, error) {
		conf := filepath.Join(s.dir, "lighttpd.conf")
		text := fmt.Appendf(nil, lighttpdConf, s.port, s.dir, s.descriptors, s.descriptors/2, s.backend)
		return append(flags, "-f", conf), os.WriteFile(conf, text, 0o600)
	}
}

// haproxyConf passes bytes on without looking at them, always by splice; splice-auto
// copies. Without maxpipes it would want descriptors for a pipe to every fourth
// connection.
const haproxyConf = `global
	maxconn %[3]d
	maxpipes 100
	tune.pipesize 1048576
defaults
	mode tcp
	option splice-request
	option splice-response
	timeout connect 10s
	timeout client 1h
	timeout server 1h
	maxconn %[3]d
listen tunnel
	bind 127.0.0.1:%[1]d backlog 1024
	server backend 127.0.0.1:%[2]d
`

func haproxyCommand(s setup) ([]string, error) {
	conf := filepath.Join(s.dir, "haproxy.cfg")
	text := fmt.Appendf(nil, haproxyConf, s.port, s.backend, s.tunnels+10)
	return []string{"-db", "-f", conf}, os.WriteFile(conf, text, 0o600)
}

func websockifyCommand(s setup) ([]string, error) {
	return []string{fmt.Sprintf("127.0.0.1:%d", s.port), fmt.Sprintf("127.0.0.1:%d", s.backend)}, nil
}

// A process is a running server.
type process struct {
	server *server
	cmd    *exec.Cmd
	addr   string
	log    string
}

// start starts the server. The process, and what it starts, is killed when ctx is
// done. Wait must be called.
func (s *server) start(ctx context.Context, dir string, backend int, l limits) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args, err := s.command(setup{dir, port, backend, l})
	if err != nil {
		return nil, err
	}
	p := &process{server: s, addr: fmt.Sprintf("127.0.0.1:%d", port), log: filepath.Join(dir, "log")}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.CommandContext(ctx, s.path, args...)
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Cancel = func() error { return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, nil
}

// Wait waits until the server has ended. It is an error if that happens before ctx,
// that of start, is done.
func (p *process) Wait(ctx context.Context) error {
	err := p.cmd.Wait()
	if ctx.Err() != nil {
		return nil
	}
	log, _ := os.ReadFile(p.log)
	return fmt.Errorf("%s has ended by itself (%v): %s", p.server.name, err, lastLines(log))
}

// Ready waits until the server accepts connections.
func (p *process) Ready(ctx context.Context) error {
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp4", p.addr)
		if err == nil {
			return conn.Close()
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// lastLines returns the end of a log as one line.
func lastLines(log []byte) string {
	const most = 400
	log = bytes.TrimSpace(log)
	return strings.Join(strings.Fields(string(log[max(0, len(log)-most):])), " ")
}

// freePort returns a port of 127.0.0.1 to listen at. It lies below those that Linux
// gives to clients, so that no connection of the benchmark takes it meanwhile.
func freePort() (int, error) {
	for range 100 {
		ln, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err == nil {
			defer ln.Close()
			return ln.Addr().(*net.TCPAddr).Port, nil
		}
	}
	return 0, errors.New("no free port from 10000 to 29999")
}

// findPeer finds a program by the value of its flag: "" looks for name where
// Debian installs it and need not find it, "off" leaves it out, anything else is a
// path.
func findPeer(name, flag string) (path string, err error) {
	switch flag {
	case "off":
		return "", nil
	case "":
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
		path, _ = exec.LookPath("/usr/sbin/" + name) // not on everyone's PATH
		return path, nil
	}
	return exec.LookPath(flag)
}

// firstLine runs a program to ask for its version, which is the first line.
func firstLine(path string, args ...string) string {
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("version unknown (%v)", err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}
