package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/wstunneld/wstunneld/internal/accesslog"
	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/config/syntax"
	"github.com/wstunneld/wstunneld/internal/logfile"
)

// syslogTag is the name of this program in syslog.
const syslogTag = "wstunneld"

// A sink is where the lines of logs go: a file, a command or syslog.
type sink interface {
	io.WriteCloser
	Reopen() error
}

// A target is what a [config.Log] names, wherever in the configuration it does.
// The zero target is none.
type target struct{ file, command string }

func targetOf(l config.Log) target { return target{l.File, l.Command} }

// logs are the logs of a generation. Each file and each command is opened once,
// however many directives name it.
type logs struct {
	log *slog.Logger // to the error log of the server

	main      *errorLog            // that of the server
	mainSink  sink                 // nil: stderr
	errorLogs map[target]*errorLog // of server.errorlog in any block
	sinks     map[target]sink
	syslog    *logfile.Syslog // nil: no log goes there
	stderr    *errorLog       // takes what the error log of the server cannot say of itself
}

// newLogs returns logs that write to stderr until they are opened. Syslog is
// connected already: behind a chroot, its socket is not to be found.
func newLogs(cfg *config.Config, o Options) logs {
	stderr := newErrorLog(newTextHandler(o.Stderr))
	l := logs{log: stderr.log, main: stderr, stderr: stderr, errorLogs: make(map[target]*errorLog), sinks: make(map[target]sink)}
	if cfg.Syslog {
		facility, _ := logfile.ParseFacility(cfg.Server.SyslogFacility) // config has checked it
		l.syslog = logfile.NewSyslog(facility, 0, syslogTag)
		if o.SyslogSockets != nil {
			l.syslog.Sockets = o.SyslogSockets
		}
		l.syslog.Reopen() // if it fails, each line tries again
	}
	return l
}

// openLogs opens the logs of cfg. An error is a [syntax.ErrorList] of all that
// cannot be opened; what could be is left to close.
func (l *logs) openLogs(cfg *config.Config) error {
	if err := l.openSinks(cfg); err != nil {
		return err
	}
	if !cfg.Server.ErrorLogSyslog {
		for _, c := range cfg.ErrorLogs {
			s := l.sinks[targetOf(c)]
			l.errorLogs[targetOf(c)] = newErrorLog(newTextHandler(watched{s, l}))
		}
	}
	main := targetOf(cfg.Server.ErrorLog)
	switch {
	case cfg.Server.ErrorLogSyslog:
		l.main, l.mainSink = newErrorLog(newSyslogHandler(l.syslog, l)), l.syslog
	case main != target{}:
		l.main, l.mainSink = l.errorLogs[main], l.sinks[main]
	}
	l.log = l.main.log
	return nil
}

// openSinks opens the files and then the commands of cfg, those only if there is
// no mistake in the names of files.
func (l *logs) openSinks(cfg *config.Config) error {
	type named struct {
		directive string
		config.Log
	}
	var all []named
	if !cfg.Server.ErrorLogSyslog {
		for _, c := range cfg.ErrorLogs {
			all = append(all, named{"server.errorlog", c})
		}
	}
	all = append(all, named{"server.breakagelog", cfg.Server.BreakageLog})
	for _, c := range cfg.AccessLogs {
		all = append(all, named{"accesslog.filename", c})
	}

	var errs syntax.ErrorList
	open := func(n named, hint string, f func() (sink, error)) {
		if l.sinks[targetOf(n.Log)] != nil {
			return
		}
		s, err := f()
		if err != nil {
			errs = append(errs, &syntax.Error{Pos: n.Pos, Msg: n.directive + ": " + err.Error(), Hint: hint})
			return
		}
		l.sinks[targetOf(n.Log)] = s
	}
	for _, n := range all {
		if n.File != "" {
			open(n, fileHint, func() (sink, error) { return logfile.Open(n.File) })
		}
	}
	if errs != nil {
		return errs
	}
	for _, n := range all {
		if n.Command != "" {
			open(n, commandHint, func() (sink, error) { return logfile.OpenPipe(n.Command) })
		}
	}
	if errs != nil {
		return errs
	}
	return nil
}

// reopen opens the log files again. Commands rotate their files themselves, and
// syslog is connected again whenever it has to be.
func (l *logs) reopen() error {
	var errs []error
	for _, s := range l.sinks {
		errs = append(errs, s.Reopen())
	}
	return errors.Join(errs...)
}

// close closes all logs. It waits for commands to end.
func (l *logs) close() {
	all := slices.Collect(maps.Values(l.sinks))
	if l.syslog != nil {
		all = append(all, l.syslog)
	}
	var others sync.WaitGroup
	for _, s := range all {
		if s != l.mainSink {
			others.Go(func() { l.closeSink(s) })
		}
	}
	others.Wait()
	if l.mainSink != nil {
		l.closeSink(l.mainSink) // last, as it tells of the others
	}
}

func (l *logs) closeSink(s sink) {
	if err := s.Close(); err != nil {
		l.failed(s, err)
	}
}

