//go:build unix

package files_test

import (
	"fmt"
	"html"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/dirlist"
	"github.com/wstunneld/wstunneld/internal/expire"
	"github.com/wstunneld/wstunneld/internal/files"
)

// aliasSite has a document root and, beside it, targets of aliases.
var aliasSite = [][2]string{
	{"root.txt", "root"},
	{"foo/x", "hidden by aliases"},
	{"idx/plain", "no index file here"},
	{"UP.txt", "upper"},
	{"up.txt", "lower"},
	{"mixed.TXT", "mixed"},
	{"q.php", "php"},
	{"idxphp/i.php", "php"},
	{"bar/x", "in bar"},
	{"../var/x", "beside the target"},
	{"../var/foo/x", "x"},
	{"../var/foo/X", "big x"},
	{"../var/foo/sub/s.txt", "s"},
	{"../var/foo/sub/index.html", "<p>index"},
	{"../var/foo/..x", "dots"},
	{"../var/foo/same", "-> x"},
	{"../var/foo/up", "-> ../x"},
	{"../var/foobar/x", "beginning like the target"},
	{"../var/foo..x", "beginning like the target"},
	{"../var/foo./x", "beginning like the target"},
	{"../var/one.txt", "one"},
	{"../var/link.txt", "-> one.txt"},
	{"../var/linkdir", "-> foo"},
}

