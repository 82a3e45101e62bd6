package wstunneld_test

import (
	"os/exec"
	"path"
	"strings"
	"testing"
)

const module = "github.com/wstunneld/wstunneld/"

// layout is the import table of CONTRIBUTING.md: what each package must never
// import, as paths below internal/ or of the standard library; "ours" is every
// package of this module, and a "/..." behind a path includes what lies below.
var layout = map[string][]string{
	"cmd/wstunneld":              {"front/...", "tunnel/...", "backend", "net/http"},
	"internal/ws":                {"net/...", "log/slog", "ours"},
	"internal/handshake":         {"ours"},
	"internal/tunnel":            {"net/...", "config/...", "backend"},
	"internal/tunnel/loop":       {"net/http", "config/...", "backend"},
	"internal/tunnel/stream":     {"net/http", "config/...", "backend"},
	"internal/front":             {"tunnel/...", "backend", "config/..."},
	"internal/config/syntax":     {"ours", "net/..."},
	"internal/config":            {"front/...", "tunnel/...", "backend"},
	"internal/pattern":           {"ours", "net/..."},
	"internal/backend":           {"config/...", "ws", "net/http"},
	"internal/files":             {"front/...", "tunnel/...", "backend", "config/..."},
	"internal/dirlist":           {"ours", "net/..."},
	"internal/expire":            {"ours"},
	"internal/accesslog":         {"ours"},
	"internal/logfile":           {"ours"},
	"internal/privilege":         {"ours"},
	"internal/urlrule":           {"ours"},
	"internal/urlpath":           {"ours", "net", "net/http"},
	"internal/forwarded":         {"ours"},
	"internal/proxyproto":        {"ours", "net/http"},
	"internal/server":            {},
	"internal/demo":              {"front/...", "tunnel/...", "backend", "net/http"},
	"internal/wstest":            {"net/http"},
	"internal/lighttpdtest":      {"front/...", "tunnel/...", "backend", "config/...", "server"},
	"internal/tunnel/tunneltest": {"net/http", "config/...", "backend"},
	"bench/run":                  {"front/...", "tunnel/...", "backend", "config/...", "server", "net/http"},
	"bench/internal/load":        {"front/...", "tunnel/...", "backend", "config/...", "net/http"},
	"bench/internal/procfs":      {"ours"},
	"bench/internal/report":      {"ours"},
}

// importers names the packages that may import one that is not for all.
var importers = map[string][]string{
	"internal/server":            {"cmd/wstunneld", "internal/demo"},
	"internal/demo":              {"cmd/wstunneld"},
	"internal/wstest":            {"internal/tunnel/tunneltest", "internal/lighttpdtest"},
	"internal/tunnel/tunneltest": {},
	"internal/lighttpdtest":      {},
	"bench/internal/load":        {"bench/run"},
	"bench/internal/procfs":      {"bench/run"},
	"bench/internal/report":      {"bench/run"},

	"github.com/alecthomas/kong":     {"cmd/wstunneld"},
	"github.com/dlclark/regexp2/v2":  {"internal/pattern"},
	"github.com/pires/go-proxyproto": {"internal/proxyproto"},
	"golang.org/x/sync/errgroup":     {"bench/run"},
	"golang.org/x/time/rate":         {"internal/server"},
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := make(map[string]bool)
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg, ok := strings.CutPrefix(fields[0], module)
		if !ok || pkg == "e2e" || pkg == "compat" { // the root and these hold tests alone
			continue
		}
		seen[pkg] = true
		never, ok := layout[pkg]
		if !ok {
			t.Errorf("package %s is not in the import table", pkg)
		}
		for _, imp := range fields[1:] {
			for _, n := range never {
				if forbids(n, imp) {
					t.Errorf("%s imports %s; its row in the import table forbids %s", pkg, imp, n)
				}
			}
			checkImporter(t, pkg, strings.TrimPrefix(imp, module))
		}
	}
	for pkg := range layout {
		if !seen[pkg] {
			t.Errorf("the import table names %s, which does not exist", pkg)
		}
	}
}

// forbids reports whether the entry never of the import table means imp.
func forbids(never, imp string) bool {
	if never == "ours" {
		return strings.HasPrefix(imp, module)
	}
	own := strings.TrimPrefix(imp, module+"internal/")
	if tree, ok := strings.CutSuffix(never, "/..."); ok {
		return own == tree || strings.HasPrefix(own, tree+"/")
	}
	return own == never
}

func checkImporter(t *testing.T, pkg, imp string) {
	t.Helper()
	for of, allowed := range importers {
		if imp != of && !strings.HasPrefix(imp, of+"/") {
			continue
		}
		ok := path.Clean(of) == pkg
		for _, a := range allowed {
			ok = ok || a == pkg
		}
		if !ok {
			t.Errorf("%s imports %s, which only %v may", pkg, imp, allowed)
		}
	}
}
