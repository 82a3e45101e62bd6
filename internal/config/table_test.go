package config_test

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/config/syntax"
	"github.com/wstunneld/wstunneld/internal/lighttpdtest"
)

// wantErrors checks that err is a list whose elements begin as want.
func wantErrors(t *testing.T, text string, err error, want ...string) {
	t.Helper()
	list, _ := err.(syntax.ErrorList)
	ok := len(list) == len(want) && (err == nil) == (len(want) == 0)
	for i := 0; ok && i < len(list); i++ {
		ok = strings.HasPrefix(list[i].Error(), want[i])
	}
	if !ok {
		t.Errorf("%s: the error is %v, want %q", text, err, want)
	}
}

// An accesslog.format that cannot be used is an error at its place.
func TestAccessLogFormat(t *testing.T) {
	const text = `server.modules = ( "mod_accesslog" ) accesslog.format = ""`
	_, err := load(t, text)
	wantErrors(t, text, err, "lighttpd.conf:1:57: accesslog.format cannot be used: ")
}

func TestSyslog(t *testing.T) {
	for text, want := range map[string]bool{
		``: false,
		`server.errorlog-use-syslog = "disable" accesslog.use-syslog = "disable"`: false,
		`server.errorlog-use-syslog = "enable"`:                                   true,
		`$HTTP["url"] == "/x" { accesslog.use-syslog = "enable" }`:                true,
	} {
		if got := mustLoad(t, "server.modules = ( \"mod_accesslog\" )\n"+text).Syslog; got != want {
			t.Errorf("%s: Syslog is %v, want %v", text, got, want)
		}
	}
}

func TestMaxConnections(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int
		warn bool
	}{
		{``, 0, false},
		{`server.max-connections = 100`, 100, false},
		{`server.max-fds = 1000`, 333, false},
		{`server.max-fds = 1`, 1, false},
		{`server.max-fds = 1000 server.max-connections = 500`, 500, false},
		{`server.max-connections = 501 server.max-fds = 1000`, 500, true},
		{`server.max-fds = 0 server.max-connections = 60000`, 60000, false},
	} {
		cfg := mustLoad(t, tt.text)
		if got, warned := cfg.Server.MaxConnections, len(cfg.Warnings) > 0; got != tt.want || warned != tt.warn {
			t.Errorf("%s: MaxConnections is %d, warnings %v; want %d, a warning: %v", tt.text, got, cfg.Warnings, tt.want, tt.warn)
		}
	}
}

// server.chroot has to be a directory.
func TestCheckChroot(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), nil)
	for _, tt := range []struct{ name, want string }{
		{dir, ""},
		{"", ""},
		{filepath.Join(dir, "missing"), `, which cannot be used: no such file or directory: `},
		{filepath.Join(dir, "file"), `, which is no directory: `},
	} {
		text := `server.document-root = "/" server.chroot = "` + tt.name + `"`
		err := mustLoad(t, text).Check()
		if tt.want == "" {
			wantErrors(t, text, err)
		} else {
			wantErrors(t, text, err, `lighttpd.conf:1:44: server.chroot is "`+tt.name+`"`+tt.want)
		}
	}
}

// This test looks up the accounts of the system. 0 is the number of root
// everywhere; that of who runs the test is 0 or not.
func TestIdentity(t *testing.T) {
	root, err := user.LookupId("0")
	if err != nil {
		t.Skip("there is no user with the number 0")
	}
	group, err := user.LookupGroupId("0")
	if err != nil {
		t.Skip("there is no group with the number 0")
	}
	const base = "server.document-root = \"/\"\n"
	for _, tt := range []struct {
		text string
		want []string
	}{
		{``, nil},
		{`server.username = "" server.groupname = ""`, nil},
		{`server.username = "no-such-user"`, []string{`lighttpd.conf:2:19: server.username is "no-such-user", which cannot be looked up: there is no such user: `}},
		{`server.groupname = "no-such-group"`, []string{`lighttpd.conf:2:20: server.groupname is "no-such-group", which cannot be looked up: there is no such group: `}},
		{`server.username = "` + root.Username + `" server.groupname = "no-such-group"`, []string{
			`lighttpd.conf:2:4`, // the group comes first
			`lighttpd.conf:2:19: server.username is "` + root.Username + `", which has the number 0: `,
		}},
		{`server.groupname = "` + group.Name + `"`, []string{`lighttpd.conf:2:20: server.groupname is "` + group.Name + `", which has the number 0: `}},
	} {
		cfg := mustLoad(t, base+tt.text)
		_, err := cfg.Identity()
		wantErrors(t, tt.text, err, tt.want...)
		wantErrors(t, tt.text, cfg.Check(), tt.want...)
	}
}

