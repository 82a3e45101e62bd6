package config

import (
	"io/fs"
	"strconv"
)

// coreTable has the directives of the core that are set once.
var coreTable = []Directive{
	{
		Name: "server.modules", Type: VList, Scope: ScopeServer, Example: `( "mod_wstunnel" )`, Status: Differs,
		Note:  "the modules are built in, and their order does not matter",
		Doc:   "The modules whose directives have effect. Write `+=`, so that included files can add to it. An unknown name is an error.",
		check: checkModules,
		server: func(s *Server, v *typed) {
			seen := make(map[string]bool)
			for _, m := range v.list {
				if !seen[m] {
					s.Modules = append(s.Modules, m)
				}
				seen[m] = true
			}
		},
	},
	{
		Name: "server.compat-module-load", Type: Bool, Scope: ScopeServer, Default: `"enable"`, Status: NoEffect,
		Note: "the modules are built in", Doc: "Load the modules that old configurations do not list.",
	},
	{
		Name: "server.port", Type: Short, Scope: ScopeServer, Default: "80", Example: "8080", Status: Differs,
		Note: "0 lets the system choose a free port",
		Doc:  "The port of the main listener, and of each `$SERVER[\"socket\"]` without one.",
		socket: func(s *socket, v *typed) {
			s.port, s.pos = v.num, v.value.pos
		},
	},
	{
		Name: "server.bind", Type: String, Scope: ScopeServer, Default: "every IPv4 address", Example: `"127.0.0.1"`,
		Doc: "The address or name of the main listener, or the path of a Unix socket. One listener is opened, on the first address of a name.",
		socket: func(s *socket, v *typed) {
			s.bind, s.pos = v.text, v.value.pos
		},
	},
	{
		Name: "server.username", Type: String, Scope: ScopeServer, Status: Refused,
		Note: "this version does not change its user", Doc: "The user to run as, when started as root.",
		advice: "start it as that user, for example by User= in its systemd unit, and remove the line",
	},
	{
		Name: "server.groupname", Type: String, Scope: ScopeServer, Status: Refused,
		Note: "this version does not change its group", Doc: "The group to run as, when started as root.",
		advice: "start it in that group, for example by Group= in its systemd unit, and remove the line",
	},
	{
		Name: "server.chroot", Type: String, Scope: ScopeServer, Status: Refused,
		Note: "this version does not change its root directory", Doc: "The directory to confine the server to.",
		advice: "confine it by other means, for example by RootDirectory= in its systemd unit, and remove the line",
	},
	{
		Name: "server.pid-file", Type: String, Scope: ScopeServer, Example: `"/run/wstunneld.pid"`,
		Doc:    "A file for the process number while the server runs.",
		server: func(s *Server, v *typed) { s.PidFile = File{v.text, v.value.pos} },
	},
	{
		Name: "server.max-connections", Type: Short, Scope: ScopeServer, Status: NotYet,
		Note: "there is no limit in this version", Doc: "How many connections are accepted at a time.",
		server: func(s *Server, v *typed) { s.MaxConnections = int(v.num) },
	},
	{
		Name: "server.max-fds", Type: Int, Scope: ScopeServer, Default: "4096", Status: NoEffect,
		Note: "the limit is raised to all that the system allows", Doc: "How many files and sockets can be open at a time.",
		server: func(s *Server, v *typed) { s.MaxFDs = int(v.num) },
	},
	{
		Name: "server.max-worker", Type: Short, Scope: ScopeServer, Default: "0", Status: NoEffect,
		Note: "one process uses all processors", Doc: "How many processes share the listeners.",
	},
	{
		Name: "server.max-request-field-size", Type: Short, Scope: ScopeServer, Default: "8192", Example: "8192",
		Doc:    "How many bytes the header of a request can have. A larger one is answered by 431.",
		server: func(s *Server, v *typed) { s.MaxRequestFieldSize = int(v.num) },
	},
	{
		Name: "server.upload-dirs", Type: VList, Scope: ScopeServer, Default: `( "/var/tmp" )`, Status: NoEffect,
		Note: "nothing is written to temporary files", Doc: "Directories for temporary files.",
	},
	{
		Name: "server.errorlog-use-syslog", Type: Bool, Scope: ScopeServer, Default: `"disable"`, Status: NotYet,
		Note: "there is no syslog in this version; a supervisor can pass stderr on", Doc: "Write the error log to syslog.",
	},
	{
		Name: "server.syslog-facility", Type: String, Scope: ScopeServer, Status: NoEffect,
		Note: "there is no syslog in this version", Doc: "The facility for `server.errorlog-use-syslog`.",
	},
	{
		Name: "server.http-parseopts", Type: KVString, Scope: ScopeServer, Status: NotYet, Example: `( "url-path-2f-decode" => "enable" )`,
		Note: "requests are parsed by lighttpd's defaults in this version",
		Doc:  "How strictly requests are parsed. An unknown option or value is an error.",
		off:  defaultParseOpts, check: checkParseOpts,
	},
	{
		Name: "server.feature-flags", Type: KVAny, Scope: ScopeServer, Status: Differs,
		Example: `( "server.graceful-shutdown-timeout" => 8 )`,
		Note:    "`server.graceful-shutdown-timeout` has effect, the others are accepted",
		Doc:     "Switches. `server.graceful-shutdown-timeout` is how many seconds open connections have when the server stops, 8 if not set; 0 is no limit.",
		check:   checkFlags,
		server: func(s *Server, v *typed) {
			for _, e := range v.value.elems {
				if fold(e.key) == shutdownFlag {
					n, _ := number(e.value, 1<<32-1)
					s.GracefulShutdownTimeout = seconds(n)
				}
			}
		},
	},
	{
		Name: "server.systemd-socket-activation", Type: Bool, Scope: ScopeServer, Default: `"disable"`, Status: NotYet,
		Note: "the listeners are always opened by the server itself in this version", Doc: "Use the sockets that systemd passes on.",
	},
	{
		Name: "server.core-files", Type: Bool, Scope: ScopeServer, Status: NoEffect,
		Note: "the environment variable GOTRACEBACK does this", Doc: "Leave a core file after a crash.",
	},
	{
		Name: "server.event-handler", Type: String, Scope: ScopeServer, Status: NoEffect,
		Note: "there is one for each system", Doc: "How the server waits for events.",
	},
	{
		Name: "server.network-backend", Type: String, Scope: ScopeServer, Status: NoEffect,
		Note: "there is one for each system", Doc: "How the server writes to sockets.",
	},
	{
		Name: "server.stat-cache-engine", Type: String, Scope: ScopeServer, Status: NoEffect,
		Note: "nothing is cached that could be stale", Doc: "How long what is known of a file is kept.",
	},
	{
		Name: "server.chunkqueue-chunk-sz", Type: Int, Scope: ScopeServer, Status: NoEffect,
		Note: "buffers have fixed sizes", Doc: "The size of buffers.",
	},
	{
		Name: "server.upload-temp-file-size", Type: Int, Scope: ScopeServer, Status: NoEffect,
		Note: "nothing is written to temporary files", Doc: "The size of temporary files.",
	},
}

