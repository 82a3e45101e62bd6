package server

import (
	"fmt"
	"net/http"
	"os"
	"strconv"

	"github.com/wstunneld/wstunneld/internal/files"
	"github.com/wstunneld/wstunneld/internal/urlpath"
	"github.com/wstunneld/wstunneld/internal/urlrule"
)

// errorPage answers q with status, of 400 or more: with what server.error-handler
// or server.error-handler-404 leads to, or with a page.
func (s *Server) errorPage(w *recorder, q *request, status int) {
	missing := status == http.StatusNotFound || status == http.StatusForbidden
	switch {
	case w.override != 0, missing && q.failed != 0:
		plainPage(w, q, q.failed)
	case q.failed != 0:
		plainPage(w, q, status)
	case status == http.StatusRequestedRangeNotSatisfiable:
		plainPage(w, q, status)
	case q.set.ErrorHandler != "":
		s.errorHandler(w, q, status)
	case missing && q.set.ErrorHandler404 != "":
		q.failed = status
		s.respond(q, w, q.divert(q.set.ErrorHandler404))
	default:
		plainPage(w, q, status)
	}
}

// errorHandler answers q with the file of server.error-handler, all of it whatever
// was asked for, as of status. Without such a file it answers with a page.
func (s *Server) errorHandler(w *recorder, q *request, status int) {
	r := *q.Request
	if r.Method != http.MethodHead {
		r.Method = http.MethodGet
	}
	q.Request, q.failed = &r, status
	refused := q.divert(q.set.ErrorHandler) != 0
	opts := q.fileOptions(s, w)
	if refused || !files.IsFile(q.target.Path, opts) {
		plainPage(w, q, status)
		return
	}
	w.override, opts.Ranges = status, false
	whole := *q.Request
	whole.Header = nil
	files.Serve(w, &whole, q.target.Path, opts)
}

// divert makes target, of the configuration, that of q. It returns what route does.
func (q *request) divert(target string) (status int) {
	var err error
	if q.target, err = urlpath.Normalize(target, &q.g.cfg.Server.ParseOpts); err != nil {
		return http.StatusNotFound
	}
	q.location, q.rewriting = "", urlrule.Rewriting{}
	q.resolve()
	return q.reroute()
}

// plainPage answers with the page of server.errorfile-prefix for status, or with
// a small one of our own.
func plainPage(w *recorder, q *request, status int) {
	var page []byte
	typ := "text/html"
	if prefix := q.set.ErrorfilePrefix; prefix != "" {
		name := prefix + strconv.Itoa(status) + ".html"
		page, _ = os.ReadFile(name)
		if page != nil && w.entry != nil {
			w.entry.File = name
		}
		if t := q.g.types[q.set.MimeAssign].Lookup(name); page != nil && t != files.OctetStream {
			typ = t
		}
	}
	if page == nil {
		title := fmt.Sprint(status, " ", http.StatusText(status))
		page = fmt.Appendf(nil, "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>%s</title></head>\n<body><h1>%s</h1></body>\n</html>\n", title, title)
	}
	h := w.Header()
	h.Set("Content-Type", typ)
	h.Set("Content-Length", strconv.Itoa(len(page)))
	w.WriteHeader(status)
	if q.Method != http.MethodHead {
		w.Write(page)
	}
}
