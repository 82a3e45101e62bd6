//go:build !linux

package backend_test

import (
	"testing"

	"github.com/wstunneld/wstunneld/internal/backend"
)

func fullBacklog(t *testing.T) *backend.Host {
	t.Skip("what a full backlog does is known of Linux alone")
	return nil
}
