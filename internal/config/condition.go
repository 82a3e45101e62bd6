package config

import (
	"fmt"
	"net/netip"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
	"github.com/wstunneld/wstunneld/internal/pattern"
)

type field int

const (
	urlField field = iota
	hostField
	remoteIPField
	queryField
	methodField
	schemeField
	headerField
	socketField
)

// httpFields are the names in $HTTP["…"].
var httpFields = map[string]struct {
	field  field
	header string // of headerField
}{
	"url":            {urlField, ""},
	"host":           {hostField, ""},
	"remote-ip":      {remoteIPField, ""},
	"remoteip":       {remoteIPField, ""},
	"query-string":   {queryField, ""},
	"querystring":    {queryField, ""},
	"request-method": {methodField, ""},
	"scheme":         {schemeField, ""},
	"user-agent":     {headerField, "User-Agent"},
	"useragent":      {headerField, "User-Agent"},
	"referer":        {headerField, "Referer"},
	"cookie":         {headerField, "Cookie"},
	"language":       {headerField, "Accept-Language"},
}

const fieldsHint = `the fields are $HTTP["url"], "host", "remote-ip", "query-string", "request-method", "scheme", ` +
	`"user-agent", "referer", "cookie" and "language", $REQUEST_HEADER["Name"] and $SERVER["socket"]`

// opText is how each operator is written.
var opText = map[syntax.CondOp]string{
	syntax.Equal: "==", syntax.NotEqual: "!=", syntax.Prefix: "=^",
	syntax.Suffix: "=$", syntax.Match: "=~", syntax.NotMatch: "!~",
}

// A condID tells conditions inside one block apart. Unlike in lighttpd, the
// texts are compared exactly: "/A" and "/a" are two conditions.
type condID struct {
	prev  *context // of a bare else; the other fields are not set then
	name  string
	op    syntax.CondOp
	value string
}

// A condition is the test of one block. It does not change.
type condition struct {
	name   string // as in $HTTP["url"]
	field  field
	header string        // of a headerField
	slot   int           // of header in view.joined
	op     syntax.CondOp // as written, unless simplify has another
	text   string        // likewise
	pos    syntax.Pos    // of the field
	at     syntax.Pos    // of the text

	want   string           // text as it is compared: a host in lower case
	host   host             // want, for a host with == or !=
	prefix netip.Prefix     // of a remote-ip with == or !=, unless text is a path
	regex  *pattern.Pattern // of =~ and !~
}

// String returns the condition as -p prints it.
func (c *condition) String() string {
	return c.name + " " + opText[c.op] + " " + literal(c.text)
}

// cond evaluates the condition s and its else branches in block parent.
func (l *loader) cond(s *syntax.Cond, parent *context) {
	var prev *context
	for c := s; c != nil; c = c.Else {
		b := l.branch(c, parent, prev)
		l.exec(c.Body, b, false)
		prev = b
		if c.HasElse {
			b := l.block(condID{prev: prev}, nil, parent, prev)
			l.exec(c.ElseBody, b, false)
		}
	}
}

// branch returns the block of the condition s, a new one or, if the condition
// was written before in the same place, that one.
func (l *loader) branch(s *syntax.Cond, parent, prev *context) *context {
	v := l.eval(s.Value, parent)
	c, ok := l.condition(s, v)
	if !ok {
		// What is wrong inside the block is to be reported, too.
		return l.newContext(parent, prev)
	}
	id := condID{name: c.name, op: c.op, value: c.text}
	known := parent.known[id]
	switch {
	case known == nil:
	case prev == nil && known.prev != nil:
		l.warnf(s.FieldPos, "",
			"this continues the else branch at %v, which is tried only if the branches before it there do not match", known.cond.pos)
	case prev != nil && known.prev != prev:
		l.errorf(s.FieldPos, "put the directives into that block, or change the condition",
			"this else branch repeats the condition at %v", known.cond.pos)
	}
	return l.block(id, c, parent, prev)
}

// block returns the block id inside parent, which it adds if there is none.
func (l *loader) block(id condID, cond *condition, parent, prev *context) *context {
	if b := parent.known[id]; b != nil {
		return b
	}
	b := l.newContext(parent, prev)
	b.cond = cond
	parent.known[id] = b
	return b
}

