package config

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

// maxSocketPath is how many bytes the path of a Unix socket to listen on can have.
const maxSocketPath = 107

// A socket is what the directives say of one listener.
type socket struct {
	bind    string
	port    int64
	pos     syntax.Pos // of bind or port
	useIPv6 bool
	v6only  bool
	perms   fs.FileMode
	proxy   bool // HAProxy's PROXY protocol
}

// opensListener reports whether c is the block of $SERVER["socket"] == "…".
func (c *context) opensListener() bool {
	return c.cond != nil && c.cond.field == socketField && c.cond.op == syntax.Equal
}

// listeners adds the listener of each $SERVER["socket"] == "…" and, unless it is
// one of them, that of server.bind and server.port, which comes first. sockets
// has what the directives of each block say.
func (l *loader) listeners(cfg *Config, sockets []socket) {
	known := make(map[string]*Listener)
	main := l.mainListener(sockets[0])
	var list []*Listener
	for i, c := range l.contexts {
		if !c.opensListener() {
			continue
		}
		ln := l.socketListener(c, sockets[i])
		if ln == nil {
			continue
		}
		if known[ln.Address] == nil {
			known[ln.Address] = ln
			list = append(list, ln)
		}
		c.listen = known[ln.Address]
	}
	if main != nil && known[main.Address] == nil {
		known[main.Address] = main
		list = append([]*Listener{main}, list...)
	}
	cfg.Listeners = list
	for i, c := range l.contexts {
		if c.cond == nil || c.cond.field != socketField || c.cond.op != syntax.NotEqual {
			continue
		}
		if ln := l.socketListener(c, sockets[i]); ln != nil {
			c.listen = known[ln.Address]
		}
	}
}

// mainListener returns the listener of server.bind and server.port, or nil if
// there is a mistake in them.
func (l *loader) mainListener(s socket) *Listener {
	if s.pos == (syntax.Pos{}) {
		s.pos = l.top()
	}
	bind := s.bind
	if bind == "" {
		bind = "*"
	}
	if host, port, err := net.SplitHostPort(bind); err == nil && !strings.HasPrefix(bind, "/") {
		l.errorf(s.pos, fmt.Sprintf("write server.bind = %q and server.port = %s", host, port), "server.bind has a port")
		return nil
	}
	ln, problem := s.listener(bind)
	if problem != "" {
		l.errorf(s.pos, `write an address such as "127.0.0.1", or the path of a Unix socket`, "server.bind is %s, which %s", quote(bind), problem)
		return nil
	}
	ln.Pos = s.pos
	return ln
}

// socketListener returns the listener that the condition of c names, or nil if
// there is a mistake in it.
func (l *loader) socketListener(c *context, s socket) *Listener {
	ln, problem := s.listener(c.cond.text)
	if problem != "" {
		l.errorf(c.cond.at, `write it as ":80", "127.0.0.1:80", "[::]:80" or "/run/x.sock"`,
			"%s is compared with %s, which %s", c.cond.name, quote(c.cond.text), problem)
		return nil
	}
	ln.Pos = c.cond.at
	return ln
}

// listener returns the listener for text, without a Pos. The port is s.port if
// text has none. A non-empty problem says what is wrong with text.
func (s socket) listener(text string) (ln *Listener, problem string) {
	ln = &Listener{SocketPerms: s.perms, HAProxyPROXY: s.proxy}
	if name, ok := strings.CutPrefix(text, `\x00`); ok && name != "" {
		ln.Network, ln.Address = "unix", "@"+name
		return ln, ""
	}
	if strings.HasPrefix(text, "/") {
		if len(text) > maxSocketPath {
			return nil, fmt.Sprintf("is longer than the %d bytes that the path of a Unix socket can have", maxSocketPath)
		}
		ln.Network, ln.Address = "unix", text
		return ln, ""
	}
	host, port, problem := s.split(text)
	if problem != "" {
		return nil, problem
	}
	var ip netip.Addr
	switch {
	case host == "[]":
		ip = netip.IPv6Unspecified()
	case strings.HasPrefix(host, "["):
		var err error
		if ip, err = netip.ParseAddr(strings.Trim(host, "[]")); err != nil || !ip.Is6() {
			return nil, "has no IPv6 address in its brackets"
		}
	case host == "" || host == "*":
		ip = netip.IPv4Unspecified()
		if s.useIPv6 {
			ip = netip.IPv6Unspecified()
		}
	case host == "localhost":
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if s.useIPv6 {
			ip = netip.IPv6Loopback()
		}
	default:
		var err error
		if ip, err = netip.ParseAddr(host); err == nil {
			break
		}
		if !validName(host) {
			return nil, "is not an address"
		}
		ln.Network, ln.Address = "tcp4", net.JoinHostPort(host, strconv.FormatInt(port, 10))
		if s.useIPv6 {
			ln.Network = "tcp6"
		}
		return ln, ""
	}
	ln.Address = netip.AddrPortFrom(ip, uint16(port)).String()
	switch {
	case ip.Is4():
		ln.Network = "tcp4"
	case ip.IsUnspecified() && !s.v6only:
		ln.Network = "tcp"
	default:
		ln.Network = "tcp6"
	}
	return ln, ""
}

// split returns the host and the port of text; an IPv6 address keeps its
// brackets. A non-empty problem says what is wrong.
func (s socket) split(text string) (host string, port int64, problem string) {
	if text == "" {
		return "", 0, "is empty"
	}
	i := portAt(text)
	if i < 0 {
		return text, s.port, ""
	}
	if ip, err := netip.ParseAddr(text); err == nil && ip.Is6() {
		return text, s.port, ""
	}
	port, ok := number(newText(syntax.Pos{}, text[i+1:]), 1<<16-1)
	if !ok || port == 0 {
		return "", 0, "has a bad port: it takes 1 to 65535"
	}
	return text[:i], port, ""
}

// validName reports whether s can be the name of a host. An IPv4 address with a
// mistake, such as 300.1.1.1, cannot.
func validName(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.") != "" &&
		strings.Trim(fold(s), "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// checkPerms checks the mode of server.socket-perms.
func checkPerms(l *loader, d *Directive, v *typed) {
	if _, err := strconv.ParseUint(v.text, 8, 9); err != nil {
		l.errorf(v.value.pos, `write server.socket-perms = "0660"`, "%s is %s, but takes an octal mode", d.Name, quote(v.text))
	}
}
