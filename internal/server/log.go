package server

import (
	"context"
	"log/slog"

	"github.com/wstunneld/wstunneld/internal/accesslog"
	"github.com/wstunneld/wstunneld/internal/config"
)

// maxDebug is the highest level of wstunnel.debug; what is above counts as it.
const maxDebug = 4

// debugLevels are the lowest levels that each wstunnel.debug lets through.
var debugLevels = [maxDebug + 1]slog.Level{slog.LevelError + 1, slog.LevelError, slog.LevelWarn, slog.LevelInfo, slog.LevelDebug}

// What may be wrong with a file or command that cannot be opened.
const (
	fileHint    = "does its directory exist, and may this user write there?"
	commandHint = "has this user too many processes or open files?"
)

// atLeast is a slog.Handler that drops what is below a level of its own.
type atLeast struct {
	slog.Handler
	min slog.Level
}

func (h atLeast) Enabled(_ context.Context, level slog.Level) bool { return level >= h.min }

// refused logs requests that net/http could not read.
func (s *Server) refused(at address) func(remote string, status int, sent int64) {
	return func(remote string, status int, sent int64) {
		g := s.acquire()
		defer s.release(g)
		set := g.cfg.Resolve(&config.Request{Listener: g.listeners[at]})
		var client string
		if from := addrPort(remote); from.IsValid() {
			client = from.Addr().String()
		}
		g.debugLog(set).Error("request cannot be read", slog.String("client", client), slog.Int("status", status))
		g.access(set, &accesslog.Entry{Client: client, Status: status, Sent: sent, SentAll: sent})
	}
}
