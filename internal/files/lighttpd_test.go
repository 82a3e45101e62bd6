//go:build unix

package files_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/files"

	"github.com/wstunneld/wstunneld/internal/lighttpdtest"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// Types for hosts of TestLighttpd: a list of fewer than 16 entries, one of more.
var (
	fewTypes = [][2]string{
		{".html", "text/html"}, {".txt", "text/plain;charset=utf-8"}, {".js", "application/javascript"},
		{".gz", "application/gzip"}, {".tar.gz", "application/x-tgz"}, {"README", "text/plain"}, {"ir/x.css", "text/x-path"},
	}
	manyTypes = pad(20, [][2]string{
		{".html", "text/html"}, {".txt", "text/plain;charset=utf-8"}, {".js", "application/javascript"},
		{".gz", "application/gzip"}, {".tar.gz", "application/x-tgz"}, {"README", "text/plain"},
		{"c", "text/x-c"}, {".b.c", "text/x-bc"}, {".", "text/x-dot"}, {"", "text/x-other"},
	}...)
)

// lighttpdSite is served by both servers. Every file can be read: lighttpd runs
// as the user of the test, which may be root.
var lighttpdSite = append([][2]string{
	{"dir/x.css", "css"},
	{"a.b.c", "c"},
	{"a.d.c", "c"},
	{"c", "c"},
	{".c", "c"},
	{"x.README", "c"},
	{"README.md", "c"},
	{"xREADME", "c"},
	{"dot.", "c"},
	{"UPPER.TXT", "c"},
	{"big.txt", string(big[:100_000])},
}, site...)

// A lighttpdTest is a request that we and lighttpd are asked. The target begins
// with the host.
type lighttpdTest struct {
	method, target, header string
	differs                string // why the answers differ, "" if they must not
}

