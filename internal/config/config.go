// Package config loads a lighttpd configuration: it gives the syntax tree of
// package config/syntax its meaning, as typed values that do not change.
//
// Load reads the files, evaluates variables, includes and += in the order of
// the text, checks every directive against one table (Directives) and compiles
// the conditions. Config.Resolve then finds the settings of one request. The
// package opens no socket and no log and starts no program, except for the
// commands of include_shell; Config.Check and Config.Identity look up names.
package config

import (
	"io/fs"
	"net/http"
	"net/netip"
	"time"

	"github.com/wstunneld/wstunneld/internal/accesslog"
	"github.com/wstunneld/wstunneld/internal/config/syntax"
	"github.com/wstunneld/wstunneld/internal/expire"
	"github.com/wstunneld/wstunneld/internal/forwarded"
	"github.com/wstunneld/wstunneld/internal/pattern"
	"github.com/wstunneld/wstunneld/internal/urlpath"
)

// A Config is a loaded configuration. It does not change after Load and is
// safe for concurrent use; its fields must not be modified.
type Config struct {
	Server      Server
	Listeners   []*Listener      // of server.bind and server.port, then of each $SERVER["socket"] == "…"; no address twice
	Warnings    syntax.ErrorList // what was accepted but may not do what its writer meant, in order of place
	Exts        []*Ext           // every ext of every context
	MimeAssigns []*MimeAssign    // every mimetype.assign of every context
	AccessLogs  []Log            // every accesslog.filename, each once
	ErrorLogs   []Log            // every server.errorlog, each once
	Syslog      bool             // a log goes to syslog

	name     string // the top-level file, as it was named to Load
	texts    syntax.Texts
	uid      int        // LoadOptions.UID
	contexts []*context // by number; contexts[0] is the global block
	base     Settings   // of a request that no condition matches
	blocks   []block    // the conditions that can change base, by number
	patterns []located  // all that are matched
	derived  derived
}

// Server holds what is set once, in the global block.
type Server struct {
	Modules                 []string        // server.modules without repetitions
	Username                string          // "": that of the start; see [Config.Identity]
	Groupname               string          // "": that of Username, or of the start
	Chroot                  File            // a directory; no Name: none
	PidFile                 File            // no Name: none
	ErrorLog                Log             // zero: stderr
	ErrorLogSyslog          bool            // in place of every server.errorlog
	SyslogFacility          string          // a key of syslogFacilities
	BreakageLog             Log             // of what programs write to stderr; zero: the stderr of the server
	MaxRequestFieldSize     int             // bytes of a request's header block
	ParseOpts               urlpath.Options // how the target of a request is read
	GracefulShutdownTimeout time.Duration   // 0: no limit
	MaxConnections          int             // 0: no limit
	MaxFDs                  int             // 0: all that the system allows
	MaxWorker               int             // without effect: one process uses all processors
}

// A File is a file that a server opens when it starts.
type File struct {
	Name string     // a path
	Pos  syntax.Pos // where the configuration names it
}

// A Log is where the lines of a log go: to a file or to the standard input of a
// command. At most one of File and Command is set; if neither is, there is no
// such log.
type Log struct {
	File    string     // a path
	Command string     // for /bin/sh
	Pos     syntax.Pos // where the configuration names it
}

// A Listener is one address to accept connections on.
type Listener struct {
	Network      string // "tcp4", "tcp6", "tcp" (IPv6 and IPv4 on one socket) or "unix"
	Address      string // "0.0.0.0:80", "[::1]:80", "name:80", "/run/x.sock" or, abstract, "@name"
	Pos          syntax.Pos
	SocketPerms  fs.FileMode // of a Unix socket; 0: as the umask leaves it
	HAProxyPROXY bool        // connections of trusted peers begin with HAProxy's PROXY protocol
}

// A Request is what conditions look at.
type Request struct {
	Path       string // normalised and decoded
	Query      string // raw, without "?"
	Host       string // as the client sent it, port included
	Scheme     string // "http" or "https"
	Method     string
	RemoteAddr string     // text: "127.0.0.1", "::1"; a path or "" for Unix clients
	RemoteIP   netip.Addr // invalid for Unix clients
	Listener   *Listener  // one of Config.Listeners
	Header     http.Header
}

