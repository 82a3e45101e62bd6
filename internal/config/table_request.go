package config

import (
	"slices"
	"strings"
)

// requestTable has the directives of the core that a condition can change.
var requestTable = []Directive{
	{
		Name: "server.document-root", Type: String, Scope: ScopeConnection, Example: `"/srv/www"`,
		Doc:     "The directory of the files. It must be set outside of conditions; it need not exist.",
		request: func(s *Settings, v *typed) { s.DocumentRoot = v.text },
	},
	{
		Name: "mimetype.assign", Type: KVString, Scope: ScopeConnection, Default: "a built-in table", Example: `( ".html" => "text/html" )`,
		Doc: "The content types by the end of a file's name; replaces the built-in table. With fewer than 16 entries the first that fits wins, else the longest.",
		check: func(l *loader, _ *Directive, v *typed) {
			v.mime = &MimeAssign{Pairs: v.pairs}
			l.mimes = append(l.mimes, v.mime)
		},
		request: func(s *Settings, v *typed) { s.MimeAssign = v.mime },
	},
	{
		Name: "mimetype.use-xattr", Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: NotYet,
		Note: "content types are found by the names of files alone in this version", Doc: "Take the content type of a file from an extended attribute.",
	},
	{
		Name: "server.name", Type: String, Scope: ScopeConnection, Default: "the host of the request",
		Doc:     "The canonical name of the server.",
		request: func(s *Settings, v *typed) { s.ServerName = v.text },
	},
	{
		Name: "server.tag", Type: String, Scope: ScopeConnection, Default: "`wstunneld/` and the version",
		Doc:     "The Server header of responses; `\"\"` leaves it out.",
		request: func(s *Settings, v *typed) { s.ServerTag = v.text },
	},
	{
		Name: "server.max-keep-alive-requests", Type: Short, Scope: ScopeConnection, Default: "1000",
		Doc:     "How many requests one connection can have.",
		request: func(s *Settings, v *typed) { s.MaxKeepAliveRequests = int(v.num) },
	},
	{
		Name: "server.max-keep-alive-idle", Type: Short, Scope: ScopeConnection, Default: "5",
		Doc:     "How many seconds a connection can wait for its next request; 0 closes it after each.",
		request: func(s *Settings, v *typed) { s.MaxKeepAliveIdle = seconds(v.num) },
	},
	{
		Name: "server.max-read-idle", Type: Short, Scope: ScopeConnection, Default: "60", Status: Differs,
		Note:    "in a tunnel, traffic either way counts, and a Close with code 1001 is sent",
		Doc:     "How many seconds the client can be silent in a request or a tunnel.",
		request: func(s *Settings, v *typed) { s.MaxReadIdle = seconds(v.num) },
	},
	{
		Name: "server.max-write-idle", Type: Short, Scope: ScopeConnection, Default: "360", Status: Differs,
		Note:    "in a tunnel it takes the place of `server.max-read-idle` while bytes wait for a peer that does not read; then a Close with code 1001 is sent",
		Doc:     "How many seconds a response or a tunnel can stand still because a peer does not read.",
		request: func(s *Settings, v *typed) { s.MaxWriteIdle = seconds(v.num) },
	},
	{
		Name: "server.max-request-size", Type: Int, Scope: ScopeConnection, Default: "0", Example: "1024",
		Doc:     "How many KiB a client can send in one request or one tunnel; 0 is no limit.",
		request: func(s *Settings, v *typed) { s.MaxRequestSize = v.num << 10 },
	},
	{
		Name: "server.stream-request-body", Type: Short, Scope: ScopeConnection, Default: "0", Status: NoEffect,
		Note: "a tunnel passes on what comes, as it comes", Doc: "Whether uploads are passed on as they come.",
	},
	{
		Name: "server.stream-response-body", Type: Short, Scope: ScopeConnection, Default: "0", Status: NoEffect,
		Note: "a tunnel passes on what comes, as it comes, and never buffers without a limit", Doc: "Whether responses are passed on as they come.",
	},
	{
		Name: "server.errorfile-prefix", Type: String, Scope: ScopeConnection, Example: `"/srv/errors/status-"`,
		Doc:     "The start of the names of error pages: the status and `.html` are put behind it.",
		request: func(s *Settings, v *typed) { s.ErrorfilePrefix = v.text },
	},
	{
		Name: "server.error-handler", Type: String, Scope: ScopeConnection, Example: `"/error.html"`,
		Doc:     "The path that answers in place of an error page.",
		check:   checkHandler,
		request: func(s *Settings, v *typed) { s.ErrorHandler = v.text },
	},
	{
		Name: "server.error-handler-404", Type: String, Scope: ScopeConnection, Example: `"/missing.html"`,
		Doc:     "The path that answers for files that do not exist; it goes before `server.error-handler`.",
		check:   checkHandler,
		request: func(s *Settings, v *typed) { s.ErrorHandler404 = v.text },
	},
	{
		Name: "server.error-intercept", Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: NoEffect,
		Note: "every error page is the server's own", Doc: "Replace the error pages of backends.",
	},
	{
		Name: "server.range-requests", Type: Bool, Scope: ScopeConnection, Default: `"enable"`,
		Doc:     "Serve parts of files.",
		request: func(s *Settings, v *typed) { s.RangeRequests = v.on },
	},
	{
		Name: "server.follow-symlink", Type: Bool, Scope: ScopeConnection, Default: `"enable"`, Status: Differs,
		Note:    "a link that leads out of the document root is never followed",
		Doc:     "Serve files through symbolic links.",
		request: func(s *Settings, v *typed) { s.FollowSymlink = v.on },
	},
	{
		Name: "server.force-lowercase-filenames", Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: Differs,
		Note:    "it is off also where the file system does not tell the case of letters",
		Doc:     "Look up files in lower case, and compare paths with `alias.url`, `url.access-deny` and the like in any case.",
		request: func(s *Settings, v *typed) { s.Lowercase = v.on },
	},
	{
		Name: "server.protocol-http11", Type: Bool, Scope: ScopeConnection, Default: `"enable"`,
		Doc:     "Answer by HTTP/1.1. With `disable` there are no tunnels over HTTP/1.",
		request: func(s *Settings, v *typed) { s.ProtocolHTTP11 = v.on },
	},
	{
		Name: "server.kbytes-per-second", Type: Short, Scope: ScopeConnection, Default: "0",
		Doc: "How many KiB a second all connections together are sent whose requests are of this block; 0 is no limit.",
		check: func(_ *loader, _ *Directive, v *typed) {
			if v.num > 0 {
				v.throttle = &Throttle{int(v.num)}
			}
		},
		request: func(s *Settings, v *typed) { s.Throttle = v.throttle },
	},
	{
		Name: "connection.kbytes-per-second", Type: Short, Scope: ScopeConnection, Default: "0",
		Doc:     "How many KiB a second one connection is sent; 0 is no limit.",
		request: func(s *Settings, v *typed) { s.ConnectionKBytesPerSecond = int(v.num) },
	},
	{
		Name: "etag.use-inode", Type: Bool, Scope: ScopeConnection, Default: `"enable"`,
		Doc:     "Let the ETag depend on the file's inode.",
		request: func(s *Settings, v *typed) { s.ETagUseInode = v.on },
	},
	{
		Name: "etag.use-mtime", Type: Bool, Scope: ScopeConnection, Default: `"enable"`,
		Doc:     "Let the ETag depend on the file's time of change.",
		request: func(s *Settings, v *typed) { s.ETagUseMtime = v.on },
	},
	{
		Name: "etag.use-size", Type: Bool, Scope: ScopeConnection, Default: `"enable"`,
		Doc:     "Let the ETag depend on the file's size.",
		request: func(s *Settings, v *typed) { s.ETagUseSize = v.on },
	},
}

