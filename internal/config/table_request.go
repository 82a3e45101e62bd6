package config

import "slices"

// requestTable has the directives of the core that a condition can change.
var requestTable = []Directive{
	{
		Name: "server.document-root", Type: String, Scope: ScopeConnection, Example: `"/srv/www"`,
		Doc:     "The directory of the files. It must be set outside of conditions; it need not exist.",
		request: func(s *Settings, v *typed) { s.DocumentRoot = v.text },
	},
	{
		Name: "index-file.names", Module: "mod_indexfile", Type: VList, Scope: ScopeConnection, Example: `( "index.html" )`,
		Doc:     "The files to serve for a path that ends in `/`, the first that exists. One that starts with `/` is relative to the document root.",
		request: setIndexFiles,
	},
	{
		Name: "server.indexfiles", Module: "mod_indexfile", Type: VList, Scope: ScopeConnection, Example: `( "index.html" )`,
		Doc:     "The old name of `index-file.names`.",
		request: setIndexFiles,
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
		Name: "static-file.exclude-extensions", Module: "mod_staticfile", Type: VList, Scope: ScopeConnection, Status: Refused,
		Note: "files cannot be kept back in this version", Doc: "Ends of names of files that are not served.",
		advice: "keep those files out of server.document-root, and remove the line",
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
		Name: "server.errorlog", Type: String, Scope: ScopeConnection, Default: "stderr", Status: Differs, Example: `"/var/log/wstunneld/error.log"`,
		Note: "it has no effect in a condition, and takes no command", Doc: "The file for errors.",
		check:  checkLog,
		server: func(s *Server, v *typed) { s.ErrorLog = File{v.text, v.value.pos} },
	},
	{
		Name: "server.breakagelog", Type: String, Scope: ScopeConnection, Status: NoEffect,
		Note: "no programs are started in this version", Doc: "The file for what programs write to stderr.",
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
		Name: "server.error-handler", Type: String, Scope: ScopeConnection, Status: NotYet,
		Note: "errors have their built-in pages, or those of server.errorfile-prefix, in this version", Doc: "The path that answers for errors.",
	},
	{
		Name: "server.error-handler-404", Type: String, Scope: ScopeConnection, Status: NotYet,
		Note: "errors have their built-in pages, or those of server.errorfile-prefix, in this version", Doc: "The path that answers for files that do not exist.",
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
		Name: "server.force-lowercase-filenames", Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: NotYet,
		Note: "names are taken as they are in this version", Doc: "Look up files in lower case.",
	},
	{
		Name: "server.protocol-http11", Type: Bool, Scope: ScopeConnection, Default: `"enable"`,
		Doc:     "Answer by HTTP/1.1. With `disable` there are no tunnels over HTTP/1.",
		request: func(s *Settings, v *typed) { s.ProtocolHTTP11 = v.on },
	},
	{
		Name: "server.kbytes-per-second", Type: Short, Scope: ScopeConnection, Default: "0", Status: NotYet,
		Note: "nothing is throttled in this version", Doc: "How many KiB a second all connections together are sent.",
	},
	{
		Name: "connection.kbytes-per-second", Type: Short, Scope: ScopeConnection, Default: "0", Status: NotYet,
		Note: "nothing is throttled in this version", Doc: "How many KiB a second a connection is sent.",
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
	debugRow("log-request-header", "the header of requests"),
	debugRow("log-response-header", "the header of responses"),
	debugRow("log-request-handling", "how requests are handled"),
	debugRow("log-condition-handling", "which conditions match"),
	debugRow("log-file-not-found", "files that do not exist"),
	debugRow("log-timeouts", "connections that are closed for being idle"),
	debugRow("log-state-handling", "the states of connections"),
}

// debugRow returns the row of "debug." + name.
func debugRow(name, what string) Directive {
	return Directive{
		Name: "debug." + name, Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: NoEffect,
		Note: "there are no such traces in this version", Doc: "Write to the error log " + what + ".",
	}
}

func setIndexFiles(s *Settings, v *typed) { s.IndexFiles = v.list }

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

// logTable has the directives of mod_accesslog.
var logTable = []Directive{
	{
		Name: "accesslog.filename", Module: "mod_accesslog", Type: String, Scope: ScopeConnection, Status: Differs, Example: `"/var/log/wstunneld/access.log"`,
		Note:    "it takes no command; the line of a tunnel has the bytes each way, the close code and the cause in addition",
		Doc:     "The file for one line per request; that of a tunnel is written at its end.",
		check:   checkAccessLog,
		request: func(s *Settings, v *typed) { s.AccessLog = v.text },
	},
	{
		Name: "accesslog.format", Module: "mod_accesslog", Type: String, Scope: ScopeConnection, Status: NotYet,
		Default: "`" + accessFormat + "`",
		Note:    "the default format is written in this version", Doc: "The fields of a line.",
		off: func(v *typed) bool { return v.text == accessFormat },
	},
	{
		Name: "accesslog.use-syslog", Module: "mod_accesslog", Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: NotYet,
		Note: "there is no syslog in this version", Doc: "Write the access log to syslog.",
	},
	{
		Name: "accesslog.syslog-level", Module: "mod_accesslog", Type: Short, Scope: ScopeConnection, Default: "6", Status: NoEffect,
		Note: "there is no syslog in this version", Doc: "The level for `accesslog.use-syslog`.",
	},
	{
		Name: "accesslog.escaping", Module: "mod_accesslog", Type: String, Scope: ScopeConnection, Default: `"default"`, Status: NotYet,
		Note: "the default escapes are written in this version", Doc: "How special characters are written: `default` or `json`.",
		off: func(v *typed) bool { return v.text == "" || v.text == "default" },
	},
}
