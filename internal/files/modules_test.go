//go:build unix

package files_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/dirlist"
	"github.com/wstunneld/wstunneld/internal/expire"
	"github.com/wstunneld/wstunneld/internal/files"
)

// An optionTest is a GET request to a server with options; BASE in a target of
// an alias is the directory that holds the root.
type optionTest struct {
	set    func(*files.Options)
	target string
	status int
	body   string // of the file, or a part of the page; not compared if the status is not 200
	header string // "Name: value" the answer has; "Name: " it has not
}

func runOptionTests(t *testing.T, site [][2]string, tests []optionTest) {
	t.Helper()
	root := makeTree(t, site)
	for _, tt := range tests {
		o := options(root)
		tt.set(o)
		for i := range o.Aliases {
			o.Aliases[i].Target = strings.ReplaceAll(o.Aliases[i].Target, "BASE", filepath.Dir(root))
		}
		resp, body := do(t, "GET", start(t, o)+tt.target, "")
		if resp.StatusCode != tt.status || tt.status == 200 && !strings.Contains(body, tt.body) {
			t.Errorf("GET %s with aliases %q: %d %.100q, want %d %q", tt.target, o.Aliases, resp.StatusCode, body, tt.status, tt.body)
		}
		if k, want, ok := strings.Cut(tt.header, ": "); ok {
			if got := resp.Header.Get(k); got != want {
				t.Errorf("GET %s: %s %q, want %q", tt.target, k, got, want)
			}
		}
	}
}

// alias returns what sets Aliases to pairs of a prefix and a target.
func alias(pairs ...string) func(*files.Options) {
	return func(o *files.Options) {
		for i := 0; i < len(pairs); i += 2 {
			o.Aliases = append(o.Aliases, files.Alias{Prefix: pairs[i], Target: pairs[i+1]})
		}
	}
}

func TestAlias(t *testing.T) {
	slashed, plain := alias("/foo", "BASE/var/foo/"), alias("/foo", "BASE/var/foo")
	file := alias("/one", "BASE/var/one.txt")
	runOptionTests(t, aliasSite, []optionTest{
		{slashed, "/foo", 301, "", "Location: /foo/"},
		{slashed, "/foo/x", 200, "x", ""},
		{slashed, "/foox", 200, "x", ""},
		{slashed, "/foo../x", 403, "", ""},
		{slashed, "/foo..", 403, "", ""},
		{slashed, "/foo./x", 403, "", ""},
		{slashed, "/foo.", 403, "", ""},
		{slashed, "/foo..x", 200, "dots", ""},
		{slashed, "/foo/../x", 404, "", ""},
		{slashed, "/foo//x", 404, "", ""},
		{slashed, "/foo/up", 404, "", ""},
		{slashed, "/bar/x", 200, "in bar", ""},
		{plain, "/foo/x", 200, "x", ""},
		{plain, "/foo/sub?q", 301, "", "Location: /foo/sub/?q"},
		{plain, "/foobar/x", 404, "", ""},
		{plain, "/foo../x", 404, "", ""},
		{plain, "/foo./x", 404, "", ""},
		{plain, "/foo/up", 404, "", ""},
		{plain, "/FOO/x", 404, "", ""},
		{alias("/foo/", "BASE/var/foo"), "/foo/x", 404, "", ""},
		{alias("/foo/", "BASE/var/foo"), "/foo/bar/x", 404, "", ""},
		{alias("/foo/", "BASE/var/foo/"), "/foo/../x", 404, "", ""},
		{alias("/a", "BASE/var/foo", "/ab", "BASE/var"), "/ab/x", 404, "", ""},
		{alias("/ab", "BASE/var", "/a", "BASE/var/foo"), "/ab/x", 200, "beside the target", ""},
		{alias("", "BASE/var/foo"), "/root.txt", 404, "", ""},
		{alias("/foo", ""), "/foo/etc/passwd", 404, "", ""},
		{alias("/foo", ""), "/foo", 404, "", ""},
		{alias("/foo", "BASE/none"), "/foo/x", 404, "", ""},
		{file, "/one", 200, "one", "Content-Type: text/plain;charset=utf-8"},
		{file, "/one/", 403, "", ""},
		{file, "/one/x", 403, "", ""},
		{file, "/onex", 404, "", ""},
		{alias("/one", "BASE/var/link.txt"), "/one", 200, "one", ""},
		{alias("/dir", "BASE/var/linkdir"), "/dir/x", 200, "x", ""},
		{alias("/one", "/dev/null"), "/one", 403, "", ""},
		{func(o *files.Options) { plain(o); o.FollowSymlink = false }, "/foo/same", 403, "", ""},
		{func(o *files.Options) { alias("/l", "BASE/var/linkdir")(o); o.FollowSymlink = false }, "/l/x", 200, "x", ""},
		// Index files of the document root are found from elsewhere, also if there is no root.
		{func(o *files.Options) { plain(o); o.Index = []string{"/root.txt"} }, "/foo/", 200, "root", ""},
		{func(o *files.Options) { plain(o); o.Index, o.Root = []string{"/root.txt", "x"}, "/nonexistent" }, "/foo/", 200, "x", ""},
		// A path below the root of the file system.
		{alias("/one", "/"), "/one/dev/null", 403, "", ""},
	})
}

