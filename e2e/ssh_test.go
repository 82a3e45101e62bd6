//go:build unix

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestSSH runs ssh to an sshd behind the tunnel, through a proxy command made of
// the Python library websockets.
func TestSSH(t *testing.T) {
	need(t, "ssh", "ssh-keygen", sshd)
	needModule(t, "websockets")
	ssh := startSSHD(t)
	dir := t.TempDir()
	data := make([]byte, 64<<20)
	rand.NewChaCha8([32]byte{}).Read(data)

	t.Run("up", func(t *testing.T) {
		file := filepath.Join(dir, "up")
		cmd := ssh("cat > " + file)
		cmd.Stdin = bytes.NewReader(data)
		cmd.Stderr = t.Output()
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if hash(got) != hash(data) {
			t.Errorf("%d bytes arrived, SHA-256 %s; want %d, %s", len(got), hash(got), len(data), hash(data))
		}
	})
	t.Run("down", func(t *testing.T) {
		file := filepath.Join(dir, "down")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := ssh("cat " + file)
		cmd.Stderr = t.Output()
		got, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if hash(got) != hash(data) {
			t.Errorf("%d bytes arrived, SHA-256 %s; want %d, %s", len(got), hash(got), len(data), hash(data))
		}
	})
	t.Run("exit status", func(t *testing.T) {
		var stdout, stderr strings.Builder
		cmd := ssh("echo out; echo err >&2; exit 7")
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 7 {
			t.Errorf("%v, want exit status 7", err)
		}
		if stdout.String() != "out\n" || stderr.String() != "err\n" {
			t.Errorf("stdout %q, stderr %q; want %q, %q", &stdout, &stderr, "out\n", "err\n")
		}
	})
}

// sshd wants to be called by its whole path.
const sshd = "/usr/sbin/sshd"

// startSSHD starts sshd and a server with a tunnel to it. It returns a function
// that makes the command to run a command line over ssh.
func startSSHD(t *testing.T) func(commandLine string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	if os.Getuid() == 0 {
		// The home of sshd's unprivileged part, made by its service where there is one.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"host", "user"} {
		cmd := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
	}
	hostKey, err := os.ReadFile(filepath.Join(dir, "host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	sshdPort := freePort(t)
	for file, text := range map[string]string{
		"known_hosts": "tunnel " + string(hostKey),
		"sshd_config": fmt.Sprintf(`
			ListenAddress 127.0.0.1:%d
			HostKey %s/host
			AuthorizedKeysFile %[2]s/user.pub
			StrictModes no
			UsePAM no
			PidFile none
			PermitRootLogin prohibit-password
			`, sshdPort, dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, exec.Command(sshd, "-D", "-e", "-f", filepath.Join(dir, "sshd_config"))).awaitPort(t, sshdPort)

	_, port := startServer(t, fmt.Sprintf(`
		server.document-root = %q
		server.modules += ( "mod_wstunnel" )
		wstunnel.server = ( "/ssh" => (( "host" => "127.0.0.1", "port" => "%d" )) )
		wstunnel.frame-type = "binary"
		`, dir, sshdPort))
	self, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	return func(commandLine string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "ssh", "-F", "none", "-l", self.Username, "-i", filepath.Join(dir, "user"),
			"-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes",
			"-o", "UserKnownHostsFile="+filepath.Join(dir, "known_hosts"),
			"-o", "ProxyCommand="+python+" testdata/wsproxy.py ws://127.0.0.1:"+strconv.Itoa(port)+"/ssh",
			"tunnel", commandLine)
		cmd.WaitDelay = patience // the proxy command ends a little later
		return cmd
	}
}
