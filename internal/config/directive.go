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

	// Where the value goes: one of these, or none.
	server  func(*Server, *typed)
	socket  func(*socket, *typed)
	request func(*Settings, *typed)
}

// Directives returns the table of all directives.
func Directives() []Directive {
	return slices.Concat(tunnelTable, coreTable, socketTable, requestTable, logTable,
		accessTable, authTable, tlsTable, headerTable, urlTable, forwardTable, statusTable)
}

// directives is Directives by name.
var directives = sync.OnceValue(func() map[string]*Directive {
	m := make(map[string]*Directive)
	for _, d := range Directives() {
		m[fold(d.Name)] = &d
	}
	return m
})

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
		if d.check != nil {
			d.check(l, d, &v)
		}
		switch {
		case d.server != nil:
			d.server(srv, &v)
		case d.socket != nil:
			d.socket(sock, &v)
		case d.request != nil:
			patches = append(patches, patch{d.request, &v})
		}
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
		switch {
		case m.quiet:
		case m.refuse != "" && active[m.name]:
			l.errorf(e.pos, "remove it if what is served is right without it",
				"%s is refused: %s is not in this version, and without it %s", e.name, m.name, m.refuse)
		default:
			l.warnf(e.pos, "", "%s has no effect: %s is not in this version", e.name, m.name)
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
	case d.server != nil:
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
