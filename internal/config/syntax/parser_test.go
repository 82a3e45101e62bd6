package syntax_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

// good are texts without a mistake and the trees they give, as dump writes them.
var good = []struct {
	name string
	src  string
	want string
}{
	{"empty", "", ``},
	{"only blanks", " \t\n\r\n\r# comment\n#", ``},

	// Words.
	{"names", "server.port=1\nvar.x_y-Z9 = 2\n-1 = 3\n.x = 4", `(= server.port 1) (= var.x_y-Z9 2) (= -1 3) (= .x 4)`},
	{"name as the last byte", "a = b", `(= a b)`},
	{"minus one is a name", "a = -1", `(= a -1)`},
	{"keywords are case-sensitive", "Include = ELSE", `(= Include ELSE)`},
	{"keyword as part of a name", "include.x = if.y", `(= include.x if.y)`},
	{"integers", "a = 0 b = 007 c = 9223372036854775807", `(= a 0) (= b 7) (= c 9223372036854775807)`},
	{"empty string", `a = ""`, `(= a "")`},
	{"escaped quotes", `a = "\"x\"" b = "\\""`, `(= a "\"x\"") (= b "\\\"")`},
	{"other backslashes", `a = "^/a\.b\n\\x"`, `(= a "^/a\\.b\\n\\\\x")`},
	{"string over lines", "a = \"x\ny\r\n\rz\"\nb = 1", `(= a "x\ny\r\n\rz") (= b 1)`},
	{"string over lines before punctuation", "a = (\"x\n\", \"y\n\" => \"z\n\")", `(= a ["x\n" "y\n":"z\n"])`},
	{"number sign in a string", `a = "#x" # "y`, `(= a "#x")`},
	{"bytes beyond ASCII", "a = \"\u00e9\xff\u00a0\"", `(= a "é\xff\u00a0")`},

	// Space.
	{"CR LF", "a = 1\r\nb = 2\r\n", `(= a 1) (= b 2)`},
	{"lone CR", "a = 1\rb = 2 # c\rc = 3", `(= a 1) (= b 2) (= c 3)`},
	{"no-break space", "\u00a0a\u00a0=\u00a01\u00a0", `(= a 1)`},
	{"none", `a="x"b=("y"=>1)$HTTP["url"]=="z"{c+=1}else{d:=2}`, `(= a "x") (= b ["y":1]) (if $HTTP[url] == "z" {(+= c 1)} else {(:= d 2)})`},
	{"several statements in a line", `a.b = 1 c.d = "x" include "f" e = f g = (h) i = 2`,
		`(= a.b 1) (= c.d "x") (include "f") (= e f) (= g [h]) (= i 2)`},
	{"line ends around operators", "a\n\n=\n# c\n1 +\n2\nb\n:=\n(\n)\nc\n+=\nd", `(= a (+ 1 2)) (:= b []) (+= c d)`},
	{"line ends in parentheses", "a = (\n\"k\"\n=>\n1\n+\n2\n,# c\n\n(\n)\n)", `(= a ["k":(+ 1 2) []])`},
	{"line ends before braces", "global\n\n{\n}\n$HTTP[\"url\"] == \"/\"\n# c\n{\n}\nelse\n{\n}", `(global {}) (if $HTTP[url] == "/" {} else {})`},
	{"line end behind a condition's operator", "$HTTP[\"url\"] ==\n\"/\" +\nx {}", `(if $HTTP[url] == (+ "/" x) {})`},

	// Statements.
	{"assignments", "a = 1 b := 2 c += 3", `(= a 1) (:= b 2) (+= c 3)`},
	{"includes", "include \"a\" + b\ninclude_shell \"c\"", `(include (+ "a" b)) (include_shell "c")`},
	{"global", "global { a = 1 }", `(global {(= a 1)})`},
	{"conditions", `
		$HTTP["url"] == "a" {}
		$HTTP ["url"] != "b" {}
		$HTTP["url"] =^ "c" {}
		if $HTTP [ "url" ] =$ "d" {}
		if $HTTP["url"]=~"e"{}
		$REQUEST_HEADER["X-Y"] !~ "f" + var.g {}`,
		`(if $HTTP[url] == "a" {}) (if $HTTP[url] != "b" {}) (if $HTTP[url] =^ "c" {}) ` +
			`(if $HTTP[url] =$ "d" {}) (if $HTTP[url] =~ "e" {}) (if $REQUEST_HEADER[X-Y] !~ (+ "f" var.g) {})`},
	{"any field", `$NoSuch[""] == 1 {}`, `(if $NoSuch[] == 1 {})`},
	{"nested conditions", `$A["b"] == "c" { $D["e"] == "f" { include "g" } global { h = 1 } }`,
		`(if $A[b] == "c" {(if $D[e] == "f" {(include "g")}) (global {(= h 1)})})`},
	{"else forms", `
		$A["a"] == "0" { v = 0 }
		else $A["a"] == "1" { v = 1 }
		else if $A["a"] == "2" { v = 2 }
		elif $A["a"] == "3" { v = 3 }
		elsif $A["a"] == "4" { v = 4 } elseif $A["a"] == "5" { v = 5 }

		# the rest
		else { v = 6 }
		w = 7`,
		`(if $A[a] == "0" {(= v 0)} else if $A[a] == "1" {(= v 1)} else if $A[a] == "2" {(= v 2)} else if $A[a] == "3" {(= v 3)} ` +
			`else if $A[a] == "4" {(= v 4)} else if $A[a] == "5" {(= v 5)} else {(= v 6)}) (= w 7)`},
	{"else without a final branch", `$A["a"] == "0" { } else $A["a"] == "1" { } $B["b"] == "2" { } else { }`,
		`(if $A[a] == "0" {} else if $A[a] == "1" {}) (if $B[b] == "2" {} else {})`},
	{"else in an else", `$A["a"] == "0" { } else { $B["b"] == "1" { } else { } }`,
		`(if $A[a] == "0" {} else {(if $B[b] == "1" {} else {})})`},

	{"printed", "config {\n a = 1\n\n if $A[\"b\"] == \"c\" {\n # block 1\n } # end\n}\n", `(= a 1) (if $A[b] == "c" {})`},
	{"a variable named config", "config = 1 config += 2", `(= config 1) (+= config 2)`},

	// Values.
	{"sums", `a = 1 + "x" + b + ("y") + ()`, `(= a (+ 1 "x" b ["y"] []))`},
	{"empty lists", `a = () b = (,) c = (,,)`, `(= a []) (= b []) (= c [])`},
	{"commas", `a = ("x",) b = (,"x",,"y",,)`, `(= a ["x"]) (= b ["x" "y"])`},
	{"keys", `a = ("k" => 1, 2 => "v", x + "y" => z, w)`, `(= a ["k":1 2:"v" (+ x "y"):z w])`},
	{"nested lists", `a = (("x"), "k" => ("l" => ("y")), ())`, `(= a [["x"] "k":["l":["y"]] []])`},
	{"names alone in their lines", "a = (\nb.c,\nd\n+\ne.f\n=>\ng\n)", `(= a [b.c (+ d e.f):g])`},

	{"noVNC", `server.document-root = "/usr/share/novnc"
server.indexfiles = ("index.html")
server.modules += ( "mod_wstunnel" )
$HTTP["url"] =~ "^/websockify" {
    wstunnel.server = ( "" => ( ( "host" => "", "port" => "5900" ) ) )
    wstunnel.frame-type = "binary"
}
`, `(= server.document-root "/usr/share/novnc") (= server.indexfiles ["index.html"]) (+= server.modules ["mod_wstunnel"]) ` +
		`(if $HTTP[url] =~ "^/websockify" {(= wstunnel.server ["":[["host":"" "port":"5900"]]]) (= wstunnel.frame-type "binary")})`},
}

