package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/wstunneld/wstunneld/internal/accesslog"
	"github.com/wstunneld/wstunneld/internal/expire"
	"github.com/wstunneld/wstunneld/internal/forwarded"
	"github.com/wstunneld/wstunneld/internal/pattern"
)

// A Type is what values a directive or a host option takes. The names are those
// of lighttpd's documentation of its sources.
type Type int

const (
	String   Type = iota // a string
	Bool                 // "enable" or "disable", with synonyms, or an integer
	Short                // an integer from 0 to 65535, or a string of digits
	Int                  // an integer from 0 to 4294967295, or a string of digits
	VList                // an array of strings without keys
	KVString             // an array of strings with keys
	KVArray              // an array of arrays with keys
	KVAny                // an array of anything with keys
	Any                  // anything
)

// String returns the type as docs/directives.md names it.
func (t Type) String() string {
	return [...]string{"string", "bool", "short", "int", "list of strings", "key => string", "key => list", "key => any", "any"}[t]
}

// takes describes the values of t in a message.
func (t Type) takes() string {
	return [...]string{
		"a string", `"enable" or "disable"`, "an integer from 0 to 65535", "an integer from 0 to 4294967295",
		"a list of strings without keys", "a list of strings with keys", "a list of lists with keys", "a list with keys", "anything",
	}[t]
}

// example is a value of t, for where there is no better one.
func (t Type) example() string {
	return [...]string{`"…"`, `"enable"`, "10", "10", `( "…", "…" )`, `( "…" => "…" )`, `( "…" => ( … ) )`, `( "…" => … )`, `"…"`}[t]
}

// A typed is a value that was checked against a Type. Which of its fields is
// set depends on the type; value and block always are.
type typed struct {
	text  string   // String
	num   int64    // Short, Int
	on    bool     // Bool
	list  []string // VList
	pairs []KV     // KVString
	value value    // as it was
	block *context // where it is set

	// What the check of a directive makes of it.
	exts     []*Ext             // of wstunnel.server
	mime     *MimeAssign        // of mimetype.assign
	rules    *URLRules          // of url.redirect, url.rewrite-once and the like
	log      Log                // of a log's name
	format   *accesslog.Format  // of accesslog.format
	trust    forwarded.Trust    // of extforward.forwarder
	patterns []*pattern.Pattern // of dir-listing.exclude
	expire   []expire.Rule      // of expire.url and expire.mimetypes
	throttle *Throttle          // of server.kbytes-per-second
}

// empty reports whether v is nothing, or what its type has for "off".
func (v *typed) empty() bool {
	return v.text == "" && v.num == 0 && !v.on && len(v.value.elems) == 0
}

// A subject is what takes a value: a directive, or an option of a host.
type subject struct {
	name    string // in messages
	assign  string // what is written before a value, such as "server.port = "
	typ     Type
	example string // of a value; "": one that fits the type
}

// hint says how to set s.
func (s subject) hint() string {
	if s.example == "" {
		return "write " + s.assign + s.typ.example()
	}
	return "write " + s.assign + s.example
}

// convert returns v as a value for s. If it is of another type, that is
// reported and the result is false.
func (l *loader) convert(s subject, v value) (typed, bool) {
	res := typed{value: v}
	ok := true
	switch s.typ {
	case String:
		res.text, ok = v.text, v.kind == text
	case Bool:
		res.on, ok = boolean(v)
	case Short:
		res.num, ok = number(v, 1<<16-1)
		if !ok && v.kind != array && v.plain() == "65536" {
			l.warnf(v.pos, "", "%s is 65536; as in lighttpd, that is 65535", s.name)
			res.num, ok = 1<<16-1, true
		}
	case Int:
		res.num, ok = number(v, 1<<32-1)
	case VList, KVString, KVArray, KVAny:
		return l.convertList(s, v)
	}
	if v.kind == bad {
		return typed{}, false
	}
	if !ok {
		l.wrongType(s, v)
	}
	return res, ok
}

// wrongType reports that v is not of the type that s takes.
func (l *loader) wrongType(s subject, v value) {
	l.errorf(v.pos, s.hint(), "%s is %v, but takes %s", s.name, v, s.typ.takes())
}

// convertList is convert for the types that are arrays.
func (l *loader) convertList(s subject, v value) (typed, bool) {
	res := typed{value: v}
	if v.kind != array {
		if v.kind == text && s.typ == VList {
			s.example = fmt.Sprintf("( %s )", quote(v.text))
		}
		if v.kind != bad {
			l.wrongType(s, v)
		}
		return typed{}, false
	}
	ok := true
	for i, e := range v.elems {
		problem := ""
		switch {
		case e.keyed && s.typ == VList:
			problem = fmt.Sprintf("%d has the key %s", i+1, quote(e.key))
		case !e.keyed && s.typ != VList:
			problem = fmt.Sprintf("%d has no key", i+1)
		case s.typ == KVAny, s.typ == KVArray && e.value.kind == array, s.typ != KVArray && e.value.kind == text:
		case e.keyed:
			problem = fmt.Sprintf("%s is %v", quote(e.key), e.value)
		default:
			problem = fmt.Sprintf("%d is %v", i+1, e.value)
		}
		if problem != "" {
			l.errorf(e.value.pos, s.hint(), "%s takes %s, but its element %s", s.name, s.typ.takes(), problem)
			ok = false
			continue
		}
		switch s.typ {
		case VList:
			res.list = append(res.list, e.value.text)
		case KVString:
			res.pairs = append(res.pairs, KV{e.key, e.value.text})
		}
	}
	return res, ok
}

// boolean returns v as a BOOL.
func boolean(v value) (on, ok bool) {
	if v.kind == integer {
		return v.num != 0, true
	}
	if v.kind == text {
		switch fold(v.text) {
		case "enable", "enabled", "true", "1":
			return true, true
		case "disable", "disabled", "false", "0":
			return false, true
		}
	}
	return false, false
}

// number returns v, an integer or a string of decimal digits, if it is at most limit.
func number(v value, limit int64) (int64, bool) {
	switch v.kind {
	case integer:
		return v.num, v.num <= limit
	case text:
		if strings.Trim(v.text, "0123456789") != "" {
			return 0, false // a sign, say
		}
		n, err := strconv.ParseInt(v.text, 10, 64)
		return n, err == nil && n <= limit
	}
	return 0, false
}

// literal returns s as a string of the configuration.
func literal(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

// quote returns s for a message: as literal does, but short and on one line.
func quote(s string) string {
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(literal(s))
}