// Who is found has the groups that the system says.
func TestIdentityFound(t *testing.T) {
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("there is no user nobody")
	}
	group, err := user.LookupGroupId(nobody.Gid)
	if err != nil {
		t.Skip("the user nobody has no group")
	}
	for text, want := range map[string]string{
		`server.username = "nobody"`:                      nobody.Uid + " " + nobody.Gid,
		`server.groupname = "` + group.Name + `"`:         "-1 " + nobody.Gid,
		`server.username = "nobody" server.chroot = "/x"`: nobody.Uid + " " + nobody.Gid,
	} {
		id, err := mustLoad(t, text).Identity()
		if err != nil {
			t.Fatalf("%s: Identity: %v", text, err)
		}
		if got := strconv.Itoa(id.UID) + " " + strconv.Itoa(id.GID); got != want {
			t.Errorf("%s: Identity: user and group %s, want %s", text, got, want)
		}
		if strings.Contains(text, "username") != (len(id.Groups) > 0 && id.Groups[0] == id.GID) {
			t.Errorf("%s: Identity: groups %v, group %d", text, id.Groups, id.GID)
		}
	}
}

// Who is not root goes on as before, and is told so.
func TestIdentityWithoutRoot(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "lighttpd.conf"), []byte(`server.username = "no-such-user" server.groupname = "no-such-group"`))
	o := options(dir)
	o.UID = 1000
	cfg, err := config.Load("lighttpd.conf", o)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := cfg.Identity(); id != nil || err != nil {
		t.Errorf("Identity: %v, %v, want none", id, err)
	}
	const want = `lighttpd.conf:1:19: server.username has no effect: the server is not started as root
lighttpd.conf:1:53: server.groupname has no effect: the server is not started as root`
	if got := cfg.Warnings.Error(); got != want {
		t.Errorf("warnings:\n%s\nwant:\n%s", got, want)
	}
}