func TestLowercase(t *testing.T) {
	on := func(o *files.Options) { o.Lowercase = true; alias("/Foo", "BASE/var/foo")(o) }
	runOptionTests(t, aliasSite, []optionTest{
		{on, "/ROOT.txt", 200, "root", ""},
		{on, "/UP.txt", 200, "lower", ""},
		{on, "/mixed.TXT", 404, "", ""},
		{on, "/IDX", 301, "", "Location: /IDX/"},
		{on, "/fOo/X", 200, "x", ""},
		{on, "/FOO", 301, "", "Location: /FOO/"},
		{func(o *files.Options) { on(o); o.Index = []string{"X", "x"} }, "/FOO/", 200, "big x", ""},
	})
}

// An index file that is forbidden is not passed over for the next name.
func TestIndexDenied(t *testing.T) {
	site := [][2]string{{"a/one.txt", "one"}, {"a/two.txt", "two"}, {"up.txt", "up"}}
	deny := func(path string, index ...string) func(*files.Options) {
		return func(o *files.Options) {
			o.Index = index
			o.IndexDenied = func(p string) bool { return p == path }
		}
	}
	runOptionTests(t, site, []optionTest{
		{deny("/a/one.txt", "one.txt", "two.txt"), "/a/", 403, "", ""},
		{deny("/a/one.txt", "none.txt", "two.txt"), "/a/", 200, "two", ""},
		{deny("/up.txt", "/up.txt"), "/a/", 403, "", ""},
		{deny("/a/up.txt", "/up.txt"), "/a/", 200, "up", ""},
		{deny("/a/one.txt", "one.txt"), "/a/one.txt", 200, "one", ""},
	})
}

func TestExcludeExtensions(t *testing.T) {
	on := func(o *files.Options) {
		alias("/one", "BASE/var/one.txt")(o)
		o.ExcludeExtensions, o.Index = []string{".php", "one.txt"}, []string{"i.php"}
	}
	runOptionTests(t, append(aliasSite, [2]string{"x.PHP", "x"}, [2]string{"d.php/x", "x"}), []optionTest{
		{on, "/q.php", 403, "", "Content-Type: text/html"},
		{on, "/idxphp/", 403, "", ""},
		{on, "/one", 403, "", ""},
		{on, "/none.php", 404, "", ""},
		{on, "/x.PHP", 200, "x", ""},
		{on, "/d.php/x", 200, "x", ""},
		{on, "/d.php", 301, "", ""},
		{func(o *files.Options) { o.ExcludeExtensions = []string{""} }, "/root.txt", 403, "", ""},
		{func(o *files.Options) { on(o); o.PathInfo = files.PathInfoIgnored }, "/q.php/x.txt", 403, "", ""},
	})
}

func TestPathInfo(t *testing.T) {
	mode := func(m files.PathInfo) func(*files.Options) {
		return func(o *files.Options) { alias("/one", "BASE/var/one.txt")(o); o.PathInfo = m }
	}
	site := append(aliasSite, [2]string{"below", "-> root.txt/x"}, [2]string{"ln", "-> root.txt"})
	runOptionTests(t, site, []optionTest{
		{mode(files.PathInfoForbidden), "/root.txt/more", 403, "", ""},
		{mode(files.PathInfoForbidden), "/root.txt/", 403, "", ""},
		{mode(files.PathInfoForbidden), "/below", 403, "", ""},
		{mode(files.PathInfoMissing), "/root.txt/more", 404, "", ""},
		{mode(files.PathInfoMissing), "/root.txt/", 404, "", ""},
		{mode(files.PathInfoMissing), "/one/more", 404, "", ""},
		{mode(files.PathInfoMissing), "/root.txt", 200, "root", ""},
		{mode(files.PathInfoIgnored), "/root.txt/more/and/more", 200, "root", "Content-Type: text/plain;charset=utf-8"},
		{mode(files.PathInfoIgnored), "/root.txt/", 200, "root", ""},
		{mode(files.PathInfoIgnored), "/ln/x", 200, "root", ""},
		{mode(files.PathInfoIgnored), "/one/more.css", 200, "one", "Content-Type: text/plain;charset=utf-8"},
		{mode(files.PathInfoIgnored), "/idx/more", 404, "", ""},
		{mode(files.PathInfoIgnored), "/below", 403, "", ""},
	})
}

