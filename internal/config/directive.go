package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Scope says where a directive can be set.
type Scope int

const (
	ScopeServer     Scope = iota // only outside of conditions
	ScopeSocket                  // there, and in $SERVER["socket"] == "…"
	ScopeConnection              // anywhere
)

// String returns the scope as docs/directives.md names it.
func (s Scope) String() string { return [...]string{"global", "socket", "anywhere"}[s] }

// Status says what becomes of a directive.
type Status int

const (
	Supported Status = iota
	Differs          // supported, but not quite as in lighttpd: Note says how
	NoEffect         // accepted, as it changes nothing of what is served: Note says why
	NotYet           // accepted with a warning: Note says what is missing
	Gone             // accepted with a warning: lighttpd does not have it any more
	Refused          // an error: without it, what it is to close would be open
)

// A Directive is one row of the table of directives.
type Directive struct {
	Name    string
	Module  string // of server.modules; "": the core
	Type    Type
	Scope   Scope
	Default string // as it would be written, or in words; "": not set
	Status  Status
	Note    string // on Status, in words that can end a sentence
	Doc     string // what it does
	Example string // of a value, for errors; "": one that fits the type

	advice string            // what to do when it is Refused
	off    func(*typed) bool // whether v asks for nothing, when it is NotYet or Refused; nil: typed.empty
	check  func(*loader, *Directive, *typed)

	// Where the value goes, if anywhere. With server and request, it goes to
	// the server only outside of conditions.
	server  func(*Server, *typed)
	socket  func(*socket, *typed)
	request func(*Settings, *typed)
}

// Directives returns the table of all directives.
func Directives() []Directive {
	return slices.Concat(tunnelTable, coreTable, socketTable, requestTable, debugTable, fileTable, listingTable, expireTable,
		logTable, accessTable, headerTable, aliasTable, redirectTable, rewriteTable, forwardTable, statusTable, authTable, tlsTable)
}

// directives is Directives by name.
var directives = sync.OnceValue(func() map[string]*Directive {
	m := make(map[string]*Directive)
	for _, d := range Directives() {
		m[fold(d.Name)] = &d
	}
	return m
})

// found is what the directives of all blocks name that is to be opened, or made,
// once.
type found struct {
	exts       []*Ext        // of every wstunnel.server
	mimes      []*MimeAssign // of every mimetype.assign
	accessLogs []Log         // of every accesslog.filename, each once
	errorLogs  []Log         // of every server.errorlog, each once
	syslog     bool          // a log goes to syslog
	rewrites   map[rewriteKey]*rewrites
}

// land lets what was found land in cfg.
func (f *found) land(cfg *Config) {
	cfg.Exts, cfg.MimeAssigns = f.exts, f.mimes
	cfg.AccessLogs, cfg.ErrorLogs, cfg.Syslog = f.accessLogs, f.errorLogs, f.syslog
}

// seconds returns the duration of a number of seconds.
func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// A patch is one directive of a block, ready to be applied to a request.
type patch struct {
	set func(*Settings, *typed)
	v   *typed
}

// apply checks the directives of block c and lets their values land: in srv
// and sock, or in the patches that it returns.
func (l *loader) apply(c *context, active map[string]bool, srv *Server, sock *socket) []patch {
	var patches []patch
	for _, e := range c.entries {
		if strings.HasPrefix(e.key, "var.") {
			continue
		}
		d := directives()[e.key]
		if d == nil || !active[d.Module] {
			l.unknown(e, d, active)
			continue
		}
		if !l.inScope(e, d, c) {
			continue
		}
		v, ok := l.convert(subject{d.Name, d.Name + " = ", d.Type, d.Example}, e.value)
		if !ok || !l.honoured(e, d, &v) {
			continue
		}
		v.block = c
		if d.check != nil {
			d.check(l, d, &v)
		}
		if d.server != nil && c.parent == nil {
			d.server(srv, &v)
		}
		if d.socket != nil {
			d.socket(sock, &v)
		}
		if d.request != nil {
			patches = append(patches, patch{d.request, &v})
		}
	}
	if c.parent == nil {
		l.boundConnections(c, srv)
	}
	return patches
}

// unknown reports that nothing reads e: there is no such directive, or d is one
// of a module that is not loaded.
func (l *loader) unknown(e entry, d *Directive, active map[string]bool) {
	if d != nil {
		l.warnf(e.pos, fmt.Sprintf("write server.modules += ( %q )", d.Module),
			"%s has no effect: %s is not in server.modules", e.name, d.Module)
		return
	}
	for _, m := range modules {
		if !m.owns(e.key) {
			continue
		}
		if m.Refuse != "" && active[m.Name] {
			l.errorf(e.pos, "remove it if what is served is right without it",
				"%s is refused: %s is not in this version, and without it %s", e.name, m.Name, m.Refuse)
		} else {
			l.warnf(e.pos, "", "%s has no effect: %s is not in this version", e.name, m.Name)
		}
		return
	}
	hint := ""
	if near := nearest(e.key, slices.Collect(maps.Keys(directives()))); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	l.warnf(e.pos, hint, "unknown directive %s", e.name)
}

// inScope reports whether d has effect in block c, and warns if not.
func (l *loader) inScope(e entry, d *Directive, c *context) bool {
	switch {
	case c.parent == nil:
		return true
	case d.Scope == ScopeServer:
		l.warnf(e.pos, "move it out of the condition", "%s has no effect in a condition", e.name)
		return false
	case d.Scope == ScopeSocket && !c.opensListener():
		l.warnf(e.pos, "", `%s has no effect here, only outside of conditions and in $SERVER["socket"] == "…"`, e.name)
		return false
	case d.server != nil && d.request == nil:
		l.warnf(e.pos, "move it out of the condition", "%s has no effect in a condition in this version", e.name)
		return false
	}
	return true
}

// honoured reports whether d can do what v asks for. Otherwise it warns or, if
// the configuration must not be served without d, reports an error.
func (l *loader) honoured(e entry, d *Directive, v *typed) bool {
	off := (*typed).empty
	if d.off != nil {
		off = d.off
	}
	switch {
	case d.Status == Gone:
		l.warnf(e.pos, "remove it", "%s has no effect: lighttpd does not have it any more", e.name)
	case d.Status == NotYet && !off(v):
		l.warnf(e.pos, "", "%s has no effect: %s", e.name, d.Note)
	case d.Status == Refused && !off(v):
		l.errorf(e.pos, d.advice, "%s is refused: %s", e.name, d.Note)
		return false
	}
	return true
}
