package files_test

import (
	"fmt"
	"testing"

	"github.com/wstunneld/wstunneld/internal/files"
)

// pad makes a list of n entries from assign; the rest matches nothing here.
func pad(n int, assign ...[2]string) [][2]string {
	for i := len(assign); i < n; i++ {
		assign = append(assign, [2]string{fmt.Sprintf(".pad%d", i), "pad/pad"})
	}
	return assign
}

func TestTypesLookup(t *testing.T) {
	const octets = "application/octet-stream"
	var (
		short = []([2]string){
			{".gz", "a/gz"}, {".tar.gz", "a/tgz"}, {"README", "t/readme"}, {".JS", "application/javascript"},
			{".es", "application/javascript;charset=utf-8"}, {"sub/x.css", "t/sub"}, {".css", "t/css"}, {".none", ""},
		}
		all   = append([][2]string{{"", "t/all"}}, short...)
		rest  = append(short[:len(short):len(short)], [2]string{"", "t/all"})
		names = pad(16, [][2]string{
			{".gz", "a/gz"}, {".tar.gz", "a/tgz"}, {"README", "t/readme"}, {"c", "t/c"}, {".b.c", "t/bc"},
			{"x.y", "t/xy"}, {".JS", "application/javascript"}, {".hidden", "t/hidden"}, {".", "t/dot"}, {".none", ""},
		}...)
		namesAll = append(names[:len(names):len(names)], [2]string{"", "t/all"})
	)
	tests := []struct {
		list   string
		assign [][2]string
		name   string
		want   string
	}{
		{"built-in", nil, "index.html", "text/html"},
		{"built-in", nil, "INDEX.HTM", "text/html"},
		{"built-in", nil, "a.txt", "text/plain;charset=utf-8"},
		{"built-in", nil, "a.css", "text/css;charset=utf-8"},
		{"built-in", nil, "a.js", "text/javascript"},
		{"built-in", nil, "a.mjs", "text/javascript"},
		{"built-in", nil, "a.json", "application/json"},
		{"built-in", nil, "a.svg", "image/svg+xml"},
		{"built-in", nil, "a.png", "image/png"},
		{"built-in", nil, "a.gif", "image/gif"},
		{"built-in", nil, "a.jpg", "image/jpeg"},
		{"built-in", nil, "a.jpeg", "image/jpeg"},
		{"built-in", nil, "a.webp", "image/webp"},
		{"built-in", nil, "a.avif", "image/avif"},
		{"built-in", nil, "favicon.ico", "image/vnd.microsoft.icon"},
		{"built-in", nil, "a.woff", "font/woff"},
		{"built-in", nil, "a.woff2", "font/woff2"},
		{"built-in", nil, "a.ttf", "font/ttf"},
		{"built-in", nil, "a.otf", "font/otf"},
		{"built-in", nil, "a.wav", "audio/x-wav"},
		{"built-in", nil, "a.mp3", "audio/mpeg"},
		{"built-in", nil, "a.ogg", "audio/ogg"},
		{"built-in", nil, "a.mp4", "video/mp4"},
		{"built-in", nil, "a.webm", "video/webm"},
		{"built-in", nil, "a.pdf", "application/pdf"},
		{"built-in", nil, "a.zip", "application/zip"},
		{"built-in", nil, "a.tar.gz", "application/gzip"},
		{"built-in", nil, "a.md", "text/markdown;charset=utf-8"},
		{"built-in", nil, "a.xml", "text/xml"},
		{"built-in", nil, "a.html.bak", octets},
		{"built-in", nil, "html", octets},
		{"built-in", nil, "a.", octets},
		{"built-in", nil, "", octets},
		{"built-in", nil, "/x.html/noext", octets},

		{"short", short, "a.tar.gz", "a/gz"}, // the first that fits, not the longest
		{"short", short, "a.GZ", "a/gz"},
		{"short", short, "README", "t/readme"},
		{"short", short, "xreadme", "t/readme"},
		{"short", short, "README.md", octets},
		{"short", short, "a.js", "text/javascript"},
		{"short", short, "a.es", "application/javascript;charset=utf-8"},
		{"short", short, "/sub/x.css", "t/sub"},
		{"short", short, "/other/x.css", "t/css"},
		{"short", short, "a.none", octets},
		{"short", short, "a.html", octets},
		{"empty key first", all, "a.gz", "t/all"},
		{"empty key last", rest, "a.gz", "a/gz"},
		{"empty key last", rest, "a", "t/all"},
		{"15 entries", pad(15, [2]string{".c", "t/c"}, [2]string{".b.c", "t/bc"}), "a.b.c", "t/c"},

		{"long", names, "a.tar.gz", "a/tgz"},
		{"long", names, "A.TAR.GZ", "a/tgz"},
		{"long", names, "a.b.gz", "a/gz"},
		{"long", names, "README", "t/readme"},
		{"long", names, "readme", "t/readme"},
		{"long", names, "xREADME", octets},
		{"long", names, "x.README", "t/readme"}, // a key without a dot is an extension too
		{"long", names, "a.b.c", "t/bc"},
		{"long", names, "a.d.c", "t/c"},
		{"long", names, "c", "t/c"},
		{"long", names, ".c", octets}, // a leading dot starts no extension
		{"long", names, "x.y", "t/xy"},
		{"long", names, "a.x.y", "t/xy"},
		{"long", names, "a.js", "text/javascript"},
		{"long", names, ".hidden", "t/hidden"},
		{"long", names, "a.", "t/dot"},
		{"long", names, "a.none", octets},
		{"long", names, "a.html", octets},
		{"long", names, "/dir.gz/a", octets},
		{"long with empty key", namesAll, "a.gz", "a/gz"},
		{"long with empty key", namesAll, "a.html", "t/all"},
		{"long with empty key", namesAll, "a..", "t/dot"},
		{"none", [][2]string{}, "a.html", octets},
		{"16 entries", pad(16, [2]string{".c", "t/c"}, [2]string{".b.c", "t/bc"}), "a.b.c", "t/bc"},
	}
	for _, tt := range tests {
		var types *files.Types
		if tt.assign != nil {
			types = files.NewTypes(tt.assign)
		}
		if got := types.Lookup(tt.name); got != tt.want {
			t.Errorf("%s: Lookup(%q) = %q, want %q", tt.list, tt.name, got, tt.want)
		}
	}
}

func ExampleTypes() {
	var builtin *files.Types
	fmt.Println(builtin.Lookup("logo.SVG"))

	assigned := files.NewTypes([][2]string{{".html", "text/html"}, {"", "text/plain"}})
	fmt.Println(assigned.Lookup("/doc/index.html"))
	fmt.Println(assigned.Lookup("logo.svg"))
	// Output:
	// image/svg+xml
	// text/html
	// text/plain
}
