package config

// accessTable has the directives of mod_access.
var accessTable = []Directive{
	{
		Name: "url.access-deny", Module: "mod_access", Type: VList, Scope: ScopeConnection, Example: `( "~", ".inc" )`,
		Doc:     "Ends of paths that are answered by 403; `\"\"` is all.",
		request: func(s *Settings, v *typed) { s.AccessDeny = v.list },
	},
	{
		Name: "url.access-allow", Module: "mod_access", Type: VList, Scope: ScopeConnection, Example: `( ".html", "/" )`,
		Doc:     "Ends of the only paths that are not answered by 403; with it, `url.access-deny` does not count.",
		request: func(s *Settings, v *typed) { s.AccessAllow = v.list },
	},
}

// headerTable has the directives of mod_setenv.
var headerTable = []Directive{
	headerRow("setenv.add-request-header", "Fields to add to the header of requests, before anything but conditions looks at it.",
		func(s *Settings) *[]KV { return &s.AddRequestHeader }),
	headerRow("setenv.set-request-header", "Fields to replace in the header of requests; `\"\"` removes one.",
		func(s *Settings) *[]KV { return &s.SetRequestHeader }),
	headerRow("setenv.add-response-header", "Fields to add to the header of responses, also to that which opens a tunnel.",
		func(s *Settings) *[]KV { return &s.AddResponseHeader }),
	headerRow("setenv.set-response-header", "Fields to replace in the header of responses, also of that which opens a tunnel; `\"\"` removes one.",
		func(s *Settings) *[]KV { return &s.SetResponseHeader }),
	environmentRow("setenv.add-environment", "Variables to add to the environment of requests, which the access log can show.",
		func(s *Settings) *[]KV { return &s.AddEnvironment }),
	environmentRow("setenv.set-environment", "Variables to replace in the environment of requests, which the access log can show.",
		func(s *Settings) *[]KV { return &s.SetEnvironment }),
}

func headerRow(name, doc string, field func(*Settings) *[]KV) Directive {
	d := environmentRow(name, doc, field)
	d.Example = `( "X-Name" => "value" )`
	d.check = checkHeader
	return d
}

func environmentRow(name, doc string, field func(*Settings) *[]KV) Directive {
	return Directive{
		Name: name, Module: "mod_setenv", Type: KVString, Scope: ScopeConnection, Example: `( "NAME" => "value" )`, Doc: doc,
		request: func(s *Settings, v *typed) { *field(s) = v.pairs },
	}
}

// aliasTable has the directive of mod_alias.
var aliasTable = []Directive{
	{
		Name: "alias.url", Module: "mod_alias", Type: KVString, Scope: ScopeConnection, Example: `( "/doc/" => "/usr/share/doc/" )`,
		Doc:     "Starts of paths, and what takes their place, the document root included. The first that fits counts; one that an earlier and shorter one hides is an error.",
		check:   checkAlias,
		request: func(s *Settings, v *typed) { s.Alias = v.pairs },
	},
}

// redirectTable has the directives of mod_redirect.
var redirectTable = []Directive{
	{
		Name: "url.redirect", Module: "mod_redirect", Type: KVString, Scope: ScopeConnection, Example: `( "^/old/(.*)" => "/new/$1" )`, Status: Differs,
		Note:    "mistakes in a replacement are errors",
		Doc:     "Patterns for path and query, and where to send the client: `$0` to `$9` are what the pattern matched, `%0` to `%9` what the condition around it did. The first that fits counts; `\"\"` sends nowhere.",
		check:   checkRedirect,
		request: func(s *Settings, v *typed) { s.Redirect = v.rules.orNil() },
	},
	{
		Name: "url.redirect-code", Module: "mod_redirect", Type: Short, Scope: ScopeConnection, Example: "302", Status: Differs,
		Default: "301 for GET, HEAD and HTTP/1.0, else 308",
		Note:    "values below 200 are taken for the default, too, with a warning",
		Doc:     "The status of `url.redirect`; what has not three digits is the default.",
		check:   checkRedirectCode,
		request: func(s *Settings, v *typed) { s.RedirectCode = int(v.num) },
	},
}

// rewriteTable has the directives of mod_rewrite.
var rewriteTable = []Directive{
	rewriteRow("url.rewrite-once", rewriteOnce, false,
		"Patterns for path and query, and what takes their place, as in `url.redirect`; it has to start with `/`. The first that fits counts; then the conditions are evaluated again."),
	rewriteRow("url.rewrite-final", rewriteFinal, false, "The same as `url.rewrite-once`, behind which it stands in a block."),
	rewriteRow("url.rewrite", rewriteOld, false, "The same as `url.rewrite-once`, behind which it stands in a block."),
	rewriteRow("url.rewrite-repeat", rewriteRepeat, false,
		"As `url.rewrite-once`, behind which it stands in a block, but the result is rewritten again, at most 100 times. A block with one of these four has none of the blocks around it."),
	rewriteRow("url.rewrite-if-not-file", rewriteOnce, true, "As `url.rewrite-once`, unless there is a file for the path."),
	rewriteRow("url.rewrite-repeat-if-not-file", rewriteRepeat, true, "As `url.rewrite-repeat`, unless there is a file for the path."),
}

func rewriteRow(name string, p rewritePart, notFile bool, doc string) Directive {
	return Directive{
		Name: name, Module: "mod_rewrite", Type: KVString, Scope: ScopeConnection, Example: `( "^/old/(.*)" => "/new/$1" )`, Status: Differs,
		Note:  "mistakes in a replacement are errors",
		Doc:   doc,
		check: func(l *loader, d *Directive, v *typed) { v.rules = l.rewrite(d, v, p, notFile) },
		request: func(s *Settings, v *typed) {
			if notFile {
				s.RewriteIfNotFile = v.rules.orNil()
			} else {
				s.Rewrite = v.rules.orNil()
			}
		},
	}
}
