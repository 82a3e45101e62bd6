package config

import (
	"fmt"
	"maps"
	"slices"
)

// parseOpts are the options of server.http-parseopts with lighttpd's defaults,
// by which requests are parsed here; "" is one that changes no answer.
var parseOpts = map[string]string{
	"header-strict":            "enable",
	"host-strict":              "enable",
	"host-normalize":           "enable",
	"method-get-body":          "disable",
	"url-normalize":            "enable",
	"url-normalize-unreserved": "enable",
	"url-normalize-required":   "",
	"url-ctrls-reject":         "enable",
	"url-path-backslash-trans": "disable",
	"url-path-2f-decode":       "enable",
	"url-path-2f-reject":       "disable",
	"url-path-dotseg-remove":   "enable",
	"url-path-dotseg-reject":   "disable",
	"url-query-20-plus":        "disable",
	"url-invalid-utf8-reject":  "enable",
}

// defaultParseOpts reports whether v asks for no more than the defaults.
func defaultParseOpts(v *typed) bool {
	for _, e := range v.value.elems {
		on, ok := boolean(e.value)
		switch parseOpts[fold(e.key)] {
		case "enable":
			ok = ok && !on
		case "disable":
			ok = ok && on
		default:
			ok = false
		}
		if ok {
			return false
		}
	}
	return true
}

// checkParseOpts reports unknown options and values of server.http-parseopts.
func checkParseOpts(l *loader, d *Directive, v *typed) {
	for _, e := range v.value.elems {
		if _, ok := parseOpts[fold(e.key)]; !ok {
			hint := ""
			if near := nearest(fold(e.key), slices.Collect(maps.Keys(parseOpts))); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			l.errorf(e.pos, hint, "unknown option %s in %s", quote(e.key), d.Name)
		} else if _, ok := boolean(e.value); !ok {
			l.errorf(e.value.pos, `write "enable" or "disable"`, "the option %s in %s is %v", quote(e.key), d.Name, e.value)
		}
	}
}

const shutdownFlag = "server.graceful-shutdown-timeout"

// flags are the keys of server.feature-flags.
var flags = []string{
	shutdownFlag, "server.h2proto", "server.h2c", "server.graceful-restart-bg", "server.graceful-unconfig-sock",
	"server.absolute-dir-redirect", "server.clock-jump-restart", "server.errorlog-high-precision",
	"server.errorlog-utf8", "server.metrics-high-precision", "server.http-pathinfo", "server.pcre_jit",
	"chunkqueue.splice", "auth.delay-invalid-creds", "server.network-mptcp", "http10.range",
	"ssl.refresh-certs", "ssl.refresh-crls", "ssl.session-cache", "gw.upgrade-with-request-body",
	"request.trailer-whitelist",
}

// checkFlags checks the flags of server.feature-flags that have effect. Unknown
// ones are accepted, as in lighttpd, with a warning if they look misspelt.
func checkFlags(l *loader, d *Directive, v *typed) {
	for _, e := range v.value.elems {
		key := fold(e.key)
		if key == shutdownFlag {
			l.convert(subject{
				name:    fmt.Sprintf("%q in %s", shutdownFlag, d.Name),
				assign:  fmt.Sprintf("%q => ", shutdownFlag),
				typ:     Int,
				example: "8",
			}, e.value)
			continue
		}
		if near := nearest(key, flags); near != "" && near != key {
			l.warnf(e.pos, fmt.Sprintf("did you mean %q?", near), "unknown flag %s in %s", quote(e.key), d.Name)
		}
	}
}
