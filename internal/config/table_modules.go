package config

import (
	"slices"
	"strings"
)

// accessTable has the directives of mod_access.
var accessTable = []Directive{
	{
		Name: "url.access-deny", Module: "mod_access", Type: VList, Scope: ScopeConnection, Status: Refused,
		Note: "no path can be denied in this version, and all would be served", Doc: "Ends of paths that are answered by 403; `\"\"` is all.",
		advice: "keep such files out of server.document-root, deny the paths in a proxy in front, and remove the line",
	},
	{
		Name: "url.access-allow", Module: "mod_access", Type: VList, Scope: ScopeConnection, Status: Refused,
		Note: "no path can be denied in this version, and all would be served", Doc: "Ends of the only paths that are not answered by 403.",
		advice: "keep other files out of server.document-root, deny the paths in a proxy in front, and remove the line",
	},
}

const noAuth = "only with `auth.require`, which is refused"

// authTable has the directives of mod_auth and mod_authn_file.
var authTable = []Directive{
	{
		Name: "auth.require", Module: "mod_auth", Type: KVArray, Scope: ScopeConnection, Status: Refused,
		Note: "there is no authentication in this version, and everyone would be let in", Doc: "The paths that need a user.",
		advice: "authenticate in a proxy in front, and remove the line",
	},
	{Name: "auth.backend", Module: "mod_auth", Type: String, Scope: ScopeConnection, Status: NoEffect, Note: noAuth, Doc: "The kind of user file."},
	{Name: "auth.extern-authn", Module: "mod_auth", Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: NoEffect, Note: noAuth, Doc: "Accept a user that is known by other means."},
	{Name: "auth.cache", Module: "mod_auth", Type: KVAny, Scope: ScopeConnection, Status: NoEffect, Note: noAuth, Doc: "How long a right password is remembered."},
	{Name: "auth.backend.plain.userfile", Module: "mod_authn_file", Type: String, Scope: ScopeConnection, Status: NoEffect, Note: noAuth, Doc: "A file with lines `user:password`."},
	{Name: "auth.backend.plain.groupfile", Module: "mod_authn_file", Type: String, Scope: ScopeConnection, Status: NoEffect, Note: noAuth, Doc: "Not read by lighttpd either."},
	{Name: "auth.backend.htpasswd.userfile", Module: "mod_authn_file", Type: String, Scope: ScopeConnection, Status: NoEffect, Note: noAuth, Doc: "A file with lines `user:hash`."},
	{Name: "auth.backend.htdigest.userfile", Module: "mod_authn_file", Type: String, Scope: ScopeConnection, Status: NoEffect, Note: noAuth, Doc: "A file with lines `user:realm:hash`."},
}