func TestLighttpdAlias(t *testing.T) {
	const (
		outside = "names that begin like the target of an alias are outside of it"
		upward  = "no path leads out of the target or root"
	)
	tests := []lighttpdTest{
		// /foo => var/foo/
		{"GET", "alias/foo", "", ""},
		{"GET", "alias/foo?q=1", "", ""},
		{"GET", "alias/foo/", "", ""},
		{"GET", "alias/foo/x", "", ""},
		{"GET", "alias/foox", "", ""},
		{"GET", "alias/foo/sub", "", ""},
		{"GET", "alias/foosub", "", ""},
		{"GET", "alias/foosub/s.txt", "", ""},
		{"GET", "alias/foo/sub/", "", ""},
		{"GET", "alias/foo../x", "", ""},
		{"GET", "alias/foo../foobar/x", "", ""},
		{"GET", "alias/foo%2e%2e/x", "", ""},
		{"GET", "alias/foo..", "", ""},
		{"GET", "alias/foo../", "", ""},
		{"GET", "alias/foo./x", "", ""},
		{"GET", "alias/foo.", "", ""},
		{"GET", "alias/foo..x", "", ""},
		{"GET", "alias/foo.../x", "", ""},
		{"GET", "alias/foo/x/more", "", ""},
		{"GET", "alias/foo/same", "", ""},
		{"GET", "alias/foo/up", "", upward},
		{"GET", "alias/FOO/x", "", ""},
		{"PUT", "alias/foo/x", "", ""},
		{"OPTIONS", "alias/foo/x", "", ""},
		{"GET", "alias/foo/x", "Range: bytes=0-0", ""},
		{"GET", "alias/root.txt", "", ""},
		// /bar/ => var/foo/
		{"GET", "alias/bar", "", ""},
		{"GET", "alias/bar/", "", ""},
		{"GET", "alias/bar/x", "", ""},
		{"GET", "alias/bar/sub", "", ""},
		{"GET", "alias/bar/..x", "", ""},
		{"GET", "alias/bar/../x", "", ""},
		{"GET", "alias/bar/none", "", ""},
		// /baz/ => var/foo
		{"GET", "alias/baz", "", ""},
		{"GET", "alias/baz/", "", ""},
		{"GET", "alias/baz/x", "", ""},
		{"GET", "alias/baz/bar/x", "", outside},
		// /qux => var/foo
		{"GET", "alias/qux", "", ""},
		{"GET", "alias/qux/", "", ""},
		{"GET", "alias/qux/x", "", ""},
		{"GET", "alias/qux/sub", "", ""},
		{"GET", "alias/qux../x", "", ""},
		{"GET", "alias/quxbar/x", "", outside},
		{"GET", "alias/qux./x", "", outside},
		{"GET", "alias/qux..x", "", outside},
		// Targets that are files, links, missing, or with odd slashes.
		{"GET", "alias/one", "", ""},
		{"GET", "alias/one/", "", ""},
		{"GET", "alias/one/more", "", ""},
		{"GET", "alias/ones", "", ""},
		{"GET", "alias/1/", "", ""},
		{"GET", "alias/1/x", "", ""},
		{"GET", "alias/oneslash", "", ""},
		{"GET", "alias/link", "", ""},
		{"GET", "alias/linkdir/x", "", ""},
		{"GET", "alias/linkdir/up", "", upward},
		{"GET", "alias/none", "", ""},
		{"GET", "alias/none/", "", ""},
		{"GET", "alias/none/x", "", ""},
		{"GET", "alias/dots/foo/x", "", ""},
		{"GET", "alias/dots", "", ""},
		{"GET", "alias/slashes/x", "", ""},
		// The first that matches counts.
		{"GET", "order/a/b/x", "", ""},
		{"GET", "order/a/foo/x", "", ""},
		{"GET", "order/a/bx", "", ""},
		{"GET", "order/a", "", ""},
		{"GET", "order/root.txt", "", ""},
		{"GET", "every/", "", ""},
		{"GET", "every/x", "", ""},
		{"GET", "every/sub", "", ""},
		{"GET", "every/root.txt", "", ""},
		{"GET", "strict/foo/x", "", ""},
		{"GET", "strict/foo/same", "", ""},
		{"GET", "strict/foo/up", "", ""},
		// Index files.
		{"GET", "index/foo/sub/", "", ""},
		{"GET", "index/foo/", "", ""},
		{"GET", "index/idx/", "", ""},
		{"GET", "index/", "", ""},
		{"GET", "index/idx", "", ""},
		{"GET", "index2/foo/sub/", "", ""},
		{"GET", "index2/foo/", "", ""},
		{"GET", "index2/idx/", "", upward},
		{"POST", "index/idx/", "", ""},

		// Lower case.
		{"GET", "lower/ROOT.TXT", "", ""},
		{"GET", "lower/UP.txt", "", ""},
		{"GET", "lower/Mixed.TXT", "", ""},
		{"GET", "lower/IDX", "", ""},
		{"GET", "lower/IDX?A=B", "", ""},
		{"GET", "lower/IDX/", "", ""},
		{"GET", "lower/FOO/X", "", ""},
		{"GET", "lower/fOO/x", "", ""},
		{"GET", "lower/FOO/SUB/", "", ""},
		{"GET", "lower/%C3%89", "", ""},

		{"GET", "exclude/q.php", "", ""},
		{"HEAD", "exclude/q.php", "", ""},
		{"OPTIONS", "exclude/q.php", "", ""},
		{"PUT", "exclude/q.php", "", ""},
		{"GET", "exclude/q.php/x", "", ""},
		{"GET", "exclude/none.php", "", ""},
		{"GET", "exclude/idxphp/", "", ""},
		{"GET", "exclude/mixed.TXT", "", ""},
		{"GET", "exclude/root.txt", "", ""},
		{"GET", "exclude/one", "", ""},
		{"GET", "exclude/idxphp", "", ""},

		{"GET", "pathinfo/root.txt/more", "", ""},
		{"GET", "pathinfo/root.txt/more/and/more?q", "", ""},
		{"GET", "pathinfo/root.txt/", "", ""},
		{"GET", "pathinfo/one/more", "", ""},
		{"GET", "pathinfo/foo/x/more", "", ""},
		{"GET", "pathinfo/q.php/x", "", ""},
		{"HEAD", "pathinfo/root.txt/more", "", ""},
		{"OPTIONS", "pathinfo/root.txt/more", "", ""},
		{"PUT", "pathinfo/root.txt/more", "", ""},
		{"GET", "pathinfo/idx/more", "", ""},

		{"GET", "noetag/root.txt", "If-None-Match: *", "RFC 9110 section 13.1.2: the file exists, with or without a tag"},
		{"GET", "noetag/root.txt", "If-Modified-Since: Thu, 02 Jan 2025 00:00:00 GMT", ""},
	}

	root := makeTree(t, aliasSite)
	base := filepath.Dir(root)
	foo := base + "/var/foo"
	types := [][2]string{{".html", "text/html"}, {".txt", "text/plain"}, {"", "text/x-other"}}
	host := func(f func(*files.Options)) *files.Options {
		o := options(root)
		o.Types, o.Index = files.NewTypes(types), nil
		f(o)
		return o
	}
	hosts := map[string]*files.Options{
		"alias": host(func(o *files.Options) {
			o.Aliases = []files.Alias{
				{"/foo", foo + "/"}, {"/bar/", foo + "/"}, {"/baz/", foo}, {"/qux", foo},
				{"/oneslash", base + "/var/one.txt/"}, {"/one", base + "/var/one.txt"}, {"/1/", base + "/var/one.txt"},
				{"/linkdir", base + "/var/linkdir"}, {"/link", base + "/var/link.txt"}, {"/none", "/nonexistent"},
				{"/dots", foo + "/../"}, {"/slashes/", base + "//var//foo//"},
			}
		}),
		"order":  host(func(o *files.Options) { o.Aliases = []files.Alias{{"/a/b", foo}, {"/a", base + "/var"}} }),
		"every":  host(func(o *files.Options) { o.Aliases = []files.Alias{{"", foo}} }),
		"strict": host(func(o *files.Options) { o.Aliases, o.FollowSymlink = []files.Alias{{"/foo", foo}}, false }),
		"index": host(func(o *files.Options) {
			o.Aliases = []files.Alias{{"/foo", foo}}
			o.Index = []string{"none", "/none", "index.html", "/root.txt", "plain"}
		}),
		"index2": host(func(o *files.Options) {
			o.Aliases = []files.Alias{{"/foo", foo}}
			o.Index = []string{"../root.txt", "sub", "s.txt"}
		}),
		"lower": host(func(o *files.Options) {
			o.Aliases, o.Index, o.Lowercase = []files.Alias{{"/Foo", foo}}, []string{"PLAIN", "index.html"}, true
		}),
		"exclude": host(func(o *files.Options) {
			o.Aliases, o.Index = []files.Alias{{"/one", base + "/var/one.txt"}}, []string{"i.php"}
			o.ExcludeExtensions = []string{".php", ".Txt", "one.txt"}
		}),
		"pathinfo": host(func(o *files.Options) {
			o.Aliases = []files.Alias{{"/foo", foo}, {"/one", base + "/var/one.txt"}}
			o.PathInfo, o.ExcludeExtensions = files.PathInfoIgnored, []string{".php"}
		}),
		"noetag": host(func(o *files.Options) { o.ETagInode, o.ETagMtime, o.ETagSize = false, false, false }),
	}
	compare(t, tests, hosts, root, fmt.Sprintf(`
		server.modules = ("mod_indexfile", "mod_alias")
		mimetype.assign = %[1]s
		$HTTP["host"] == "alias" { alias.url = (
			"/foo" => "%[2]s/var/foo/", "/bar/" => "%[2]s/var/foo/", "/baz/" => "%[2]s/var/foo", "/qux" => "%[2]s/var/foo",
			"/oneslash" => "%[2]s/var/one.txt/", "/one" => "%[2]s/var/one.txt", "/1/" => "%[2]s/var/one.txt",
			"/linkdir" => "%[2]s/var/linkdir", "/link" => "%[2]s/var/link.txt", "/none" => "/nonexistent",
			"/dots" => "%[2]s/var/foo/../", "/slashes/" => "%[2]s//var//foo//") }
		$HTTP["host"] == "order" { alias.url = ("/a/b" => "%[2]s/var/foo", "/a" => "%[2]s/var") }
		$HTTP["host"] == "every" { alias.url = ("" => "%[2]s/var/foo") }
		$HTTP["host"] == "strict" { alias.url = ("/foo" => "%[2]s/var/foo") server.follow-symlink = "disable" }
		$HTTP["host"] == "index" { alias.url = ("/foo" => "%[2]s/var/foo")
			index-file.names = ("none", "/none", "index.html", "/root.txt", "plain") }
		$HTTP["host"] == "index2" { alias.url = ("/foo" => "%[2]s/var/foo") index-file.names = ("../root.txt", "sub", "s.txt") }
		$HTTP["host"] == "lower" { alias.url = ("/Foo" => "%[2]s/var/foo") index-file.names = ("PLAIN", "index.html")
			server.force-lowercase-filenames = "enable" }
		$HTTP["host"] == "exclude" { alias.url = ("/one" => "%[2]s/var/one.txt") index-file.names = ("i.php")
			static-file.exclude-extensions = (".php", ".Txt", "one.txt") }
		$HTTP["host"] == "pathinfo" { alias.url = ("/foo" => "%[2]s/var/foo", "/one" => "%[2]s/var/one.txt")
			static-file.disable-pathinfo = "disable" static-file.exclude-extensions = (".php") }
		$HTTP["host"] == "noetag" { static-file.etags = "disable" }
	`, assign(types), base))
}