func TestParse(t *testing.T) {
	for _, tt := range good {
		t.Run(tt.name, func(t *testing.T) {
			f, err := syntax.Parse("f", []byte(tt.src))
			if err != nil {
				t.Fatalf("Parse(%q): %v", tt.src, err)
			}
			if got := dump(f.Stmts); got != tt.want {
				t.Errorf("Parse(%q)\n got %s\nwant %s", tt.src, got, tt.want)
			}
			if err := checkPlaces(tt.src, f, nil); err != nil {
				t.Errorf("Parse(%q): %v", tt.src, err)
			}
		})
	}
}

// Only the whole text can be as -p prints it.
func TestParsePrinted(t *testing.T) {
	for _, tt := range []struct {
		src  string
		want bool
	}{
		{"config { a = 1 }", true},
		{"# comment\nconfig\n{\n}", true},
		{"config = 1", false},
		{`"config" { }`, false},
		{"global { config { } }", false},
	} {
		if f, err := syntax.Parse("f", []byte(tt.src)); f.Printed != tt.want {
			t.Errorf("Parse(%q): Printed %v, want %v (%v)", tt.src, f.Printed, tt.want, err)
		}
	}
}

// A badText is a text with mistakes.
type badText struct {
	name string
	src  string
	want []string // its errors, without the file name
}