// tlsTable has the directives of mod_openssl.
var tlsTable = []Directive{
	{
		Name: "ssl.engine", Module: "mod_openssl", Type: Bool, Scope: ScopeSocket, Default: `"disable"`, Status: Refused,
		Note: "there is no TLS in this version, and connections would not be encrypted", Doc: "Speak TLS on a listener.",
		advice: "end TLS in a proxy in front, and remove the line",
	},
	tlsRow("ssl.pemfile", String, ScopeConnection, "The certificate and its chain."),
	tlsRow("ssl.privkey", String, ScopeConnection, "The key, if it is not in `ssl.pemfile`."),
	tlsRow("ssl.ca-file", String, ScopeConnection, "The old name of `ssl.verifyclient.ca-file`."),
	tlsRow("ssl.ca-dn-file", String, ScopeConnection, "The old name of `ssl.verifyclient.ca-dn-file`."),
	tlsRow("ssl.ca-crl-file", String, ScopeConnection, "The old name of `ssl.verifyclient.ca-crl-file`."),
	tlsRow("ssl.verifyclient.activate", Bool, ScopeConnection, "Ask clients for a certificate."),
	tlsRow("ssl.verifyclient.enforce", Bool, ScopeConnection, "Refuse clients without a valid certificate."),
	tlsRow("ssl.verifyclient.depth", Short, ScopeConnection, "How long the chain of a client's certificate can be."),
	tlsRow("ssl.verifyclient.username", String, ScopeConnection, "The part of a client's certificate that names the user."),
	tlsRow("ssl.verifyclient.exportcert", Bool, ScopeConnection, "Pass a client's certificate on."),
	tlsRow("ssl.verifyclient.ca-file", String, ScopeConnection, "Whose certificates of clients are valid."),
	tlsRow("ssl.verifyclient.ca-dn-file", String, ScopeConnection, "The issuers that clients are told of."),
	tlsRow("ssl.verifyclient.ca-crl-file", String, ScopeConnection, "Certificates that are revoked."),
	tlsRow("ssl.openssl.ssl-conf-cmd", KVString, ScopeSocket, "Commands for OpenSSL, such as MinProtocol."),
	tlsRow("ssl.cipher-list", String, ScopeSocket, "The ciphers of TLS 1.2."),
	tlsRow("ssl.stapling-file", String, ScopeConnection, "The OCSP response to send."),
	tlsRow("ssl.acme-tls-1", String, ScopeConnection, "The directory for ACME's tls-alpn-01."),
	tlsRow("ssl.stek-file", String, ScopeServer, "The keys for session tickets."),
	tlsRow("ssl.ech-opts", KVString, ScopeSocket, "Encrypted Client Hello."),
	tlsRow("ssl.ech-public-name", String, ScopeConnection, "The outer name of Encrypted Client Hello."),
	tlsRow("ssl.read-ahead", Bool, ScopeConnection, "Read more than one record at a time."),
	tlsRow("ssl.disable-client-renegotiation", Bool, ScopeConnection, "No effect in lighttpd either."),
	removedRow("ssl.use-sslv2"),
	removedRow("ssl.use-sslv3"),
	removedRow("ssl.honor-cipher-order"),
	removedRow("ssl.dh-file"),
	removedRow("ssl.ec-curve"),
}

func tlsRow(name string, t Type, s Scope, doc string) Directive {
	return Directive{
		Name: name, Module: "mod_openssl", Type: t, Scope: s, Status: NoEffect,
		Note: "only with `ssl.engine`, which is refused", Doc: doc,
	}
}

// removedRow returns the row of a directive that lighttpd does not have any more.
func removedRow(name string) Directive {
	return Directive{
		Name: name, Module: "mod_openssl", Type: Any, Scope: ScopeConnection, Status: Gone,
		Doc: "Of old versions of lighttpd.",
	}
}

const (
	noHeaders = "no headers are added in this version"
	noRewrite = "paths are taken as they are in this version"
)

// headerTable has the directives of mod_setenv.
var headerTable = []Directive{
	{Name: "setenv.add-request-header", Module: "mod_setenv", Type: KVString, Scope: ScopeConnection, Status: NotYet, Note: noHeaders, Doc: "Add to the header of requests."},
	{Name: "setenv.set-request-header", Module: "mod_setenv", Type: KVString, Scope: ScopeConnection, Status: NotYet, Note: noHeaders, Doc: "Replace in the header of requests."},
	{Name: "setenv.add-response-header", Module: "mod_setenv", Type: KVString, Scope: ScopeConnection, Status: NotYet, Note: noHeaders, Doc: "Add to the header of responses."},
	{Name: "setenv.set-response-header", Module: "mod_setenv", Type: KVString, Scope: ScopeConnection, Status: NotYet, Note: noHeaders, Doc: "Replace in the header of responses."},
	{Name: "setenv.add-environment", Module: "mod_setenv", Type: KVString, Scope: ScopeConnection, Status: NoEffect, Note: "there are no programs to see it", Doc: "Add to the environment of requests."},
	{Name: "setenv.set-environment", Module: "mod_setenv", Type: KVString, Scope: ScopeConnection, Status: NoEffect, Note: "there are no programs to see it", Doc: "Replace in the environment of requests."},
}

