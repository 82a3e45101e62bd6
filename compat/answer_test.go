package compat

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// An answer is what is compared, by field: "status", "version", "body", "frame" (the first
// of a tunnel), "log" (the lines of the access log) and the names of headers. Those
// of a second answer to raw bytes have "2." in front, and so on.
type answer map[string]string

// answerTime is how long an answer can take; a server that is silent longer
// waits for something.
const answerTime = 5 * time.Second

// differences returns the fields in which two answers differ, in order. Answers
// of different status differ in that field, and no more is said of them.
func differences(a, b answer) []string {
	var diff []string
	for field := range maps.Keys(union(a, b)) {
		number, _, ok := strings.Cut(field, ".")
		status := "status"
		if ok {
			status = number + ".status"
		}
		if a[field] != b[field] && (field == status || a[status] == b[status]) {
			diff = append(diff, field)
		}
	}
	slices.Sort(diff)
	return diff
}

func union(a, b answer) answer {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// ask sends the case number n and reads the answers to it.
func ask(t *testing.T, conn *wstest.Client, c *requestCase, n int, fill *strings.Replacer) answer {
	t.Helper()
	a := make(answer)
	conn.SetDeadline(time.Now().Add(answerTime))
	// The server may close before it has read all, having answered.
	conn.Write(c.bytes(n, fill))
	r := bufio.NewReader(conn)
	for i := range c.answers {
		prefix := ""
		if i > 0 {
			prefix = fmt.Sprint(i+1, ".")
		}
		for name, value := range readAnswer(t, conn, r, c) {
			a[prefix+name] = value
		}
	}
	if r.Buffered() > 0 {
		rest, _ := r.Peek(r.Buffered())
		a["rest"] = string(rest)
	}
	return a
}

// readAnswer reads one answer.
func readAnswer(t *testing.T, conn *wstest.Client, r *bufio.Reader, c *requestCase) answer {
	t.Helper()
	method := c.method
	if method == "" {
		method, _, _ = strings.Cut(c.raw, " ")
	}
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err == nil && resp.StatusCode == http.StatusContinue {
		resp, err = http.ReadResponse(r, &http.Request{Method: method})
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return answer{"status": "none"}
	}
	if err != nil {
		return answer{"status": "closed"}
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		a := heads(resp)
		a["frame"] = echoed(conn)
		return a
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("%v: reading the body: %v", c, err)
	}
	return normal(resp, method, string(body), c.links)
}

// echoed sends a message through a new tunnel to an echo backend, and returns
// the frame that comes back. Then it closes the tunnel, so that it is logged.
func echoed(conn *wstest.Client) string {
	conn.Write(wstest.Text("hello"))
	f, err := conn.ReadFrame()
	if err != nil {
		return err.Error()
	}
	conn.Write(wstest.Close(ws.CloseNormal, ""))
	for err == nil {
		_, err = conn.ReadFrame()
	}
	return fmt.Sprintf("%v %q", f.Opcode, f.Payload)
}

// heads returns the status and the headers of a response. Of some headers only
// their presence is compared.
func heads(resp *http.Response) answer {
	a := answer{"version": resp.Proto, "status": fmt.Sprint(resp.StatusCode)}
	for name, values := range resp.Header {
		a[name] = strings.Join(values, " | ")
	}
	if resp.Close && resp.ProtoMinor == 1 {
		a["Connection"] = "close" // net/http has taken it away
	}
	if len(resp.TransferEncoding) > 0 {
		a["Transfer-Encoding"] = strings.Join(resp.TransferEncoding, ", ")
	}
	for _, name := range []string{"Date", "Etag"} {
		if a[name] != "" {
			a[name] = "set"
		}
	}
	a["Server"] = tag.ReplaceAllString(a["Server"], "default")
	return a
}

var (
	tag     = regexp.MustCompile(`^(lighttpd|wstunneld)/[0-9.]+`)
	heading = regexp.MustCompile(`(?s)^<.*<h1>(\d{3}) [^<]*</h1>\s*</body>\s*</html>\s*$`)
	href    = regexp.MustCompile(`(?i)<a\s[^>]*href="([^"]*)"`)
)

// normal returns of a response what is compared.
func normal(resp *http.Response, method, body string, links bool) answer {
	a := heads(resp)
	a["body"] = body
	if m := heading.FindStringSubmatch(body); m != nil && resp.StatusCode >= 400 {
		// A server's own error page: only that it is one.
		a["body"], a["Content-Length"] = "page of "+m[1], "its length"
	}
	if method == http.MethodHead && resp.StatusCode >= 400 && a["Content-Length"] != "" {
		a["Content-Length"] = "its length"
	}
	if kind, p, _ := mime.ParseMediaType(a["Content-Type"]); kind == "multipart/byteranges" {
		a["Content-Type"], a["Content-Length"] = kind, "its length"
		a["body"] = strings.TrimPrefix(strings.ReplaceAll(body, p["boundary"], "BOUNDARY"), "\r\n")
	}
	if links {
		delete(a, "Content-Length")
		var all []string
		for _, m := range href.FindAllStringSubmatch(body, -1) {
			all = append(all, m[1])
		}
		slices.Sort(all)
		a["body"] = strings.Join(all, "\n")
	}
	return a
}

var (
	logTime   = regexp.MustCompile(`\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]`)
	logNumber = regexp.MustCompile(`\bt=[0-9.]+`)
)

// addLog gives each answer the lines of the access log that are its own: they
// hold the name of the case, which is the User-Agent. Times become words, and so
// do numbers behind "t=".
func addLog(t *testing.T, answers []answer, log string) {
	t.Helper()
	log = logNumber.ReplaceAllString(logTime.ReplaceAllString(log, "[time]"), "t=number")
	for line := range strings.Lines(log) {
		found := false
		for i, a := range answers {
			if strings.Contains(line, caseName(i)) {
				a["log"] += line
				found = true
			}
		}
		if !found {
			t.Errorf("a line of the access log that is of no case: %s", line)
		}
	}
}
