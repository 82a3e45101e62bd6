package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wstunneld/wstunneld/internal/accesslog"
)

// accessFormat is lighttpd's default for accesslog.format.
const accessFormat = `%h %V %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`

// logTable has the directives of logs: of the core and of mod_accesslog.
var logTable = []Directive{
	{
		Name: "server.errorlog", Type: String, Scope: ScopeConnection, Default: "stderr", Example: `"/var/log/wstunneld/error.log"`,
		Doc: "The file for errors, or `|` and a command to write them to. In a condition, it is for what concerns requests.",
		check: func(l *loader, d *Directive, v *typed) {
			v.log = l.log(d, v)
			addLog(&l.errorLogs, v.log)
		},
		server:  func(s *Server, v *typed) { s.ErrorLog = v.log },
		request: func(s *Settings, v *typed) { s.ErrorLog = v.log },
	},
	{
		Name: "server.errorlog-use-syslog", Type: Bool, Scope: ScopeServer, Default: `"disable"`,
		Doc: "Write errors to syslog, in place of `server.errorlog`.",
		check: func(l *loader, _ *Directive, v *typed) {
			l.syslog = l.syslog || v.on
		},
		server: func(s *Server, v *typed) { s.ErrorLogSyslog = v.on },
	},
	{
		Name: "server.syslog-facility", Type: String, Scope: ScopeServer, Default: `"daemon"`, Example: `"local0"`,
		Doc:    "The facility of what is written to syslog. An unknown one is `daemon`, with a warning.",
		check:  checkFacility,
		server: func(s *Server, v *typed) { s.SyslogFacility = v.text },
	},
	{
		Name: "server.breakagelog", Type: String, Scope: ScopeConnection, Default: "the stderr of the server", Example: `"/var/log/wstunneld/breakage.log"`, Status: Differs,
		Note:   "nothing is written to it yet, as no programs are started for tunnels in this version",
		Doc:    "The file for what programs that the server starts write to stderr, or `|` and a command.",
		check:  func(l *loader, d *Directive, v *typed) { v.log = l.log(d, v) },
		server: func(s *Server, v *typed) { s.BreakageLog = v.log },
	},
	{
		Name: "accesslog.filename", Module: "mod_accesslog", Type: String, Scope: ScopeConnection, Example: `"/var/log/wstunneld/access.log"`,
		Doc: "The file for one line per request, or `|` and a command; `\"\"` is none. The line of a tunnel is written at its end.",
		check: func(l *loader, d *Directive, v *typed) {
			v.log = l.log(d, v)
			addLog(&l.accessLogs, v.log)
		},
		request: func(s *Settings, v *typed) { s.AccessLog.Log = v.log },
	},
	{
		Name: "accesslog.format", Module: "mod_accesslog", Type: String, Scope: ScopeConnection, Example: literal(accessFormat), Status: Differs,
		Default: "`" + accessFormat + "`, and for tunnels ` rx= tx= close= cause= duration=` behind it",
		Note:    "the default has more for tunnels",
		Doc:     "The fields of a line.",
		check: func(l *loader, d *Directive, v *typed) {
			var err error
			if v.format, err = accesslog.ParseFormat(v.text); err != nil {
				l.errorf(v.value.pos, "", "%s cannot be used: %v", d.Name, err)
			}
		},
		request: func(s *Settings, v *typed) { s.AccessLog.Format = v.format },
	},
	{
		Name: "accesslog.escaping", Module: "mod_accesslog", Type: String, Scope: ScopeConnection, Default: `"default"`, Example: `"json"`, Status: Differs,
		Note: "other values are warned of",
		Doc:  "How values are written that have special characters: `default` or `json`.",
		check: func(l *loader, d *Directive, v *typed) {
			if e := fold(v.text); e != "" && e != "default" && e != "json" {
				l.warnf(v.value.pos, `write "default" or "json"`, "%s is %s, which is unknown: \"default\" is used", d.Name, quote(v.text))
			}
		},
		request: func(s *Settings, v *typed) {
			s.AccessLog.Escaping = accesslog.EscapeDefault
			if fold(v.text) == "json" {
				s.AccessLog.Escaping = accesslog.EscapeJSON
			}
		},
	},
	{
		Name: "accesslog.use-syslog", Module: "mod_accesslog", Type: Bool, Scope: ScopeConnection, Default: `"disable"`,
		Doc: "Write the lines to syslog, in place of `accesslog.filename`.",
		check: func(l *loader, _ *Directive, v *typed) {
			l.syslog = l.syslog || v.on
		},
		request: func(s *Settings, v *typed) { s.AccessLog.Syslog = v.on },
	},
	{
		Name: "accesslog.syslog-level", Module: "mod_accesslog", Type: Short, Scope: ScopeConnection, Default: "6", Example: "6", Status: Differs,
		Note: "a value above 7 is 7, with a warning",
		Doc:  "The level of the lines in syslog, 0 to 7.",
		check: func(l *loader, d *Directive, v *typed) {
			if v.num > 7 {
				l.warnf(v.value.pos, "write "+d.Name+" = 6", "%s is %d, but the levels of syslog are 0 to 7: 7 is used", d.Name, v.num)
				v.num = 7
			}
		},
		request: func(s *Settings, v *typed) { s.AccessLog.Level = int(v.num) },
	},
}

// log returns the log that v names.
func (l *loader) log(d *Directive, v *typed) Log {
	command, ok := strings.CutPrefix(v.text, "|")
	switch {
	case !ok && v.text == "":
		return Log{}
	case !ok:
		return Log{File: v.text, Pos: v.value.pos}
	case strings.TrimSpace(command) == "":
		l.errorf(v.value.pos, `write a command behind the "|", or the path of a file`, "%s has no command", d.Name)
	}
	return Log{Command: command, Pos: v.value.pos}
}

// addLog adds log to list, unless it is none or already there.
func addLog(list *[]Log, log Log) {
	known := func(k Log) bool { return k.File == log.File && k.Command == log.Command }
	if (log.File != "" || log.Command != "") && !slices.ContainsFunc(*list, known) {
		*list = append(*list, log)
	}
}

// syslogFacilities are the values of server.syslog-facility.
var syslogFacilities = map[string]bool{
	"auth": true, "authpriv": true, "cron": true, "daemon": true, "ftp": true, "kern": true,
	"local0": true, "local1": true, "local2": true, "local3": true, "local4": true, "local5": true, "local6": true, "local7": true,
	"lpr": true, "mail": true, "news": true, "syslog": true, "user": true, "uucp": true,
}

// checkFacility replaces an unknown facility.
func checkFacility(l *loader, d *Directive, v *typed) {
	if syslogFacilities[v.text] {
		return
	}
	if v.text != "" {
		hint := `write "daemon", "user" or "local0" to "local7"`
		if near := nearest(v.text, slices.Collect(maps.Keys(syslogFacilities))); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		l.warnf(v.value.pos, hint, "%s is %s, which is unknown: \"daemon\" is used", d.Name, quote(v.text))
	}
	v.text = defaultServer.SyslogFacility
}
