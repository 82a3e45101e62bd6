package config

import (
	"fmt"
	"slices"

	"github.com/wstunneld/wstunneld/internal/forwarded"
)

const noAuth = "only with `auth.require`, which is refused"

// authTable has the directives of mod_auth and mod_authn_file.
var authTable = []Directive{
	{
		Name: "auth.require", Module: "mod_auth", Type: KVArray, Scope: ScopeConnection, Status: Refused,
		Note: "there is no authentication in this version, and everyone would be let in", Doc: "The paths that need a user.",
		advice: "authenticate in a proxy in front, and remove the line",
	},
	{
		Name: "auth.backend", Module: "mod_auth", Type: String, Scope: ScopeConnection, Example: `"plain"`, Status: NoEffect, Note: noAuth,
		Doc: "The kind of user file: `plain`, `htpasswd` or `htdigest`, or that of another module. An unknown one is an error.", check: checkAuthBackend,
	},
	{Name: "auth.extern-authn", Module: "mod_auth", Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: NoEffect, Note: noAuth, Doc: "Accept a user that is known by other means."},
	{Name: "auth.cache", Module: "mod_auth", Type: KVAny, Scope: ScopeConnection, Status: NoEffect, Note: noAuth, Doc: "How long a right password is remembered."},
	{Name: "auth.backend.plain.userfile", Module: "mod_authn_file", Type: String, Scope: ScopeConnection, Status: NoEffect, Note: noAuth, Doc: "A file with lines `user:password`."},
	{Name: "auth.backend.plain.groupfile", Module: "mod_authn_file", Type: String, Scope: ScopeConnection, Status: NoEffect, Note: noAuth, Doc: "Not read by lighttpd either."},
	{Name: "auth.backend.htpasswd.userfile", Module: "mod_authn_file", Type: String, Scope: ScopeConnection, Status: NoEffect, Note: noAuth, Doc: "A file with lines `user:hash`."},
	{Name: "auth.backend.htdigest.userfile", Module: "mod_authn_file", Type: String, Scope: ScopeConnection, Status: NoEffect, Note: noAuth, Doc: "A file with lines `user:realm:hash`."},
}

