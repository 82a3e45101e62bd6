package config

import (
	"fmt"

	"github.com/wstunneld/wstunneld/internal/expire"
)

// fileTable has the directives of mod_indexfile and mod_staticfile.
var fileTable = []Directive{
	{
		Name: "index-file.names", Module: "mod_indexfile", Type: VList, Scope: ScopeConnection, Example: `( "index.html" )`,
		Doc:     "The files to serve for a path that ends in `/`, the first that exists. One that starts with `/` is relative to the document root.",
		request: setIndexFiles,
	},
	{
		Name: "server.indexfiles", Module: "mod_indexfile", Type: VList, Scope: ScopeConnection, Example: `( "index.html" )`,
		Doc:     "The old name of `index-file.names`.",
		request: setIndexFiles,
	},
	{
		Name: "static-file.exclude-extensions", Module: "mod_staticfile", Type: VList, Scope: ScopeConnection, Example: `( ".php", ".cgi" )`,
		Doc:     "Ends of the names of files that are not sent, but answered by 403.",
		request: func(s *Settings, v *typed) { s.ExcludeExtensions = v.list },
	},
	{
		Name: "static-file.etags", Module: "mod_staticfile", Type: Bool, Scope: ScopeConnection, Default: `"enable"`,
		Doc:     "Send an ETag with files, made as `etag.use-inode` and the like say.",
		request: func(s *Settings, v *typed) { s.ETags = v.on },
	},
	{
		Name: "static-file.disable-pathinfo", Module: "mod_staticfile", Type: Bool, Scope: ScopeConnection, Default: `"enable"`,
		Doc:     "Answer by 403 for a path that goes on behind the name of a file. With `disable`, the file is sent.",
		request: func(s *Settings, v *typed) { s.StaticPathInfo = !v.on },
	},
}

func setIndexFiles(s *Settings, v *typed) { s.IndexFiles = v.list }

// listingTable has the directives of mod_dirlisting.
var listingTable = []Directive{
	listingFlag("dir-listing.activate", `"disable"`, "Answer for a directory without an index file by a list of what is in it.", func(d *DirListing) *bool { return &d.Active }),
	listingFlag("server.dir-listing", `"disable"`, "The old name of `dir-listing.activate`.", func(d *DirListing) *bool { return &d.Active }),
	{
		Name: "dir-listing.exclude", Module: "mod_dirlisting", Type: VList, Scope: ScopeConnection, Example: `( "~$" )`,
		Doc: "Patterns for names that are not listed.",
		check: func(l *loader, _ *Directive, v *typed) {
			for _, e := range v.value.elems {
				if p, ok := l.pattern(e.value, maxGroups); ok {
					v.patterns = append(v.patterns, p)
				}
			}
		},
		request: func(s *Settings, v *typed) { s.DirListing.Exclude = v.patterns },
	},
	listingFlag("dir-listing.hide-dotfiles", `"enable"`, "List no names that begin with a dot.", func(d *DirListing) *bool { return &d.HideDotfiles }),
	listingFile("dir-listing.show-header", "HEADER.txt", "The file whose text stands above a list", func(d *DirListing) *string { return &d.ShowHeader }),
	listingFlag("dir-listing.hide-header-file", `"disable"`, "Do not list the file of `dir-listing.show-header`.", func(d *DirListing) *bool { return &d.HideHeaderFile }),
	listingFlag("dir-listing.encode-header", `"enable"`, "The file of `dir-listing.show-header` is plain text, not HTML.", func(d *DirListing) *bool { return &d.EncodeHeader }),
	listingFile("dir-listing.show-readme", "README.txt", "The file whose text stands below a list", func(d *DirListing) *string { return &d.ShowReadme }),
	listingFlag("dir-listing.hide-readme-file", `"disable"`, "Do not list the file of `dir-listing.show-readme`.", func(d *DirListing) *bool { return &d.HideReadmeFile }),
	listingFlag("dir-listing.encode-readme", `"enable"`, "The file of `dir-listing.show-readme` is plain text, not HTML.", func(d *DirListing) *bool { return &d.EncodeReadme }),
	listingFlag("dir-listing.auto-layout", `"enable"`, "Begin and end the page; with `disable`, the files above and below do.", func(d *DirListing) *bool { return &d.AutoLayout }),
	listingText("dir-listing.encoding", `"utf-8"`, "The encoding of the page.", func(d *DirListing) *string { return &d.Encoding }),
	listingText("dir-listing.external-css", `"/style.css"`, "The URL of a style sheet for the page, in place of the one in it.", func(d *DirListing) *string { return &d.ExternalCSS }),
	listingText("dir-listing.external-js", `"/sort.js"`, "The URL of a script for the page, in place of the one in it.", func(d *DirListing) *string { return &d.ExternalJS }),
	listingText("dir-listing.set-footer", `"files"`, "The text at the end of the page, in place of `server.tag`.", func(d *DirListing) *string { return &d.SetFooter }),
	{
		Name: "dir-listing.cache", Module: "mod_dirlisting", Type: KVAny, Scope: ScopeConnection, Status: Differs, Example: `( "max-age" => 15, "path" => "/var/cache" )`,
		Note:    "no page is kept in a file",
		Doc:     "Keep pages in files below `path`, and let clients keep them for `max-age` seconds, 15 if not set.",
		check:   checkListingCache,
		request: func(s *Settings, v *typed) { s.DirListing.MaxAge = seconds(v.num) },
	},
}

