package forwarded

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Trust says which addresses are those of trusted proxies. Its zero value trusts
// none.
type Trust struct {
	all, none bool // "all" is trusted, or is not, and nothing else counts
	prefixes  map[netip.Prefix]bool
	bits      []int // lengths of the prefixes, the longest first
}

// Add says of who, an address (IPv6 also in brackets), a prefix "address/bits"
// or "all", whether it is trusted. Of all that is said of an address, the
// longest prefix counts, but if something is said of all, nothing else does. The
// error is that who is none of these.
//
// Unlike lighttpd, which refuses it, "/0" is a prefix like any other, and a
// prefix may be one that is not trusted, which lighttpd ignores.
func (t *Trust) Add(who string, trusted bool) error {
	if strings.EqualFold(who, "all") {
		t.all, t.none = trusted, !trusted
		return nil
	}
	prefix, err := parsePrefix(who)
	if err != nil {
		return fmt.Errorf("%q is neither an address nor a prefix of addresses", who)
	}
	if t.prefixes == nil {
		t.prefixes = make(map[netip.Prefix]bool)
	}
	t.prefixes[prefix] = trusted
	if !slices.Contains(t.bits, prefix.Bits()) {
		t.bits = append(t.bits, prefix.Bits())
		slices.Sort(t.bits)
		slices.Reverse(t.bits)
	}
	return nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	address, bits, isPrefix := strings.Cut(s, "/")
	if inner, ok := strings.CutPrefix(address, "["); ok && strings.HasSuffix(inner, "]") {
		address = strings.TrimSuffix(inner, "]")
	}
	if isPrefix {
		prefix, err := netip.ParsePrefix(address + "/" + bits)
		if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= 96 {
			prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
		}
		return prefix.Masked(), err
	}
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}, err
	}
	addr = addr.Unmap().WithZone("")
	return addr.Prefix(addr.BitLen())
}

// Has reports whether addr is trusted. An invalid address, as that of a peer on a
// Unix socket, is trusted if all are.
func (t *Trust) Has(addr netip.Addr) bool {
	if t.all || t.none {
		return t.all
	}
	addr = addr.Unmap().WithZone("")
	for _, bits := range t.bits {
		if bits > addr.BitLen() {
			continue
		}
		prefix, _ := addr.Prefix(bits) // cannot fail: the address has as many
		if trusted, ok := t.prefixes[prefix]; ok {
			return trusted
		}
	}
	return false
}