func TestLighttpd(t *testing.T) {
	const (
		normalised = "the caller normalises paths, Serve does not"
		outside    = "no link leads outside of the document root"
		coalesced  = "lighttpd joins ranges that are near or overlap"
		notFirst   = "lighttpd knows its methods before it looks for the file"
	)
	tests := []lighttpdTest{
		{"GET", "few/a.txt", "", ""},
		{"GET", "few/a.txt?q=1", "", ""},
		{"GET", "few/%61%2etxt", "", ""},
		{"GET", "few/empty.txt", "", ""},
		{"GET", "few/page.HTML", "", ""},
		{"GET", "few/UPPER.TXT", "", ""},
		{"GET", "few/noext", "", ""},
		{"GET", "few/data.bin", "", ""},
		{"GET", "few/app.js", "", ""},
		{"GET", "few/x.tar.gz", "", ""},
		{"GET", "few/README", "", ""},
		{"GET", "few/README.md", "", ""},
		{"GET", "few/xREADME", "", ""},
		{"GET", "few/dir/x.css", "", ""},
		{"GET", "few/d.txt/noext", "", ""},
		{"GET", "few/big.txt", "", ""},
		{"GET", "many/a.txt", "", ""},
		{"GET", "many/UPPER.TXT", "", ""},
		{"GET", "many/x.tar.gz", "", ""},
		{"GET", "many/app.js", "", ""},
		{"GET", "many/README", "", ""},
		{"GET", "many/xREADME", "", ""},
		{"GET", "many/x.README", "", ""},
		{"GET", "many/README.md", "", ""},
		{"GET", "many/a.b.c", "", ""},
		{"GET", "many/a.d.c", "", ""},
		{"GET", "many/c", "", ""},
		{"GET", "many/.c", "", ""},
		{"GET", "many/dot.", "", ""},
		{"GET", "many/noext", "", ""},
		{"GET", "many/d.txt/noext", "", ""},
		{"GET", "many/idx/", "", ""},

		{"HEAD", "few/a.txt", "", ""},
		{"HEAD", "few/missing", "", ""},
		{"HEAD", "few/dir", "", ""},
		{"HEAD", "few/idx/", "", ""},
		{"POST", "few/a.txt", "", ""},
		{"POST", "few/idx/", "", ""},
		{"POST", "few/dir", "", ""},
		{"POST", "few/missing", "", ""},
		{"OPTIONS", "few/a.txt", "", ""},
		{"OPTIONS", "few/idx/", "", ""},
		{"OPTIONS", "few/dir", "", ""},
		{"OPTIONS", "few/dir/", "", ""},
		{"OPTIONS", "few/missing", "", ""},
		{"CONNECT", "few/a.txt", "", ""},
		{"CONNECT", "few/missing", "", ""},
		{"PUT", "few/a.txt", "", ""},
		{"PUT", "few/dir", "", ""},
		{"PUT", "few/missing", "", ""},
		{"DELETE", "few/idx/", "", ""},
		{"TRACE", "few/a.txt", "", ""},
		{"PATCH", "few/a.txt/", "", ""},
		{"PATCH", "few/a.txt/extra", "", ""},
		{"OPTIONS", "few/a.txt/extra", "", ""},
		{"OPTIONS", "few/a.txt/", "", ""},
		{"PROPFIND", "few/dir/", "", ""},
		{"FOO", "few/a.txt", "", ""},
		{"FOO", "few/missing", "", notFirst},
		{"FOO", "few/dir", "", notFirst},

		{"GET", "few/", "", ""},
		{"GET", "few/dir", "", ""},
		{"GET", "few/dir?", "", ""},
		{"GET", "few/dir?a=b&c=%20d", "", ""},
		{"GET", "few/dir??", "", ""},
		{"GET", "few/dir?a=%2f", "", "lighttpd normalises the query"},
		{"GET", "few/dir/", "", ""},
		{"GET", "few/idx/", "", ""},
		{"GET", "few/idx2/", "", ""},
		{"GET", "few/idxdir/", "", ""},
		{"GET", "few/idxlink/", "", ""},
		{"GET", "root/dir/", "", ""},
		{"GET", "root/idx/", "", ""},
		{"GET", "few/sp%20ace%25", "", ""},
		{"GET", "few/%C3%A9", "", ""},
		{"GET", "few/q%3F%23&;+:@%22%3C%3E%5B%5D", "", ""},
		{"GET", "few/%5Cevil.test", "", ""},

		{"GET", "few/missing", "", ""},
		{"GET", "few/missing/", "", ""},
		{"GET", "few/missing/x", "", ""},
		{"GET", "few/a.txt/", "", ""},
		{"GET", "few/a.txt/extra", "", ""},
		{"GET", "few/" + strings.Repeat("x", 300), "", ""},
		{"GET", "few" + strings.Repeat("/x", 3000), "", ""},
		{"GET", "few/a%00b", "", ""},
		{"GET", "few/a%01b", "", ""},
		{"GET", "few/a%7Fb", "", ""},
		{"GET", "few/a%FF", "", ""},
		{"GET", "few/%C2%80", "", ""},
		{"GET", "few/../secret", "", ""},
		{"GET", "few/%2e%2e/secret", "", ""},
		{"GET", "few/..%2fsecret", "", ""},
		{"GET", "few/dir/../a.txt", "", normalised},
		{"GET", "few/./a.txt", "", normalised},
		{"GET", "few//a.txt", "", normalised},
		{"GET", "few//evil.test", "", normalised},
		{"GET", "few/%2Fevil.test", "", normalised},

		{"GET", "few/link.txt", "", ""},
		{"GET", "few/linkdir", "", ""},
		{"GET", "few/linkdir/x.txt", "", ""},
		{"GET", "few/chain2/link.txt", "", ""},
		{"GET", "few/abs.txt", "", ""},
		{"GET", "few/absdir/x.txt", "", ""},
		{"GET", "few/around.txt", "", ""},
		{"GET", "few/dangling", "", ""},
		{"GET", "few/out.txt", "", outside},
		{"GET", "few/outabs.txt", "", outside},
		{"GET", "few/outdir/secret", "", outside},
		{"GET", "few/idxout/", "", outside},
		{"GET", "few/loop", "", "lighttpd answers 500 to a loop of links"},
		{"GET", "strict/a.txt", "", ""},
		{"GET", "strict/link.txt", "", ""},
		{"GET", "strict/linkdir", "", ""},
		{"GET", "strict/linkdir/x.txt", "", ""},
		{"GET", "strict/abs.txt", "", ""},
		{"GET", "strict/out.txt", "", ""},
		{"GET", "strict/outdir/secret", "", ""},
		{"GET", "strict/idxlink/", "", ""},
		{"GET", "strict/idxout/", "", ""},
		{"GET", "strict/dangling", "", ""},
		{"GET", "strict/loop", "", "lighttpd answers 500 to a loop of links"},
		{"GET", "linked/a.txt", "", "lighttpd also minds links in the name of the document root"},

		{"GET", "few/ten.txt", "Range: bytes=2-4", ""},
		{"GET", "few/ten.txt", "Range: bytes=7-", ""},
		{"GET", "few/ten.txt", "Range: bytes=-2", ""},
		{"GET", "few/ten.txt", "Range: bytes=-99", ""},
		{"GET", "few/ten.txt", "Range: bytes=0-", ""},
		{"GET", "few/ten.txt", "Range: bytes=8-99", ""},
		{"GET", "few/ten.txt", "Range: bytes=10-", ""},
		{"GET", "few/ten.txt", "Range: bytes=5-2", ""},
		{"GET", "few/ten.txt", "Range: bytes=x", ""},
		{"GET", "few/ten.txt", "Range: bytes=0-1,20-", ""},
		{"GET", "few/ten.txt", "Range: lines=1-2", ""},
		{"GET", "few/ten.txt", "Range: 1-2", ""},
		{"GET", "few/ten.txt", "Range: bytes=-0", "we ignore a Range with a suffix of no bytes"},
		{"GET", "few/ten.txt", "Range: BYTES=0-1", "only the unit's usual spelling is known; the rest is ignored"},
		{"GET", "few/ten.txt", "Range: bytes=0-1,x", "lighttpd skips the part it cannot read"},
		{"GET", "few/ten.txt", "Range: bytes=0-1,4-5", coalesced},
		{"GET", "few/ten.txt", "Range: bytes=0-9,0-9", coalesced},
		{"GET", "few/big.txt", "Range: bytes=0-0,50000-50001", "the boundary is another each time"},
		{"GET", "few/empty.txt", "Range: bytes=0-3", ""},
		{"HEAD", "few/ten.txt", "Range: bytes=2-4", ""},
		{"POST", "few/ten.txt", "Range: bytes=2-4", ""},
		{"GET", "few/missing", "Range: bytes=2-4", ""},
		{"GET", "strict/ten.txt", "Range: bytes=2-4", ""},
		{"GET", "strict/ten.txt", "", ""},

		{"GET", "few/ten.txt", "If-None-Match: *", ""},
		{"HEAD", "few/ten.txt", "If-None-Match: *", ""},
		{"POST", "few/ten.txt", "If-None-Match: *", ""},
		{"GET", "few/ten.txt", `If-None-Match: "x"`, ""},
		{"GET", "few/ten.txt", "If-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT", ""},
		{"GET", "few/ten.txt", "If-Modified-Since: Thu, 02 Jan 2020 03:04:04 GMT", ""},
		{"GET", "few/ten.txt", "If-Modified-Since: Thu, 02 Jan 2025 00:00:00 GMT", ""},
		{"POST", "few/ten.txt", "If-Modified-Since: Thu, 02 Jan 2025 00:00:00 GMT", ""},
		{"GET", "few/ten.txt", `If-Match: "x"`, "lighttpd does not know If-Match"},
		{"GET", "few/ten.txt", "If-Unmodified-Since: Thu, 02 Jan 2015 00:00:00 GMT", "lighttpd does not know If-Unmodified-Since"},
	}

	root := makeTree(t, lighttpdSite)
	linked := filepath.Join(filepath.Dir(root), "linked")
	if err := os.Symlink("root", linked); err != nil {
		t.Fatal(err)
	}
	hosts := map[string]*files.Options{}
	for host, types := range map[string][][2]string{
		"few": fewTypes, "many": manyTypes, "root": fewTypes, "strict": fewTypes, "linked": fewTypes,
	} {
		hosts[host] = options(root)
		hosts[host].Types = files.NewTypes(types)
	}
	hosts["root"].Index = append(hosts["root"].Index, "/a.txt")
	hosts["strict"].FollowSymlink = false
	hosts["strict"].Ranges = false
	hosts["linked"].FollowSymlink = false
	hosts["linked"].Root = linked

	compare(t, tests, hosts, root, fmt.Sprintf(`
		index-file.names = ("index.html", "index.htm")
		mimetype.assign = %[1]s
		$HTTP["host"] == "many" { mimetype.assign = %[2]s }
		$HTTP["host"] == "root" { index-file.names = ("index.html", "index.htm", "/a.txt") }
		$HTTP["host"] == "strict" { server.follow-symlink = "disable" server.range-requests = "disable" }
		$HTTP["host"] == "linked" { server.follow-symlink = "disable" server.document-root = "%[3]s" }
	`, assign(fewTypes), assign(manyTypes), linked))
}

