package server

import (
	"fmt"
	"net/http"
	"os"
	"strconv"

	"github.com/wstunneld/wstunneld/internal/files"
	"github.com/wstunneld/wstunneld/internal/urlpath"
)

// errorPage answers q with status, of 400 or more: with what
// server.error-handler-404 or server.error-handler names, or with a page.
func (s *Server) errorPage(w *recorder, q *request, status int) {
	handler := q.set.ErrorHandler
	missing := (status == http.StatusNotFound || status == http.StatusForbidden) && q.set.ErrorHandler404 != ""
	if missing {
		handler = q.set.ErrorHandler404
	}
	if handler == "" || w.override != 0 || !s.errorHandler(w, q, handler, status, missing) {
		w.override = 0
		plainPage(w, q, status)
	}
}

// errorHandler answers q with the file that path, a target, leads to. The status
// remains, unless the file is found in the place of a missing one. It reports
// whether there is such a file.
func (s *Server) errorHandler(w *recorder, q *request, path string, status int, found bool) bool {
	target, err := urlpath.Normalize(path, &q.g.cfg.Server.ParseOpts)
	if err != nil {
		return false
	}
	other := *q
	other.target, other.location = target, ""
	other.resolve()
	opts := other.fileOptions(s, w)
	if other.denied() || !files.IsFile(target.Path, opts) {
		return false
	}
	w.override = status
	if found {
		w.override = http.StatusOK
	}
	r := *q.Request // for a whole file, whatever was asked for
	r.Method = http.MethodGet
	if q.Method == http.MethodHead {
		r.Method = http.MethodHead
	}
	r.Header = make(http.Header)
	opts.Ranges = false
	files.Serve(w, &r, target.Path, opts)
	return true
}

// plainPage answers with the page of server.errorfile-prefix for status, or with
// a small one of our own.
func plainPage(w *recorder, q *request, status int) {
	var page []byte
	if prefix := q.set.ErrorfilePrefix; prefix != "" {
		page, _ = os.ReadFile(prefix + strconv.Itoa(status) + ".html")
	}
	if page == nil {
		title := fmt.Sprint(status, " ", http.StatusText(status))
		page = fmt.Appendf(nil, "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>%s</title></head>\n<body><h1>%s</h1></body>\n</html>\n", title, title)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html")
	h.Set("Content-Length", strconv.Itoa(len(page)))
	w.WriteHeader(status)
	if q.Method != http.MethodHead {
		w.Write(page)
	}
}