// condition checks and compiles the condition s, whose right side is v.
func (l *loader) condition(s *syntax.Cond, v value) (*condition, bool) {
	c := &condition{name: fmt.Sprintf("$%s[%s]", s.Field, literal(s.Key)), op: s.Op, text: v.text, pos: s.FieldPos, at: v.pos}
	switch {
	case s.Field == "HTTP":
		f, ok := httpFields[s.Key]
		if !ok {
			l.errorf(s.KeyPos, fieldsHint, "unknown condition field %s", c.name)
			return nil, false
		}
		c.field, c.header = f.field, f.header
	case s.Field == "REQUEST_HEADER" && s.Key != "":
		c.field, c.header = headerField, textproto.CanonicalMIMEHeaderKey(s.Key)
	case s.Field == "SERVER" && s.Key == "socket":
		c.field = socketField
	default:
		l.errorf(s.FieldPos, fieldsHint, "unknown condition field %s", c.name)
		return nil, false
	}
	if v.kind != text {
		if v.kind != bad {
			l.errorf(v.pos, "write it in quotes", "%s is compared with %v, but takes a string", c.name, v)
		}
		return nil, false
	}
	if c.field == headerField {
		c.slot = l.slot(c.header)
	}
	return c, l.prepare(c, v)
}

// slot returns the number of header among those that conditions look at.
func (l *loader) slot(header string) int {
	i := slices.Index(l.headers, header)
	if i < 0 {
		i = len(l.headers)
		l.headers = append(l.headers, header)
	}
	return i
}

// prepare compiles v, the right side of c. It reports what is wrong with it.
func (l *loader) prepare(c *condition, v value) bool {
	if c.op == syntax.Match && c.field != remoteIPField && c.field != socketField {
		c.op, c.text = simplify(c.text)
	}
	c.want = c.text
	equality := c.op == syntax.Equal || c.op == syntax.NotEqual
	switch {
	case c.op == syntax.Match || c.op == syntax.NotMatch:
		var ok bool
		c.regex, ok = l.pattern(v, maxGroups)
		return ok
	case c.field == hostField:
		c.want = fold(c.text)
		c.host = splitHost(c.want)
	case c.field == remoteIPField && equality && !strings.HasPrefix(c.text, "/"):
		var problem string
		if c.prefix, problem = parsePrefix(c.text); problem != "" {
			l.errorf(c.at, `write it as "10.0.0.1", "10.0.0.0/8" or "2001:db8::/32"`, "%s %s", quote(c.text), problem)
			return false
		}
	}
	return true
}

// parsePrefix returns the addresses that s, "ADDR" or "ADDR/BITS", stands for.
// Otherwise problem says what is wrong with it.
func parsePrefix(s string) (p netip.Prefix, problem string) {
	addr, bits, masked := strings.Cut(s, "/")
	if strings.HasPrefix(addr, "[") && strings.HasSuffix(addr, "]") && strings.Contains(addr, ":") {
		addr = addr[1 : len(addr)-1]
	}
	ip, err := netip.ParseAddr(addr)
	if err != nil || ip.Zone() != "" {
		return p, "is not an IP address"
	}
	n := ip.BitLen()
	if masked {
		if n, err = strconv.Atoi(bits); err != nil || n < 0 || n > ip.BitLen() {
			return p, fmt.Sprintf("has a bad mask: it takes 0 to %d bits", ip.BitLen())
		}
	}
	if ip.Is4In6() && n >= 96 {
		ip, n = ip.Unmap(), n-96
	}
	return netip.PrefixFrom(ip, n), ""
}

// match reports whether the condition holds for v. listen is the listener that c
// names if it looks at the socket.
func (c *condition) match(v *view, listen *Listener) bool {
	equality := c.op == syntax.Equal || c.op == syntax.NotEqual
	switch {
	case c.field == socketField && equality:
		return (v.Listener == listen) == (c.op == syntax.Equal)
	case c.field == hostField && equality:
		return v.hostAsked().same(&c.host) == (c.op == syntax.Equal)
	case c.prefix.IsValid():
		return c.prefix.Contains(v.addrAsked()) == (c.op == syntax.Equal)
	}
	return c.compare(v.text(c))
}

// compare applies the operator to s, by its bytes.
func (c *condition) compare(s string) bool {
	switch c.op {
	case syntax.Equal:
		return s == c.want
	case syntax.NotEqual:
		return s != c.want
	case syntax.Prefix:
		return strings.HasPrefix(s, c.want)
	case syntax.Suffix:
		return strings.HasSuffix(s, c.want)
	case syntax.Match:
		return c.regex.Match(s)
	default:
		return !c.regex.Match(s)
	}
}

// captures returns what %0 to %9 stand for in a replacement inside the block of
// c: caps[0] is what c matched of r, the others are its groups. Without a match
// there are none. It evaluates c again.
func (c *condition) captures(r *Request) []string {
	v := view{Request: r}
	switch {
	case c.regex != nil:
		caps, _ := c.regex.Captures(v.text(c))
		return caps
	case c.prefix.IsValid():
		if c.prefix.Contains(v.addrAsked()) {
			return []string{r.RemoteAddr}
		}
	case c.field == socketField && c.op == syntax.Equal:
		return []string{v.text(c)}
	case c.field == hostField && c.op == syntax.Equal:
		if v.hostAsked().same(&c.host) {
			return []string{c.want}
		}
	case c.compare(v.text(c)):
		return []string{c.want}
	}
	return nil
}