// checkHandler warns of a path that no request can have.
func checkHandler(l *loader, d *Directive, v *typed) {
	if v.text != "" && !strings.HasPrefix(v.text, "/") {
		l.warnf(v.value.pos, "write the path of a URL, such as \"/error.html\"", "%s is %s, which is no path", d.Name, quote(v.text))
	}
}

// debugTable has the directives that say what is traced.
var debugTable = []Directive{
	debugRow("debug.log-request-header", "the header of requests", func(t *Trace, on bool) { t.RequestHeader = on }),
	debugRow("debug.log-response-header", "the header of responses", func(t *Trace, on bool) { t.ResponseHeader = on }),
	{
		Name: "debug.log-request-handling", Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: NotYet,
		Note: "nothing is written of them in this version", Doc: "Write to the error log how requests are handled.",
	},
	{
		Name: "debug.log-condition-handling", Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: NotYet,
		Note: "nothing is written of them in this version", Doc: "Write to the error log which conditions match.",
	},
	debugRow("debug.log-file-not-found", "files that do not exist", func(t *Trace, on bool) { t.FileNotFound = on }),
	{
		Name: "debug.log-timeouts", Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: NotYet,
		Note: "nothing is written of them in this version", Doc: "Write to the error log connections that are closed for being idle.",
	},
	{
		Name: "debug.log-request-header-on-error", Type: Bool, Scope: ScopeServer, Default: `"disable"`, Status: NoEffect,
		Note: "what cannot be read of a request is not kept", Doc: "Write to the error log the header of requests that cannot be read.",
	},
	{
		Name: "debug.log-state-handling", Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: NoEffect,
		Note: "connections have no such states here", Doc: "Write to the error log the states of connections.",
	},
}