// bad are texts with mistakes that concern only themselves.
var bad = []badText{
	// Words.
	{"semicolon", "a = 1;", []string{`1:6: unexpected ";": remove the semicolon; a statement ends with its line, an element with a comma`}},
	{"two semicolons", "a = 1; b = 2;", []string{
		`1:6: unexpected ";": remove the semicolon; a statement ends with its line, an element with a comma`,
		`1:13: unexpected ";": remove the semicolon; a statement ends with its line, an element with a comma`,
	}},
	{"semicolon for a value", "a = ;", []string{`1:5: expected a value after "=", found ";": remove the semicolon; a statement ends with its line, an element with a comma`}},
	{"semicolon in a list", `a = ("x"; "y")`, []string{`1:9: expected "," or ")", found ";": remove the semicolon; a statement ends with its line, an element with a comma`}},
	{"single quotes", "a = 'x y'", []string{`1:5: expected a value after "=", found "'": put text in straight double quotes: "text"`}},
	{"typographic quotes", "a = “x y”", []string{`1:5: expected a value after "=", found "“": put text in straight double quotes: "text"`}},
	{"no UTF-8", "a = \xff", []string{`1:5: expected a value after "=", found character "\xff": write a "text" in quotes, a number, a name or a (list)`}},
	{"control character", "\x01a = 1", []string{`1:1: unexpected character "\x01": begin a statement with a name, "include", "global" or a condition`}},
	{"form feed", "a = 1\fb = 2", []string{`1:6: unexpected character "\f": put text in quotes; join two values with "+", or list them as ("a", "b")`}},
	{"zero-width no-break space", "a = \ufeff1", []string{`1:5: expected a value after "=", found character "\ufeff": write a "text" in quotes, a number, a name or a (list)`}},
	{"integer too large", "a = 9223372036854775808", []string{"1:5: number 9223372036854775808 is too large: the largest is 9223372036854775807"}},
	{"address without quotes", "server.bind = 127.0.0.1", []string{`1:15: "127.0.0.1" is not a whole number: put it in quotes`}},
	{"hexadecimal", "a = 0x1f", []string{`1:5: "0x1f" is not a whole number: write digits alone, or put text in quotes`}},
	{"unit", "a = (10s, 1)", []string{`1:6: "10s" is not a whole number: write digits alone, or put text in quotes`}},
	{"name that begins with a digit", "1a = 2", []string{`1:1: unexpected "1a": begin a statement with a name, "include", "global" or a condition`}},
	{"upper-case keyword", `Include "x"`, []string{`1:9: expected "=", ":=" or "+=" after the name Include, found string "x": write include in lower case`}},
	{"upper-case keyword before a block", "ELSE { a = = 1 }", []string{
		`1:6: expected "=", ":=" or "+=" after the name ELSE, found "{": write else in lower case`,
		`1:12: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"keyword as a name", "if = 1", []string{`1:4: expected a condition after "if", found "=": write a condition as $HTTP["url"] == "/path" { ... }`}},
	{"keyword as a value", "a = global", []string{`1:5: expected a value after "=", found "global": this word is part of the language; put text in quotes`}},
	{"keyword in a list", `a = ("x", else, "y")`, []string{`1:11: expected a value, found "else": this word is part of the language; put text in quotes`}},
	{"keyword as a sum", "a = 1 + include", []string{`1:9: expected a value after "+", found "include": this word is part of the language; put text in quotes`}},

	// Strings.
	{"string not closed", `a = "x`, []string{"1:5: this string is not closed: add the missing quote, here or further left in the line"}},
	{"string not closed at the end of a line", `a = "x
b = "y"
c = 1`, []string{
		"1:5: this string is not closed: add the missing quote, here or further left in the line",
	}},
	{"string ends in a backslash", `a = "C:\dir\"
b = "y"`, []string{
		`1:5: this string is not closed: add the missing quote; \" is a quote inside the string, not its end`,
	}},
	{"string not closed in a list", `a = (
"x",
"y,
"z"
)
b = "q"`, []string{
		"3:1: this string is not closed: add the missing quote, here or further left in the line",
	}},
	{"last string of a list not closed", `a = (
"x",
"y)
b = "q"`, []string{
		"3:1: this string is not closed: add the missing quote, here or further left in the line",
	}},
	{"quote missing within a line", `a = ("x, "y")
b = "z"`, []string{
		"1:12: this string is not closed: add the missing quote, here or further left in the line",
	}},
	{"opening quote missing", `a = ("x", y")
b = "z"`, []string{
		"1:12: this string is not closed: add the missing quote, here or further left in the line",
	}},
	{"string not closed before a block", `$HTTP["url"] == "/ws {
a = 1
}
b = "q"`, []string{
		"1:17: this string is not closed: add the missing quote, here or further left in the line",
	}},
	{"field not closed", `$HTTP["url] == "/ws" {
a = 1
}
b = "q"`, []string{
		"1:20: this string is not closed: add the missing quote, here or further left in the line",
	}},
	{"string not closed before a parenthesis and a brace", `global {
a = (("x
}
b = "y"`, []string{
		"2:7: this string is not closed: add the missing quote, here or further left in the line",
	}},
	{"two strings not closed", `a = "x
b = "y
c = "z"`, []string{
		"1:5: this string is not closed: add the missing quote, here or further left in the line",
		"2:5: this string is not closed: add the missing quote, here or further left in the line",
	}},

	// Tokens out of place.
	{"block without a head", "{ a = 1 }", []string{`1:1: unexpected "{": put "global" or a condition in front of the block`}},
	{"block without a head below a statement", `a = 1
{
b = = 2
}`, []string{
		`2:1: unexpected "{": put "global" or a condition in front of the block`,
		`3:5: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"two equals signs", "server.port = = 2", []string{`1:15: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`}},
	{"two plus signs", `a = "a" + + "b"`, []string{`1:11: expected a value after "+", found "+": write a "text" in quotes, a number, a name or a (list)`}},
	{"plus in the next line", `a = "a"
+ "b"`, []string{
		`2:1: unexpected "+": to go on with a value in the next line, end the first line with "+"`,
	}},
	{"plus at the end", `a = "a" +`, []string{`1:10: expected a value after "+", found the end of the file: write a "text" in quotes, a number, a name or a (list)`}},
	{"comma between statements", "a = 1, b = 2", []string{`1:6: unexpected ",": no comma belongs between statements; remove it, or put the values in parentheses`}},
	{"comma behind a value", `a = "x", "y"`, []string{`1:8: unexpected ",": no comma belongs between statements; remove it, or put the values in parentheses`}},
	{"comma first", ", a = 1", []string{`1:1: unexpected ",": no comma belongs between statements; remove it, or put the values in parentheses`}},
	{"number behind an element", `a = ("a" 1)`, []string{`1:10: expected "," or ")", found number 1: put a comma between the elements of a list`}},
	{"two arrows", `a = ("a" => => "b")`, []string{`1:13: expected a value after "=>", found "=>": write a "text" in quotes, a number, a name or a (list)`}},
	{"include with =", `include = "f"`, []string{`1:9: expected a value after "include", found "=": write include "..."`}},
	{"include_shell without a command", `include_shell
a = 1`, []string{
		`1:14: expected a value after "include_shell", found the end of the line: write include_shell "..."`,
	}},
	{"include at the end", "include", []string{`1:8: expected a value after "include", found the end of the file: write include "..."`}},
	{"two strings", `a = "x" "y"`, []string{`1:9: unexpected string "y": put text in quotes; join two values with "+", or list them as ("a", "b")`}},
	{"two strings in a list", `a = ("x" "y" "z")`, []string{
		`1:10: expected "," or ")", found string "y": put a comma between the elements of a list`,
		`1:14: expected "," or ")", found string "z": put a comma between the elements of a list`,
	}},
	{"two values", "a = x y z", []string{`1:7: unexpected name y: put text in quotes; join two values with "+", or list them as ("a", "b")`}},
	{"list behind a value", `a = "x" ("y")
b = 1`, []string{
		`1:9: unexpected "(": put text in quotes; join two values with "+", or list them as ("a", "b")`,
	}},
	{"text without quotes", "server.name = my host.name 1.2", []string{
		`1:18: unexpected name host.name: put text in quotes; join two values with "+", or list them as ("a", "b")`,
	}},
	{"address behind a name", "a = b 1.2.3.4", []string{`1:7: unexpected "1.2.3.4": put text in quotes; join two values with "+", or list them as ("a", "b")`}},
	{"lone value", `"x"`, []string{`1:1: unexpected string "x": begin a statement with a name, "include", "global" or a condition`}},
	{"lone list", `("a",
"b")`, []string{
		`1:1: unexpected "(": begin a statement with a name, "include", "global" or a condition`,
	}},
	{"lone )", "a = 1 )", []string{`1:7: unexpected ")": no "(" is open here; remove it`}},
	{"lone ]", `]
a = 1`, []string{
		`1:1: unexpected "]": begin a statement with a name, "include", "global" or a condition`,
	}},
	{"lone operator", "== 1", []string{`1:1: unexpected "==": begin a statement with a name, "include", "global" or a condition`}},
	{"lone dollar", "$", []string{`1:2: expected a name such as HTTP after "$", found the end of the file: write a condition as $HTTP["url"] == "/path" { ... }`}},
	{"dollar and a bracket", `$["url"] == "x" { a = = 1 }`, []string{
		`1:2: expected a name such as HTTP after "$", found "[": write a condition as $HTTP["url"] == "/path" { ... }`,
		`1:23: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},

	// Assignments.
	{"no operator", "server.port 80", []string{`1:13: expected "=", ":=" or "+=" after the name server.port, found number 80: write name = value`}},
	{"no operator in the line", `server.port
a = 1`, []string{
		`1:12: expected "=", ":=" or "+=" after the name server.port, found the end of the line: write name = value`,
	}},
	{"no operator before a list", `a (
"x",
"y")`, []string{
		`1:3: expected "=", ":=" or "+=" after the name a, found "(": write name = value`,
	}},
	{"other operator", "a == 1", []string{`1:3: expected "=", ":=" or "+=" after the name a, found "==": write name = value`}},
	{"other punctuation", "a: 1", []string{`1:2: expected "=", ":=" or "+=" after the name a, found ":": write name = value`}},
	{"block behind a name", "server { a = = 1 }", []string{
		`1:8: expected "=", ":=" or "+=" after the name server, found "{": write name = value`,
		`1:14: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"no value", `a =
b = 1`, []string{
		`1:4: expected a value after "=", found the end of the line: write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"no value before a condition", `a =
$HTTP["url"] == "/" {}`, []string{
		`1:4: expected a value after "=", found the end of the line: write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"no value at the end", "a =", []string{`1:4: expected a value after "=", found the end of the file: write a "text" in quotes, a number, a name or a (list)`}},
	{"no value before a brace", "global { a = }", []string{`1:14: expected a value after "=", found "}": write a "text" in quotes, a number, a name or a (list)`}},
	{"condition as a value", `a = $HTTP["url"]`, []string{`1:5: expected a value after "=", found "$": write a "text" in quotes, a number, a name or a (list)`}},
	{"two assignments", "a = b = 1", []string{`1:7: unexpected "=": begin a statement with a name, "include", "global" or a condition`}},
	{"arrow", "a => 1", []string{`1:3: expected "=", ":=" or "+=" after the name a, found "=>": write name = value`}},
	{"list in brackets", `a = [
"x",
"y"
]`, []string{
		`1:5: unexpected "[": a list is written in parentheses: ("a", "b")`,
	}},

	// Lists.
	{"( not closed", `a = ("x"
b = 1`, []string{
		`1:5: this "(" is not closed: add a ")" where the list ends`,
	}},
	{"( not closed behind a comma", `a = (
"x",
b.c = 1`, []string{
		`1:5: this "(" is not closed: add a ")" where the list ends`,
	}},
	{"( not closed at the end", "a = (", []string{`1:5: this "(" is not closed: add a ")" where the list ends`}},
	{"two ( not closed", `a = (("x"`, []string{
		`1:5: this "(" is not closed: add a ")" where the list ends`,
		`1:6: this "(" is not closed: add a ")" where the list ends`,
	}},
	{"( not closed before a condition", `a = ("x",
$HTTP["url"] == "/" { b = = 1 }`, []string{
		`1:5: this "(" is not closed: add a ")" where the list ends`,
		`2:27: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"( not closed before a keyword", `a = ("x",
include "f"`, []string{
		`1:5: this "(" is not closed: add a ")" where the list ends`,
	}},
	{"( not closed before }", `global { a = ("x" }`, []string{`1:14: this "(" is not closed: add a ")" where the list ends`}},
	{"( not closed before {", `$HTTP["url"] == ("/" { a = = 1 }`, []string{
		`1:17: this "(" is not closed: add a ")" where the list ends`,
		`1:28: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"( not closed behind =>", `a = ("x" =>
b := 1`, []string{
		`1:5: this "(" is not closed: add a ")" where the list ends`,
		`1:12: expected a value after "=>", found the end of the line: write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"( closed by ]", `a = ("x"]`, []string{`1:9: unexpected "]": a list ends with ")"`}},
	{"= for =>", `a = ("k" = "v")`, []string{`1:10: unexpected "=": write "=>" between key and value`}},
	{"= for => and no quotes", `a = (
host = "h",
port = 80
)`, []string{
		`2:6: unexpected "=": write "=>" between key and value`,
		`3:6: unexpected "=": write "=>" between key and value`,
	}},
	{": for =>", `a = ("k": "v")`, []string{`1:9: unexpected ":": write "=>" between key and value`}},
	{":= for =>", `a = ("k" := "v")`, []string{`1:10: expected "," or ")", found ":=": put a comma between the elements of a list`}},
	{"no key", `a = (=> "v")`, []string{`1:6: expected a value, found "=>": write a "text" in quotes, a number, a name or a (list)`}},
	{"no value behind =>", `a = ("k" => , "l" =>)`, []string{
		`1:13: expected a value after "=>", found ",": write a "text" in quotes, a number, a name or a (list)`,
		`1:21: expected a value after "=>", found ")": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"list in the rest of an element", `a = (=> ("b", => "c"), "d" =>)`, []string{
		`1:6: expected a value, found "=>": write a "text" in quotes, a number, a name or a (list)`,
		`1:15: expected a value, found "=>": write a "text" in quotes, a number, a name or a (list)`,
		`1:30: expected a value after "=>", found ")": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"three arrows", `a = ("k" => "l" => "m")`, []string{`1:17: expected "," or ")", found "=>": put a comma between the elements of a list`}},
	{"commas missing", `a = (
"x"
"y" => "z"
("w")
)`, []string{
		`3:1: expected "," or ")", found string "y": put a comma between the elements of a list`,
		`4:1: expected "," or ")", found "(": put a comma between the elements of a list`,
	}},
	{"mistakes in a list", `a = ("x" => => 1, "y" + , (1.5, ;), "z" "w")`, []string{
		`1:13: expected a value after "=>", found "=>": write a "text" in quotes, a number, a name or a (list)`,
		`1:25: expected a value after "+", found ",": write a "text" in quotes, a number, a name or a (list)`,
		`1:28: "1.5" is not a whole number: put it in quotes`,
		`1:33: expected a value, found ";": remove the semicolon; a statement ends with its line, an element with a comma`,
		`1:41: expected "," or ")", found string "w": put a comma between the elements of a list`,
	}},
	{"plus before )", `a = ("x" +)`, []string{`1:11: expected a value after "+", found ")": write a "text" in quotes, a number, a name or a (list)`}},
	{"too many )", `a = (("x")))`, []string{`1:12: unexpected ")": no "(" is open here; remove it`}},

	// Conditions.
	{"no field", `$ == "x" { a = = 1 }`, []string{
		`1:3: expected a name such as HTTP after "$", found "==": write a condition as $HTTP["url"] == "/path" { ... }`,
		`1:16: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"dot for brackets", `$HTTP.url == "/" { a = = 1 }`, []string{
		`1:11: expected "[" after $HTTP.url, found "==": write a condition as $HTTP["url"] == "/path" { ... }`,
		`1:24: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"no brackets", `$HTTP == "/" {}`, []string{`1:7: expected "[" after $HTTP, found "==": write a condition as $HTTP["url"] == "/path" { ... }`}},
	{"key without quotes", `$HTTP[url] == "/" {}`, []string{`1:7: expected a word in quotes after "[", found name url: write a condition as $HTTP["url"] == "/path" { ... }`}},
	{"no field name", `$HTTP[] == "/" {}`, []string{`1:7: expected a word in quotes after "[", found "]": write a condition as $HTTP["url"] == "/path" { ... }`}},
	{"bracket not closed", `$HTTP["url" == "/" {}`, []string{`1:13: expected "]", found "==": write a condition as $HTTP["url"] == "/path" { ... }`}},
	{"sum as a key", `$HTTP["u" + "rl"] == "/" {}`, []string{
		`1:11: expected "]", found "+": write a condition as $HTTP["url"] == "/path" { ... }`,
	}},
	{"assignment for a condition", `$HTTP["url"] = "/" { a = = 1 }`, []string{
		`1:14: unknown operator "=": use ==, !=, =~, !~, =^ (begins with) or =$ (ends with)`,
		`1:26: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"no operator in a condition", `$HTTP["url"] "/" {}`, []string{`1:14: expected an operator, found string "/": use ==, !=, =~, !~, =^ (begins with) or =$ (ends with)`}},
	{"no operator before the block", `$HTTP["url"] {}`, []string{`1:14: expected an operator, found "{": use ==, !=, =~, !~, =^ (begins with) or =$ (ends with)`}},
	{"unknown operator !^", `$HTTP["url"] !^ "/" { a = = 1 }`, []string{
		`1:14: unknown operator "!^": use ==, !=, =~, !~, =^ (begins with) or =$ (ends with)`,
		`1:27: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"unknown operator <", `$SERVER["port"] < 80 {}`, []string{`1:17: unknown operator "<": use ==, !=, =~, !~, =^ (begins with) or =$ (ends with)`}},
	{"unknown operator ===", `$HTTP["url"] === "/" {}`, []string{`1:16: expected a value after "==", found "=": write a "text" in quotes, a number, a name or a (list)`}},
	{"operator in the next line", `$HTTP["url"]
== "/" {
a = 1
}`, []string{
		"1:13: expected an operator, found the end of the line: use ==, !=, =~, !~, =^ (begins with) or =$ (ends with)",
	}},
	{"word for an operator", `$HTTP["url"] eq "/" {}`, []string{"1:14: expected an operator, found name eq: use ==, !=, =~, !~, =^ (begins with) or =$ (ends with)"}},
	{"no value in a condition", `$HTTP["url"] == { a = = 1 }`, []string{
		`1:17: expected a value after "==", found "{": write a "text" in quotes, a number, a name or a (list)`,
		`1:23: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"two conditions", `$HTTP["url"] == "/" && $HTTP["host"] == "x" { a = = 1 }`, []string{
		`1:21: expected "{" after the condition, found "&": put one condition inside the block of the other`,
		`1:51: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"semicolon before the block", `$HTTP["url"] == "/"; { a = 1 }`, []string{
		`1:20: expected "{" after the condition, found ";": remove the semicolon; a statement ends with its line, an element with a comma`,
	}},
	{"no block", `$HTTP["url"] == "/"`, []string{`1:20: expected "{" after the condition, found the end of the file: write a condition as $HTTP["url"] == "/path" { ... }`}},
	{"no {", `$HTTP["url"] == "/"
a = 1
}`, []string{
		`1:20: expected "{" after the condition, found the end of the line: write a condition as $HTTP["url"] == "/path" { ... }`,
	}},
	{"no { in a block", `global {
$HTTP["url"] == "/"
a = 1
}
b = 2
}`, []string{
		`2:20: expected "{" after the condition, found the end of the line: write a condition as $HTTP["url"] == "/path" { ... }`,
	}},
	{"no { before else", `$HTTP["url"] == "/"
a = 1
} else { b = = 2 }`, []string{
		`1:20: expected "{" after the condition, found the end of the line: write a condition as $HTTP["url"] == "/path" { ... }`,
		`3:14: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"if without a condition", "if { a = = 1 }", []string{
		`1:4: expected a condition after "if", found "{": write a condition as $HTTP["url"] == "/path" { ... }`,
		`1:10: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"if alone in its line", `if
$HTTP["url"] == "/" { a = = 1 }`, []string{
		`1:3: expected a condition after "if", found the end of the line: write a condition as $HTTP["url"] == "/path" { ... }`,
		`2:27: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"if if", `if if $HTTP["url"] == "/" { a = = 1 }`, []string{
		`1:4: expected a condition after "if", found "if": write a condition as $HTTP["url"] == "/path" { ... }`,
		`1:33: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"global without a block", "global a = 1", []string{`1:8: expected "{" after "global", found name a: write global { ... }`}},
	{"global without {", `global
a = = 1
}`, []string{
		`1:7: expected "{" after "global", found the end of the line: write global { ... }`,
		`2:5: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"global alone", "global", []string{`1:7: expected "{" after "global", found the end of the file: write global { ... }`}},

	// Else branches.
	{"else alone", "else { a = = 1 }", []string{
		`1:1: "else" without a condition before it: it belongs right after the "}" of a condition`,
		`1:12: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"elif alone", `a = 1
elif $HTTP["url"] == "/" { }
else { }`, []string{
		`2:1: "elif" without a condition before it: it belongs right after the "}" of a condition`,
	}},
	{"else behind else", `$A["b"] == "c" { } else { } else { a = = 1 }`, []string{
		`1:29: "else" after the final "else": only the last branch can be without a condition`,
		`1:40: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"elif behind else", `$A["b"] == "c" { } else { } elif $D["e"] == "f" { a = = 1 } else { }`, []string{
		`1:29: "elif" after the final "else": only the last branch can be without a condition`,
		`1:55: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
		`1:61: "else" after the final "else": only the last branch can be without a condition`,
	}},
	{"else without a block", `$A["b"] == "c" { } else
a = 1`, []string{
		`1:24: expected "{" or a condition after "else", found the end of the line: write a condition as $HTTP["url"] == "/path" { ... }`,
	}},
	{"else if without a condition", `$A["b"] == "c" { } else if { a = = 1 }`, []string{
		`1:28: expected a condition after "if", found "{": write a condition as $HTTP["url"] == "/path" { ... }`,
		`1:34: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"elsif without a condition", `$A["b"] == "c" { } elsif { a = = 1 } else { }`, []string{
		`1:26: expected a condition after "elsif", found "{": write a condition as $HTTP["url"] == "/path" { ... }`,
		`1:32: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"elif if", `$A["b"] == "c" { } elif if $D["e"] == "f" { a = = 1 }`, []string{
		`1:25: expected a condition after "elif", found "if": write a condition as $HTTP["url"] == "/path" { ... }`,
		`1:49: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"condition in the line below else", `$A["b"] == "c" { } else
$D["e"] == "f" { a = = 1 }`, []string{
		`1:24: expected "{" or a condition after "else", found the end of the line: write a condition as $HTTP["url"] == "/path" { ... }`,
		`2:22: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"if in the line below else", `$A["b"] == "c" { } else
if $D["e"] == "f" { a = = 1 }`, []string{
		`1:24: expected "{" or a condition after "else", found the end of the line: write a condition as $HTTP["url"] == "/path" { ... }`,
		`2:25: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},
	{"mistake in a branch", `$A["b"] < "c" { } else $D["e"] == "f" { } else $G["h"] { } else { i = = 1 }`, []string{
		`1:9: unknown operator "<": use ==, !=, =~, !~, =^ (begins with) or =$ (ends with)`,
		`1:56: expected an operator, found "{": use ==, !=, =~, !~, =^ (begins with) or =$ (ends with)`,
		`1:71: expected a value after "=", found "=": write a "text" in quotes, a number, a name or a (list)`,
	}},

	// Long or unprintable tokens in messages.
	{"long string", `a = 1 "0123456789012345678901234567890123456789012345678901234567890123456789"`, []string{
		`1:7: unexpected string "0123456789012345678901234567890123456789...": put text in quotes; join two values with "+", or list them as ("a", "b")`,
	}},
	{"string over lines", `a = 1 "x
y"`, []string{
		`1:7: unexpected string "x...": put text in quotes; join two values with "+", or list them as ("a", "b")`,
	}},
	{"string with a control character", "a = 1 \"\x1b[31m\"", []string{`1:7: unexpected string "...": put text in quotes; join two values with "+", or list them as ("a", "b")`}},
	{"string that is not UTF-8", "a = 1 \"\xff\"", []string{"1:7: unexpected string \"�\": put text in quotes; join two values with \"+\", or list them as (\"a\", \"b\")"}},
	{"snowman", "a = ☃", []string{`1:5: expected a value after "=", found "☃": write a "text" in quotes, a number, a name or a (list)`}},
	{"long number", "012345678901234567890123456789.0123456789012345678901234567890123456789 = 2", []string{
		`1:1: unexpected "012345678901234567890123456789.012345678...": begin a statement with a name, "include", "global" or a condition`,
	}},
	{"long name", "a.0123456789012345678901234567890123456789012345678901234567890123456789 2", []string{
		`1:74: expected "=", ":=" or "+=" after the name a.01234567890123456789012345678901234567..., found number 2: write name = value`,
	}},
}

// worse are texts with mistakes that change how all the text after them is read.
var worse = []badText{
	{"BOM", "\ufeffa = 1", []string{"1:1: the file begins with a byte order mark: save it as UTF-8 without one"}},
	{"BOM alone", "\ufeff", []string{"1:1: the file begins with a byte order mark: save it as UTF-8 without one"}},
	{"NUL", "a = = 1\nb = \x00", []string{
		"2:5: unexpected NUL byte: this is not a text file, or not one in UTF-8",
	}},
	{"UTF-16", "\xff\xfea\x00", []string{"1:4: unexpected NUL byte: this is not a text file, or not one in UTF-8"}},
	{"lone }", "}", []string{`1:1: unexpected "}": no "{" is open here; remove it`}},
	{"lone {", "{", []string{`1:1: unexpected "{": put "global" or a condition in front of the block`}},
	{"block behind a name, not closed", "server {", []string{`1:8: expected "=", ":=" or "+=" after the name server, found "{": write name = value`}},
	{"{ not closed", `global {
a = 1`, []string{
		`1:8: this "{" is not closed: add a "}" where the block ends`,
	}},
	{"printed and cut off", "config {\na = 1\n$A[\"b\"] == \"c\" {\n", []string{
		`1:8: this "{" is not closed: add a "}" where the block ends`,
		`3:16: this "{" is not closed: add a "}" where the block ends`,
	}},
	{"printed behind something", "a = 1\nconfig { }", []string{`2:8: expected "=", ":=" or "+=" after the name config, found "{": write name = value`}},
	{"two { not closed", `$HTTP["url"] == "/" {
global {
`, []string{
		`1:21: this "{" is not closed: add a "}" where the block ends`,
		`2:8: this "{" is not closed: add a "}" where the block ends`,
	}},
}

func TestParseErrors(t *testing.T) {
	for _, tt := range slices.Concat(bad, worse) {
		t.Run(tt.name, func(t *testing.T) {
			f, err := syntax.Parse("f", []byte(tt.src))
			if err == nil {
				t.Fatalf("Parse(%q) gives %s, want errors\n%s", tt.src, dump(f.Stmts), strings.Join(tt.want, "\n"))
			}
			want := "f:" + strings.Join(tt.want, "\nf:")
			if got := err.Error(); got != want {
				t.Errorf("Parse(%q)\n got %s\nwant %s", tt.src, got, want)
			}
			if err := checkPlaces(tt.src, f, err); err != nil {
				t.Errorf("Parse(%q): %v", tt.src, err)
			}
		})
	}
}

// Mistakes do not hide each other and cause no others: each bad text gives the
// same errors after every other one, and in a block.
func TestParseRecovers(t *testing.T) {
	const sep = "\nz.z = 1\n"
	for _, a := range bad {
		t.Run(a.name, func(t *testing.T) {
			check := func(src string, want []string) {
				if got := errorPlaces(src, 0); !slices.Equal(got, want) {
					_, err := syntax.Parse("f", []byte(src))
					t.Errorf("Parse(%q): errors at %v, want at %v\n%v", src, got, want, err)
				}
			}
			check("global {\n"+a.src+"\n}", errorPlaces(a.src, 1))
			first := errorPlaces(a.src, 0)
			for _, b := range bad {
				second := errorPlaces(b.src, strings.Count(a.src+sep, "\n"))
				check(a.src+sep+b.src, slices.Concat(first, second))
			}
		})
	}
}

// errorPlaces returns the places of the errors in src, n lines further down.
func errorPlaces(src string, n int) []string {
	_, err := syntax.Parse("f", []byte(src))
	list, _ := err.(syntax.ErrorList)
	var places []string
	for _, e := range list {
		places = append(places, fmt.Sprintf("%d:%d", e.Pos.Line+n, e.Pos.Col))
	}
	return places
}

// Blocks and lists inside each other are limited, so that no text makes the
// parser run out of stack.
func TestParseDepth(t *testing.T) {
	const most = 200
	tests := []struct{ name, open, close string }{
		{"list", "(", ")"},
		{"global", "global {", "}"},
		{"else", `$A["b"] == "c" { } else {`, "}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parse := func(open, close int) string {
				src := strings.Repeat(tt.open, open) + strings.Repeat(tt.close, close)
				if tt.open == "(" {
					src = "a = " + src
				}
				_, err := syntax.Parse("f", []byte(src))
				return fmt.Sprint(err)
			}
			const msg = "more than 200 blocks and parentheses inside each other"
			if got := parse(most, most); strings.Contains(got, msg) {
				t.Errorf("%d deep: error %q", most, got)
			}
			if got := parse(most+1, most+1); !strings.Contains(got, msg) {
				t.Errorf("%d deep: error %q, want %q", most+1, got, msg)
			}
			if got := parse(1e6, 0); !strings.Contains(got, msg) || strings.Contains(got, "not closed") {
				t.Errorf("1e6 deep and not closed: error %q, want only %q", got, msg)
			}
		})
	}
}

// Elses are no nesting.
func TestParseManyBranches(t *testing.T) {
	src := strings.Repeat(`$A["b"] == "c" { } else `, 1000) + "{ }"
	if _, err := syntax.Parse("f", []byte(src)); err != nil {
		t.Errorf("1000 branches: %v", err)
	}
}

func TestParseErrorLimit(t *testing.T) {
	for _, line := range []string{"a = = 1\n", "a = \"x\n", "a = (\"b\" 1)\n", "}\n", "\\\"\n"} {
		_, err := syntax.Parse("f", []byte(strings.Repeat(line, 1000)))
		list, _ := err.(syntax.ErrorList)
		if len(list) != 100 || list[99].Pos.Line != 100 {
			t.Errorf("Parse of 1000 lines %q: %d errors, want 100 in the first 100 lines", line, len(list))
		}
	}
}

// The File holds what is right in a text with mistakes.
func TestParsePartial(t *testing.T) {
	src := `
		a = 1
		b = = 2
		c = ("x" => => "y", "z") }
		global { d = ; e = 5 }
		$F["g"] < "h" { i = 6 }
		$J["k"] == "l" { m = 7 } else $N["o"] { p = 8 } else { q = 9 }
		r = "s
		t = 10`
	want := `(= a 1) (= c ["z"]) (global {(= e 5)}) (if $J[k] == "l" {(= m 7)}) (= r "s") (= t 10)`
	f, err := syntax.Parse("f", []byte(src))
	if got := dump(f.Stmts); got != want {
		t.Errorf("Parse(%q)\n got %s\nwant %s", src, got, want)
	}
	if list, _ := err.(syntax.ErrorList); len(list) != 7 {
		t.Errorf("Parse(%q): errors\n%v\nwant 7", src, err)
	}
}

func TestPositions(t *testing.T) {
	src := "a = (\"x\ny\",\r\n\t1 + b) # c\r" +
		"\u00a0include_shell d\n" +
		"global { if $E[ \"f\" ] =^ g{}\n\n" +
		"else { h := 2 }}"
	want := `1:1 "a", 1:5 "(", 1:6 "\"x\ny\"", 3:2 "", 3:6 "b", 4:3 "include", 4:17 "d", ` +
		`5:1 "global", 5:13 "$", 5:17 "\"f\"", 5:23 "=^", 5:26 "g", 7:1 "el", 7:8 "h", 7:13 ""`
	f, err := syntax.Parse("dir/f.conf", []byte(src))
	if err != nil {
		t.Fatalf("Parse(%q): %v", src, err)
	}
	var got []string
	for _, p := range places(f.Stmts) {
		got = append(got, fmt.Sprintf("%d:%d %q", p.pos.Line, p.pos.Col, p.text))
		if p.pos.File != "dir/f.conf" {
			t.Errorf("file of %q is %q, want dir/f.conf", p.text, p.pos.File)
		}
	}
	if got := strings.Join(got, ", "); got != want {
		t.Errorf("Parse(%q)\n got %s\nwant %s", src, got, want)
	}
	sum := f.Stmts[0].(*syntax.Assign).Value.(*syntax.Array).Elems[1].Value.(*syntax.Sum)
	if got, want := sum.Pos().String(), "dir/f.conf:3:2"; got != want {
		t.Errorf("position of the sum in %q is %s, want %s", src, got, want)
	}
}

func TestErrorString(t *testing.T) {
	pos := syntax.Pos{File: "f", Line: 2, Col: 3}
	tests := []struct {
		err  error
		want string
	}{
		{&syntax.Error{Pos: pos, Msg: "wrong", Hint: "do it right"}, "f:2:3: wrong: do it right"},
		{&syntax.Error{Pos: pos, Msg: "wrong"}, "f:2:3: wrong"},
		{&syntax.Error{Msg: "wrong"}, "-: wrong"},
		{syntax.ErrorList{{Pos: pos, Msg: "wrong"}, {Msg: "bad"}}, "f:2:3: wrong\n-: bad"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%#v: Error() is %q, want %q", tt.err, got, tt.want)
		}
	}
}
