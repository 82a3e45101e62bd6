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
		Name: compatLoad, Type: Bool, Scope: ScopeServer, Default: `"enable"`, Status: Differs,
		Note: "files are served in any case",
		Doc:  "With `disable`, also mod_indexfile, mod_staticfile, mod_dirlisting, mod_authn_file and mod_openssl must be listed for their directives to have effect.",
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
		Name: "server.username", Type: String, Scope: ScopeServer, Example: `"www-data"`,
		Doc:    "The user to go on as, when started as root, once the listeners are open and before the logs are: they must be writable for that user. Its groups are taken, too. The user with number 0 is an error.",
		check:  checkRoot,
		server: func(s *Server, v *typed) { s.Username = v.text },
	},
	{
		Name: "server.groupname", Type: String, Scope: ScopeServer, Default: "that of `server.username`", Example: `"www-data"`,
		Doc:    "The group to go on in, when started as root. The group with number 0 is an error.",
		check:  checkRoot,
		server: func(s *Server, v *typed) { s.Groupname = v.text },
	},
	{
		Name: "server.chroot", Type: String, Scope: ScopeServer, Example: `"/srv/jail"`,
		Doc:    "The directory to confine the server to, when started as root, once the listeners are open. Paths of files are inside it from then on.",
		check:  checkRoot,
		server: func(s *Server, v *typed) { s.Chroot = File{v.text, v.value.pos} },
	},
	{
		Name: "server.pid-file", Type: String, Scope: ScopeServer, Example: `"/run/wstunneld.pid"`,
		Doc:    "A file for the process number while the server runs.",
		server: func(s *Server, v *typed) { s.PidFile = File{v.text, v.value.pos} },
	},
	{
		Name: maxConnections, Type: Short, Scope: ScopeServer, Default: "a third of `server.max-fds`", Status: Differs,
		Note:   "without `server.max-fds`, there is no limit but this",
		Doc:    "How many connections are open at a time; more wait in the system. It is at most half of `server.max-fds`, as a tunnel takes two.",
		server: func(s *Server, v *typed) { s.MaxConnections = int(v.num) },
	},
	{
		Name: "server.max-fds", Type: Int, Scope: ScopeServer, Default: "all that the system allows", Example: "4096", Status: Differs,
		Note:   "not 4096, if it is not set",
		Doc:    "How many files and sockets can be open at a time. Only root can raise what the system allows.",
		server: func(s *Server, v *typed) { s.MaxFDs = int(v.num) },
	},
	{
		Name: "server.max-worker", Type: Short, Scope: ScopeServer, Default: "0", Status: NoEffect,
		Note: "one process uses all processors; a warning says so if it is more than 1", Doc: "How many processes share the listeners.",
		check: func(l *loader, d *Directive, v *typed) {
			if v.num > 1 {
				l.warnf(v.value.pos, "remove it", "%s has no effect: one process uses all processors", d.Name)
			}
		},
		server: func(s *Server, v *typed) { s.MaxWorker = int(v.num) },
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
		Name: parseOptsName, Type: KVString, Scope: ScopeServer, Status: Differs, Example: `( "url-path-2f-decode" => "disable" )`,
		Note:   "`header-strict`, `host-strict` and `host-normalize` are always on: a warning says so if one is to be off",
		Doc:    "How requests are read; the options are below. An unknown option or value, and two options that exclude each other, are errors.",
		check:  checkParseOpts,
		server: func(s *Server, v *typed) { setParseOpts(&s.ParseOpts, v) },
	},
	{
		Name: "server.http-parseopt-" + headerStrict, Type: Bool, Scope: ScopeServer, Default: `"enable"`, Status: Differs,
		Note: "it is always on, and a warning says so if it is to be off", Doc: "The old name of `header-strict` in `server.http-parseopts`.",
		check: func(l *loader, d *Directive, v *typed) {
			if !v.on {
				l.warnf(v.value.pos, "", "%s is always on", d.Name)
			}
		},
	},
	{
		Name: "server.http-parseopt-host-strict", Type: Bool, Scope: ScopeServer, Default: `"enable"`,
		Doc:    "The old name of `host-strict` in `server.http-parseopts`.",
		server: func(s *Server, v *typed) { s.ParseOpts.HostStrict = v.on },
	},
	{
		Name: "server.http-parseopt-host-normalize", Type: Bool, Scope: ScopeServer, Default: `"disable"`,
		Doc:    "The old name of `host-normalize` in `server.http-parseopts`.",
		server: func(s *Server, v *typed) { s.ParseOpts.HostNormalize = v.on },
	},
	{
		Name: "server.reject-expect-100-with-417", Type: Bool, Scope: ScopeServer, Default: `"enable"`, Status: NoEffect,
		Note: "lighttpd ignores it, too", Doc: "Refuse requests that wait for a 100.",
	},
	{
		Name: "server.feature-flags", Type: KVAny, Scope: ScopeServer, Status: Differs,
		Example: `( "server.graceful-shutdown-timeout" => 30 )`,
		Note:    "the flags below say each for itself what becomes of it",
		Doc:     "Switches by name. Unknown ones are ignored, with a warning if they look like a known one.",
		check:   checkFlags,
		server: func(s *Server, v *typed) {
			for _, e := range v.value.elems {
				if f := flags()[fold(e.key)]; f != nil && f.server != nil {
					f.server(s, e.value)
				}
			}
		},
		request: func(s *Settings, v *typed) {
			for _, e := range v.value.elems {
				if f := flags()[fold(e.key)]; f != nil && f.request != nil {
					f.request(s, e.value)
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
		Name: "mimetype.xattr-name", Type: String, Scope: ScopeServer, Default: `"user.mime_type"`, Status: NoEffect,
		Note: "only with `mimetype.use-xattr`", Doc: "The extended attribute of a file that has its content type.",
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
		Name: "server.bsd-accept-filter", Type: String, Scope: ScopeSocket, Status: NoEffect,
		Note: "a connection without a request costs little", Doc: "Accept a connection only once a filter of the system lets it through.",
	},
	{
		Name: "server.ip-transparent", Type: Bool, Scope: ScopeSocket, Default: `"disable"`, Status: NotYet,
		Note: "only addresses of this machine can be listened on in this version", Doc: "Listen on addresses of other machines.",
	},
}

const maxConnections = "server.max-connections"

// boundConnections lets server.max-connections fit server.max-fds, which is for
// all connections of the server: a tunnel needs two descriptors, and what is
// sent from a file, a third.
func (l *loader) boundConnections(global *context, s *Server) {
	if s.MaxFDs == 0 {
		return
	}
	if s.MaxConnections == 0 {
		s.MaxConnections = max(s.MaxFDs/3, 1)
		return
	}
	if most := max(s.MaxFDs/2, 1); s.MaxConnections > most {
		l.warnf(global.find(maxConnections).value.pos, "raise server.max-fds",
			"%s is more than half of server.max-fds: %d is used", maxConnections, most)
		s.MaxConnections = most
	}
}

// checkRoot warns of what only root can do.
func checkRoot(l *loader, d *Directive, v *typed) {
	if v.text != "" && l.opts.UID != 0 {
		l.warnf(v.value.pos, "", "%s has no effect: the server is not started as root", d.Name)
	}
}
