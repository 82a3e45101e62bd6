package config_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/lighttpdtest"
)

// TestAcceptsAsLighttpd runs one table of texts against us and lighttpd: both
// accept a text, or neither does. Where we differ on purpose, a row says why.
func TestAcceptsAsLighttpd(t *testing.T) {
	const base = "server.document-root = \"/\"\nserver.modules = (\"mod_wstunnel\")\nserver.port = 8765\n"
	tests := []struct {
		text    string
		ok      bool
		differs string // why lighttpd has it the other way
	}{
		{``, true, ""},
		{`x = 1`, true, ""},
		{`x = 1 x = 2`, false, ""},
		{`x = 1 X = 2`, false, ""},
		{`x = 1 var.x = 2`, false, ""},
		{`x = 1 x := 2`, true, ""},
		{`x += 1`, true, ""},
		{`x = y`, false, ""},
		{`var.CWD = "x"`, false, ""},
		{`var.CWD := "x"`, true, ""},
		{`env.x = "y"`, false, ""},
		{`x = env.NOT_SET_ANYWHERE`, false, ""},
		{`x = 1 + "a" + 2`, true, ""},
		{`x = "a" + ( "b" )`, false, ""},
		{`x = ( "b" ) + 1`, false, ""},
		{`x = ( "a" => 1, "A" => 1 )`, false, ""},
		{`x = ( "a" => 1 ) + ( "a" => 1 )`, true, ""},
		{`x = ( "a" => 1 ) + ( "a" => 2 )`, false, ""},
		{`x = ( 1 => "a" ) + ( "b" )`, true, ""},
		{`global { x = 1 }`, true, ""},
		{`global { $HTTP["url"] == "/" { } }`, false, ""},
		{`$HTTP["url"] == "/" { x = 1 } $HTTP["url"] == "/" { x = 2 }`, false, ""},
		{`$HTTP["url"] == "/" { x = 1 } $HTTP["url"] == "/" { y = 2 }`, true, ""},
		{`$HTTP["url"] == "/" { x = 1 } y = x`, false, ""},
		{`$HTTP["url"] == "/" { } else $HTTP["url"] == "/" { }`, false, ""},
		{`$HTTP["url"] == "/a" { } $HTTP["url"] == "/b" { } else $HTTP["url"] == "/a" { }`, false, ""},
		{`$HTTP["url"] == "/a" { } else $HTTP["url"] == "/b" { } $HTTP["url"] == "/a" { } else $HTTP["url"] == "/b" { }`, true, ""},
		{`$HTTP["url"] == "/a" { } else { } $HTTP["url"] == "/a" { } else { }`, true, "the second else continues the first, as the second condition does"},
		{`$HTTP["url"] =~ "^/a" { x = 1 } $HTTP["url"] =^ "/a" { x = 2 }`, false, ""},
		{`$HTTP["url"] =~ "^/a." { x = 1 } $HTTP["url"] =^ "/a." { x = 2 }`, true, ""},
		{`$HTTP["url"] == "/A" { x = 1 } $HTTP["url"] == "/a" { x = 2 }`, true, "it takes the two for one, and the second for a repetition"},
		{`$HTTP["url"] == 1 { }`, false, ""},
		{`$HTTP["urls"] == "/" { }`, false, ""},
		{`$HTTP["url"] =~ "(" { }`, false, ""},
		{`$HTTP["url"] =~ "^/(?!a)b" { }`, true, ""},
		{`$HTTP["url"] =~ "(.)(.)(.)(.)(.)(.)(.)(.)(.)" { }`, true, ""},
		{`$HTTP["remote-ip"] == "foo" { }`, false, ""},
		{`$HTTP["remote-ip"] == "10.0.0.1/8" { }`, true, ""},
		{`$HTTP["remote-ip"] == "[::1]" { }`, true, ""},
		{`$HTTP["remote-ip"] == "10.0.0.1/33" { }`, false, "it never matches in lighttpd"},
		{`$SERVER["socket"] == ":0" { }`, false, ""},
		{`$SERVER["socket"] == "" { }`, false, ""},
		{`$SERVER["socket"] == ":8766" { }`, true, ""},
		{`include "/nowhere/at/all"`, false, ""},
		{`include "/nowhere/at/*"`, true, ""},
		{`include "/"`, false, ""},
		{`include_shell "true"`, true, ""},
		{`include_shell "false"`, false, ""},
		{`server.name = 1`, false, ""},
		{`server.range-requests = "yes"`, false, ""},
		{`server.range-requests = "ENABLED"`, true, ""},
		{`server.range-requests = 2`, true, ""},
		{`server.max-read-idle = "60"`, true, ""},
		{`server.max-read-idle = ""`, false, ""},
		{`server.max-read-idle = "60s"`, false, ""},
		{`mimetype.assign = ( ".a" => 1 )`, false, ""},
		{`mimetype.assign = ( ".a" )`, false, ""},
		{`index-file.names = ( 1 )`, false, ""},
		{`index-file.names = ( "a" => "b" )`, false, ""},
		{`server.unknown = 1`, true, ""},
		{`server.modules += ( "mod_unknown" )`, false, ""},
		{`$HTTP["url"] == "/" { server.pid-file = "/x" }`, true, ""},
		{`wstunnel.origins = "x"`, false, ""},
		{`wstunnel.origins = ( "" )`, false, ""},
		{`wstunnel.origins = ()`, true, ""},
		{`wstunnel.balance = "x"`, true, ""},
		{`wstunnel.frame-type = "x"`, true, ""},
		{`wstunnel.server = ()`, true, ""},
		{`wstunnel.server = ( "" => () )`, true, ""},
		{`wstunnel.server = ( "" => ( ( "host" => "127.0.0.1" ) ) )`, true, ""},
		{`wstunnel.server = ( "" => ( ( "host" => "::1", "port" => "81" ) ) )`, true, ""},
		{`wstunnel.server = ( "" => ( ( "host" => "/x", "port" => 81 ) ) )`, true, ""},
		{`wstunnel.server = ( "" => ( ( "socket" => "/x", "port" => 81 ) ) )`, false, ""},
		{`wstunnel.server = ( "" => ( "host" => "127.0.0.1" ) )`, false, ""},
		{`wstunnel.server = ( ( ( "host" => "127.0.0.1" ) ) )`, false, ""},
		{`wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "mode" => "authorizer" ) ) )`, false, ""},
		{`wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "mode" => "x", "y" => "z" ) ) )`, true, ""},
		{`wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "Host" => "127.0.0.1" ) ) )`, false, ""},
		{`wstunnel.server = ( "" => ( ( "host" => "127.0.0.1:80" ) ) )`, false, ""},
		{`wstunnel.server = ( "" => ( ( "host" => "" ) ) )`, false, ""},
		{`wstunnel.server = ( "" => ( ( "host" => "", "port" => 5900 ) ) )`, true, "the published example is written so"},
		{`wstunnel.server = ( "" => ( ( "host" => "[::1]" ) ) )`, true, "it can mean one thing only"},
		{`wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => 65536 ) ) )`, false, "lighttpd takes it for 65535"},
	}
	for _, tt := range tests {
		if _, err := load(t, base+tt.text+"\n"); (err == nil) != tt.ok {
			t.Errorf("%s: Load: %v, want success %v", tt.text, err, tt.ok)
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

// TestPrintsAsLighttpd compares -p. The version installed may write "$HTTP" for
// what newer ones, and we, write as "if $HTTP".
func TestPrintsAsLighttpd(t *testing.T) {
	path := lighttpdtest.Path(t)
	ifs := regexp.MustCompile(`(?m)^( *(else )?)if \$`)
	pid := regexp.MustCompile(`(?m)^( *var\.PID *= ).*`)
	normal := func(b []byte) string {
		return pid.ReplaceAllString(ifs.ReplaceAllString(string(b), "${1}$$"), "${1}1")
	}
	for _, archive := range []string{"novnc", "public-configs", "settings", "listeners"} {
		src, err := os.ReadFile("testdata/" + archive + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		text := file(txtar.Parse(src), "lighttpd.conf")
		text = strings.ReplaceAll(text, `accesslog.format = `, "# not quoted by old versions: ")
		write(t, filepath.Join(dir, "lighttpd.conf"), []byte(text))
		o := options(dir)
		cfg, err := config.Load("lighttpd.conf", o)
		if err != nil {
			t.Fatal(err)
		}
		var ours strings.Builder
		if err := cfg.Print(&ours); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path, "-p", "-f", "lighttpd.conf")
		cmd.Dir, cmd.Env = dir, o.Environ
		theirs, err := cmd.Output()
		if err != nil {
			t.Fatalf("lighttpd -p: %v", err)
		}
		if got, want := normal([]byte(ours.String())), normal(theirs); got != want {
			t.Errorf("%s: Print:\n%s\nlighttpd -p:\n%s", archive, got, want)
		}
	}
}