func TestRedirectBase(t *testing.T) {
	on := func(o *files.Options) { o.RedirectBase = "https://host:8443" }
	runOptionTests(t, site, []optionTest{
		{on, "/dir", 301, "", "Location: https://host:8443/dir/"},
		{on, "/sp%20ace%25?a=%2F", 301, "", "Location: https://host:8443/sp%20ace%25/?a=%2F"},
	})
}

func TestExpire(t *testing.T) {
	rules := func(o *files.Options) {
		o.Expire = expire.Rules{
			URL: []expire.Rule{
				{Prefix: "/a", Time: expire.Time{Plus: time.Minute}},
				{Prefix: "/ten", Time: expire.Time{Modified: true, Plus: time.Hour}},
			},
			Types: []expire.Rule{{Prefix: "text/html", Time: expire.Time{Plus: time.Hour}}},
		}
	}
	list := func(o *files.Options) { rules(o); o.DirListing = &dirlist.Options{} }
	age := func(o *files.Options) { list(o); o.DirListing.MaxAge = 7 * time.Second }
	runOptionTests(t, site, []optionTest{
		{rules, "/a.txt", 200, "hello", "Cache-Control: max-age=60"},
		{rules, "/ten.txt", 200, "0123", "Cache-Control: max-age=0"},
		{rules, "/idx/", 200, "<p>index", "Cache-Control: max-age=3600"},
		{rules, "/noext", 200, "", "Cache-Control: "},
		{rules, "/absdir", 301, "", "Cache-Control: "},
		{rules, "/amissing", 404, "", "Cache-Control: "},
		{list, "/dir/", 200, "x.txt", "Cache-Control: max-age=3600"},
		{age, "/dir/", 200, "x.txt", "Cache-Control: max-age=7"},
	})

	o := options(makeTree(t, site))
	rules(o)
	url := start(t, o)
	for _, tt := range []struct {
		method, header string
		status         int
		want           string
	}{
		{"HEAD", "", 200, "max-age=60"},
		{"POST", "", 200, ""},
		{"OPTIONS", "", 200, ""},
		{"GET", "Range: bytes=0-1", 206, "max-age=60"},
		{"GET", "Range: bytes=99-", 416, ""},
		{"GET", "If-None-Match: *", 304, "max-age=60"},
		{"GET", `If-Match: "x"`, 412, ""},
	} {
		resp, _ := do(t, tt.method, url+"/a.txt", tt.header)
		if got := resp.Header.Get("Cache-Control"); resp.StatusCode != tt.status || got != tt.want {
			t.Errorf("%s /a.txt, %s: %d, Cache-Control %q; want %d, %q", tt.method, tt.header, resp.StatusCode, got, tt.status, tt.want)
		}
	}
}

