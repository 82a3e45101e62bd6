package server_test

import (
	"slices"
	"testing"
)

// Fields are added to a request once, however often its target changes on the way.
func TestSetenvOnce(t *testing.T) {
	s := startLogs(t, `
server.modules += ("mod_setenv", "mod_rewrite", "mod_redirect")
accesslog.filename = "DIR/access.log"
accesslog.format = "%U %s [%{X-Added}i] [%{X-Set}i]"
server.error-handler-404 = "/handler"
setenv.add-request-header = ("X-Added" => "one", "X-Set" => "added")
setenv.set-request-header = ("X-Set" => "set")
url.rewrite-if-not-file = ("^/absent/(.*)" => "/$1")
url.redirect = ("^/moved" => "/elsewhere")
`, "")
	s.get("/absent/x")
	s.get("/absent/moved")
	s.end()
	want := []string{"/handler 404 [one] [set]\n", "/moved 301 [one] [set]\n"}
	if got := s.lines("access.log"); !slices.Equal(got, want) {
		t.Errorf("the access log has %q, want %q", got, want)
	}
}
