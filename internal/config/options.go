package config

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/wstunneld/wstunneld/internal/urlpath"
)

// A ParseOption is one option of server.http-parseopts.
type ParseOption struct {
	Name    string
	Default string
	Doc     string // what it does
}

// ParseOptions returns the table of the options of server.http-parseopts.
func ParseOptions() []ParseOption { return parseTable }

const (
	on  = `"enable"`
	off = `"disable"`
)

var parseTable = []ParseOption{
	{"header-strict", on, "Refuse a header that is not as RFC 9112 has it. It is always on, with a warning if it is to be off."},
	{"host-strict", on, "Refuse a host that is no name or address."},
	{"host-normalize", off, "Write ports and IPv6 addresses in one way."},
	{"method-get-body", off, "Let GET and HEAD have a body."},
	{"url-normalize", on, "Normalise URLs. Without it, none of the following has effect."},
	{"url-normalize-unreserved", on, "Decode letters, digits and `-._~`. It is always on with `url-normalize`."},
	{"url-normalize-required", off, "Decode everything that need not be encoded."},
	{"url-ctrls-reject", on, "Refuse control characters."},
	{"url-path-backslash-trans", off, "Take a backslash in the path for a slash."},
	{"url-path-2f-decode", on, "Take `%2F` in the path for a slash; not with `url-path-2f-reject`."},
	{"url-path-2f-reject", off, "Refuse `%2F` in the path; not with `url-path-2f-decode`."},
	{"url-path-dotseg-remove", on, "Resolve `.` and `..` in the path; not with `url-path-dotseg-reject`."},
	{"url-path-dotseg-reject", off, "Refuse `.` and `..` in the path; not with `url-path-dotseg-remove`."},
	{"url-query-20-plus", off, "Write a space in the query as `+`."},
	{"url-invalid-utf8-reject", on, "Refuse a path that is not UTF-8."},
}

// parseOptions is parseTable by name.
var parseOptions = sync.OnceValue(func() map[string]*ParseOption {
	m := make(map[string]*ParseOption)
	for i := range parseTable {
		m[parseTable[i].Name] = &parseTable[i]
	}
	return m
})

// checkParseOpts reports unknown options and values of server.http-parseopts,
// and options that exclude each other.
func checkParseOpts(l *loader, d *Directive, v *typed) {
	good := true
	for _, e := range v.value.elems {
		key := fold(e.key)
		on, ok := boolean(e.value)
		switch {
		case parseOptions()[key] == nil:
			hint := ""
			if near := nearest(key, slices.Collect(maps.Keys(parseOptions()))); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			l.errorf(e.pos, hint, "unknown option %s in %s", quote(e.key), d.Name)
			good = false
		case !ok:
			l.errorf(e.value.pos, `write "enable" or "disable"`, "the option %s in %s is %v", quote(e.key), d.Name, e.value)
			good = false
		case key == headerStrict && !on:
			l.warnf(e.pos, "", "the option %s in %s is always on", quote(e.key), d.Name)
		}
	}
	if !good {
		return
	}
	o := urlpath.DefaultOptions
	setParseOpts(&o, v)
	if err := o.Check(); err != nil {
		l.errorf(v.value.pos, `write "disable" for one of them`, "%s cannot be used: %v", d.Name, err)
	}
}

const (
	parseOptsName = "server.http-parseopts"
	headerStrict  = "header-strict"
)

// setParseOpts lets the options of v, a server.http-parseopts, land in o.
func setParseOpts(o *urlpath.Options, v *typed) {
	for _, p := range v.pairs {
		on, _ := boolean(newText(v.value.pos, p.Value))
		_ = o.Set(fold(p.Key), on) // checkParseOpts has reported what it does not know
	}
}

// normalizesURLs reports whether targets are normalised, wherever in the text
// that is said.
func (l *loader) normalizesURLs() bool {
	o := urlpath.DefaultOptions
	if e := l.contexts[0].find(parseOptsName); e != nil {
		for _, el := range e.value.elems {
			if fold(el.key) == "url-normalize" {
				o.Normalize, _ = boolean(el.value)
			}
		}
	}
	return o.Normalize
}

// A FeatureFlag is one key of server.feature-flags.
type FeatureFlag struct {
	Name    string
	Type    Type   // Bool or Int; of what has no effect, Any
	Default string // as it would be written
	Status  Status
	Note    string // on Status, in words that can end a sentence
	Doc     string // what it does

	server  func(*Server, value)
	request func(*Settings, value)
}

// FeatureFlags returns the table of the keys of server.feature-flags.
func FeatureFlags() []FeatureFlag { return flagTable }

const (
	noHTTP2 = "there is no HTTP/2 in this version"
	noTLS   = "there is no TLS in this version"
)