// socketTable has the directives of a listener.
var socketTable = []Directive{
	{
		Name: "server.listen-backlog", Type: Int, Scope: ScopeSocket, Default: "4096", Example: "4096", Status: NoEffect,
		Note: "the system's limit is used, `net.core.somaxconn` on Linux",
		Doc:  "How many connections the system keeps until they are accepted.",
	},
	{
		Name: "server.socket-perms", Type: String, Scope: ScopeSocket, Default: "by the umask", Example: `"0660"`,
		Doc:   "The mode of a Unix socket, in octal.",
		check: checkPerms,
		socket: func(s *socket, v *typed) {
			n, _ := strconv.ParseUint(v.text, 8, 9)
			s.perms = fs.FileMode(n)
		},
	},
	{
		Name: "server.use-ipv6", Type: Bool, Scope: ScopeSocket, Default: `"disable"`,
		Doc:    "Take IPv6 where an address can be of both kinds: no address, `*`, a name.",
		socket: func(s *socket, v *typed) { s.useIPv6 = v.on },
	},
	{
		Name: "server.set-v6only", Type: Bool, Scope: ScopeSocket, Default: `"enable"`,
		Doc:    "With `disable`, a listener on `[::]` accepts IPv4, too.",
		socket: func(s *socket, v *typed) { s.v6only = v.on },
	},
	{
		Name: "server.v4mapped", Type: Bool, Scope: ScopeSocket, Status: NoEffect,
		Note: "an IPv4 client has its IPv4 address in conditions", Doc: "How IPv4 addresses are seen on an IPv6 listener.",
	},
	{
		Name: "server.defer-accept", Type: Bool, Scope: ScopeSocket, Default: `"disable"`, Status: NoEffect,
		Note: "a connection without a request costs little", Doc: "Accept a connection only once the client has sent something.",
	},
	{
		Name: "server.ip-transparent", Type: Bool, Scope: ScopeSocket, Default: `"disable"`, Status: NotYet,
		Note: "only addresses of this machine can be listened on in this version", Doc: "Listen on addresses of other machines.",
	},
}
