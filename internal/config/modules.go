package config

import (
	"fmt"
	"slices"
	"strings"
)

// A Module is a module of lighttpd. All that is in this version is built in;
// server.modules says which directives have effect.
type Module struct {
	Name     string
	Always   bool     // its directives have effect even if it is not listed
	Prefixes []string // of directives that are not in the table of directives
	Refuse   string   // what would happen if those were ignored, if they must not be
}

// Modules returns the modules that server.modules can name.
func Modules() []Module { return modules }

var modules = []Module{
	{Name: "mod_access"},
	{Name: "mod_accesslog"},
	{Name: "mod_ajp13", Prefixes: []string{"ajp13."}},
	{Name: "mod_alias"},
	{Name: "mod_auth"},
	{Name: "mod_authn_dbi", Prefixes: []string{"auth.backend.dbi"}},
	{Name: "mod_authn_file"},
	{Name: "mod_authn_gssapi", Prefixes: []string{"auth.backend.gssapi."}},
	{Name: "mod_authn_ldap", Prefixes: []string{"auth.backend.ldap."}},
	{Name: "mod_authn_pam", Prefixes: []string{"auth.backend.pam."}},
	{Name: "mod_authn_sasl", Prefixes: []string{"auth.backend.sasl."}},
	{Name: "mod_cgi", Prefixes: []string{"cgi."}, Refuse: "programs would be sent as files"},
	{Name: "mod_compress", Prefixes: []string{"compress."}},
	{Name: "mod_deflate", Prefixes: []string{"deflate."}},
	{Name: "mod_dirlisting", Always: true},
	{Name: "mod_evasive", Prefixes: []string{"evasive."}},
	{Name: "mod_evhost", Prefixes: []string{"evhost."}},
	{Name: "mod_expire"},
	{Name: "mod_extforward"},
	{Name: "mod_fastcgi", Prefixes: []string{"fastcgi."}, Refuse: "programs would be sent as files"},
	{Name: "mod_flv_streaming", Prefixes: []string{"flv-streaming."}},
	{Name: "mod_gnutls"},
	{Name: "mod_h2"},
	{Name: "mod_indexfile", Always: true},
	{Name: "mod_magnet", Prefixes: []string{"magnet."}, Refuse: "its scripts could not keep anyone out"},
	{Name: "mod_maxminddb", Prefixes: []string{"maxminddb."}},
	{Name: "mod_mbedtls"},
	{Name: "mod_nss"},
	{Name: "mod_openssl", Always: true},
	{Name: "mod_proxy", Prefixes: []string{"proxy."}},
	{Name: "mod_redirect"},
	{Name: "mod_rewrite"},
	{Name: "mod_rrdtool", Prefixes: []string{"rrdtool."}},
	{Name: "mod_scgi", Prefixes: []string{"scgi."}, Refuse: "programs would be sent as files"},
	{Name: "mod_secdownload", Prefixes: []string{"secdownload."}, Refuse: "downloads would need no secret"},
	{Name: "mod_setenv"},
	{Name: "mod_simple_vhost", Prefixes: []string{"simple-vhost."}},
	{Name: "mod_sockproxy", Prefixes: []string{"sockproxy."}},
	{Name: "mod_ssi", Prefixes: []string{"ssi."}},
	{Name: "mod_staticfile", Always: true},
	{Name: "mod_status"},
	{Name: "mod_uploadprogress", Prefixes: []string{"upload-progress."}},
	{Name: "mod_userdir", Prefixes: []string{"userdir."}},
	{Name: "mod_usertrack", Prefixes: []string{"usertrack."}},
	{Name: "mod_vhostdb", Prefixes: []string{"vhostdb."}},
	{Name: "mod_vhostdb_dbi"},
	{Name: "mod_vhostdb_ldap"},
	{Name: "mod_vhostdb_mysql"},
	{Name: "mod_vhostdb_pgsql"},
	{Name: "mod_webdav", Prefixes: []string{"webdav."}},
	{Name: "mod_wolfssl"},
	{Name: "mod_wstunnel"},
}

// owns reports whether key is a directive of m that is not in our table.
func (m Module) owns(key string) bool {
	return slices.ContainsFunc(m.Prefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}

// compatLoad is the directive that can keep the modules out that need not be listed.
const compatLoad = "server.compat-module-load"

// activeModules returns the modules whose directives have effect: those of the
// list in server.modules, and those that need not be listed.
func activeModules(global *context) map[string]bool {
	active := map[string]bool{"": true}
	if e := global.find("server.modules"); e != nil {
		for _, el := range e.value.elems {
			active[el.value.text] = true
		}
	}
	if e := global.find(compatLoad); e != nil {
		if on, ok := boolean(e.value); ok && !on {
			return active
		}
	}
	for _, m := range modules {
		if m.Always {
			active[m.Name] = true
		}
	}
	if active["mod_auth"] {
		active["mod_authn_file"] = true
	}
	return active
}

// checkModules reports the names in server.modules that are no module.
func checkModules(l *loader, _ *Directive, v *typed) {
	var names []string
	for _, m := range modules {
		names = append(names, m.Name)
	}
	for _, e := range v.value.elems {
		name := e.value.text
		if slices.Contains(names, name) {
			continue
		}
		hint := "remove it if what is served is right without it"
		if near := nearest(name, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		l.errorf(e.pos, hint, "unknown module %s in server.modules", quote(name))
	}
}