// debugRow returns the row of a directive that writes what to the error log.
func debugRow(name, what string, set func(t *Trace, on bool)) Directive {
	return Directive{
		Name: name, Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: Differs,
		Note: "the lines are those of this server", Doc: "Write to the error log " + what + ".",
		request: func(s *Settings, v *typed) { set(&s.Trace, v.on) },
	}
}

// tunnelTable has the directives of mod_wstunnel.
var tunnelTable = []Directive{
	{
		Name: "wstunnel.server", Module: "mod_wstunnel", Type: KVArray, Scope: ScopeConnection,
		Example: `( "/ws" => ( ( "host" => "127.0.0.1", "port" => 5900 ) ) )`, Status: Differs,
		Note:    "`bin-path` is an error, as no programs are started in this version; `\"host\" => \"\"` with a port is 127.0.0.1; unknown options are warned of",
		Doc:     "The backends by path: a key that starts with `/` fits the paths that start with it, any other those that end with it, `\"\"` all; the first that fits wins. `()` switches tunnels off.",
		check:   checkTunnels,
		request: func(s *Settings, v *typed) { s.Wstunnel.Server = v.exts },
	},
	{
		Name: "wstunnel.balance", Module: "mod_wstunnel", Type: String, Scope: ScopeConnection, Default: `"fair"`, Example: `"round-robin"`, Status: NotYet,
		Note:    "the hosts of an ext are tried in the order in which they are written",
		off:     func(v *typed) bool { return slices.Contains([]string{"", "fair", "least-connection"}, v.text) },
		Doc:     "How a host is chosen: `fair` or `least-connection`, `round-robin`, `hash` (by host and path) or `sticky` (by the client's address).",
		check:   checkBalance,
		request: func(s *Settings, v *typed) { s.Wstunnel.Balance = v.text },
	},
	{
		Name: "wstunnel.debug", Module: "mod_wstunnel", Type: Int, Scope: ScopeConnection, Default: "0", Example: "1", Status: Differs,
		Note:    "1 logs errors, 2 warnings, 3 what happens, 4 frames",
		Doc:     "How much is logged of tunnels.",
		request: func(s *Settings, v *typed) { s.Wstunnel.Debug = int(v.num) },
	},
	{
		Name: "wstunnel.map-extensions", Module: "mod_wstunnel", Type: KVString, Scope: ScopeConnection, Example: `( ".ws" => "/ws" )`,
		Doc:     "Ends of paths, each with the key of `wstunnel.server` to use for it.",
		request: func(s *Settings, v *typed) { s.Wstunnel.MapExtensions = v.pairs },
	},
	{
		Name: "wstunnel.frame-type", Module: "mod_wstunnel", Type: String, Scope: ScopeConnection, Default: `"text"`, Example: `"binary"`, Status: Differs,
		Note:    "values other than `text` and `binary` are warned of",
		Doc:     "The frames that the client is sent. A backend that sends anything but UTF-8 needs `binary`.",
		check:   checkFrameType,
		request: func(s *Settings, v *typed) { s.Wstunnel.Binary = fold(v.text) == "binary" },
	},
	{
		Name: "wstunnel.origins", Module: "mod_wstunnel", Type: VList, Scope: ScopeConnection, Default: "any origin", Example: `( "https://example.com" )`,
		Doc:     "The origins that may connect: an entry fits an Origin that is equal, or that ends with `.` and the entry. So `https://example.com` is that host, `example.com` the hosts below it.",
		check:   checkOrigins,
		request: func(s *Settings, v *typed) { s.Wstunnel.Origins = v.list },
	},
	{
		Name: "wstunnel.ping-interval", Module: "mod_wstunnel", Type: Short, Scope: ScopeConnection, Default: "0", Example: "30", Status: Differs,
		Note:    "N is N seconds, not N+1",
		Doc:     "The seconds between pings to the client; 0 sends none.",
		request: func(s *Settings, v *typed) { s.Wstunnel.PingInterval = seconds(v.num) },
	},
}