// TestDirectivesAsLighttpd runs one table of directives against us and lighttpd:
// both accept a text, or neither does. Where we differ on purpose, a row says why.
func TestDirectivesAsLighttpd(t *testing.T) {
	const base = `server.document-root = "/"
server.port = 8765
server.modules = ( "mod_access", "mod_accesslog", "mod_alias", "mod_expire", "mod_redirect", "mod_rewrite", "mod_setenv",
	"mod_extforward", "mod_status", "mod_auth", "mod_wstunnel" )
`
	tests := []struct {
		text    string
		ok      bool
		differs string // why lighttpd has it the other way
	}{
		{`alias.url = ( "/a" => "/x", "/a/b" => "/y" )`, false, ""},
		{`alias.url = ( "/a/b" => "/y", "/a" => "/x" )`, true, ""},
		{`alias.url = ( "/A" => "/y", "/a/" => "/x" )`, true, ""},
		{`alias.url = ( "" => "/y", "/a/" => "/x" )`, false, ""},
		{`$HTTP["url"] == "/" { alias.url = ( "/a" => "/x", "/a/b" => "/y" ) }`, false, ""},
		{`url.access-deny = ( "" )`, true, ""},
		{`url.access-deny = "x"`, false, ""},
		{`setenv.add-response-header = ( "X Y" => "a" )`, true, ""},
		{`setenv.add-response-header = ( "X" => 1 )`, false, ""},
		{`url.redirect = ( "(" => "/" )`, false, ""},
		{`url.redirect = ( "" => "" )`, true, ""},
		{`url.redirect = ( "(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)" => "/" )`, true, ""},
		{`url.redirect-code = 99`, true, ""},
		{`url.redirect-code = 1000`, true, ""},
		{`url.rewrite-once = ( "a" => "/b" ) url.rewrite = ( "c" => "/d" )`, true, ""},
		{`url.rewrite-once = ( "(" => "/b" )`, false, ""},
		{`expire.url = ( "/" => "access 1 hours" )`, true, ""},
		{`expire.url = ( "/" => "1 hours" )`, false, ""},
		{`expire.mimetypes = ( "text/" => "1 hours" )`, false, ""},
		{`extforward.forwarder = ( "all" => "trust" )`, true, ""},
		{`extforward.forwarder = ( "10.0.0.1" => "x" )`, true, ""},
		{`extforward.forwarder = ( "10.0.0.0/8" => "Trust" )`, true, ""},
		{`extforward.forwarder = ( "[::1]" => "trust" )`, true, ""},
		{`extforward.forwarder = ( "/run/x.sock" => "trust" )`, false, ""},
		{`extforward.forwarder = ( "10.0.0.300" => "trust" )`, false, "it never fits in lighttpd"},
		{`extforward.forwarder = ( "proxy" => "trust" )`, false, "it never fits in lighttpd"},
		{`extforward.params = ( "host" => 1, "remote_user" => "enable" )`, true, ""},
		{`extforward.params = ( "host" => "x" )`, false, ""},
		{`extforward.params = ( "x" => 1 )`, false, ""},
		{`extforward.hap-PROXY = "enable"`, true, ""},
		{`accesslog.format = ""`, false, ""},
		{`accesslog.format = "%h %t"`, true, ""},
		{`accesslog.escaping = "x"`, true, ""},
		{`accesslog.syslog-level = 9`, true, ""},
		{`accesslog.filename = "|/bin/cat"`, true, ""},
		{`accesslog.filename = "|"`, false, "no shell runs it"},
		{`server.errorlog = "|/bin/cat"`, true, ""},
		{`server.http-parseopts = ( "url-path-2f-reject" => "enable" )`, false, ""},
		{`server.http-parseopts = ( "url-path-2f-reject" => "enable", "url-path-2f-decode" => "disable" )`, true, ""},
		{`server.http-parseopts = ( "url-path-dotseg-reject" => "enable" )`, false, ""},
		{`server.http-parseopts = ( "url-path-2f-reject" => "enable", "url-normalize" => "disable" )`, true, ""},
		{`server.http-parseopts = ( "url-norm" => "enable" )`, false, ""},
		{`server.http-parseopts = ( "header-strict" => "2" )`, false, ""},
		{`server.http-parseopts = ( "header-strict" => 1 )`, false, ""},
		{`server.http-parseopts = ()`, true, ""},
		{`server.http-parseopt-host-strict = "disable"`, true, ""},
		{`server.feature-flags = ( "x" => 1 )`, true, ""},
		{`server.feature-flags = ( "server.graceful-shutdown-timeout" => "soon" )`, false, "lighttpd takes the default"},
		{`server.syslog-facility = "xyz"`, true, ""},
		{`server.max-fds = 100 server.max-connections = 100`, true, ""},
		{`server.max-worker = 4`, true, ""},
		{`server.socket-perms = "0999"`, false, "lighttpd takes the digits that it can"},
		{`server.chroot = "/nowhere/at/all"`, false, ""},
		{`server.chroot = "/etc/passwd"`, false, ""},
		{`auth.backend = "plain"`, true, ""},
		{`auth.backend = "foo"`, false, ""},
		{`dir-listing.activate = "enable" dir-listing.exclude = ( "(" )`, false, ""},
		{`dir-listing.activate = "enable" dir-listing.show-header = "enable"`, true, ""},
		{`dir-listing.activate = "enable" dir-listing.show-header = 1`, false, ""},
		{`dir-listing.activate = "enable" dir-listing.cache = ( "max-age" => 1 )`, false, ""},
		{`dir-listing.activate = "enable" dir-listing.cache = ( "max-age" => 1, "path" => "/tmp" )`, true, ""},
		{`static-file.etags = "x"`, false, ""},
		{`static-file.disable-pathinfo = "enable"`, true, ""},
		{`server.modules += ( "mod_compress" )`, true, ""},
		{`server.modules += ( "mod_geoip" )`, false, ""},
	}
	if os.Getuid() == 0 {
		for _, text := range []string{
			`server.username = "no-such-user"`, `server.groupname = "no-such-group"`, `server.username = "root"`, `server.groupname = "root"`,
		} {
			tests = append(tests, struct {
				text    string
				ok      bool
				differs string
			}{text, false, ""})
		}
	}
	for _, tt := range tests {
		cfg, err := load(t, base+tt.text+"\n")
		if err == nil {
			err = cfg.Check()
		}
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v, want success %v", tt.text, err, tt.ok)
		}
	}
	path := lighttpdtest.Path(t)
	name := filepath.Join(t.TempDir(), "lighttpd.conf")
	for _, tt := range tests {
		write(t, name, []byte(base+tt.text+"\n"))
		out, err := exec.Command(path, "-tt", "-f", name).CombinedOutput()
		if theirs := err == nil; theirs != (tt.ok == (tt.differs == "")) {
			t.Errorf("%s: lighttpd says success %v: %s", tt.text, theirs, out)
		}
	}
}
