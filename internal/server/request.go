package server

import (
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/wstunneld/wstunneld/internal/accesslog"
	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/dirlist"
	"github.com/wstunneld/wstunneld/internal/files"
	"github.com/wstunneld/wstunneld/internal/front"
	"github.com/wstunneld/wstunneld/internal/handshake"
)

// handler answers the requests of one listener.
func (s *Server) handler(at address) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g := s.acquire()
		l := g.listeners[at]
		if l == nil { // closed by a reload
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusServiceUnavailable)
			s.release(g)
			return
		}
		q := &request{Request: r, g: g, l: l, begun: time.Now(), client: addrPort(r.RemoteAddr), scheme: "http", size: headerSize(r)}
		if local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
			q.local = local.AddrPort()
		}
		if front.IsTLS(r) {
			q.scheme = "https"
		}
		status := q.route()
		g.traceRequestHeader(q.set, r)
		w = throttle(w, q)
		rec := &recorder{ResponseWriter: w, q: q}
		number := front.CountRequest(r)
		if g.logsAccess(q.set) {
			rec.entry = newEntry(q)
			rec.entry.KeepAlive = number - 1
			front.Written(r) // by requests that were not logged
		}
		if s.answer(q, rec, status, number) {
			return // a tunnel logs itself, and releases g, when it ends
		}
		if entry := rec.entry; entry != nil {
			rec.finish()
			u := q.url() // the target may have changed on the way
			entry.Path, entry.Query = u.Path, u.Query
			entry.Status, entry.Sent, entry.Response = rec.status, rec.sent, rec.Header()
			entry.SentAll = front.Written(r)
			if !r.Close && rec.Header().Get("Connection") != "close" {
				entry.Conn = accesslog.ConnKept
			}
			g.access(q.set, entry)
		}
		s.release(g)
	})
}

// answer answers q. Status is that of route, and number counts the requests of the
// connection. It reports whether the request has become a tunnel, which then keeps
// q.g and w.entry.
func (s *Server) answer(q *request, w *recorder, status, number int) bool {
	set, h := q.set, w.Header()
	q.logFault(status)
	// Whoever sends Content-Length beside chunks wants two servers to disagree on
	// where the request ends (RFC 9112 section 6.1); net/http does not show it.
	chunked := len(q.TransferEncoding) > 0
	if number > set.MaxKeepAliveRequests || set.MaxKeepAliveIdle == 0 || chunked {
		h.Set("Connection", "close")
	}
	get := q.Method == http.MethodGet || q.Method == http.MethodHead
	switch {
	case q.size > q.g.cfg.Server.MaxRequestFieldSize:
		h.Set("Connection", "close")
		plainPage(w, q, http.StatusRequestHeaderFieldsTooLarge)
		return false
	case q.Method == http.MethodOptions && q.RequestURI == "*":
		h.Set("Allow", "OPTIONS, GET, HEAD, POST")
		h.Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
		return false
	case status == http.StatusBadRequest, q.RequestURI == "*",
		get && q.ContentLength != 0 && !q.g.cfg.Server.ParseOpts.MethodGetBody,
		q.isHTTP10() && q.Header["Upgrade"] != nil,
		!q.isHTTP10() && q.Host == "":
		plainPage(w, q, http.StatusBadRequest)
		return false
	case !methods[q.Method]:
		plainPage(w, q, http.StatusNotImplemented)
		return false
	case set.MaxRequestSize > 0 && q.ContentLength > set.MaxRequestSize:
		h.Set("Connection", "close") // or the client would send it all
		s.errorPage(w, q, http.StatusRequestEntityTooLarge)
		return false
	}
	return s.respond(q, w, status)
}

// respond answers q, against which nothing is to be said but what status does. It
// reports what answer does.
func (s *Server) respond(q *request, w *recorder, status int) bool {
	h := w.Header()
	for {
		switch {
		case q.location != "":
			if status < http.StatusBadRequest {
				h.Set("Location", q.location)
				if q.Method != http.MethodHead {
					h.Set("Content-Length", "0")
				}
				w.WriteHeader(status)
				return false
			}
			s.errorPage(w, q, status)
			return false
		case status != 0:
			s.errorPage(w, q, status)
			return false
		}
		if q.failed == 0 && q.set.ProtocolHTTP11 && handshake.IsUpgrade(q.Request) {
			if e := q.set.Wstunnel.Match(q.target.Path); e != nil {
				return s.answerTunnel(q, w, e, w.entry)
			}
		}
		opts := q.fileOptions(s, w)
		if q.set.RewriteIfNotFile != nil && !files.IsFile(q.target.Path, opts) {
			changed, err := q.rewrite(q.set.RewriteIfNotFile)
			if err != nil {
				status = http.StatusInternalServerError
				q.logFault(status)
				continue
			}
			if changed {
				status = q.reroute()
				continue
			}
		}
		if w.entry != nil {
			w.entry.File = files.Path(q.target.Path, opts)
		}
		files.Serve(w, q.forFiles(), q.target.Path, opts)
		return false
	}
}

