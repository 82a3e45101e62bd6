package files

import "strings"

// OctetStream is the content type of a file without one.
const OctetStream = "application/octet-stream"

// Types maps file names to content types. Letter case does not count.
// A nil *Types is the built-in table. It is safe for concurrent use.
type Types struct {
	suffixes [][2]string       // in order, keys in lower case; nil: use names
	names    map[string]string // by whole name or extension, in lower case
}

// builtin has lighttpd's types for the common extensions, and no more.
var builtin = &Types{names: builtinTypes}

// NewTypes returns the types of a mimetype.assign list of keys and values. It
// does not keep assign. By an empty list no file has a type.
//
// The rules are lighttpd's. In a list of fewer than 16 entries, the first key
// that the path ends with wins. In a longer one keys are looked up: first
// the file name, then at each dot but a leading one, from the left, what
// follows with the dot and without it, and last the empty key.
// application/javascript becomes text/javascript (RFC 9239).
func NewTypes(assign [][2]string) *Types {
	t := &Types{}
	if len(assign) >= 16 {
		t.names = make(map[string]string, len(assign))
	}
	for _, kv := range assign {
		key, value := strings.ToLower(kv[0]), kv[1]
		switch value {
		case "application/javascript":
			value = "text/javascript"
		case "":
			value = OctetStream
		}
		if t.names != nil {
			t.names[key] = value
		} else {
			t.suffixes = append(t.suffixes, [2]string{key, value})
		}
	}
	return t
}

// Lookup returns the content type for a file name or a path to one. It is
// application/octet-stream if nothing matches.
func (t *Types) Lookup(filename string) string {
	if t == nil {
		t = builtin
	}
	filename = strings.ToLower(filename)
	for _, kv := range t.suffixes {
		if strings.HasSuffix(filename, kv[0]) {
			return kv[1]
		}
	}
	base := filename[strings.LastIndexByte(filename, '/')+1:]
	if v, ok := t.names[base]; ok {
		return v
	}
	for i := 1; i < len(base); i++ {
		if base[i] != '.' {
			continue
		}
		if v, ok := t.names[base[i:]]; ok {
			return v
		}
		if v, ok := t.names[base[i+1:]]; ok {
			return v
		}
	}
	if v, ok := t.names[""]; ok {
		return v
	}
	return OctetStream
}
