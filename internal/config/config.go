// Package config loads a lighttpd configuration: it gives the syntax tree of
// package config/syntax its meaning, as typed values that do not change.
//
// Load reads the files, evaluates variables, includes and += in the order of
// the text, checks every directive against one table (Directives) and compiles
// the conditions. Config.Resolve then finds the settings of one request. The
// package opens no socket and no log and starts no program, except for the
// commands of include_shell; Config.Check resolves names.
package config

import (
	"io/fs"
	"net/http"
	"net/netip"
	"time"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

// A Config is a loaded configuration. It does not change after Load and is
// safe for concurrent use; its fields must not be modified.
type Config struct {
	Server      Server
	Listeners   []*Listener      // of server.bind and server.port, then of each $SERVER["socket"] == "…"; no address twice
	Warnings    syntax.ErrorList // what was accepted but may not do what its writer meant, in order of place
	Exts        []*Ext           // every ext of every context
	MimeAssigns []*MimeAssign    // every mimetype.assign of every context
	AccessLogs  []File           // every accesslog.filename, each once

	name     string // the top-level file, as it was named to Load
	texts    syntax.Texts
	contexts []*context // by number; contexts[0] is the global block
	base     Settings   // of a request that no condition matches
	blocks   []block    // the conditions that can change base, by number
	patterns []located  // all that are matched
}

// Server holds what is set once, in the global block.
type Server struct {
	Modules                 []string      // server.modules without repetitions
	PidFile                 File          // no Name: none
	ErrorLog                File          // no Name: stderr
	MaxRequestFieldSize     int           // bytes of a request's header block
	GracefulShutdownTimeout time.Duration // 0: no limit
	MaxConnections          int           // 0: not set
	MaxFDs                  int           // 0: not set
}

// A File is a file that a server opens when it starts.
type File struct {
	Name string     // a path
	Pos  syntax.Pos // where the configuration names it
}

// A Listener is one address to accept connections on.
type Listener struct {
	Network     string // "tcp4", "tcp6", "tcp" (IPv6 and IPv4 on one socket) or "unix"
	Address     string // "0.0.0.0:80", "[::1]:80", "name:80", "/run/x.sock" or, abstract, "@name"
	Pos         syntax.Pos
	SocketPerms fs.FileMode // of a Unix socket; 0: as the umask leaves it
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
	IndexFiles      []string
	MimeAssign      *MimeAssign // nil: the built-in table
	ServerName      string      // "": the request's host
	ServerTag       string      // "": no Server header
	ErrorfilePrefix string
	AccessLog       string // a path; "": none

	MaxKeepAliveRequests int
	MaxKeepAliveIdle     time.Duration // 0: no keep-alive
	MaxReadIdle          time.Duration
	MaxWriteIdle         time.Duration
	MaxRequestSize       int64 // bytes; 0: no limit

	RangeRequests  bool
	FollowSymlink  bool
	ProtocolHTTP11 bool
	ETagUseInode   bool
	ETagUseMtime   bool
	ETagUseSize    bool

	Wstunnel Wstunnel
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