// failed tells of an error of s: in the error log of the server or, if it is that
// which fails, on stderr. Package logfile sees to it that there are few.
func (l *logs) failed(s sink, err error) {
	log := l.log
	if s == l.mainSink {
		log = l.stderr.log
	}
	log.Error("writing a log", slog.Any("error", err))
}

// errorLog returns the logger for what concerns requests with set.
func (l *logs) errorLog(set *config.Settings) *slog.Logger {
	return l.errorLogOf(set).log
}

// debugLog returns the logger of what wstunnel.debug asks for: client faults
// from 1, connected backends from 2, tunnels that end from 3, frames from 4.
func (l *logs) debugLog(set *config.Settings) *slog.Logger {
	return l.errorLogOf(set).debug[min(set.Wstunnel.Debug, maxDebug)]
}

func (l *logs) errorLogOf(set *config.Settings) *errorLog {
	if e := l.errorLogs[targetOf(set.ErrorLog)]; e != nil {
		return e
	}
	return l.main
}

// logsAccess reports whether there is an access log for requests with set.
func (l *logs) logsAccess(set *config.Settings) bool {
	return set.AccessLog.Syslog || l.sinks[targetOf(set.AccessLog.Log)] != nil
}

// keep drops from e what its line will not need. It is for requests that become
// tunnels.
func (l *logs) keep(set *config.Settings, e *accesslog.Entry) {
	set.AccessLog.Format.Keep(e)
}

// lines are buffers for one line each.
var lines = sync.Pool{New: func() any { return new([]byte) }}

// access writes the access log's line of e, which ends now.
func (l *logs) access(set *config.Settings, e *accesslog.Entry) {
	if !l.logsAccess(set) {
		return
	}
	a := &set.AccessLog
	e.End = time.Now()
	line := lines.Get().(*[]byte)
	defer lines.Put(line)
	*line = a.Format.Append((*line)[:0], e, a.Escaping)

	if a.Syslog {
		if err := l.syslog.Send(a.Level, *line); err != nil {
			l.failed(l.syslog, err)
		}
		return
	}
	s := l.sinks[targetOf(a.Log)]
	if _, err := s.Write(*line); err != nil {
		l.failed(s, err)
	}
}

// An errorLog is the loggers to one error log.
type errorLog struct {
	log   *slog.Logger
	debug [maxDebug + 1]*slog.Logger // by wstunnel.debug
}

func newErrorLog(h slog.Handler) *errorLog {
	e := &errorLog{log: slog.New(atLeast{h, slog.LevelInfo})}
	for i, level := range debugLevels {
		e.debug[i] = slog.New(atLeast{h, level})
	}
	return e
}

func newTextHandler(w io.Writer) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})
}

// A watched sink is written to by a [slog.Logger], which drops errors.
type watched struct {
	sink
	logs *logs
}

func (w watched) Write(b []byte) (int, error) {
	n, err := w.sink.Write(b)
	if err != nil {
		w.logs.failed(w.sink, err)
	}
	return n, err
}

// A syslogHandler is a [slog.Handler] that writes each record with the severity
// of its level. There is a handler for each, as a handler does not tell its writer
// the level of what it writes.
type syslogHandler struct{ debug, info, warn, error slog.Handler }

func newSyslogHandler(s *logfile.Syslog, l *logs) slog.Handler {
	with := func(severity int) slog.Handler {
		return slog.NewTextHandler(severityWriter{s, severity, l}, &slog.HandlerOptions{
			Level:       slog.LevelDebug,
			ReplaceAttr: dropTime,
		})
	}
	return syslogHandler{debug: with(7), info: with(6), warn: with(4), error: with(3)}
}

// dropTime drops the time of a record, which syslog has in front.
func dropTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func (h syslogHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h syslogHandler) Handle(ctx context.Context, r slog.Record) error {
	switch {
	case r.Level >= slog.LevelError:
		return h.error.Handle(ctx, r)
	case r.Level >= slog.LevelWarn:
		return h.warn.Handle(ctx, r)
	case r.Level >= slog.LevelInfo:
		return h.info.Handle(ctx, r)
	default:
		return h.debug.Handle(ctx, r)
	}
}

func (h syslogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return syslogHandler{h.debug.WithAttrs(attrs), h.info.WithAttrs(attrs), h.warn.WithAttrs(attrs), h.error.WithAttrs(attrs)}
}

func (h syslogHandler) WithGroup(name string) slog.Handler {
	return syslogHandler{h.debug.WithGroup(name), h.info.WithGroup(name), h.warn.WithGroup(name), h.error.WithGroup(name)}
}

// A severityWriter writes to syslog with one severity.
type severityWriter struct {
	syslog   *logfile.Syslog
	severity int
	logs     *logs
}

func (w severityWriter) Write(b []byte) (int, error) {
	err := w.syslog.Send(w.severity, b)
	if err != nil {
		w.logs.failed(w.syslog, err)
	}
	return len(b), err
}
