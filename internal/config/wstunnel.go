package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	maxLabel = 128 // bytes
	// maxHostPath is how many bytes the path of a backend's socket can have:
	// some fewer than the system allows, so that "-0" fits behind it.
	maxHostPath = 105
)

// Match returns the ext for path, which is normalised and decoded, or nil if
// there is no tunnel. wstunnel.map-extensions goes first; then the first key
// that fits wins, not the longest.
func (w *Wstunnel) Match(path string) *Ext {
	for _, m := range w.MapExtensions {
		if !strings.HasSuffix(path, m.Key) {
			continue
		}
		for _, e := range w.Server {
			if strings.EqualFold(e.Key, m.Value) {
				return e
			}
		}
		break
	}
	for _, e := range w.Server {
		if strings.HasPrefix(e.Key, "/") {
			if strings.HasPrefix(path, e.Key) {
				return e
			}
		} else if strings.HasSuffix(path, e.Key) {
			return e
		}
	}
	return nil
}

// A hostSpec is what the options say of one host.
type hostSpec struct {
	Host
	host    string
	port    int64 // 0: not set
	socket  string
	binPath string
}

// checkTunnels reads the exts and hosts of a wstunnel.server.
func checkTunnels(l *loader, _ *Directive, v *typed) {
	for _, e := range v.value.elems {
		ext := &Ext{Key: e.key, Pos: e.pos}
		for i, h := range e.value.elems {
			if !l.isHost(e, h, i) {
				break
			}
			if host := l.host(e.key, h); host != nil {
				ext.Hosts = append(ext.Hosts, host)
			}
		}
		if len(ext.Hosts) > 0 {
			v.exts = append(v.exts, ext)
		}
	}
	l.exts = append(l.exts, v.exts...)
}

// isHost reports whether h, the i-th element of ext, has the shape of a host: a
// list with keys. If not, the parentheses of ext are wrong, and it says so.
func (l *loader) isHost(ext, h elem, i int) bool {
	const example = `( ( "host" => "127.0.0.1", "port" => 5900 ) )`
	if h.value.kind != array {
		right := example
		if hostOptions()[fold(h.key)] != nil && h.keyed {
			right = "( " + inline(ext.value) + " )"
		}
		l.errorf(h.pos, fmt.Sprintf("write %s => %s", quote(ext.key), right),
			"element %d of %s in wstunnel.server is not a list of options: a level of parentheses is missing", i+1, quote(ext.key))
		return false
	}
	for _, o := range h.value.elems {
		if !o.keyed {
			l.errorf(o.pos, fmt.Sprintf("write %s => %s", quote(ext.key), example),
				"host %d of %s in wstunnel.server has something without a key", i+1, quote(ext.key))
			return false
		}
	}
	return true
}

// host reads the options of h, a host of the ext key. It reports what is wrong
// with them, and returns nil then.
func (l *loader) host(key string, h elem) *Host {
	spec := hostSpec{Host: Host{Pos: h.pos, ConnectTimeout: seconds(8), DisableTime: seconds(1)}}
	good := true
	if h.keyed {
		spec.Label = h.key
	}
	if len(spec.Label) > maxLabel {
		l.errorf(h.pos, "", "the label of a host is longer than %d bytes", maxLabel)
		good = false
	}
	for _, o := range h.value.elems {
		good = l.option(key, o, &spec) && good
	}
	if !good {
		return nil
	}
	problem, hint := spec.resolve()
	if problem != "" {
		l.errorf(h.value.pos, hint, "a host of %s in wstunnel.server %s", quote(key), problem)
		return nil
	}
	return &spec.Host
}

// option lets the option o of a host of the ext key land in spec, and reports
// whether it can.
func (l *loader) option(key string, o elem, spec *hostSpec) bool {
	name := fold(o.key)
	opt := hostOptions()[name]
	if opt == nil {
		hint := ""
		if near := nearest(strings.ReplaceAll(name, "_", "-"), slices.Collect(maps.Keys(hostOptions()))); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		l.warnf(o.pos, hint, "unknown option %s of a host of %s in wstunnel.server", quote(o.key), quote(key))
		return true
	}
	s := subject{
		name:    fmt.Sprintf("the option %q of a host of %s", name, quote(key)),
		assign:  fmt.Sprintf("%q => ", name),
		typ:     opt.Type,
		example: opt.Example,
	}
	if name == "port" && o.value.kind != array && o.value.plain() == "65536" {
		l.errorf(o.value.pos, s.hint(), "%s is 65536, but takes 1 to 65535", s.name)
		return false
	}
	v, ok := l.convert(s, o.value)
	if !ok {
		return false
	}
	switch name {
	case "mode":
		switch v.text {
		case "", "responder":
		case "authorizer":
			l.errorf(o.value.pos, `remove it`, "%s is \"authorizer\", which a tunnel cannot be", s.name)
			return false
		default:
			l.warnf(o.value.pos, "", "%s is %s, which is unknown: \"responder\" is used", s.name, quote(v.text))
		}
	case "x-sendfile-docroot":
		for _, e := range o.value.elems {
			if !strings.HasPrefix(e.value.text, "/") {
				l.errorf(e.pos, "", "%s has %v, but takes paths that start with \"/\"", s.name, e.value)
				return false
			}
		}
	}
	if opt.NotYet && v.num != 0 {
		l.warnf(o.pos, "", "%s has no effect in this version", s.name)
	}
	if opt.set != nil {
		opt.set(spec, &v)
	}
	return true
}

