package server

import (
	"fmt"
	"net/http"
	"os"
	"strconv"

	"github.com/wstunneld/wstunneld/internal/config"
)

// errorPage answers with the page of server.errorfile-prefix for status, or with
// a small one of our own.
func errorPage(w http.ResponseWriter, r *http.Request, set *config.Settings, status int) {
	var page []byte
	if set.ErrorfilePrefix != "" {
		page, _ = os.ReadFile(set.ErrorfilePrefix + strconv.Itoa(status) + ".html")
	}
	if page == nil {
		title := fmt.Sprint(status, " ", http.StatusText(status))
		page = fmt.Appendf(nil, "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>%s</title></head>\n<body><h1>%s</h1></body>\n</html>\n", title, title)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html")
	h.Set("Content-Length", strconv.Itoa(len(page)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(page)
	}
}
