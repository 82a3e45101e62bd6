package files

import (
	"io/fs"
	"strings"
)

// An Alias maps the paths that begin with Prefix to Target, a directory or a
// file: lighttpd's alias.url. What follows the prefix is put behind Target as it
// is, so both or neither should end with a slash.
type Alias struct {
	Prefix, Target string
}

// resolve maps a path to a directory or file of the file system, top, and a path
// below it that starts with a slash, rest. The rest is "" if top itself is meant
// and may be a file.
//
// Unlike lighttpd's, the mapping does not lead to names that only begin like the
// target: with "/a" => "/srv/a", lighttpd takes /a-b/c for /srv/a-b/c.
func (o *Options) resolve(path string) (top, rest string, err error) {
	if o.Lowercase {
		path = lower(path)
	}
	for _, a := range o.Aliases {
		prefix := a.Prefix
		if o.Lowercase {
			prefix = lower(prefix)
		}
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok {
			continue
		}
		slash := strings.HasSuffix(a.Target, "/")
		first, _, _ := strings.Cut(rest, "/")
		switch {
		case slash && !strings.HasSuffix(prefix, "/") && (first == "." || first == ".."):
			return "", "", fs.ErrPermission // as lighttpd says it
		case slash && !strings.HasPrefix(rest, "/"):
			rest = "/" + rest
		case !slash && rest != "" && rest[0] != '/', a.Target == "":
			return "", "", fs.ErrNotExist
		}
		return a.Target, rest, nil
	}
	return o.Root, path, nil
}

// lower turns A to Z to lower case, and nothing else.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
