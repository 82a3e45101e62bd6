// Package forwarded tells who the client of a request is if the request came
// through proxies: lighttpd's mod_extforward.
//
// It reads header fields; what a PROXY header says of a connection, package
// proxyproto knows. It changes no request: who calls puts the [Client] in the
// place of the peer.
package forwarded

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
)

// DefaultHeaders are those of a configuration without extforward.headers.
var DefaultHeaders = []string{"X-Forwarded-For", "Forwarded-For"}

// A Policy is what a configuration says of proxies. It does not change once it
// is in use.
type Policy struct {
	Trust   Trust    // extforward.forwarder
	Headers []string // extforward.headers, "Forwarded" among them if it is to be read

	// extforward.params: what else is taken from Forwarded.
	Host       bool // host=
	RemoteUser bool // remote_user=
}

// A Client is who sent a request. Empty fields are what the connection says.
type Client struct {
	Addr   netip.Addr // without a zone; IPv4 is IPv4
	Scheme string     // "http" or "https"
	Host   string     // as the proxy had it: not checked
	User   string
}

// ErrMalformed means that a field has quotation marks that do not match, so that
// it cannot be told where its elements end, and which of them a trusted proxy
// wrote. The request has to be answered with 400.
var ErrMalformed = errors.New("malformed Forwarded field")

// Client returns the client of a request that came from peer with header h. That
// is peer, unless p trusts it and the first field of p.Headers that is there and
// not empty names another.
//
// The field lists addresses, each put there by the proxy that the next one
// belongs to, the last one by peer. Read from the end, the first that is not
// trusted is the client's. The search ends, too, at what is no address: whoever
// wrote that knows no better, and whatever is in front of it anyone may have
// written. Then, and if every address is trusted, the client is peer or, if the
// field is Forwarded (RFC 7239), the trusted address that was read last. If p
// trusts all, the last address is the client's: peer wrote it.
//
// The scheme comes from the element of Forwarded that names the client, as do
// host and user; beside another field, from X-Forwarded-Proto. Without a client
// other than peer, none of them counts.
//
// The work is linear in the length of the field. ErrMalformed is the only error.
//
// Unlike lighttpd, Client does not pass over what is no address, which lets
// clients put words into a proxy's mouth; it takes addresses with ports and
// without quotation marks, and Forwarded elements of a single pair.
func (p *Policy) Client(peer netip.Addr, h http.Header) (Client, error) {
	client := Client{Addr: peer}
	if !p.Trust.Has(peer) {
		return client, nil
	}
	for _, name := range p.Headers {
		lines := h.Values(name)
		if isEmpty(lines) {
			continue
		}
		if strings.EqualFold(name, "Forwarded") {
			e, err := p.fromForwarded(lines)
			if err != nil || !e.addr.IsValid() {
				return client, err
			}
			client = Client{Addr: e.addr, Scheme: scheme(e.proto)}
			if p.Host {
				client.Host = e.host
			}
			if p.RemoteUser {
				client.User = e.user
			}
			return client, nil
		}
		if addr := p.fromList(lines); addr.IsValid() {
			client.Addr = addr
			if proto := h.Values("X-Forwarded-Proto"); len(proto) == 1 {
				client.Scheme = scheme(strings.Trim(proto[0], " \t"))
			}
		}
		break
	}
	return client, nil
}

func isEmpty(lines []string) bool {
	for _, line := range lines {
		if line != "" {
			return false
		}
	}
	return true
}

// fromList returns the client's address by a field that lists addresses, or none.
func (p *Policy) fromList(lines []string) netip.Addr {
	for i := len(lines) - 1; i >= 0; i-- {
		for line, more := lines[i], true; more; {
			comma := strings.LastIndexByte(line, ',')
			elem := strings.Trim(line[comma+1:], " \t")
			if more = comma >= 0; more {
				line = line[:comma]
			}
			if elem == "" {
				continue
			}
			addr := parseNode(strings.Trim(elem, `"`))
			if !addr.IsValid() || p.Trust.all || !p.Trust.Has(addr) {
				return addr
			}
		}
	}
	return netip.Addr{}
}

// parseNode returns the address of a node (RFC 7239 section 6) with or without a
// port. Other names have none. An IPv6 address need not be in brackets if there
// is no port.
func parseNode(s string) netip.Addr {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, port, ok := strings.Cut(inner, "]")
		if !ok || port != "" && port[0] != ':' {
			return netip.Addr{}
		}
		s = inner
	} else if host, _, ok := strings.Cut(s, ":"); ok && strings.Contains(host, ".") {
		s = host
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// scheme returns the scheme that proto names, if it is one of HTTP's.
func scheme(proto string) string {
	switch {
	case strings.EqualFold(proto, "http"):
		return "http"
	case strings.EqualFold(proto, "https"):
		return "https"
	}
	return ""
}
