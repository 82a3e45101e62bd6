package urlpath_test

import (
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/urlpath"
)

func TestNormalize(t *testing.T) {
	def := urlpath.DefaultOptions
	tests := []struct {
		target string
		want   urlpath.Target // zero: an error
	}{
		{"/", urlpath.Target{Path: "/", Normal: "/"}},
		{"/a%41?b%41=%2f#c", urlpath.Target{Path: "/aA", Query: "bA=%2F", Normal: "/aA?bA=%2F"}},
		{"/a?", urlpath.Target{Path: "/a", Normal: "/a?"}},
		{"/a//", urlpath.Target{Path: "/a/", Normal: "/a/"}},
		{"/a%2f..%2fb", urlpath.Target{Path: "/b", Normal: "/b"}},
		{"/%zz", urlpath.Target{Path: "/%zz", Normal: "/%25zz"}},
		{"*", urlpath.Target{Path: "*", Normal: "*"}},
		{"http://host:80/a?b", urlpath.Target{Path: "/a", Query: "b", Normal: "/a?b"}},
		{"HTTPS://host", urlpath.Target{Path: "/", Normal: "/"}},
		{"http://host?b/c", urlpath.Target{Path: "/", Query: "b/c", Normal: "/?b/c"}},
		{"http://host#b/c", urlpath.Target{Path: "/", Normal: "/"}},
		{"http://user@host/", urlpath.Target{}},
		{"http:///a", urlpath.Target{}},
		{"ftp://host/a", urlpath.Target{}},
		{"host:80", urlpath.Target{}},
		{"a", urlpath.Target{}},
		{"?a", urlpath.Target{}},
		{"", urlpath.Target{}},
		{"/%00", urlpath.Target{}},
		{"/?%7f", urlpath.Target{}},
		{"/%c3", urlpath.Target{}},
	}
	for _, tt := range tests {
		got, err := urlpath.Normalize(tt.target, &def)
		if got != tt.want || (err != nil) != (tt.want == urlpath.Target{}) {
			t.Errorf("Normalize(%q) = %+q, %v, want %+q", tt.target, got, err, tt.want)
		}
	}
}