var flagTable = []FeatureFlag{
	{
		Name: "server.graceful-shutdown-timeout", Type: Int, Default: "8",
		Doc: "How many seconds open connections have when the server stops; 0 is no limit.",
		server: func(s *Server, v value) {
			n, _ := number(v, 1<<32-1)
			s.GracefulShutdownTimeout = seconds(n)
		},
	},
	{
		Name: "server.absolute-dir-redirect", Type: Bool, Default: `"disable"`,
		Doc:     "Send the client of a directory without a final slash to a URL with scheme and host.",
		request: func(s *Settings, v value) { s.AbsoluteDirRedirect, _ = boolean(v) },
	},
	{
		Name: "server.http-pathinfo", Type: Bool, Default: `"enable"`,
		Doc:     "Let a path go on behind the name of a file.",
		request: func(s *Settings, v value) { s.PathInfo, _ = boolean(v) },
	},
	{Name: "server.h2proto", Type: Any, Default: `"enable"`, Status: NoEffect, Note: noHTTP2, Doc: "Speak HTTP/2."},
	{Name: "server.h2c", Type: Any, Default: `"disable"`, Status: NoEffect, Note: noHTTP2, Doc: "Let a connection without TLS be upgraded to HTTP/2."},
	{Name: "server.graceful-restart-bg", Type: Any, Default: `"disable"`, Status: NoEffect, Note: "a reload interrupts nothing", Doc: "Let the old process end in the background after a reload."},
	{Name: "server.graceful-unconfig-sock", Type: Any, Default: `"disable"`, Status: NoEffect, Note: "a reload always does", Doc: "Close the listeners that a new configuration does not have."},
	{Name: "server.clock-jump-restart", Type: Any, Default: "1800", Status: NoEffect, Note: "no timer depends on the clock", Doc: "Start again after the clock was set by so many seconds."},
	{Name: "server.errorlog-high-precision", Type: Any, Default: `"disable"`, Status: NoEffect, Note: "the error log always has milliseconds", Doc: "Write parts of seconds to the error log."},
	{Name: "server.errorlog-utf8", Type: Any, Default: `"disable"`, Status: NoEffect, Note: "the error log is always in UTF-8", Doc: "Leave UTF-8 in the error log as it is."},
	{Name: "server.metrics-high-precision", Type: Any, Default: `"disable"`, Status: NoEffect, Note: noStatus, Doc: "Show parts of seconds on status pages."},
	{Name: "server.pcre_jit", Type: Any, Default: `"enable"`, Status: NoEffect, Note: "patterns are not compiled to machine code", Doc: "Compile patterns to machine code."},
	{Name: "server.network-mptcp", Type: Any, Default: `"disable"`, Status: NoEffect, Note: "listeners accept multipath TCP where the system does", Doc: "Accept multipath TCP."},
	{Name: "http10.range", Type: Any, Default: `"disable"`, Status: NoEffect, Note: "parts of files are always sent to HTTP/1.0, too", Doc: "Send parts of files to HTTP/1.0."},
	{Name: "chunkqueue.splice", Type: Any, Default: `"enable"`, Status: NoEffect, Note: "tunnels use splice wherever it can be used", Doc: "Move bytes by splice."},
	{Name: "auth.delay-invalid-creds", Type: Any, Default: `"enable"`, Status: NoEffect, Note: noAuth, Doc: "Let clients with a wrong password wait."},
	{Name: "ssl.refresh-certs", Type: Any, Default: `"disable"`, Status: NoEffect, Note: noTLS, Doc: "Read certificates again when they change."},
	{Name: "ssl.refresh-crls", Type: Any, Default: `"disable"`, Status: NoEffect, Note: noTLS, Doc: "Read lists of revoked certificates again when they change."},
	{Name: "ssl.session-cache", Type: Any, Default: `"disable"`, Status: NoEffect, Note: noTLS, Doc: "Keep sessions in the server."},
	{Name: "gw.upgrade-with-request-body", Type: Any, Default: `"disable"`, Status: NoEffect, Note: "a tunnel's request has no body", Doc: "Let a request with a body be upgraded."},
	{Name: "request.trailer-whitelist", Type: Any, Status: NoEffect, Note: "trailers are not passed on", Doc: "The fields of trailers that are passed on."},
	{Name: "server.h1-discard-backend-1xx", Type: Any, Default: `"disable"`, Status: NoEffect, Note: "a tunnel's backend does not speak HTTP", Doc: "Drop what a backend says ahead of its answer."},
	{Name: "server.h2-discard-backend-1xx", Type: Any, Default: `"disable"`, Status: NoEffect, Note: "a tunnel's backend does not speak HTTP", Doc: "The same in HTTP/2."},
}

// flags is flagTable by name.
var flags = sync.OnceValue(func() map[string]*FeatureFlag {
	m := make(map[string]*FeatureFlag)
	for i := range flagTable {
		m[flagTable[i].Name] = &flagTable[i]
	}
	return m
})

// checkFlags checks the flags of server.feature-flags that have effect. Unknown
// ones are accepted, as in lighttpd, with a warning if they look misspelt.
func checkFlags(l *loader, d *Directive, v *typed) {
	for _, e := range v.value.elems {
		key := fold(e.key)
		f := flags()[key]
		if f == nil {
			if near := nearest(key, slices.Collect(maps.Keys(flags()))); near != "" {
				l.warnf(e.pos, fmt.Sprintf("did you mean %q?", near), "unknown flag %s in %s", quote(e.key), d.Name)
			}
			continue
		}
		if f.Type == Any {
			continue
		}
		l.convert(subject{
			name:    fmt.Sprintf("%q in %s", f.Name, d.Name),
			assign:  fmt.Sprintf("%q => ", f.Name),
			typ:     f.Type,
			example: f.Default,
		}, e.value)
	}
}
