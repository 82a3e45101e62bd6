//go:build !unix

package config

import "os/exec"

// killGroup does nothing: only cmd itself is ended with its context.
func killGroup(cmd *exec.Cmd) {}