// captor returns the condition whose captures %0 to %9 are in the block c: the
// innermost one around it that says what is there. != and !~ and a bare else only
// say what is not. It is nil if there is none.
//
// In lighttpd those have no captures, and hide those of the blocks around them.
func (c *context) captor() *condition {
	for ; c != nil; c = c.parent {
		if c.cond != nil && c.cond.op != syntax.NotEqual && c.cond.op != syntax.NotMatch {
			return c.cond
		}
	}
	return nil
}

// A view is a request as conditions look at it. What takes work is found when it
// is asked for, and kept.
type view struct {
	*Request
	host   host
	asked  bool       // host is known
	addr   netip.Addr // invalid: not known yet
	joined [8]string  // the values of repeated headers, by slot
}

// text returns what c compares.
func (v *view) text(c *condition) string {
	switch c.field {
	case socketField:
		if v.Listener == nil {
			return ""
		}
		return v.Listener.Address
	case urlField:
		return v.Path
	case hostField:
		return v.hostAsked().text
	case remoteIPField:
		return v.RemoteAddr
	case queryField:
		return v.Query
	case methodField:
		return v.Method
	case schemeField:
		return v.Scheme
	default:
		return v.headerText(c.header, c.slot)
	}
}

func (v *view) hostAsked() *host {
	if !v.asked {
		v.host, v.asked = requestHost(v.Request), true
	}
	return &v.host
}

// addrAsked returns the address of the client, without a zone; that of an IPv4
// client is an IPv4 address also if it came over IPv6.
func (v *view) addrAsked() netip.Addr {
	if !v.addr.IsValid() {
		v.addr = v.RemoteIP.Unmap().WithZone("")
	}
	return v.addr
}

// headerText returns the header name, which is "" if it is missing. The values
// of a repeated header are joined.
func (v *view) headerText(name string, slot int) string {
	values := v.Header[name]
	switch {
	case name == "Host" && len(values) == 0:
		return v.Host // net/http keeps it apart
	case len(values) == 0:
		return ""
	case len(values) == 1:
		return values[0]
	}
	sep := ", "
	if name == "Cookie" {
		sep = "; "
	}
	if slot >= len(v.joined) {
		return strings.Join(values, sep)
	}
	if v.joined[slot] == "" {
		v.joined[slot] = strings.Join(values, sep)
	}
	return v.joined[slot]
}

// A host is the host of a request, or of a condition.
type host struct {
	text string // with the port, if there is one
	name string // without it
}

// splitHost returns the host that s is.
func splitHost(s string) host {
	if i := portAt(s); i >= 0 {
		return host{s, s[:i]}
	}
	return host{s, s}
}

// same reports whether h and g are equal. If only one has a port, it is ignored.
func (h *host) same(g *host) bool {
	if (len(h.name) == len(h.text)) != (len(g.name) == len(g.text)) {
		return h.name == g.name
	}
	return h.text == g.text
}

// portAt returns the index of the ":" before the port in s, or -1.
func portAt(s string) int {
	i := strings.LastIndexByte(s, ':')
	if i < strings.LastIndexByte(s, ']') {
		return -1
	}
	return i
}

// requestHost returns the host of r as conditions see it: in lower case, without
// the default port of the scheme and without a dot at the end of the name.
func requestHost(r *Request) host {
	h := splitHost(fold(r.Host))
	port := h.text[len(h.name):]
	name := strings.TrimSuffix(h.name, ".")
	if port == ":80" && r.Scheme == "http" || port == ":443" && r.Scheme == "https" {
		port = ""
	}
	switch {
	case port == "":
		return host{name, name}
	case len(name) == len(h.name):
		return h
	default:
		return host{name + port, name}
	}
}

// simplify returns the comparison that "=~ pattern" amounts to if the pattern
// is only an anchored literal; else Match and the pattern. As in lighttpd it then
// is that comparison in all ways: the port of a host can be missing.
func simplify(pattern string) (op syntax.CondOp, text string) {
	const meta = `\^$.|?*+()[]{}`
	body, start := strings.CutPrefix(pattern, "^")
	body, end := strings.CutSuffix(body, "$")
	if suffix, ok := strings.CutPrefix(body, `\.`); ok && end && !start && !strings.ContainsAny(suffix, meta) {
		return syntax.Suffix, "." + suffix
	}
	switch {
	case strings.ContainsAny(body, meta):
	case start && end:
		return syntax.Equal, body
	case start:
		return syntax.Prefix, body
	case end:
		return syntax.Suffix, body
	}
	return syntax.Match, pattern
}