// Settings are the values in force for one request.
type Settings struct {
	DocumentRoot    string
	Alias           []KV // starts of paths, with what takes their place; no key hides a later one
	IndexFiles      []string
	MimeAssign      *MimeAssign // nil: the built-in table
	ServerName      string      // "": the request's host
	ServerTag       string      // "": no Server header
	ErrorfilePrefix string
	ErrorHandler    string // a path; "": none
	ErrorHandler404 string // a path; "": none
	AccessLog       AccessLog
	ErrorLog        Log // zero: that of the server

	AccessDeny  []string // ends of paths
	AccessAllow []string // ends of paths; if there are any, AccessDeny does not count

	AddRequestHeader  []KV
	SetRequestHeader  []KV // an empty Value removes the field
	AddResponseHeader []KV
	SetResponseHeader []KV // an empty Value removes the field
	AddEnvironment    []KV
	SetEnvironment    []KV

	Redirect         *URLRules // nil: none
	RedirectCode     int       // 0: by the request
	Rewrite          *URLRules // nil: none
	RewriteIfNotFile *URLRules // nil: none; of url.rewrite-repeat-if-not-file, too

	Forwarded *forwarded.Policy // never nil; without a trusted peer it finds no client

	Expire     expire.Rules
	DirListing DirListing

	ExcludeExtensions   []string // ends of the names of files that are not sent
	PathInfo            bool     // a path can be taken apart into a file and what is behind its name
	StaticPathInfo      bool     // a file is sent for such a path, too
	Lowercase           bool     // files are looked up in lower case
	AbsoluteDirRedirect bool     // the Location of a directory has scheme and host

	MaxKeepAliveRequests int
	MaxKeepAliveIdle     time.Duration // 0: no keep-alive
	MaxReadIdle          time.Duration
	MaxWriteIdle         time.Duration
	MaxRequestSize       int64 // bytes; 0: no limit

	Throttle                  *Throttle // nil: none
	ConnectionKBytesPerSecond int       // 0: no limit

	RangeRequests  bool
	FollowSymlink  bool
	ProtocolHTTP11 bool
	ETags          bool // files have an ETag, unless all that follow are off
	ETagUseInode   bool
	ETagUseMtime   bool
	ETagUseSize    bool

	Trace    Trace
	Wstunnel Wstunnel
}

// An AccessLog is where and how a request is logged. There is no such log if
// Syslog is off and Log is zero.
type AccessLog struct {
	Log
	Syslog   bool // in place of Log
	Level    int  // of syslog: 0 to 7
	Format   *accesslog.Format
	Escaping accesslog.Escaping
}

// A Throttle is one server.kbytes-per-second. All connections whose requests
// have it share it.
type Throttle struct{ KBytesPerSecond int }

// A DirListing holds the dir-listing.* directives.
type DirListing struct {
	Active         bool
	Exclude        []*pattern.Pattern // of names
	HideDotfiles   bool
	HideHeaderFile bool
	HideReadmeFile bool
	ShowHeader     string        // a file in the directory, or with a slash before it anywhere; "": none
	ShowReadme     string        // the same
	EncodeHeader   bool          // ShowHeader is plain text
	EncodeReadme   bool          // ShowReadme is plain text
	AutoLayout     bool          // begin and end an HTML page around the table
	Encoding       string        // of names; "": not said
	ExternalCSS    string        // a URL; "": none
	ExternalJS     string        // a URL; "": none
	SetFooter      string        // "": the server tag
	MaxAge         time.Duration // how long clients can keep it; 0: not said
}

// A Trace says what of a request the debug.* directives write to the error log.
type Trace struct {
	RequestHeader  bool
	ResponseHeader bool
	FileNotFound   bool
}

// Wstunnel holds the wstunnel.* directives.
type Wstunnel struct {
	Server        []*Ext // in the order of the configuration
	MapExtensions []KV   // in the order of the configuration
	Balance       string // "fair" (also written "least-connection"), "round-robin", "hash" or "sticky"
	Debug         int
	Binary        bool // wstunnel.frame-type is "binary"
	Origins       []string
	PingInterval  time.Duration // 0: never
}

// A KV is one "key" => "value".
type KV struct{ Key, Value string }

// A MimeAssign is one mimetype.assign.
type MimeAssign struct {
	Pairs []KV // in the order of the configuration
}

// An Ext is one key of wstunnel.server with the hosts behind it.
type Ext struct {
	Key   string
	Hosts []*Host // at least one
	Pos   syntax.Pos
}

// A Host is one backend of an ext. Times of 0 are no limit.
type Host struct {
	Label          string
	Network        string // "tcp" or "unix"
	Address        string // "127.0.0.1:5900", "[::1]:80", "name:80" or "/run/x.sock"
	ConnectTimeout time.Duration
	ReadTimeout    time.Duration
	WriteTimeout   time.Duration
	DisableTime    time.Duration // rest after a failed connect
	Pos            syntax.Pos
}
