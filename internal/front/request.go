package front

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// ParseUpgrade parses the request at the start of b if it is a plain one for an
// upgrade: a whole GET over HTTP/1.1 of at most limit bytes, without a body, with
// a Host and an Upgrade field, and nothing in it that two servers could read in
// two ways. It returns the request as net/http would, without context and
// RemoteAddr, and its size n in bytes. For anything else it returns nil: let
// net/http read that, and judge it. The request does not refer to b.
func ParseUpgrade(b []byte, limit int) (r *http.Request, n int) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 || end+4 > limit {
		return nil, 0
	}
	n = end + 4
	line, rest, _ := strings.Cut(string(b[:end+2]), "\r\n")
	target, ok := strings.CutPrefix(line, "GET ")
	if !ok {
		return nil, 0
	}
	if target, ok = strings.CutSuffix(target, " HTTP/1.1"); !ok || !strings.HasPrefix(target, "/") || !isText(target) || strings.Contains(target, " ") {
		return nil, 0
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, 0
	}
	r = &http.Request{
		Method: http.MethodGet, URL: u, RequestURI: target,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if r.Header, ok = parseFields(rest); !ok {
		return nil, 0
	}
	hosts := r.Header["Host"]
	if len(hosts) != 1 || !isHost(hosts[0]) || r.Header["Upgrade"] == nil {
		return nil, 0
	}
	r.Host = hosts[0]
	delete(r.Header, "Host")
	// As net/http has it (RFC 7234 section 5.4).
	if p := r.Header["Pragma"]; len(p) > 0 && p[0] == "no-cache" && r.Header["Cache-Control"] == nil {
		r.Header["Cache-Control"] = []string{"no-cache"}
	}
	return r, n
}

// parseFields parses the lines of a header. It is not ok if one is unusual, or
// speaks of a body.
func parseFields(lines string) (h http.Header, ok bool) {
	count := strings.Count(lines, "\n")
	h = make(http.Header, count)
	values := make([]string, count) // one array for the lists of all fields
	for i := range count {
		var line string
		line, lines, _ = strings.Cut(lines, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) || !isText(value) {
			return nil, false
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		switch name {
		case "Content-Length", "Transfer-Encoding", "Expect", "Trailer":
			return nil, false
		}
		value = strings.Trim(value, " ")
		if list := h[name]; list != nil {
			h[name] = append(list, value)
			continue
		}
		values[i] = value
		h[name] = values[i : i+1 : i+1]
	}
	return h, true
}

// isText reports whether s holds printable ASCII alone.
func isText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isHost reports whether s has nothing but what names, addresses and ports have.
func isHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && strings.IndexByte("-._:[]", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