// checkListingCache reads a dir-listing.cache, and leaves the seconds of its
// max-age in v.num.
func checkListingCache(l *loader, d *Directive, v *typed) {
	if len(v.value.elems) == 0 {
		return
	}
	v.num = 15
	path := false
	for _, e := range v.value.elems {
		key := fold(e.key)
		s := subject{name: fmt.Sprintf("%q in %s", key, d.Name), assign: fmt.Sprintf("%q => ", key)}
		switch key {
		case "max-age":
			s.typ, s.example = Int, "15"
			age, _ := l.convert(s, e.value)
			v.num = age.num
		case "path":
			s.typ, s.example = String, `"/var/cache"`
			l.convert(s, e.value)
			path = true
		}
	}
	if !path {
		l.errorf(v.value.pos, "write "+d.Name+" = "+d.Example, "%s has no \"path\"", d.Name)
	}
}

// listingFlag returns the row of a directive that switches the field of DirListing.
func listingFlag(name, value, doc string, field func(*DirListing) *bool) Directive {
	return Directive{
		Name: name, Module: "mod_dirlisting", Type: Bool, Scope: ScopeConnection, Default: value, Doc: doc,
		request: func(s *Settings, v *typed) { *field(&s.DirListing) = v.on },
	}
}

// listingText returns the row of a directive that sets the field of DirListing.
func listingText(name, example, doc string, field func(*DirListing) *string) Directive {
	return Directive{
		Name: name, Module: "mod_dirlisting", Type: String, Scope: ScopeConnection, Example: example, Doc: doc,
		request: func(s *Settings, v *typed) { *field(&s.DirListing) = v.text },
	}
}

// listingFile returns the row of a directive that names a file: "enable" is the
// usual one, "disable" none.
func listingFile(name, usual, doc string, field func(*DirListing) *string) Directive {
	return Directive{
		Name: name, Module: "mod_dirlisting", Type: String, Scope: ScopeConnection, Default: `"disable"`, Example: `"enable"`,
		Doc: doc + ": `enable` is `" + usual + "` in the directory, anything else the name of a file there, or a path.",
		request: func(s *Settings, v *typed) {
			f := field(&s.DirListing)
			switch fold(v.text) {
			case "enable":
				*f = usual
			case "disable":
				*f = ""
			default:
				*f = v.text
			}
		},
	}
}

// expireTable has the directives of mod_expire.
var expireTable = []Directive{
	{
		Name: "expire.url", Module: "mod_expire", Type: KVString, Scope: ScopeConnection, Example: `( "/static/" => "access plus 7 days" )`,
		Doc:     "Starts of paths, and how long clients can keep what is there: `access` or `modification`, `plus` or not, and numbers, each with `seconds`, `minutes`, `hours`, `days`, `weeks`, `months` or `years`. The first that fits counts.",
		check:   checkExpire,
		request: func(s *Settings, v *typed) { s.Expire.URL = v.expire },
	},
	{
		Name: "expire.mimetypes", Module: "mod_expire", Type: KVString, Scope: ScopeConnection, Example: `( "image/" => "access plus 7 days" )`,
		Doc:     "The same by the start of the content type, for what no entry of `expire.url` fits. A `*` at the end of a key is left out.",
		check:   checkExpire,
		request: func(s *Settings, v *typed) { s.Expire.Types = v.expire },
	},
}

// checkExpire reads the times of a directive.
func checkExpire(l *loader, d *Directive, v *typed) {
	for _, e := range v.value.elems {
		t, err := expire.Parse(e.value.text)
		if err != nil {
			l.errorf(e.value.pos, fmt.Sprintf(`write %s => "access plus 1 hours"`, quote(e.key)), "%s: %v", d.Name, err)
			continue
		}
		v.expire = append(v.expire, expire.Rule{Prefix: e.key, Time: t})
	}
}
