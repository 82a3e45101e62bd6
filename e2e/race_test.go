//go:build unix && race

package e2e

// The server is built with the race detector if the tests are.
func init() { buildFlags = []string{"-race"} }
