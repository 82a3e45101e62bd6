package urlpath

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

var errHost = errors.New("malformed host")

// Host returns the authority of a request, from its Host field or its target, as
// conditions see it: in lower case. scheme is that of the connection, "http" or
// "https". An empty authority remains empty.
//
// With HostNormalize, the default port of the scheme is left out, other ports
// are without leading zeros, and IPv6 addresses in their one short form. With
// HostStrict, also a dot at the end of a name is left out, and the name has to
// be one: labels of letters, digits and hyphens that do not start with a hyphen,
// or four numbers, or an IPv6 address in brackets. The error says that it is
// malformed, and the request has to be answered with 400.
func Host(authority, scheme string, o *Options) (string, error) {
	authority = lower(authority)
	if authority == "" || !o.HostStrict && !o.HostNormalize {
		return authority, nil
	}
	name, port := authority, ""
	if i := strings.IndexByte(authority, ':'); i >= 0 && authority[0] != '[' {
		name, port = authority[:i], authority[i+1:]
	} else if authority[0] == '[' {
		end := strings.IndexByte(authority, ']') + 1
		if rest := authority[end:]; rest != "" && rest[0] != ':' {
			return "", errHost
		}
		name, port = authority[:end], strings.TrimPrefix(authority[end:], ":")
	}
	var ok bool
	switch {
	case strings.HasPrefix(name, "["):
		name, ok = ipv6(name)
	case o.HostStrict:
		name = strings.TrimSuffix(name, ".")
		ok = isName(name)
	default:
		ok = name != ""
	}
	if !ok {
		return "", errHost
	}
	if port == "" {
		return name, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", errHost
	}
	if scheme == "http" && n == 80 || scheme == "https" && n == 443 {
		return name, nil
	}
	port = strings.TrimLeft(port, "0")
	if len(name)+len(":")+len(port) == len(authority) {
		return authority, nil // without an allocation
	}
	return name + ":" + port, nil
}

// ipv6 returns an IPv6 address in brackets in its short form (RFC 5952).
func ipv6(literal string) (string, bool) {
	inner, ok := strings.CutSuffix(literal[1:], "]")
	addr, err := netip.ParseAddr(inner)
	if !ok || err != nil || !addr.Is6() || addr.Zone() != "" {
		return "", false
	}
	return "[" + addr.String() + "]", true
}

// isName reports whether s, in lower case, is a name of hosts or, if it ends in a
// number, an IPv4 address. Like lighttpd, it does not mind how large the numbers
// are: nothing is dialled.
func isName(s string) bool {
	labels, numeric := 0, 0
	var number bool
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || label[0] == '-' {
			return false
		}
		number = true
		for _, c := range []byte(label) {
			switch {
			case '0' <= c && c <= '9':
			case 'a' <= c && c <= 'z', c == '-':
				number = false
			default:
				return false
			}
		}
		labels++
		if number {
			numeric++
		}
	}
	return !number || labels == 4 && numeric == 4
}

// lower lowers the ASCII letters of s, which need not be UTF-8.
func lower(s string) string {
	i := 0
	for i < len(s) && (s[i] < 'A' || s[i] > 'Z') {
		i++
	}
	if i == len(s) {
		return s
	}
	b := []byte(s)
	for ; i < len(b); i++ {
		if 'A' <= b[i] && b[i] <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}