func TestLighttpdRedirectBase(t *testing.T) {
	root := makeTree(t, aliasSite)
	o := options(root)
	o.RedirectBase = "http://redirect"
	compare(t, []lighttpdTest{
		{"GET", "redirect/idx", "", ""},
		{"HEAD", "redirect/idx", "", ""},
		{"GET", "redirect/idx?q=1", "", ""},
		{"GET", "redirect/root.txt", "", ""},
	}, map[string]*files.Options{"redirect": o}, root, `server.feature-flags = ("server.absolute-dir-redirect" => "enable")
		mimetype.assign = (".txt" => "text/plain;charset=utf-8")`)
}

func TestLighttpdExpire(t *testing.T) {
	tests := []lighttpdTest{
		{"GET", "url/a.txt", "", ""},
		{"HEAD", "url/a.txt", "", ""},
		{"POST", "url/a.txt", "", ""},
		{"OPTIONS", "url/a.txt", "", ""},
		{"GET", "url/a.txt", "Range: bytes=0-1", ""},
		{"GET", "url/a.txt", "Range: bytes=99-", ""},
		{"GET", "url/a.txt", "If-None-Match: *", "RFC 9110 section 15.4.5 wants it in a 304 too"},
		{"GET", "url/b/x.css", "", ""},
		{"GET", "url/b/y.css", "", ""},
		{"GET", "url/b", "", ""},
		{"GET", "url/b/", "", ""},
		{"GET", "url/missing", "", ""},
		{"GET", "url/past", "", ""},
		{"GET", "url/old", "", ""},
		{"GET", "url/Old", "", ""},
		{"GET", "types/a.txt", "", ""},
		{"GET", "types/b/x.css", "", ""},
		{"GET", "types/past", "", ""},
		{"GET", "types/page.html", "", ""},
		{"GET", "both/a.txt", "", ""},
		{"GET", "both/b/x.css", "", ""},
		{"GET", "lower/A.TXT", "", ""},
		{"GET", "lower/a.txt", "", ""},
		{"GET", "list/b/", "", ""},
		{"GET", "list/b/x.css", "", ""},
	}
	root := makeTree(t, [][2]string{
		{"a.txt", "abc"}, {"b/x.css", "x"}, {"b/y.css", "y"}, {"past", "p"}, {"old", "o"}, {"Old", "o"}, {"page.html", "<p>"},
	})
	types := [][2]string{{".txt", "text/plain"}, {".css", "text/css"}, {".html", "text/html"}}
	urls := [][2]string{
		{"/a", "access plus 3 days 2 hours"}, {"/b/x", "now 1 weeks"}, {"/b/", "access 1 minute"}, {"/b/y", "access 1 year"},
		{"/past", "access -1 hours"}, {"/old", "modification plus 1 month"},
	}
	mimes := [][2]string{{"text/css", "access 5 seconds"}, {"text/*", "access 1 day"}, {"application/", "access 1 hour"}}
	both := [][2]string{{"/a", "access 7 seconds"}}
	hosts := map[string]*files.Options{}
	for name, rules := range map[string]expire.Rules{
		"url":   {URL: parseRules(t, urls)},
		"types": {Types: parseRules(t, mimes)},
		"both":  {URL: parseRules(t, both), Types: parseRules(t, mimes)},
		"lower": {URL: parseRules(t, both)},
		"list":  {URL: parseRules(t, urls), Types: parseRules(t, mimes)},
	} {
		hosts[name] = options(root)
		hosts[name].Types = files.NewTypes(types)
		hosts[name].Expire = rules
	}
	hosts["lower"].Lowercase = true
	hosts["list"].DirListing = &dirlist.Options{AutoLayout: true, Footer: "lighttpd/1.4.69"}
	compare(t, tests, hosts, root, fmt.Sprintf(`
		server.modules = ("mod_expire", "mod_dirlisting")
		mimetype.assign = %s
		$HTTP["host"] == "url" { expire.url = %[2]s }
		$HTTP["host"] == "types" { expire.mimetypes = %[3]s }
		$HTTP["host"] == "both" { expire.url = %[4]s expire.mimetypes = %[3]s }
		$HTTP["host"] == "lower" { expire.url = %[4]s server.force-lowercase-filenames = "enable" }
		$HTTP["host"] == "list" { expire.url = %[2]s expire.mimetypes = %[3]s dir-listing.activate = "enable" }
	`, assign(types), assign(urls), assign(mimes), assign(both)))
}

