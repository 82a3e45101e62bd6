package server

import (
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/wstunneld/wstunneld/internal/accesslog"
	"github.com/wstunneld/wstunneld/internal/config"
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
		ip, client := clientAddr(r.RemoteAddr)
		urlPath, pathOK := cleanPath(r.URL)
		set := g.resolve(l, r, urlPath, ip, client)
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		entry := newEntry(r, client)
		if s.answer(g, rec, r, urlPath, pathOK, set, entry) {
			return // a tunnel logs itself, and releases g, when it ends
		}
		entry.Status, entry.Sent = rec.status, rec.sent
		g.access(set, entry)
		s.release(g)
	})
}

// resolve returns the settings for r.
func (g *generation) resolve(l *config.Listener, r *http.Request, urlPath string, ip netip.Addr, client string) *config.Settings {
	return g.cfg.Resolve(&config.Request{
		Path:       urlPath,
		Query:      r.URL.RawQuery,
		Host:       r.Host,
		Scheme:     "http",
		Method:     r.Method,
		RemoteAddr: client,
		RemoteIP:   ip,
		Listener:   l,
		Header:     r.Header,
	})
}

// answer answers r. It reports whether the request has become a tunnel, which
// then keeps g and entry.
func (s *Server) answer(g *generation, w http.ResponseWriter, r *http.Request, urlPath string, pathOK bool, set *config.Settings, entry *accesslog.Entry) bool {
	if set.ServerTag != "" {
		w.Header().Set("Server", set.ServerTag)
	}
	// Whoever sends Content-Length beside chunks wants two servers to disagree on
	// where the request ends (RFC 9112 section 6.1); net/http does not show it.
	chunked := len(r.TransferEncoding) > 0
	if front.CountRequest(r) > set.MaxKeepAliveRequests || set.MaxKeepAliveIdle == 0 || chunked {
		w.Header().Set("Connection", "close")
	}
	if r.Method == http.MethodOptions && r.RequestURI == "*" {
		w.Header().Set("Allow", "OPTIONS, GET, HEAD, POST")
		w.WriteHeader(http.StatusOK)
		return false
	}
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	http10 := r.ProtoMajor == 1 && r.ProtoMinor == 0
	if !pathOK || get && r.ContentLength != 0 || http10 && r.Header["Upgrade"] != nil || !http10 && r.Host == "" {
		errorPage(w, r, set, http.StatusBadRequest)
		return false
	}
	if set.MaxRequestSize > 0 && r.ContentLength > set.MaxRequestSize {
		errorPage(w, r, set, http.StatusRequestEntityTooLarge)
		return false
	}
	if set.ProtocolHTTP11 && handshake.IsUpgrade(r) {
		if e := set.Wstunnel.Match(urlPath); e != nil {
			return s.answerTunnel(g, w, r, e, set, entry)
		}
	}
	files.Serve(w, r, urlPath, &files.Options{
		Root:          set.DocumentRoot,
		Index:         set.IndexFiles,
		Types:         g.types[set.MimeAssign],
		Ranges:        set.RangeRequests,
		FollowSymlink: set.FollowSymlink,
		ETagInode:     set.ETagUseInode,
		ETagMtime:     set.ETagUseMtime,
		ETagSize:      set.ETagUseSize,
		Error: func(w http.ResponseWriter, r *http.Request, status int) {
			errorPage(w, r, set, status)
		},
	})
	return false
}

// clientAddr takes the address out of "address:port"; a client of a Unix socket
// has none.
func clientAddr(remote string) (netip.Addr, string) {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}, ""
	}
	ip := ap.Addr().Unmap().WithZone("")
	return ip, ip.String()
}

// cleanPath returns the path that conditions, exts and files are matched
// against: decoded, without empty and dot segments. It is not ok if it holds
// control characters, is not UTF-8, or does not start with a slash.
func cleanPath(u *url.URL) (p string, ok bool) {
	p = u.Path
	if !strings.HasPrefix(p, "/") || !utf8.ValidString(p) || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "/", false
	}
	clean := path.Clean(p)
	if last := p[strings.LastIndexByte(p, '/')+1:]; clean != "/" && (last == "" || last == "." || last == "..") {
		clean += "/"
	}
	return clean, true
}

// A recorder is a ResponseWriter that notes what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	sent   int64 // bytes of the body
}

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.sent += int64(n)
	return n, err
}

// ReadFrom lets net/http use sendfile.
func (w *recorder) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(w.ResponseWriter, r)
	w.sent += n
	return n, err
}
