package server

import (
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/wstunneld/wstunneld/internal/config"
)

// traceRequestHeader writes the header of r to the error log, a record for each
// line, if debug.log-request-header is on.
func (l *logs) traceRequestHeader(set *config.Settings, r *http.Request) {
	if !set.Trace.RequestHeader {
		return
	}
	line := traceLine(l.errorLog(set), "request header", r)
	line(r.Method + " " + redactURL(r.RequestURI) + " " + r.Proto)
	line("Host: " + r.Host)
	traceFields(line, r.Header)
}

// traceResponseHeader writes the header of the answer to r to the error log if
// debug.log-response-header is on. What net/http adds is not in h.
func (l *logs) traceResponseHeader(set *config.Settings, r *http.Request, status int, h http.Header) {
	if !set.Trace.ResponseHeader {
		return
	}
	line := traceLine(l.errorLog(set), "response header", r)
	line(r.Proto + " " + strconv.Itoa(status) + " " + http.StatusText(status))
	traceFields(line, h)
}

// traceFileNotFound writes to the error log that there is no file of that name
// for r, if debug.log-file-not-found is on.
func (l *logs) traceFileNotFound(set *config.Settings, r *http.Request, name string) {
	if !set.Trace.FileNotFound {
		return
	}
	l.errorLog(set).Info("file not found", slog.String("remote", r.RemoteAddr), slog.String("path", r.URL.Path), slog.String("file", name))
}

// traceLine returns a function that writes one line of a header. The lines of
// requests that are answered at the same time are told apart by the client's port.
func traceLine(log *slog.Logger, msg string, r *http.Request) func(string) {
	return func(s string) { log.Info(msg, slog.String("remote", r.RemoteAddr), slog.String("line", s)) }
}

func traceFields(line func(string), h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[name] {
			if isSecret(name) && name != "Sec-Websocket-Key" {
				v = hidden
			}
			line(name + ": " + redactURL(v))
		}
	}
}

// hidden takes the place of what no log may show.
const hidden = "(hidden)"

// secrets are what the names of credentials have in them, or are.
var (
	secrets      = []string{"auth", "cookie", "credential", "jwt", "passw", "secret", "session", "signature", "token"}
	shortSecrets = []string{"code", "key", "pass", "pin", "pwd", "sid", "sig"} // as a word at the end
)

// isSecret reports whether the value of a header field or parameter of that name
// may be a credential.
func isSecret(name string) bool {
	name = strings.ToLower(name)
	for _, s := range secrets {
		if strings.Contains(name, s) {
			return true
		}
	}
	for _, s := range shortSecrets {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// redactURL returns s, a text that may be or hold a URL, with the values of its
// secret parameters hidden.
func redactURL(s string) string {
	i := strings.IndexAny(s, "?#")
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:i])
	for s = s[i:]; s != ""; {
		// s begins with what separates parameters. Those that are unusual may as
		// well be part of a value, so the value of a secret does not end there.
		n := 1 + end(s[1:], "=?&;#")
		name := s[1:n]
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if n < len(s) && s[n] == '=' && isSecret(name) {
			b.WriteString(s[:n+1] + hidden)
			n += end(s[n:], "&#")
		} else {
			n += end(s[n:], "?&;#")
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// end returns where s has the first byte of chars, or its length.
func end(s, chars string) int {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return i
	}
	return len(s)
}
