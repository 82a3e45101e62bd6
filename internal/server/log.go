package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/wstunneld/wstunneld/internal/accesslog"
	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/logfile"
)

// maxDebug is the highest level of wstunnel.debug; what is above counts as it.
const maxDebug = 4

// debugLevels are the lowest levels that each wstunnel.debug lets through.
var debugLevels = [maxDebug + 1]slog.Level{slog.LevelError + 1, slog.LevelError, slog.LevelWarn, slog.LevelInfo, slog.LevelDebug}

// fileHint ends the error of a file that cannot be opened.
const fileHint = "does its directory exist, and may this user write there?"

func (s *Server) openLogs(stderr io.Writer) error {
	var errs []error
	w := stderr
	if f := s.cfg.Server.ErrorLog; f.Name != "" {
		l, err := logfile.Open(f.Name)
		if err != nil {
			errs = append(errs, fmt.Errorf("%v: server.errorlog: %w: %s", f.Pos, err, fileHint))
		} else {
			s.errorLog, w = l, l
		}
	}
	h := slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})
	s.log = slog.New(atLeast{h, slog.LevelInfo})
	for i, level := range debugLevels {
		s.debugLogs[i] = slog.New(atLeast{h, level})
	}
	for _, f := range s.cfg.AccessLogs {
		l, err := logfile.Open(f.Name)
		if err != nil {
			errs = append(errs, fmt.Errorf("%v: accesslog.filename: %w: %s", f.Pos, err, fileHint))
			continue
		}
		s.accessLogs[f.Name] = l
	}
	return errors.Join(errs...)
}

// atLeast is a slog.Handler that drops what is below a level of its own.
type atLeast struct {
	slog.Handler
	min slog.Level
}

func (h atLeast) Enabled(_ context.Context, level slog.Level) bool { return level >= h.min }

// ReopenLogs opens the log files again, after they were rotated.
func (s *Server) ReopenLogs() {
	var errs []error
	if s.errorLog != nil {
		errs = append(errs, s.errorLog.Reopen())
	}
	for _, l := range s.accessLogs {
		errs = append(errs, l.Reopen())
	}
	if err := errors.Join(errs...); err != nil {
		s.log.Error("reopening logs", slog.Any("error", err))
		return
	}
	s.log.Info("logs reopened")
}

// debugLog returns the logger of what wstunnel.debug asks for: client faults
// from 1, connected backends from 2, tunnels that end from 3, frames from 4.
func (s *Server) debugLog(set *config.Settings) *slog.Logger {
	return s.debugLogs[min(set.Wstunnel.Debug, maxDebug)]
}

// access writes the access log's line of e.
func (s *Server) access(set *config.Settings, e *accesslog.Entry) {
	l := s.accessLogs[set.AccessLog]
	if l == nil {
		return
	}
	e.End = time.Now()
	if _, err := l.Write(accesslog.Append(nil, e)); err != nil {
		s.log.Error("writing the access log", slog.Any("error", err))
	}
}

// newEntry returns what the access log says of r before it is answered.
func newEntry(r *http.Request, client string) *accesslog.Entry {
	return &accesslog.Entry{
		Client:    client,
		Authority: r.Host,
		Request:   r.Method + " " + r.RequestURI + " " + r.Proto,
		Referer:   r.Referer(),
		UserAgent: r.UserAgent(),
	}
}

// refused logs requests that net/http could not read.
func (s *Server) refused(set *config.Settings) func(remote string, status int, sent int64) {
	return func(remote string, status int, sent int64) {
		_, client := clientAddr(remote)
		s.debugLog(set).Error("request cannot be read", slog.String("client", client), slog.Int("status", status))
		s.access(set, &accesslog.Entry{Client: client, Status: status, Sent: sent})
	}
}