func TestOptions(t *testing.T) {
	var o urlpath.Options
	if err := o.Set("url-unknown", true); err == nil {
		t.Error("Set takes an unknown key")
	}
	o = urlpath.DefaultOptions
	for _, key := range []string{"url-path-2f-reject", "url-path-dotseg-reject"} {
		if err := o.Check(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
		if err := o.Set(key, true); err != nil {
			t.Errorf("Set(%q): %v", key, err)
		}
		if err := o.Check(); err == nil {
			t.Errorf("%+v: no conflict", o)
		}
		o.Set("url-normalize", false)
		if err := o.Check(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
		o = urlpath.DefaultOptions
	}
}

// TestAllocs holds what a request costs that needs no change.
func TestAllocs(t *testing.T) {
	o := urlpath.DefaultOptions
	n := testing.AllocsPerRun(100, func() {
		if _, err := urlpath.Normalize("/static/app.js?v=1.2&x=/y", &o); err != nil {
			t.Error(err)
		}
		if _, err := urlpath.Host("www.example.com:8080", "http", &o); err != nil {
			t.Error(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// model says the same as Normalize, slowly: it takes the target apart into
// characters, each with the way it was written, and puts it together again.
func model(target string, o *urlpath.Options) (urlpath.Target, bool) {
	type char struct {
		c       byte
		escaped bool
	}
	if target == "*" {
		return urlpath.Target{Path: "*", Normal: "*"}, true
	}
	for _, scheme := range []string{"http://", "https://"} {
		if len(target) >= len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			host := target[len(scheme):]
			target = ""
			for i, c := range host {
				if c == '/' || c == '?' || c == '#' {
					host, target = host[:i], host[i:]
					break
				}
			}
			if host == "" || strings.Contains(host, "@") {
				return urlpath.Target{}, false
			}
			if target == "" || target[0] != '/' {
				target = "/" + target
			}
		}
	}
	if target == "" || target[0] != '/' {
		return urlpath.Target{}, false
	}
	if i := strings.Index(target, "#"); i >= 0 {
		target = target[:i]
	}
	pathText, queryText, hasQuery := target, "", false
	if i := strings.Index(target, "?"); i >= 0 {
		pathText, queryText, hasQuery = target[:i], target[i+1:], true
	}
	const hex = "0123456789abcdef"
	chars := func(s string) (cs []char) {
		for i := 0; i < len(s); i++ {
			if s[i] == '%' && i+2 < len(s) {
				high := strings.IndexByte(hex, lowerByte(s[i+1]))
				low := strings.IndexByte(hex, lowerByte(s[i+2]))
				if high >= 0 && low >= 0 {
					cs = append(cs, char{byte(high*16 + low), true})
					i += 2
					continue
				}
			}
			cs = append(cs, char{s[i], false})
		}
		return cs
	}
	path, query := chars(pathText), chars(queryText)
	alnum := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
	if o.Normalize {
		for _, c := range append(append([]char(nil), path...), query...) {
			if o.CtrlsReject && (c.c < 32 || c.c == 127) {
				return urlpath.Target{}, false
			}
			if o.InvalidUTF8Reject && strings.IndexByte("\xc0\xc1\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff", c.c) >= 0 {
				return urlpath.Target{}, false
			}
		}
		for i, c := range path {
			if c == (char{'/', true}) && o.Reject2F {
				return urlpath.Target{}, false
			}
			if c == (char{'/', true}) && o.Decode2F || c.c == '\\' && o.BackslashTrans {
				path[i] = char{'/', false}
			}
		}
		for i, c := range query {
			if c.c == ' ' && o.Query20Plus {
				query[i] = char{'+', false}
			}
		}
		escape := func(cs []char, plain, decoded string) string {
			var b strings.Builder
			for _, c := range cs {
				ok := strings.IndexByte(plain, c.c) >= 0
				if c.escaped {
					ok = strings.IndexByte(alnum, c.c) >= 0 || o.Required && strings.IndexByte(decoded, c.c) >= 0
				}
				if ok {
					b.WriteByte(c.c)
				} else {
					b.WriteString("%" + strings.ToUpper(string([]byte{hex[c.c/16], hex[c.c%16]})))
				}
			}
			return b.String()
		}
		pathText = escape(path, alnum+"!$&'()*+,;=:@/", "!$&'()*+,;=:@")
		queryText = escape(query, alnum+"!$&'()*+,;=:@/?", "!$'()*,:@/?")
		if cleaned := modelClean(pathText); cleaned != pathText {
			if o.DotSegReject {
				return urlpath.Target{}, false
			}
			if o.DotSegRemove {
				pathText = cleaned
			}
		}
	}
	t := urlpath.Target{Query: queryText, Normal: pathText}
	if hasQuery {
		t.Normal += "?" + queryText
	}
	for _, c := range chars(pathText) {
		if c.c < 32 || c.c == 127 {
			c.c = '_'
		}
		t.Path += string([]byte{c.c})
	}
	t.Path = modelClean(t.Path)
	if o.Normalize && o.InvalidUTF8Reject && strings.ToValidUTF8(t.Path, "") != t.Path {
		return urlpath.Target{}, false
	}
	return t, true
}

func lowerByte(c byte) byte { return strings.ToLower(string(rune(c)))[0] }

func modelClean(p string) string {
	var kept []string
	segments := strings.Split(p, "/")[1:]
	for i, s := range segments {
		switch s {
		case "", ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, s+"/")
			if i == len(segments)-1 {
				kept[len(kept)-1] = s
			}
		}
	}
	return "/" + strings.Join(kept, "")
}

// options makes options of the bits of n, as Check allows them.
func options(n uint16) *urlpath.Options {
	bit := func(i int) bool { return n>>i&1 != 0 }
	o := &urlpath.Options{
		Normalize:         !bit(0),
		Required:          bit(1),
		CtrlsReject:       !bit(2),
		BackslashTrans:    bit(3),
		Decode2F:          !bit(4),
		DotSegRemove:      !bit(6),
		Query20Plus:       bit(8),
		InvalidUTF8Reject: !bit(9),
	}
	o.Reject2F = bit(4) && bit(5)
	o.DotSegReject = bit(6) && bit(7)
	return o
}

// FuzzNormalize holds Normalize against the model, and normalises what it gives
// once more.
func FuzzNormalize(f *testing.F) {
	for _, target := range []string{
		"/", "/a%41%2f..%2f%2Fb?c%3d%26%20d+#e", "/%c3%a9\xc3\xa9%ff", "/%zz%4%31%", "//../a/./b/..", "http://h/\\%5c..", "https://h?x",
		"/%00\x01?%0a", "*", "*?", "/a?b?c%3f%23", "/%2e%2E/.../", "/!$&'()*+,;=:@%21%3a%40?&+;=%26%2B%3b%3D", "http://a@b/", "/a b?c d",
	} {
		for _, n := range []uint16{0, 1, 1 << 1, 1<<2 | 1<<9, 1 << 3, 1 << 4, 3 << 4, 1 << 6, 3 << 6, 1 << 8, 1<<9 - 2} {
			f.Add(target, n)
		}
	}
	f.Fuzz(func(t *testing.T, target string, n uint16) {
		o := options(n)
		got, err := urlpath.Normalize(target, o)
		want, ok := model(target, o)
		if got != want || (err == nil) != ok {
			t.Fatalf("%+v: Normalize(%q) = %+q, %v, the model has %+q, %v", *o, target, got, err, want, ok)
		}
		if err != nil {
			return
		}
		if again, err := urlpath.Normalize(got.Normal, o); err != nil || again != got {
			t.Fatalf("%+v: Normalize(%q) = %+q, normalised again %+q, %v", *o, target, got, again, err)
		}
		if strings.ContainsAny(got.Path, "\x00\r\n") {
			t.Fatalf("%+v: Normalize(%q): path %q", *o, target, got.Path)
		}
	})
}