// compare asks us and lighttpd the same. The options of hosts are ours, config is
// lighttpd's.
func compare(t *testing.T, tests []lighttpdTest, hosts map[string]*files.Options, root, config string) {
	t.Helper()
	theirs := startLighttpd(t, root, `
		server.stat-cache-engine = "disable" # it caches types over all hosts
		static-file.disable-pathinfo = "enable" # the default of 1.4.86
	`+config)
	ours := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		files.Serve(w, r, r.URL.Path, hosts[r.Host])
	}))
	defer ours.Close()
	defer client.CloseIdleConnections()

	for _, tt := range tests {
		got := ask(t, ours.URL, tt.method, tt.target, tt.header)
		want := ask(t, theirs, tt.method, tt.target, tt.header)
		switch what := fmt.Sprintf("%s %.40s %s", tt.method, tt.target, tt.header); {
		case tt.differs == "" && got != want:
			same := 0 // bytes at the start that need not be shown, in whole lines
			for i := 0; i < min(len(got), len(want)) && got[i] == want[i]; i++ {
				if got[i] == '\n' {
					same = i + 1
				}
			}
			t.Errorf("%s:\n    we: %.300s\n  they: %.300s", what, got[same:], want[same:])
		case tt.differs != "" && got == want:
			t.Errorf("%s: no difference, although %s", what, tt.differs)
		}
	}
}

