package config

import (
	"fmt"
	"slices"
	"strings"
)

// A module is a module of lighttpd. All that is in this version is built in;
// server.modules says which directives have effect.
type module struct {
	name     string
	always   bool     // its directives have effect even if it is not listed
	prefixes []string // of the directives that are not in our table
	refuse   string   // what would happen if those were ignored, if they must not be
	quiet    bool     // those are ignored without a word
}

// modules are the modules that server.modules can name.
var modules = []module{
	{name: "mod_access"},
	{name: "mod_accesslog"},
	{name: "mod_ajp13", prefixes: []string{"ajp13."}},
	{name: "mod_alias"},
	{name: "mod_auth"},
	{name: "mod_authn_dbi"},
	{name: "mod_authn_file"},
	{name: "mod_authn_gssapi"},
	{name: "mod_authn_ldap"},
	{name: "mod_authn_pam"},
	{name: "mod_authn_sasl"},
	{name: "mod_cgi", prefixes: []string{"cgi."}, refuse: "programs would be sent as files"},
	{name: "mod_deflate", prefixes: []string{"deflate.", "compress."}},
	{name: "mod_dirlisting", always: true, prefixes: []string{"dir-listing."}, quiet: true},
	{name: "mod_evasive", prefixes: []string{"evasive."}},
	{name: "mod_evhost", prefixes: []string{"evhost."}},
	{name: "mod_expire", prefixes: []string{"expire."}},
	{name: "mod_extforward"},
	{name: "mod_fastcgi", prefixes: []string{"fastcgi."}, refuse: "programs would be sent as files"},
	{name: "mod_flv_streaming", prefixes: []string{"flv-streaming."}},
	{name: "mod_gnutls"},
	{name: "mod_h2"},
	{name: "mod_indexfile", always: true},
	{name: "mod_magnet", prefixes: []string{"magnet."}, refuse: "its scripts could not keep anyone out"},
	{name: "mod_maxminddb", prefixes: []string{"maxminddb."}},
	{name: "mod_mbedtls"},
	{name: "mod_nss"},
	{name: "mod_openssl", always: true},
	{name: "mod_proxy", prefixes: []string{"proxy."}},
	{name: "mod_redirect"},
	{name: "mod_rewrite"},
	{name: "mod_rrdtool", prefixes: []string{"rrdtool."}},
	{name: "mod_scgi", prefixes: []string{"scgi."}, refuse: "programs would be sent as files"},
	{name: "mod_secdownload", prefixes: []string{"secdownload."}, refuse: "downloads would need no secret"},
	{name: "mod_setenv"},
	{name: "mod_simple_vhost", prefixes: []string{"simple-vhost."}},
	{name: "mod_sockproxy", prefixes: []string{"sockproxy."}},
	{name: "mod_ssi", prefixes: []string{"ssi."}},
	{name: "mod_staticfile", always: true},
	{name: "mod_status"},
	{name: "mod_uploadprogress", prefixes: []string{"upload-progress."}},
	{name: "mod_userdir", prefixes: []string{"userdir."}},
	{name: "mod_usertrack", prefixes: []string{"usertrack."}},
	{name: "mod_vhostdb", prefixes: []string{"vhostdb."}},
	{name: "mod_vhostdb_dbi"},
	{name: "mod_vhostdb_ldap"},
	{name: "mod_vhostdb_mysql"},
	{name: "mod_vhostdb_pgsql"},
	{name: "mod_webdav", prefixes: []string{"webdav."}},
	{name: "mod_wolfssl"},
	{name: "mod_wstunnel"},
}

// owns reports whether key is a directive of m that is not in our table.
func (m module) owns(key string) bool {
	return slices.ContainsFunc(m.prefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}

// activeModules returns the modules whose directives have effect: those of the
// list in server.modules, and those that need not be listed.
func activeModules(global *context) map[string]bool {
	active := map[string]bool{"": true}
	for _, m := range modules {
		if m.always {
			active[m.name] = true
		}
	}
	if e := global.find("server.modules"); e != nil {
		for _, el := range e.value.elems {
			active[el.value.text] = true
		}
	}
	if active["mod_auth"] {
		active["mod_authn_file"] = true
	}
	return active
}

// checkModules reports the names in server.modules that are no module.
func checkModules(l *loader, _ *Directive, v *typed) {
	for _, e := range v.value.elems {
		name := e.value.text
		if slices.ContainsFunc(modules, func(m module) bool { return m.name == name }) {
			continue
		}
		var names []string
		for _, m := range modules {
			names = append(names, m.name)
		}
		hint := "remove it if what is served is right without it"
		if near := nearest(name, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		l.errorf(e.pos, hint, "unknown module %s in server.modules", quote(name))
	}
}
