//go:build !unix

package logfile

import "os/exec"

// ownGroup does nothing.
func ownGroup(cmd *exec.Cmd) {}

// killGroup kills cmd alone.
func killGroup(cmd *exec.Cmd) {
	cmd.Process.Kill()
}