// urlTable has the directives of mod_alias, mod_redirect and mod_rewrite.
var urlTable = []Directive{
	{Name: "alias.url", Module: "mod_alias", Type: KVString, Scope: ScopeConnection, Status: NotYet, Note: "all files are below server.document-root in this version", Doc: "Directories for the starts of paths."},
	{Name: "url.redirect", Module: "mod_redirect", Type: KVString, Scope: ScopeConnection, Status: NotYet, Note: "there are no redirects in this version", Doc: "Patterns for paths, and where to send the client."},
	{Name: "url.redirect-code", Module: "mod_redirect", Type: Short, Scope: ScopeConnection, Default: "301 or 308", Status: NoEffect, Note: "there are no redirects in this version", Doc: "The status of `url.redirect`."},
	rewriteRow("url.rewrite-once", "Patterns for paths, and what to take in their place."),
	rewriteRow("url.rewrite", "The same as `url.rewrite-once`."),
	rewriteRow("url.rewrite-final", "The same as `url.rewrite-once`."),
	rewriteRow("url.rewrite-repeat", "As `url.rewrite-once`, but the result is matched again."),
	rewriteRow("url.rewrite-if-not-file", "As `url.rewrite-once`, unless there is such a file."),
	rewriteRow("url.rewrite-repeat-if-not-file", "As `url.rewrite-repeat`, unless there is such a file."),
}

func rewriteRow(name, doc string) Directive {
	return Directive{Name: name, Module: "mod_rewrite", Type: KVString, Scope: ScopeConnection, Status: NotYet, Note: noRewrite, Doc: doc}
}

// forwardTable has the directives of mod_extforward.
var forwardTable = []Directive{
	{Name: "extforward.forwarder", Module: "mod_extforward", Type: KVString, Scope: ScopeConnection, Status: NotYet, Note: "the address of the peer is taken for the client's in this version, in conditions and in the log", Doc: "The proxies whose word on the client's address is trusted."},
	{Name: "extforward.headers", Module: "mod_extforward", Type: VList, Scope: ScopeConnection, Default: `( "X-Forwarded-For", "Forwarded-For" )`, Status: NoEffect, Note: "only with `extforward.forwarder`", Doc: "The headers in which they tell it."},
	{Name: "extforward.params", Module: "mod_extforward", Type: KVAny, Scope: ScopeConnection, Status: NoEffect, Note: "only with `extforward.forwarder`", Doc: "The parts of `Forwarded` that are used."},
	{Name: "extforward.hap-PROXY", Module: "mod_extforward", Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: NotYet, Note: "there is no PROXY protocol in this version: do not let the proxy send it", Doc: "Take the client's address from HAProxy's PROXY protocol."},
	{Name: "extforward.hap-PROXY-ssl-client-verify", Module: "mod_extforward", Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: NotYet, Note: "there is no PROXY protocol in this version", Doc: "Take the client's certificate from it, too."},
}

// statusTable has the directives of mod_status.
var statusTable = []Directive{
	{Name: "status.status-url", Module: "mod_status", Type: String, Scope: ScopeConnection, Status: NotYet, Note: noStatus, Doc: "The path of a page on the state of the server."},
	{Name: "status.statistics-url", Module: "mod_status", Type: String, Scope: ScopeConnection, Status: NotYet, Note: noStatus, Doc: "The path of the counters of backends."},
	{Name: "status.config-url", Module: "mod_status", Type: String, Scope: ScopeConnection, Status: NotYet, Note: noStatus, Doc: "The path of a page on the modules."},
	{Name: "status.enable-sort", Module: "mod_status", Type: Bool, Scope: ScopeConnection, Default: `"enable"`, Status: NoEffect, Note: noStatus, Doc: "Let the tables of the pages be sorted."},
}

const noStatus = "there are no status pages in this version"

// accessFormat is lighttpd's default for accesslog.format.
const accessFormat = `%h %V %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`

// checkLog reports a log that is to go to a command.
func checkLog(l *loader, d *Directive, v *typed) {
	if strings.HasPrefix(v.text, "|") {
		l.errorf(v.value.pos, "write the path of a file", "%s is a command, but this version does not start programs", d.Name)
	}
}

// checkAccessLog reports a log that is to go to a command, and notes the others.
func checkAccessLog(l *loader, d *Directive, v *typed) {
	checkLog(l, d, v)
	known := func(f File) bool { return f.Name == v.text }
	if v.text != "" && !slices.ContainsFunc(l.logs, known) {
		l.logs = append(l.logs, File{v.text, v.value.pos})
	}
}