// checkAuthBackend reports an auth.backend that no module has.
func checkAuthBackend(l *loader, d *Directive, v *typed) {
	backends := []string{"", "plain", "htpasswd", "htdigest", "dbi", "gssapi", "ldap", "pam", "sasl"}
	if !slices.Contains(backends, v.text) {
		l.errorf(v.value.pos, `write "plain", "htpasswd" or "htdigest"`, "%s is %s, which is unknown", d.Name, quote(v.text))
	}
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
	tlsRow("debug.log-ssl-noise", Bool, ScopeConnection, "Write every failed handshake to the error log."),
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

// forwardTable has the directives of mod_extforward.
var forwardTable = []Directive{
	{
		Name: "extforward.forwarder", Module: "mod_extforward", Type: KVString, Scope: ScopeConnection, Example: `( "10.0.0.1" => "trust", "192.168.0.0/16" => "trust" )`, Status: Differs,
		Note:    "what is no address is an error; a range can be `untrusted`, too, and the smallest that has an address counts",
		Doc:     "The proxies whose word on the client is taken: addresses, or ranges such as `10.0.0.0/8`, each with `trust` or `untrusted`. `all` is every peer.",
		check:   checkForwarders,
		request: func(s *Settings, v *typed) { s.setForwarded(func(p *forwarded.Policy) { p.Trust = v.trust }) },
	},
	{
		Name: "extforward.headers", Module: "mod_extforward", Type: VList, Scope: ScopeConnection, Example: `( "X-Forwarded-For" )`,
		Default: `( "X-Forwarded-For", "Forwarded-For" )`,
		Doc:     "The header fields in which they tell it; the first that a request has counts. `Forwarded` is that of RFC 7239.",
		request: func(s *Settings, v *typed) { s.setForwarded(func(p *forwarded.Policy) { p.Headers = v.list }) },
	},
	{
		Name: "extforward.params", Module: "mod_extforward", Type: KVAny, Scope: ScopeConnection, Example: `( "host" => 1 )`,
		Doc:   "What else is taken from `Forwarded`, each `enable` or `disable`: `host`, and `remote_user`. Anything else is an error.",
		check: checkForwardedParams,
		request: func(s *Settings, v *typed) {
			s.setForwarded(func(p *forwarded.Policy) {
				p.Host, p.RemoteUser = false, false
				for _, e := range v.value.elems {
					switch on, _ := boolean(e.value); fold(e.key) {
					case forwardedHost:
						p.Host = on
					case forwardedUser:
						p.RemoteUser = on
					}
				}
			})
		},
	},
	{
		Name: "extforward.hap-PROXY", Module: "mod_extforward", Type: Bool, Scope: ScopeSocket, Default: `"disable"`, Status: Differs,
		Note:   "it has no effect in a condition on the address of the peer",
		Doc:    "Connections of the peers that `extforward.forwarder` trusts begin with HAProxy's PROXY protocol, which tells the client's address.",
		socket: func(s *socket, v *typed) { s.proxy = v.on },
	},
	{
		Name: "extforward.hap-PROXY-ssl-client-verify", Module: "mod_extforward", Type: Bool, Scope: ScopeConnection, Default: `"disable"`, Status: NotYet,
		Note: "what the PROXY protocol says of a certificate is not read in this version", Doc: "Take the user from the certificate of which the PROXY protocol tells.",
	},
}

const (
	forwardedHost = "host"
	forwardedUser = "remote_user"
)

// setForwarded changes a copy of s.Forwarded, which other settings share.
func (s *Settings) setForwarded(change func(*forwarded.Policy)) {
	p := *s.Forwarded
	change(&p)
	s.Forwarded = &p
}

// checkForwarders reads the peers of an extforward.forwarder.
func checkForwarders(l *loader, d *Directive, v *typed) {
	for _, e := range v.value.elems {
		word := fold(e.value.text)
		if word != "trust" && word != "untrusted" {
			l.warnf(e.value.pos, `write "trust" or "untrusted"`, "%s in %s is %s: it is not trusted", quote(e.key), d.Name, quote(e.value.text))
		}
		if err := v.trust.Add(e.key, word == "trust"); err != nil {
			l.errorf(e.pos, `write it as "10.0.0.1", "10.0.0.0/8", "2001:db8::/32" or "all"`, "%s: %v", d.Name, err)
		}
	}
}

// checkForwardedParams reports what an extforward.params cannot have.
func checkForwardedParams(l *loader, d *Directive, v *typed) {
	for _, e := range v.value.elems {
		key := fold(e.key)
		if key != forwardedHost && key != forwardedUser {
			l.errorf(e.pos, fmt.Sprintf("write %q or %q", forwardedHost, forwardedUser), "unknown parameter %s in %s", quote(e.key), d.Name)
			continue
		}
		l.convert(subject{
			name:    fmt.Sprintf("%q in %s", key, d.Name),
			assign:  fmt.Sprintf("%q => ", key),
			typ:     Bool,
			example: "1",
		}, e.value)
	}
}

// statusTable has the directives of mod_status.
var statusTable = []Directive{
	{Name: "status.status-url", Module: "mod_status", Type: String, Scope: ScopeConnection, Status: NotYet, Note: noStatus, Doc: "The path of a page on the state of the server."},
	{Name: "status.statistics-url", Module: "mod_status", Type: String, Scope: ScopeConnection, Status: NotYet, Note: noStatus, Doc: "The path of the counters of backends."},
	{Name: "status.config-url", Module: "mod_status", Type: String, Scope: ScopeConnection, Status: NotYet, Note: noStatus, Doc: "The path of a page on the modules."},
	{Name: "status.enable-sort", Module: "mod_status", Type: Bool, Scope: ScopeConnection, Default: `"enable"`, Status: NoEffect, Note: noStatus, Doc: "Let the tables of the pages be sorted."},
}

const noStatus = "there are no status pages in this version"