// parseRules makes rules of a list of prefixes and times.
func parseRules(t *testing.T, list [][2]string) []expire.Rule {
	t.Helper()
	var rules []expire.Rule
	for _, kv := range list {
		tm, err := expire.Parse(kv[1])
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, expire.Rule{Prefix: kv[0], Time: tm})
	}
	return rules
}

// hostile are names that mean something to HTML or in a URL.
var hostile = []string{
	`<img src=x onerror=alert(1)>`, `"><script>alert(1)<`, `' onmouseover='x`, `javascript:alert(1)`, `a&amp;b`, `&lt;`,
	"a\nb", "\x1b$B(", "\x7f", "é", "%41", "#x", "?y", " blank", `\evil.test`, "..x", "...x", "-", "~", "a+b", "a;b=c,d@e!$()*[]{}|^`",
	"http:", "\xff\xfe", "日本", strings.Repeat("x", 255),
}

func TestLighttpdListing(t *testing.T) {
	const (
		outside = "a link that leads out of the root is not listed"
		strict  = "a link that is not followed is not listed"
	)
	tests := []lighttpdTest{
		{"GET", "plain/", "", outside},
		{"GET", "plain/dir/", "", ""},
		{"GET", "plain/dir", "", ""},
		{"GET", "plain/dir?C=M&O=D", "", ""},
		{"GET", "plain/dir/?C=M&O=D", "", ""},
		{"HEAD", "plain/dir/", "", "the page is not made to know its length"},
		{"POST", "plain/dir/", "", ""},
		{"OPTIONS", "plain/dir/", "", ""},
		{"PUT", "plain/dir/", "", ""},
		{"GET", "plain/dir/sub/", "", ""},
		{"GET", "plain/empty/", "", ""},
		{"GET", "plain/sizes/", "", ""},
		{"GET", "plain/order/", "", ""},
		{"GET", "plain/hostile/", "", ""},
		{"GET", "plain/%3Cb%3E%22&/", "", ""},
		{"GET", "plain/links/", "", ""},
		{"GET", "plain/none/", "", ""},
		{"GET", "plain/dir/a.txt/", "", ""},
		{"GET", "plain/alias/", "", ""},
		{"GET", "plain/alias", "", ""},
		{"GET", "plain/alias2/", "", "lighttpd lists the directory above"},
		{"GET", "plain/dir/", "Range: bytes=0-5", "there are no ranges of a listing"},
		{"GET", "plain/dir/", "If-None-Match: *", ""},
		{"GET", "plain/dir/", "If-Modified-Since: Thu, 02 Jan 2099 00:00:00 GMT", ""},
		{"GET", "off/dir/", "", ""},
		{"GET", "index/dir/", "", ""},
		{"GET", "index/order/", "", ""},
		{"GET", "strict/dir/", "", ""},
		{"GET", "strict/links/", "", strict},
		{"GET", "lower/DIR/", "", ""},
		{"GET", "tag/dir/", "", ""},
		{"GET", "texts/dir/", "", ""},
		{"GET", "texts/empty/", "", ""},
		{"GET", "html/dir/", "", ""},
		{"GET", "up/dir/", "", ""},
		{"GET", "table/dir/", "", ""},
		{"GET", "exclude/order/", "", ""},
		{"GET", "exclude/dir/", "", ""},
		{"GET", "dots/dir/", "", ""},
		{"GET", "cache/dir/", "", ""},
	}

	site := [][2]string{
		{"dir/a.txt", "abc"}, {"dir/b.css", "x"}, {"dir/c", ""}, {"dir/.hidden", "x"}, {"dir/.dotdir/x", "x"}, {"dir/sub/s", "s"},
		{"dir/HEADER.txt", "<b>above</b>\n&\x1b"}, {"dir/README.txt", "<i>below</i>"}, {"dir/Zdir/x", "x"},
		{"empty/.x", ""}, {"alias-target/x.txt", "x"}, {`<b>"&/x`, "x"},
		{"order/a", ""}, {"order/B", ""}, {"order/_", ""}, {"order/a0", ""}, {"order/A/x", ""}, {"order/b/x", ""}, {"order/é/x", ""}, {"order/backup~", ""},
		{"order/sub.d/x", ""}, {"order/index", "index"},
		{"links/to", "-> ../dir/a.txt"}, {"links/todir", "-> ../dir"}, {"links/dangling", "-> none"}, {"links/loop", "-> loop"}, {"links/abs", "-> ROOT/dir/b.css"}, {"links/file", "f"},
		{"out", "-> ../secret"},
		{"up.txt", "from above"},
	}
	for _, name := range hostile {
		site = append(site, [2]string{"hostile/" + name, ""})
	}
	root := makeTree(t, site)
	if err := os.Mkdir(filepath.Join(root, "sizes"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{
		0, 1, 99, 100, 101, 199, 200, 999, 1000, 1023, 1024, 1123, 1124, 10239, 999*1024 + 1023, 1000*1024 - 1, 1000 * 1024, 1<<20 - 1, 1 << 20,
		1000<<20 - 1, 1000 << 20, 1 << 30, 5 << 40,
	} {
		name := fmt.Sprintf("%s/sizes/%d", root, n)
		writeFile(t, name, "")
		if err := os.Truncate(name, n); err != nil {
			t.Fatal(err)
		}
	}
	cache := t.TempDir()

	types := [][2]string{{".txt", "text/plain"}, {".css", `text/"css&`}}
	host := func(f func(*files.Options, *dirlist.Options)) *files.Options {
		o := options(root)
		o.Types, o.Index = files.NewTypes(types), nil
		o.DirListing = &dirlist.Options{AutoLayout: true, HideDotfiles: true, Footer: "lighttpd/1.4.69"}
		f(o, o.DirListing)
		return o
	}
	hosts := map[string]*files.Options{
		"plain": host(func(o *files.Options, d *dirlist.Options) {
			o.Aliases = []files.Alias{{"/alias2/", root + "/alias-target"}, {"/alias", root + "/alias-target/"}}
		}),
		"off":    host(func(o *files.Options, d *dirlist.Options) { o.DirListing = nil }),
		"index":  host(func(o *files.Options, d *dirlist.Options) { o.Index = []string{"index"} }),
		"strict": host(func(o *files.Options, d *dirlist.Options) { o.FollowSymlink = false }),
		"lower":  host(func(o *files.Options, d *dirlist.Options) { o.Lowercase = true }),
		"tag":    host(func(o *files.Options, d *dirlist.Options) { d.Footer = "" }),
		"texts": host(func(o *files.Options, d *dirlist.Options) {
			d.Header = dirlist.Text{Name: "HEADER.txt", Hide: true, Encode: true}
			d.Readme = dirlist.Text{Name: "README.txt", Encode: true}
			d.Encoding, d.ExternalCSS, d.ExternalJS, d.Footer = "utf-8", "/c.css", "/s.js", "<b>foot</b>"
		}),
		"html": host(func(o *files.Options, d *dirlist.Options) {
			d.Header = dirlist.Text{Name: "HEADER.txt", Hide: true}
			d.Readme = dirlist.Text{Name: "README.txt"}
		}),
		"up": host(func(o *files.Options, d *dirlist.Options) {
			d.Header = dirlist.Text{Name: "../up.txt", Encode: true}
			d.Readme = dirlist.Text{Name: root + "/dir/a.txt", Encode: true}
		}),
		"table": host(func(o *files.Options, d *dirlist.Options) { d.AutoLayout = false }),
		"exclude": host(func(o *files.Options, d *dirlist.Options) {
			d.Exclude = regexp.MustCompile(`~$|^[ab]$|sub`).MatchString
		}),
		"dots":  host(func(o *files.Options, d *dirlist.Options) { d.HideDotfiles = false }),
		"cache": host(func(o *files.Options, d *dirlist.Options) { d.MaxAge = 7 * time.Second }),
	}
	compare(t, tests, hosts, root, fmt.Sprintf(`
		server.modules = ("mod_indexfile", "mod_alias", "mod_dirlisting")
		mimetype.assign = (".txt" => "text/plain", ".css" => "text/\"css&")
		dir-listing.activate = "enable"
		$HTTP["host"] == "plain" { alias.url = ("/alias2/" => "%[1]s/alias-target", "/alias" => "%[1]s/alias-target/") }
		$HTTP["host"] == "off" { dir-listing.activate = "disable" }
		$HTTP["host"] == "index" { index-file.names = ("index") }
		$HTTP["host"] == "strict" { server.follow-symlink = "disable" }
		$HTTP["host"] == "lower" { server.force-lowercase-filenames = "enable" }
		$HTTP["host"] == "tag" { server.tag = "" }
		$HTTP["host"] == "texts" {
			dir-listing.show-header = "enable" dir-listing.hide-header-file = "enable" dir-listing.show-readme = "enable"
			dir-listing.encoding = "utf-8" dir-listing.external-css = "/c.css" dir-listing.external-js = "/s.js"
			dir-listing.set-footer = "<b>foot</b>"
		}
		$HTTP["host"] == "html" {
			dir-listing.show-header = "enable" dir-listing.hide-header-file = "enable" dir-listing.show-readme = "README.txt"
			dir-listing.encode-header = "disable" dir-listing.encode-readme = "disable"
		}
		$HTTP["host"] == "up" { dir-listing.show-header = "../up.txt" dir-listing.show-readme = "%[1]s/dir/a.txt" }
		$HTTP["host"] == "table" { dir-listing.auto-layout = "disable" }
		$HTTP["host"] == "exclude" { dir-listing.exclude = ("~$", "^[ab]$", "sub") }
		$HTTP["host"] == "dots" { dir-listing.hide-dotfiles = "disable" }
		$HTTP["host"] == "cache" { dir-listing.cache = ("max-age" => 7, "path" => "%[2]s") }
	`, root, cache))
}

var (
	rowPattern  = regexp.MustCompile(`(?s)<tr( class="d")?><td class="n"><a href="([^"]*)">([^<]*)</a>(/?)</td><td class="m">([^<]*)</td><td class="s">([^<]*)</td><td class="t">([^<]*)</td></tr>`)
	headPattern = regexp.MustCompile(`<th class="(.)">([^<]*)</th>`)
	restPattern = regexp.MustCompile(`<meta charset="[^"]*">|<title>.*</title>|<h2>.*</h2>|<(?:link|script) [^>]*\b(?:href|src)="[^"]*"`)
)

// summary gives what is compared of the page of a listing: all that a reader
// sees, and where links lead.
func summary(page string) string {
	clean := func(s string) string {
		return strings.TrimSpace(strings.ReplaceAll(html.UnescapeString(s), "\u00a0", " "))
	}
	var b strings.Builder
	for _, m := range restPattern.FindAllString(page, -1) {
		if i := strings.LastIndex(m, "href="); strings.HasPrefix(m, "<link") {
			m = m[i:]
		} else if i := strings.LastIndex(m, "src="); i >= 0 {
			m = m[i:]
		}
		fmt.Fprintf(&b, "%s\n", clean(m))
	}
	for _, m := range headPattern.FindAllStringSubmatch(page, -1) {
		fmt.Fprintf(&b, "column %q\n", m[1:])
	}
	for _, m := range rowPattern.FindAllStringSubmatch(page, -1) {
		href, err := url.PathUnescape(m[2])
		fmt.Fprintf(&b, "row %q %q %v", m[1], href, err)
		for _, cell := range m[3:] {
			fmt.Fprintf(&b, " %q", clean(cell))
		}
		b.WriteByte('\n')
	}
	top, bottom, _ := strings.Cut(page, "<h2>")
	if _, after, ok := strings.Cut(top, "<body>"); ok {
		top = after
	}
	_, bottom, _ = strings.Cut(bottom, "</table>\n</div>\n")
	bottom, _, _ = strings.Cut(bottom, "</body>")
	bottom, _, _ = strings.Cut(bottom, "<script")
	bottom, foot, _ := strings.Cut(bottom, `<div class="foot">`)
	fmt.Fprintf(&b, "above %q, below %q, foot %q\n", clean(top), clean(bottom), strings.TrimSpace(foot))
	return b.String()
}
