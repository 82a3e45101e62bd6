package config_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/config"
)

// Each mistake has its own message, and only one.
func TestOneMessagePerMistake(t *testing.T) {
	const ws = `server.modules = ("mod_wstunnel") `
	tests := []struct {
		text string
		want string // the error, without "lighttpd.conf:1:"
	}{
		// Texts that are none.
		{"\ufeffserver.port = 80", `1: the file begins with a byte order mark: save it as UTF-8 without one`},
		{"server.port = 80\x00", `17: unexpected NUL byte: this is not a text file, or not one in UTF-8`},

		// What lighttpd drops without a word.
		{`}`, `1: unexpected "}": no "{" is open here; remove it`},
		{`{`, `1: unexpected "{": put "global" or a condition in front of the block`},
		{`server.port = = 2`, `15: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`},
		{`server.name = "a" + + "b"`, `21: expected a value after "+", found "+": write a "text" in quotes, a number, a name or a (list)`},
		{`x = 1, y = 2`, `6: unexpected ",": no comma belongs between statements; remove it, or put the values in parentheses`},
		{`server.modules = ("mod_wstunnel" 1)`, `34: expected "," or ")", found number 1: put a comma between the elements of a list`},
		{`x = ("a" => => "b")`, `13: expected a value after "=>", found "=>": write a "text" in quotes, a number, a name or a (list)`},
		{`else { server.name = 1 }`, `1: "else" without a condition before it: it belongs right after the "}" of a condition`},
		{`include = "f"`, `9: expected a value after "include", found "=": write include "..."`},

		// Names.
		{`server.name = nmae`, `15: undefined variable nmae: define it before its first use`},
		{`name = "x" server.name = nmae`, `26: undefined variable nmae: did you mean name?`},
		{`server.name = Enable`, `15: undefined variable Enable: write "Enable" in quotes`},
		{`server.port = -80`, `15: undefined variable -80: a number has digits only, and no sign`},
		{`server.port = env.port`, `15: env.port is not in the environment: set port in the environment of the server`},
		{`env.PORT += 1`, `1: env.PORT cannot be set: env.* is the environment of the server: use a name of your own, such as var.x`},
		{`x = 1 var.X = 2`, `7: var.X is already set in this block, at lighttpd.conf:1:1: use += to add to it, or := to replace it`},
		{`$HTTP["url"] == "/" { x = 1 } y = x`, `35: undefined variable x: define it before its first use`},
		{`$HTTP["Url"] == "/" { }`, `7: unknown condition field $HTTP["Url"]: ` + fields},
		{`$HTTP["url"] !^ "/" { }`, `14: unknown operator "!^": use ==, !=, =~, !~, =^ (begins with) or =$ (ends with)`},
		{`$HTTP["url"] !$ "/" { }`, `14: unknown operator "!$": use ==, !=, =~, !~, =^ (begins with) or =$ (ends with)`},
		{`$HTTP["url"] < "/" { }`, `14: unknown operator "<": use ==, !=, =~, !~, =^ (begins with) or =$ (ends with)`},
		{`server.modules = ("mod_wstunel")`, `19: unknown module "mod_wstunel" in server.modules: did you mean "mod_wstunnel"?`},

		// Values.
		{`x = "a" + ("b")`, `11: an array cannot be added to "a": write a single element as ( "…" )`},
		{`x = ("b") + 1`, `13: 1 cannot be added to an array: write a single element as ( "…" )`},
		{`x = ("k" => 1, "K" => 1)`, `16: the key "K" is already in this array, at lighttpd.conf:1:6: write each key once; upper and lower case are the same here`},
		{`x = ("k" => 1) x += ("k" => 2)`, `22: the key "k" already has another value, at lighttpd.conf:1:6: give each key one value; upper and lower case are the same here`},
		{`x = (("k") => 1)`, `6: the key of an array element is an array, but must be a string or an integer`},
		{`x = 9223372036854775808`, `5: number 9223372036854775808 is too large: the largest is 9223372036854775807`},
		{`x = 9223372036854775807 + 1`, `27: 9223372036854775807 + 1 is too large`},
		{`server.name = 1`, `15: server.name is 1, but takes a string: write server.name = "…"`},
		{`server.range-requests = "yes"`, `25: server.range-requests is "yes", but takes "enable" or "disable": write server.range-requests = "enable"`},
		{`server.max-read-idle = 65537`, `24: server.max-read-idle is 65537, but takes an integer from 0 to 65535: write server.max-read-idle = 10`},
		{`server.max-request-size = "1k"`, `27: server.max-request-size is "1k", but takes an integer from 0 to 4294967295: write server.max-request-size = 1024`},
		{`index-file.names = "a"`, `20: index-file.names is "a", but takes a list of strings without keys: write index-file.names = ( "a" )`},
		{`index-file.names = ("k" => "a")`, `28: index-file.names takes a list of strings without keys, but its element 1 has the key "k": write index-file.names = ( "index.html" )`},
		{`mimetype.assign = ("a")`, `20: mimetype.assign takes a list of strings with keys, but its element 1 has no key: write mimetype.assign = ( ".html" => "text/html" )`},
		{ws + `wstunnel.server = ("" => "x")`, `60: wstunnel.server takes a list of lists with keys, but its element "" is "x": write wstunnel.server = ( "/ws" => ( ( "host" => "127.0.0.1", "port" => 5900 ) ) )`},
		{`server.feature-flags = (1)`, `25: server.feature-flags takes a list with keys, but its element 1 has no key: write server.feature-flags = ( "server.graceful-shutdown-timeout" => 30 )`},

		// Conditions.
		{`$HTTP["url"] == 1 { }`, `17: $HTTP["url"] is compared with 1, but takes a string: write it in quotes`},
		{`$HTTP["url"] =~ "a(b" { }`, `19: the pattern "a(b" cannot be used: this ( is not closed, at its byte 2: add the ")", or write \( for a plain parenthesis`},
		{`$HTTP["url"] !~ "a\Kb" { }`, `20: the pattern "a\Kb" cannot be used: unrecognized escape sequence \K, at its byte 3`},
		{`x = "(" $HTTP["url"] =~ "a" + x { }`, `25: the pattern "a(" cannot be used: this ( is not closed, at its byte 2: add the ")", or write \( for a plain parenthesis`},
		{`$HTTP["remote-ip"] == "10.0.0" { }`, `23: "10.0.0" is not an IP address: write it as "10.0.0.1", "10.0.0.0/8" or "2001:db8::/32"`},
		{`$HTTP["remote-ip"] != "10.0.0.0/33" { }`, `23: "10.0.0.0/33" has a bad mask: it takes 0 to 32 bits: write it as "10.0.0.1", "10.0.0.0/8" or "2001:db8::/32"`},
		{`$SERVER["socket"] == ":0" { }`, `22: $SERVER["socket"] is compared with ":0", which has a bad port: it takes 1 to 65535: write it as ":80", "127.0.0.1:80", "[::]:80" or "/run/x.sock"`},
		{`global { $HTTP["url"] == "/" { } }`, `10: a condition inside global { }: write the condition outside of the braces`},
		{`$HTTP["url"] == "/" { } else { } else { }`, `34: "else" after the final "else": only the last branch can be without a condition`},
		{`$HTTP["url"] == "/" { } else $HTTP["url"] == "/" { }`, `30: this else branch repeats the condition at lighttpd.conf:1:1: put the directives into that block, or change the condition`},

		// Files and commands.
		{`include "none.conf" x = undefined_then`, `9: "none.conf" cannot be read: no such file or directory: create it, correct the name, or write a pattern such as "none.conf*", which may match nothing`},
		{`include "part"`, `9: "part" is a directory: name the files in it, such as "part/*.conf"`},
		{`include "[a"`, `9: "[a" is not a pattern for file names: a "[" needs its "]"`},
		{`include ("a")`, `9: an array is not the name of a file or a command: write include "conf.d/*.conf" or include_shell "command"`},
		{`include "lighttpd.conf"`, `9: "lighttpd.conf" includes itself: lighttpd.conf -> lighttpd.conf: remove this include`},
		{`include "part/ok.conf" include "part/ok.conf"`, `32: "part/ok.conf" is read a second time here, and sets server.name again: include it once, or write := in it`},
		{`global { include "part/brace.conf" }`, `part/brace.conf:1:23: unexpected "}": no "{" is open here; remove it`},
		{`global { include "part/open.conf" }`, `part/open.conf:1:8: this "{" is not closed: add a "}" where the block ends`},
		{`include_shell "exit 7" x = undefined_then`, `15: the command "exit 7" failed: exit status 7: run it by hand, in the directory of the configuration, to see why`},
		{`include_shell "echo server.port = 80; exit 1"`, `15: the command "echo server.port = 80; exit 1" failed: exit status 1: run it by hand, in the directory of the configuration, to see why`},
		{`include_shell "echo 'a = = 1'"`, `echo 'a = = 1':1:5: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"lighttpd.conf":   tt.text,
			"part/ok.conf":    "server.name = \"a\"\nserver.tag = \"b\"\n",
			"part/brace.conf": "server.name = \"brace\" }\n",
			"part/open.conf":  "global {\n",
		} {
			write(t, filepath.Join(dir, name), []byte(text))
		}
		want := tt.want
		if '0' <= want[0] && want[0] <= '9' {
			want = "lighttpd.conf:1:" + want
		}
		cfg, err := config.Load("lighttpd.conf", options(dir))
		if err == nil || err.Error() != want || len(cfg.Warnings) > 0 {
			t.Errorf("Load of %q: error\n%v\nand warnings %v, want the error\n%s", tt.text, err, cfg.Warnings, want)
		}
	}
}

const fields = `the fields are $HTTP["url"], "host", "remote-ip", "query-string", "request-method", "scheme", ` +
	`"user-agent", "referer", "cookie" and "language", $REQUEST_HEADER["Name"] and $SERVER["socket"]`

// A file that is there but cannot be read is told with the system's reason.
func TestUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret.conf"), []byte("server.port = 80\n"))
	if err := os.Chmod(filepath.Join(dir, "secret.conf"), 0); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, want string
		skip       bool
	}{
		{"secret.conf", `permission denied: let the user that starts the server read it`, os.Getuid() == 0 || runtime.GOOS == "windows"},
		{"/proc/self/mem", `input/output error`, runtime.GOOS != "linux"},
	}
	for _, tt := range tests {
		if tt.skip {
			t.Logf("not tried as this user, or on this system: %s", tt.name)
			continue
		}
		write(t, filepath.Join(dir, "lighttpd.conf"), []byte(`include "`+tt.name+`"`))
		for _, name := range []string{"lighttpd.conf", tt.name} {
			_, err := config.Load(name, options(dir))
			if err == nil || !strings.HasSuffix(err.Error(), ` cannot be read: `+tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Load(%q): %v, want one error that ends in %q", name, err, tt.want)
			}
		}
	}
}
