package config_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/wstunneld/wstunneld/internal/config"
)

// The rules of a block's rewrites are one list, in lighttpd's order, whatever
// the order in which they are written.
func TestRewriteOrder(t *testing.T) {
	cfg := mustLoad(t, `server.modules = ( "mod_rewrite" )
		url.rewrite-repeat = ( "repeat" => "/repeat" )
		url.rewrite = ( "old" => "/old", "old2" => "/old2" )
		url.rewrite-final = ( "final" => "/final" )
		url.rewrite-once = ( "once" => "/once" )
		url.rewrite-repeat-if-not-file = ( "repeat" => "/repeat" )
		url.rewrite-if-not-file = ( "once" => "/once" )`)
	s := cfg.Resolve(&config.Request{})
	for _, tt := range []struct {
		rules *config.URLRules
		want  []string
	}{
		{s.Rewrite, []string{"once", "final", "old", "old2", "repeat again"}},
		{s.RewriteIfNotFile, []string{"once", "repeat again"}},
	} {
		var got []string
		for _, r := range tt.rules.Rules {
			for _, word := range []string{"once", "final", "old2", "old", "repeat"} {
				caps, ok := r.Match.Captures(word)
				if !ok || caps[0] != word {
					continue
				}
				if r.Again {
					word += " again"
				}
				got = append(got, word)
				break
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("the rules match %q, want %q", got, tt.want)
		}
	}
}

// Rules have the captures of the condition that is closest around them.
func TestRuleCaptures(t *testing.T) {
	cfg := mustLoad(t, `server.modules = ( "mod_redirect", "mod_rewrite" )
		url.redirect = ( "" => "/" )
		$HTTP["host"] =~ "^(w+)\.([a-z]+)" {
			url.redirect = ( "" => "/" )
			$HTTP["url"] =~ "^/(a)?b" { url.rewrite-if-not-file = ( "" => "/" ) }
			url.rewrite-once = ( "" => "/" )
		}`)
	r := &config.Request{Host: "www.example.com", Path: "/b", Header: http.Header{}}
	s := cfg.Resolve(r)
	for _, tt := range []struct {
		name  string
		rules *config.URLRules
		want  string
	}{
		{"no condition", cfg.Resolve(&config.Request{}).Redirect, "[]"},
		{"the host", s.Redirect, "[www.example www example]"},
		{"the host, from another directive", s.Rewrite, "[www.example www example]"},
		{"the path inside the host", s.RewriteIfNotFile, "[/b ]"},
	} {
		if got := fmt.Sprint(tt.rules.Captures(r)); got != tt.want {
			t.Errorf("%s: Captures: %v, want %s", tt.name, got, tt.want)
		}
	}
}

// Mistakes in rules are errors at their own place.
func TestRuleErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`url.redirect = ( "^/a" => "/b", "^/(" => "/c" )`, "lighttpd.conf:1:33: "},
		{`url.redirect = ( "(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)" => "/" )`, "lighttpd.conf:1:"},
		{`url.redirect = ( "^/a" => "${" )`, "lighttpd.conf:1:27: the replacement \"${\" in url.redirect cannot be used: "},
		{`url.rewrite = ( "^/a" => "${" )`, "lighttpd.conf:1:26: the replacement \"${\" in url.rewrite cannot be used: "},
		{`url.rewrite-repeat-if-not-file = ( "[" => "/" )`, "lighttpd.conf:1:36: "},
		{`dir-listing.exclude = ( "ok", "(" )`, "lighttpd.conf:1:3"},
	} {
		_, err := load(t, tt.text+"\nserver.modules = ( \"mod_redirect\", \"mod_rewrite\" )\n")
		wantErrors(t, tt.text, err, tt.want)
	}
}