// resolve sets Network and Address from the options. A non-empty problem says
// why it cannot, and hint what to do.
func (h *hostSpec) resolve() (problem, hint string) {
	const form = `write "host" => "127.0.0.1", "port" => 5900, or "socket" => "/run/backend.sock"`
	path := h.socket
	if path == "" && strings.HasPrefix(h.host, "/") {
		path = h.host
	}
	switch {
	case h.binPath != "":
		return `has the option "bin-path"`, `this version does not start programs: start it by other means, and name its "socket" or its "host" and "port"`
	case h.socket != "" && (h.host != "" || h.port != 0):
		return `has the option "socket" together with "host" or "port"`, "keep the one that is meant"
	case len(path) > maxHostPath:
		return fmt.Sprintf("has a socket whose path is longer than %d bytes", maxHostPath), "use a shorter path"
	case path != "":
		h.Network, h.Address = "unix", path
		return "", ""
	case h.host == "" && h.port == 0:
		return "has no address", form
	}
	port := "80"
	if h.port != 0 {
		port = strconv.FormatInt(h.port, 10)
	}
	host := h.host
	if host == "" {
		// As in the published noVNC example, which means this machine.
		host = "127.0.0.1"
	}
	if inner, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(inner, "]") && strings.Contains(inner, ":") {
		host = strings.TrimSuffix(inner, "]")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.String()
	} else if scheme, rest, ok := strings.Cut(host, "://"); ok {
		return fmt.Sprintf("has the URL %s as its \"host\"", quote(scheme+"://"+rest)), form
	} else if name, p, err := net.SplitHostPort(host); err == nil {
		return fmt.Sprintf("has a port in its \"host\", %s", quote(host)), fmt.Sprintf(`write "host" => %q, "port" => %s`, name, p)
	} else if !validName(host) {
		return fmt.Sprintf("has the \"host\" %s, which is no address or name", quote(host)), form
	}
	h.Network, h.Address = "tcp", net.JoinHostPort(host, port)
	return "", ""
}

// inline returns v as it would be written, on one line.
func inline(v value) string {
	switch v.kind {
	case text:
		return quote(v.text)
	case integer:
		return v.String()
	}
	var parts []string
	for _, e := range v.elems {
		s := inline(e.value)
		if e.keyed {
			s = quote(e.key) + " => " + s
		}
		parts = append(parts, s)
	}
	return "( " + strings.Join(parts, ", ") + " )"
}

// checkOrigins reports entries of wstunnel.origins that are empty, and those
// that do not match what they seem to.
func checkOrigins(l *loader, d *Directive, v *typed) {
	for _, e := range v.value.elems {
		o := e.value.text
		scheme, host, full := strings.Cut(o, "://")
		switch {
		case o == "":
			l.errorf(e.pos, `write ( "https://example.com" ), or () to allow any origin`, "an empty string in %s", d.Name)
		case o == "null":
		case o != fold(o) || strings.Contains(o, "*") || strings.HasPrefix(o, ".") || full && (scheme == "" || strings.Contains(host, "/")):
			l.warnf(e.pos, `write "https://example.com" for one origin, or "example.com" for all hosts below it`,
				"%s in %s matches no origin that a browser sends", quote(o), d.Name)
		case !full && !slices.ContainsFunc(v.list, func(s string) bool { return strings.HasSuffix(s, "://"+o) }):
			l.warnf(e.pos, fmt.Sprintf("add %s if its own pages are to connect", quote("https://"+o)),
				"%s in %s matches the hosts below it, as in https://www.%s, but not https://%s itself", quote(o), d.Name, o, o)
		}
	}
}

// checkBalance replaces the names of wstunnel.balance that stand for others.
func checkBalance(l *loader, d *Directive, v *typed) {
	switch v.text {
	case "round-robin", "hash", "sticky":
	case "", "fair", "least-connection":
		v.text = "fair"
	default:
		l.warnf(v.value.pos, `the balancers are "fair", "least-connection", "round-robin", "hash" and "sticky"`,
			"%s is %s, which is unknown: \"fair\" is used", d.Name, quote(v.text))
		v.text = "fair"
	}
}

// checkFrameType warns of a wstunnel.frame-type that is neither text nor binary.
func checkFrameType(l *loader, d *Directive, v *typed) {
	if t := fold(v.text); t != "" && t != "text" && t != "binary" {
		l.warnf(v.value.pos, `write "binary" or "text"`, "%s is %s, which is unknown: \"text\" is used", d.Name, quote(v.text))
	}
}
