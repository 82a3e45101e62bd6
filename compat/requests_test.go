package compat

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/wstunneld/wstunneld/internal/wstest"
)

// TestRequests compares what is answered to the requests of testdata/requests.
func TestRequests(t *testing.T) {
	ours, theirs := programs(t)
	for name, archive := range archives(t, "requests") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cases, err := parseRequests(section(t, archive, "requests"))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			writeTree(t, dir, archive)
			_, echo, err := net.SplitHostPort(wstest.Backend(t, wstest.Echo))
			if err != nil {
				t.Fatal(err)
			}
			got := askAll(t, ours, dir, echo, archive, cases)
			want := askAll(t, theirs, dir, echo, archive, cases)
			for i, c := range cases {
				t.Run(c.String(), func(t *testing.T) {
					c.report(t, differences(got[i], want[i]), func(field string) string {
						return fmt.Sprintf("we %.2000q, they %.2000q", got[i][field], want[i][field])
					})
				})
			}
		})
	}
}

// treeTime is when the files were changed last.
var treeTime = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)

// writeTree writes the files of an archive that are below root/.
func writeTree(t *testing.T, dir string, a *txtar.Archive) {
	t.Helper()
	var files []txtar.File
	for _, f := range a.Files {
		if strings.HasPrefix(f.Name, "root/") {
			files = append(files, f)
		}
	}
	files = append(files, txtar.File{Name: "root/"})
	writeFiles(t, dir, files)
	for _, f := range files {
		if err := os.Chtimes(filepath.Join(dir, f.Name), treeTime, treeTime); err != nil {
			t.Fatal(err)
		}
	}
}

// askAll runs a program on the configuration of an archive, sends it all cases,
// one after another, and returns the answers. If wstunneld does not accept
// the configuration, there is no answer to anything.
func askAll(t *testing.T, p program, dir, echo string, a *txtar.Archive, cases []*requestCase) []answer {
	t.Helper()
	own := filepath.Join(dir, p.name)
	addr := loopback()
	fill := strings.NewReplacer("@ADDR@", addr, "@PORT@", port(), "@PORT2@", port2(), "@ROOT@", dir+"/root", "@OWN@", own, "@ECHO@", echo)
	text := fill.Replace("server.document-root = \"@ROOT@\"\nserver.bind = \"@ADDR@\"\nserver.port = @PORT@\n" +
		"server.stat-cache-engine = \"disable\"\n" + // it keeps types over all conditions
		"static-file.disable-pathinfo = \"enable\"\n" + // as always in newer versions
		section(t, a, configName))
	writeFiles(t, own, []txtar.File{{Name: configName, Data: []byte(text)}})
	answers := make([]answer, len(cases))
	if ok, _, messages := p.run(t, "-tt", own); !ok {
		if p.name == "lighttpd" {
			t.Fatalf("lighttpd does not accept it:\n%s", messages)
		}
		t.Logf("%s does not accept it:\n%s", p.name, messages)
		for i := range answers {
			answers[i] = answer{"status": "none"}
		}
		return answers
	}
	s := p.start(t, own, addr)
	var conn *wstest.Client
	for i, c := range cases {
		if !c.then {
			conn = dial(t, c, s.addr, fill)
		}
		answers[i] = ask(t, conn, c, i, fill)
		if i+1 == len(cases) || !cases[i+1].then {
			conn.Close()
		}
		for name, value := range answers[i] {
			answers[i][name] = strings.ReplaceAll(value, addr, "@ADDR@")
		}
	}
	s.stop(t)
	t.Logf("%s:\n%s", p.name, s.stderr)
	log, err := os.ReadFile(filepath.Join(own, "access.log"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	addLog(t, answers, strings.ReplaceAll(string(log), addr, "@ADDR@"))
	return answers
}

// dial connects for a case.
func dial(t *testing.T, c *requestCase, addr string, fill *strings.Replacer) *wstest.Client {
	t.Helper()
	p := port()
	if c.port != "" {
		p = fill.Replace(c.port)
	}
	d := net.Dialer{Timeout: patience}
	if c.from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(c.from)}
	}
	conn, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(addr, p))
	if err != nil {
		t.Fatalf("%v: %v", c, err)
	}
	return wstest.NewClient(t, conn)
}

// bytes returns what is sent for a case, the number n of its archive.
func (c *requestCase) bytes(n int, fill *strings.Replacer) []byte {
	if c.method == "" {
		return []byte(fill.Replace(c.raw))
	}
	target := fill.Replace(c.target)
	own := []string{"Host: test", "User-Agent: " + caseName(n)}
	var headers []string
	for _, h := range c.headers {
		headers = append(headers, fill.Replace(h))
	}
	for _, h := range own {
		name, _, _ := strings.Cut(h, ":")
		if !slices.ContainsFunc(headers, func(h string) bool {
			n, _, _ := strings.Cut(h, ":")
			return strings.EqualFold(n, name)
		}) {
			headers = append(headers, h)
		}
	}
	if c.method == "WS" {
		return wstest.Request(target, headers...)
	}
	if c.body != "" {
		headers = append(headers, fmt.Sprintf("Content-Length: %d", len(c.body)))
	}
	version := "HTTP/1.1"
	if c.http10 {
		version = "HTTP/1.0"
	}
	return fmt.Appendf(nil, "%s %s %s\r\n%s\r\n\r\n%s", c.method, target, version, strings.Join(headers, "\r\n"), c.body)
}

func caseName(n int) string { return fmt.Sprintf("case-%d.", n+1) }
