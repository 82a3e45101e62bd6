package server

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/wstunneld/wstunneld/internal/accesslog"
	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/forwarded"
	"github.com/wstunneld/wstunneld/internal/urlpath"
	"github.com/wstunneld/wstunneld/internal/urlrule"
)

// A request is one request on its way to an answer: what it asks for, who asks,
// and the settings in force for it.
type request struct {
	*http.Request // its header may be changed, see setRequestHeader
	g             *generation
	l             *config.Listener
	begun         time.Time
	size          int            // of the header, in bytes
	local         netip.AddrPort // of the connection; not valid for a Unix socket

	// What the connection says; then what a trusted proxy says.
	client netip.AddrPort // not valid for a client of a Unix socket
	scheme string
	user   string

	host      string         // as conditions see it
	target    urlpath.Target // after what has been rewritten
	rewriting urlrule.Rewriting
	set       *config.Settings
	env       map[string]string // setenv.*-environment; may be nil
	environed bool              // setEnvironment has been called

	location string // of a redirect
	fault    error  // behind a status of 400 (the client's) or 500 (that of the rules)
	failed   int    // the status that an error handler answers now; 0: none does
}

// clientText returns the address of the client; a client of a Unix socket has
// none.
func (q *request) clientText() string {
	if !q.client.IsValid() {
		return ""
	}
	return q.client.Addr().String()
}

// route finds out what q asks for: it evaluates the conditions, rewrites the
// target, and looks whether the request is to be refused or redirected. The status
// is 0 if it is to be answered with a tunnel or a file.
func (q *request) route() (status int) {
	opts := &q.g.cfg.Server.ParseOpts
	var err error
	if q.target, err = urlpath.Normalize(q.RequestURI, opts); err == nil {
		q.host, err = urlpath.Host(q.Host, q.scheme, opts)
	}
	q.resolve()
	if err != nil {
		q.fault = err
		return http.StatusBadRequest
	}
	if status := q.forward(); status != 0 {
		return status
	}
	return q.reroute()
}

// reroute is route for a target that is known.
func (q *request) reroute() (status int) {
	for again := true; again; {
		var err error
		if again, err = q.rewrite(q.set.Rewrite); err != nil {
			return http.StatusInternalServerError
		}
	}
	if !q.environed {
		q.setEnvironment()
		q.environed = true
	}
	if status := q.redirect(); status != 0 {
		return status
	}
	if q.denied() {
		return http.StatusForbidden
	}
	return 0
}

// condition returns what conditions look at.
func (q *request) condition() *config.Request {
	return &config.Request{
		Path:       q.target.Path,
		Query:      q.target.Query,
		Host:       q.host,
		Scheme:     q.scheme,
		Method:     q.Method,
		RemoteAddr: q.clientText(),
		RemoteIP:   q.client.Addr(),
		Listener:   q.l,
		Header:     q.Header,
	}
}

func (q *request) resolve() { q.set = q.g.cfg.Resolve(q.condition()) }

// forward takes the client from the header fields of a trusted proxy.
func (q *request) forward() (status int) {
	if q.l.HAProxyPROXY || !q.client.IsValid() {
		return 0 // the PROXY header has said it
	}
	c, err := q.set.Forwarded.Client(q.client.Addr(), q.Header)
	if errors.Is(err, forwarded.ErrMalformed) {
		q.fault = err
		return http.StatusBadRequest
	}
	if c.Addr == q.client.Addr() && c.Scheme == "" && c.Host == "" && c.User == "" {
		return 0
	}
	if c.Addr != q.client.Addr() {
		q.client = netip.AddrPortFrom(c.Addr, 0)
	}
	if c.Scheme != "" {
		q.scheme = c.Scheme
	}
	if c.Host != "" {
		if q.host, err = urlpath.Host(c.Host, q.scheme, &q.g.cfg.Server.ParseOpts); err != nil {
			q.fault = err
			return http.StatusBadRequest
		}
		q.Host = c.Host
	}
	q.user = c.User
	q.resolve()
	return 0
}

// rewrite does one step of rewriting by rules, which may be nil. It reports whether
// the target has changed; then the settings are those for the new one.
func (q *request) rewrite(rules *config.URLRules) (changed bool, err error) {
	if rules == nil {
		return false, nil
	}
	out, changed, err := q.rewriting.Step(rules.Rules, q.target.Normal, q.url(), rules.Captures(q.condition()))
	if changed {
		q.target, err = urlpath.Normalize(out, &q.g.cfg.Server.ParseOpts)
	}
	if err != nil {
		q.fault = err
		return false, err
	}
	if changed {
		q.resolve()
	}
	return changed, nil
}