// assign writes a mimetype.assign list in lighttpd's syntax.
func assign(types [][2]string) string {
	var b strings.Builder
	for _, kv := range types {
		fmt.Fprintf(&b, "%q => %q, ", kv[0], kv[1])
	}
	return "(" + b.String() + ")"
}

// ask sends a request and gives what of the answer is compared. A target is
// a host and a path. Error pages are not compared, they are the caller's.
func ask(t *testing.T, server, method, target, header string) string {
	t.Helper()
	host, path, _ := strings.Cut(target, "/")
	var reqBody io.Reader
	if method == "POST" || method == "PATCH" {
		reqBody = strings.NewReader("body")
	}
	req, err := http.NewRequest(method, server+"/"+path, reqBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	if k, v, ok := strings.Cut(header, ": "); ok {
		req.Header.Set(k, v)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := fmt.Sprint(resp.StatusCode)
	if resp.StatusCode >= 400 {
		return answer
	}
	names := []string{"Content-Type", "Content-Length", "Content-Range", "Accept-Ranges", "Allow", "Cache-Control"}
	switch {
	case resp.StatusCode == http.StatusNotModified:
		names = []string{"Cache-Control"} // lighttpd sends the type with a 304, net/http does not
	case strings.Contains(string(body), "Index of"):
		return fmt.Sprintf("%s Content-Type=%q Cache-Control=%q\n%s",
			answer, resp.Header.Get("Content-Type"), resp.Header.Get("Cache-Control"), summary(string(body)))
	}
	for _, name := range names {
		answer += fmt.Sprintf(" %s=%q", name, resp.Header.Get(name))
	}
	if loc := resp.Header.Get("Location"); loc != "" {
		u, err := url.Parse(loc) // lighttpd escapes more characters than need be
		if err != nil {
			t.Fatal(err)
		}
		answer += fmt.Sprintf(" Location=%q %q %q", u.Host, u.Path, u.RawQuery)
	}
	return fmt.Sprintf("%s %q", answer, body)
}

// startLighttpd runs lighttpd on a loopback port until the test ends and
// returns its URL.
func startLighttpd(t *testing.T, root, config string) string {
	t.Helper()
	bin := lighttpdtest.Path(t)
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: wstest.FreePort(t)}

	conf := filepath.Join(t.TempDir(), "lighttpd.conf")
	writeFile(t, conf, fmt.Sprintf("server.document-root = %q\nserver.bind = \"127.0.0.1\"\nserver.port = %d\n%s", root, addr.Port, config))
	cmd := exec.Command(bin, "-D", "-f", conf)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	log := bufio.NewScanner(stderr)
	for log.Scan() {
		if strings.Contains(log.Text(), "server started") {
			return "http://" + addr.String()
		}
		t.Log(log.Text())
	}
	t.Fatal("lighttpd does not start")
	return ""
}