// logFault says why q is answered with status, if that is its fault or the rules'.
func (q *request) logFault(status int) {
	switch {
	case q.fault == nil:
	case status == http.StatusInternalServerError:
		q.g.errorLog(q.set).Error("url.rewrite", slog.String("target", q.target.Normal), slog.Any("error", q.fault))
	default:
		q.g.debugLog(q.set).Error("malformed request", slog.String("client", q.clientText()), slog.Any("error", q.fault))
	}
}

// forFiles returns q as package files looks at it: with the query of the target
// that has been rewritten.
func (q *request) forFiles() *http.Request {
	if q.URL.RawQuery == q.target.Query {
		return q.Request
	}
	r, u := *q.Request, *q.URL
	u.RawQuery = q.target.Query
	r.URL = &u
	return &r
}

// fileOptions returns how package files answers q.
func (q *request) fileOptions(s *Server, w *recorder) *files.Options {
	set := q.set
	var o *files.Options
	o = &files.Options{
		Root:              set.DocumentRoot,
		Index:             set.IndexFiles,
		Types:             q.g.types[set.MimeAssign],
		IndexDenied:       q.indexDenied,
		Lowercase:         set.Lowercase,
		ExcludeExtensions: set.ExcludeExtensions,
		Expire:            set.Expire,
		Ranges:            set.RangeRequests,
		FollowSymlink:     set.FollowSymlink,
		ETagInode:         set.ETags && set.ETagUseInode,
		ETagMtime:         set.ETags && set.ETagUseMtime,
		ETagSize:          set.ETags && set.ETagUseSize,
		Error: func(_ http.ResponseWriter, r *http.Request, status int) {
			if status == http.StatusNotFound {
				q.g.traceFileNotFound(set, r, files.Path(q.target.Path, o))
			}
			s.errorPage(w, q, status)
		},
	}
	for _, kv := range set.Alias {
		o.Aliases = append(o.Aliases, files.Alias{Prefix: kv.Key, Target: kv.Value})
	}
	switch {
	case !set.PathInfo:
		o.PathInfo = files.PathInfoMissing
	case set.StaticPathInfo:
		o.PathInfo = files.PathInfoIgnored
	}
	if set.AbsoluteDirRedirect {
		o.RedirectBase = q.base()
	}
	if set.DirListing.Active {
		o.DirListing = dirListing(set)
	}
	return o
}

func dirListing(set *config.Settings) *dirlist.Options {
	d := &set.DirListing
	o := &dirlist.Options{
		HideDotfiles: d.HideDotfiles,
		Encoding:     d.Encoding,
		ExternalCSS:  d.ExternalCSS,
		ExternalJS:   d.ExternalJS,
		Header:       dirlist.Text{Name: d.ShowHeader, Hide: d.HideHeaderFile, Encode: d.EncodeHeader},
		Readme:       dirlist.Text{Name: d.ShowReadme, Hide: d.HideReadmeFile, Encode: d.EncodeReadme},
		Footer:       d.SetFooter,
		AutoLayout:   d.AutoLayout,
		MaxAge:       d.MaxAge,
	}
	if o.Footer == "" {
		o.Footer = html.EscapeString(set.ServerTag)
	}
	if len(d.Exclude) > 0 {
		o.Exclude = func(name string) bool {
			for _, p := range d.Exclude {
				if p.Match(name) {
					return true
				}
			}
			return false
		}
	}
	return o
}

// addrPort reads "address:port"; the address of a Unix socket is not valid.
func addrPort(s string) netip.AddrPort {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// methods are those of IANA's registry of HTTP methods, and no request has another.
var methods = wordSet(`ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY DELETE GET
	HEAD LABEL LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE
	OPTIONS ORDERPATCH PATCH POST PRI PROPFIND PROPPATCH PUT QUERY REBIND REPORT SEARCH
	TRACE UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL`)

func wordSet(words string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

// headerSize returns about how many bytes the header of r was: spaces around
// values, which net/http drops, are not counted.
func headerSize(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Proto) + 4 + len("Host: \r\n") + len(r.Host) + 2
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return n
}

// A recorder is a ResponseWriter that notes what was answered, and applies the
// directives that concern every answer.
type recorder struct {
	http.ResponseWriter
	q        *request
	entry    *accesslog.Entry // nil: there is no access log
	override int              // a status in the place of 200; 0: none
	status   int
	sent     int64 // bytes of the body
}

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) WriteHeader(status int) {
	if w.override != 0 && status == http.StatusOK {
		status = w.override
	}
	if w.status == 0 {
		w.status = status
		h := w.Header()
		w.q.setResponseHeader(h)
		if tag := w.q.set.ServerTag; tag != "" && h["Server"] == nil {
			h.Set("Server", tag)
		}
		if h["Content-Type"] == nil {
			h["Content-Type"] = nil // net/http is not to guess
		}
		w.q.g.traceResponseHeader(w.q.set, w.q.Request, status, h)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(b)
	w.sent += int64(n)
	return n, err
}

// ReadFrom lets net/http use sendfile.
func (w *recorder) ReadFrom(r io.Reader) (int64, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := io.Copy(w.ResponseWriter, r)
	w.sent += n
	return n, err
}

// finish has all that was written sent, so that it can be counted.
func (w *recorder) finish() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	http.NewResponseController(w.ResponseWriter).Flush()
}