// redirect looks whether q is to be redirected.
func (q *request) redirect() (status int) {
	rules := q.set.Redirect
	if rules == nil {
		return 0
	}
	q.location, _ = rules.Rules.Apply(q.target.Normal, q.url(), rules.Captures(q.condition()))
	if q.location == "" {
		return 0
	}
	return urlrule.RedirectStatus(q.set.RedirectCode, q.Method, q.isHTTP10())
}

func (q *request) url() *urlrule.URL {
	path, query, _ := strings.Cut(q.target.Normal, "?")
	return &urlrule.URL{Scheme: q.scheme, Authority: q.host, Port: int(q.local.Port()), Path: path, Query: query}
}

// indexDenied reports whether the index file that path would ask for is forbidden,
// by the settings for the directory.
func (q *request) indexDenied(path string) bool {
	index := *q
	index.target.Path = path
	return index.denied()
}

// denied applies url.access-deny and url.access-allow.
func (q *request) denied() bool {
	path := q.target.Path
	if q.set.Lowercase {
		path = strings.ToLower(path)
	}
	ends := func(end string) bool {
		if q.set.Lowercase {
			end = strings.ToLower(end)
		}
		return strings.HasSuffix(path, end)
	}
	if len(q.set.AccessAllow) > 0 {
		return !slices.ContainsFunc(q.set.AccessAllow, ends)
	}
	return slices.ContainsFunc(q.set.AccessDeny, ends)
}

// setEnvironment applies the setenv directives for requests.
func (q *request) setEnvironment() {
	if add, set := q.set.AddRequestHeader, q.set.SetRequestHeader; len(add)+len(set) > 0 {
		r := *q.Request // of which net/http keeps the original
		r.Header = r.Header.Clone()
		for _, kv := range add {
			name := http.CanonicalHeaderKey(kv.Key)
			if list := r.Header[name]; len(list) > 0 {
				r.Header[name] = []string{strings.Join(list, ", ") + ", " + kv.Value}
			} else if kv.Value != "" {
				r.Header[name] = []string{kv.Value}
			}
		}
		setHeader(r.Header, set)
		q.Request = &r
	}
	if add, set := q.set.AddEnvironment, q.set.SetEnvironment; len(add)+len(set) > 0 {
		q.env = make(map[string]string)
		for _, kv := range slices.Concat(add, set) {
			q.env[kv.Key] = kv.Value
		}
	}
}

// setResponseHeader applies the setenv directives for answers to h.
func (q *request) setResponseHeader(h http.Header) {
	for _, kv := range q.set.AddResponseHeader {
		if kv.Value != "" {
			h.Add(kv.Key, kv.Value)
		}
	}
	setHeader(h, q.set.SetResponseHeader)
}

// setHeader sets the fields of h; one without a value is removed.
func setHeader(h http.Header, fields []config.KV) {
	for _, kv := range fields {
		if kv.Value == "" {
			h.Del(kv.Key)
			continue
		}
		h.Set(kv.Key, kv.Value)
	}
}

func (q *request) isHTTP10() bool { return q.ProtoMajor == 1 && q.ProtoMinor == 0 }

// base returns scheme and authority of the request, as "http://host".
func (q *request) base() string { return fmt.Sprintf("%s://%s", q.scheme, q.host) }

// newEntry returns what the access log says of q before it is answered.
func newEntry(q *request) *accesslog.Entry {
	u := q.url()
	e := &accesslog.Entry{
		Start:      q.begun,
		Client:     q.clientText(),
		ClientPort: int(q.client.Port()),
		LocalPort:  int(q.local.Port()),
		Request:    q.Method + " " + q.RequestURI + " " + q.Proto,
		Method:     q.Method,
		Proto:      q.Proto,
		Path:       u.Path,
		Query:      u.Query,
		Authority:  cmp.Or(q.host, q.Host),
		ServerName: cmp.Or(q.set.ServerName, q.host),
		User:       q.user,
		Header:     q.Header,
		Env:        q.env,
		Received:   int64(q.size) + max(q.ContentLength, 0),
	}
	if q.local.IsValid() {
		e.Local = q.local.Addr().Unmap().String()
	}
	return e
}