func TestDirListing(t *testing.T) {
	on := func(o *files.Options) { o.DirListing = &dirlist.Options{AutoLayout: true, Encoding: "utf-8"} }
	strict := func(o *files.Options) { on(o); o.FollowSymlink = false }
	text := func(name string) func(*files.Options) {
		return func(o *files.Options) {
			on(o)
			alias("/lists", "BASE/root/dir")(o)
			o.DirListing.Header = dirlist.Text{Name: name, Encode: true}
		}
	}
	runOptionTests(t, site, []optionTest{
		{on, "/dir/", 200, `<a href="x.txt">x.txt</a>`, "Content-Type: text/html;charset=utf-8"},
		{on, "/dir/", 200, `<td class="t">text/plain;charset=utf-8</td>`, "Last-Modified: "},
		{on, "/dir", 301, "", "Location: /dir/"},
		{on, "/idx/", 200, "<p>index", ""},
		{func(o *files.Options) { on(o); o.Index = []string{strings.Repeat("x", 300)} }, "/dir/", 200, "x.txt", ""},
		{on, "/none/", 404, "", ""},
		{on, "/outdir/", 404, "", ""},
		{on, "/linkdir/", 200, "<title>Index of /linkdir/</title>", ""},
		{strict, "/linkdir/", 403, "", ""},
		// Texts: beside the files, above them but not above the root, and anywhere.
		{text("x.txt"), "/dir/", 200, `<pre class="header">x</pre>`, ""},
		{text("../a.txt"), "/dir/", 200, `<pre class="header">hello</pre>`, ""},
		{text("../page.HTML"), "/dir/", 200, `<pre class="header">&#x3C;p&#x3E;page</pre>`, ""},
		{text("../../../a.txt"), "/dir/", 200, `<pre class="header">hello</pre>`, ""},
		{text("../a.txt"), "/lists/", 200, "<body>\n<h2>", ""},
		{text("../../secret"), "/dir/", 200, "<body>\n<h2>", ""},
		{text("../out.txt"), "/dir/", 200, "<body>\n<h2>", ""},
		{text("none"), "/dir/", 200, "<body>\n<h2>", ""},
		{text("."), "/dir/", 200, "<body>\n<h2>", ""},
	})

	root := makeTree(t, site)
	o := options(root)
	text(root + "/ten.txt")(o)
	url := start(t, o)
	if _, body := do(t, "GET", url+"/dir/", ""); !strings.Contains(body, `<pre class="header">0123456789</pre>`) {
		t.Errorf("header by its full name is not in %q", body)
	}
	// What is listed can be had, and what leads out is not listed.
	_, body := do(t, "GET", url+"/", "")
	for name, want := range map[string]bool{
		"a.txt": true, "dir/": true, "link.txt": true, "linkdir/": true, "abs.txt": true, "around.txt": true, "chain/": true,
		"out.txt": false, "outabs.txt": false, "outdir": false, "outdir/": false, "etc": false, "etc/": false, "dangling": false, "loop": false,
	} {
		if got := strings.Contains(body, `<a href="`+name+`">`); got != want {
			t.Errorf("%s in the listing: %v, want %v", name, got, want)
		}
	}
	if resp, body := do(t, "HEAD", url+"/dir/", ""); resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/html;charset=utf-8" || body != "" {
		t.Errorf("HEAD: %d %q %q, want the header alone", resp.StatusCode, resp.Header, body)
	}
	for method, want := range map[string]int{"POST": 403, "OPTIONS": 200, "PUT": 501} {
		if resp, _ := do(t, method, url+"/dir/", ""); resp.StatusCode != want {
			t.Errorf("%s of a listing: %d, want %d", method, resp.StatusCode, want)
		}
	}
}

// The names of hostile get to the page as text and as links that lead back to
// the files.
func TestHostileListing(t *testing.T) {
	var entries [][2]string
	for _, name := range hostile {
		entries = append(entries, [2]string{name, name})
	}
	o := options(makeTree(t, entries))
	o.DirListing = &dirlist.Options{AutoLayout: true}
	url := start(t, o)
	_, page := do(t, "GET", url+"/", "")
	rows := rowPattern.FindAllStringSubmatch(page, -1)
	if len(rows) != len(hostile) {
		t.Errorf("%d rows, want %d", len(rows), len(hostile))
	}
	if got, want := strings.Count(page, "<a "), len(hostile); got != want {
		t.Errorf("%d links, want %d", got, want)
	}
	for _, s := range []string{"<img", "<script>alert", "onmouseover='", "\x1b", "\x7f"} {
		if strings.Contains(page, s) {
			t.Errorf("the page has %q", s)
		}
	}
	base, err := http.NewRequest("GET", url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, row := range rows {
		link, err := base.URL.Parse(row[2])
		if err != nil {
			t.Errorf("link %q: %v", row[2], err)
			continue
		}
		if link.Host != base.URL.Host {
			t.Errorf("link %q leads to host %q", row[2], link.Host)
			continue
		}
		resp, body := do(t, "GET", link.String(), "")
		if resp.StatusCode == 200 {
			found[body] = true
		} else if resp.StatusCode != 400 { // control bytes and what is not UTF-8
			t.Errorf("link %q: %d", row[2], resp.StatusCode)
		}
	}
	for _, name := range hostile {
		plain := strings.ToValidUTF8(name, "") == name && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
		if found[name] != plain {
			t.Errorf("%q by its link: %v, want %v", name, found[name], plain)
		}
	}
}

// Listings and aliases leave no descriptors open; see TestDescriptorsClosed.
var descriptorTests = []struct {
	set    func(*files.Options)
	target string
}{
	{alias("/foo", "/"), "/foo/"},
	{alias("/foo", "/nonexistent"), "/foo/"},
	{alias("/foo", "/dev/null"), "/foo"},
	{func(o *files.Options) { alias("/foo", "/")(o); o.Index = []string{"/a.txt"} }, "/foo/"},
	{func(o *files.Options) {
		o.DirListing = &dirlist.Options{Header: dirlist.Text{Name: "a.txt"}, Readme: dirlist.Text{Name: "/dev/null"}}
	}, "/"},
	{func(o *files.Options) { o.PathInfo = files.PathInfoIgnored }, "/a.txt/x"},
}
