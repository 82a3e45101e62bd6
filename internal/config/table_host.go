package config

import "sync"

// A HostOption is one option of a host in wstunnel.server.
type HostOption struct {
	Name    string
	Type    Type
	Default string // as it would be written, or in words; "": not set
	Doc     string // what it does
	Example string // of a value, for errors; "": one that fits the type
	NotYet  bool   // it has no effect in this version: a value but 0 is warned of

	set func(*hostSpec, *typed) // nil: it has no effect
}

// HostOptions returns the table of the options of a host.
func HostOptions() []HostOption { return hostTable }

// hostOptions is hostTable by name.
var hostOptions = sync.OnceValue(func() map[string]*HostOption {
	m := make(map[string]*HostOption)
	for i := range hostTable {
		m[hostTable[i].Name] = &hostTable[i]
	}
	return m
})

const (
	ofPrograms = "For programs that the server starts, which is not in this version; no effect."
	ofOthers   = "For other modules of lighttpd; no effect on a tunnel."
)

var hostTable = []HostOption{
	{
		Name: "host", Type: String, Example: `"127.0.0.1"`, Default: "127.0.0.1 if there is a `port`",
		Doc: "The address or name of the backend, or the path of a Unix socket.",
		set: func(h *hostSpec, v *typed) { h.host = v.text },
	},
	{
		Name: "port", Type: Short, Example: "5900", Default: "80",
		Doc: "The TCP port of the backend.",
		set: func(h *hostSpec, v *typed) { h.port = v.num },
	},
	{
		Name: "socket", Type: String, Example: `"/run/backend.sock"`,
		Doc: "The path of a Unix socket, at most 105 bytes, in place of `host` and `port`.",
		set: func(h *hostSpec, v *typed) { h.socket = v.text },
	},
	{
		Name: "connect-timeout", Type: Int, Example: "8", Default: "8",
		Doc: "How many seconds to wait for a connection; 0 is no limit.",
		set: func(h *hostSpec, v *typed) { h.ConnectTimeout = seconds(v.num) },
	},
	{
		Name: "disable-time", Type: Short, Example: "1", Default: "1",
		Doc: "How many seconds the host is left alone after a connection failed; no effect in this version, which tries every host each time.",
		set: func(h *hostSpec, v *typed) { h.DisableTime = seconds(v.num) },
	},
	{
		Name: "read-timeout", Type: Int, Example: "60", Default: "0", NotYet: true,
		Doc: "How many seconds the backend can be silent; 0 is no limit. No effect in this version, with a warning.",
		set: func(h *hostSpec, v *typed) { h.ReadTimeout = seconds(v.num) },
	},
	{
		Name: "write-timeout", Type: Int, Example: "60", Default: "0", NotYet: true,
		Doc: "How many seconds the backend can take nothing of what waits for it; 0 is no limit. No effect in this version, with a warning: `server.max-write-idle` covers it.",
		set: func(h *hostSpec, v *typed) { h.WriteTimeout = seconds(v.num) },
	},
	{
		Name: "bin-path", Type: String,
		Doc: "The program to start. An error: this version does not start programs.",
		set: func(h *hostSpec, v *typed) { h.binPath = v.text },
	},
	{Name: "bin-environment", Type: KVString, Doc: ofPrograms},
	{Name: "bin-copy-environment", Type: VList, Doc: ofPrograms},
	{Name: "min-procs", Type: Short, Doc: ofPrograms},
	{Name: "max-procs", Type: Short, Doc: ofPrograms},
	{Name: "max-load-per-proc", Type: Short, Doc: ofPrograms},
	{Name: "idle-timeout", Type: Short, Doc: ofPrograms},
	{Name: "kill-signal", Type: Short, Doc: ofPrograms},
	{Name: "listen-backlog", Type: Int, Doc: ofPrograms},
	{Name: "mode", Type: String, Example: `"responder"`, Default: `"responder"`, Doc: "`authorizer` is an error. " + ofOthers},
	{Name: "tcp-fin-propagate", Type: Bool, Doc: "A tunnel always passes on the end of each direction; no effect."},
	{Name: "check-local", Type: Bool, Doc: ofOthers},
	{Name: "docroot", Type: String, Doc: ofOthers},
	{Name: "strip-request-uri", Type: String, Doc: ofOthers},
	{Name: "broken-scriptfilename", Type: Bool, Doc: ofOthers},
	{Name: "fix-root-scriptname", Type: Bool, Doc: ofOthers},
	{Name: "allow-x-send-file", Type: Bool, Doc: ofOthers},
	{Name: "x-sendfile", Type: Bool, Doc: ofOthers},
	{Name: "x-sendfile-docroot", Type: VList, Doc: ofOthers},
	{Name: "upgrade", Type: Bool, Doc: ofOthers},
}
