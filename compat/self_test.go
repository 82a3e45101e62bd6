package compat

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// What the suite finds is worth what finds it: these are its own tests.

func TestJudge(t *testing.T) {
	tests := []struct {
		name  string
		marks []string
		diff  []string
		want  string // what is wrong
	}{
		{"agrees", nil, nil, ""},
		{"differs", nil, []string{"body"}, "body: shown"},
		{"differs in status", nil, []string{"Server", "status"}, "status: shown"},
		{"differs as it is to", []string{"# differs: a-b body, Server"}, []string{"Server", "body"}, ""},
		{"differs by two rows", []string{"# differs: a body", "# differs: b Server"}, []string{"Server", "body"}, ""},
		{"differs in more", []string{"# differs: a body"}, []string{"Server", "body"}, "Server: shown"},
		{"differs in less", []string{"# differs: a body, Server"}, []string{"body"}, "Server: agrees, although it is to differ: [a]"},
		{"agrees, marked", []string{"# differs: a body"}, nil, "body: agrees, although it is to differ: [a]"},
		{"pending", []string{"# pending: a"}, []string{"status"}, ""},
		{"pending, and will differ", []string{"# pending: a", "# differs: a body"}, []string{"status"}, ""},
		{"agrees, pending", []string{"# pending: a"}, nil, "agrees, although it is pending: a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m mark
			for _, comment := range tt.marks {
				if err := m.read(comment); err != nil {
					t.Fatal(err)
				}
			}
			wrong := m.judge(tt.diff, func(string) string { return "shown" })
			if got := strings.Join(wrong, "; "); got != tt.want {
				t.Errorf("marks %q, differences %q: got %q, want %q", tt.marks, tt.diff, got, tt.want)
			}
		})
	}
}

func TestDifferences(t *testing.T) {
	tests := []struct {
		a, b answer
		want []string
	}{
		{answer{"status": "200", "body": "x"}, answer{"status": "200", "body": "x"}, nil},
		{answer{"status": "200", "body": "x"}, answer{"status": "200"}, []string{"body"}},
		{answer{"status": "200"}, answer{"status": "200", "Etag": "set"}, []string{"Etag"}},
		{answer{"status": "200", "body": "x"}, answer{"status": "404", "body": "y"}, []string{"status"}},
		{answer{"status": "200", "2.status": "200", "2.body": "x"}, answer{"status": "200", "2.status": "closed"}, []string{"2.status"}},
	}
	for _, tt := range tests {
		if got := differences(tt.a, tt.b); !slices.Equal(got, tt.want) {
			t.Errorf("differences(%v, %v) = %q, want %q", tt.a, tt.b, got, tt.want)
		}
	}
}

// Whatever would make a case be lost, or be another than its writer meant, is an
// error.
func TestParseErrors(t *testing.T) {
	for _, text := range []string{
		"GET\n",
		"GET / HTTP/1.1\n",
		"GET /\n  neither header nor word\n",
		"  Header: of no case\n",
		"# differs: Not-an-id body\nGET /\n",
		"# differs: no-fields\nGET /\n",
		"# pending:\nGET /\n",
		"GET /\n# pending: topic\n",
		"raw x\n",
		"raw\n  \"unclosed\n",
	} {
		if cases, err := parseRequests(text); err == nil {
			t.Errorf("parseRequests(%q) = %v, want an error", text, cases)
		}
	}
	for _, text := range []string{
		"-- a --\nx = 1\n-- a --\nx = 2\n",
		"-- a --\n# differs: b\nx = 1\n",
	} {
		if cases, _, err := parseConfigs(txtar.Parse([]byte(text))); err == nil {
			t.Errorf("parseConfigs(%q) = %v, want an error", text, cases)
		}
	}
}

func TestRowIDs(t *testing.T) {
	const page = "| what | why | id |\n|---|---|---|\n| a | b | `one` |\n| no id | b |\n| a \\| b | c | `two-2` |\n\n" +
		"| what | why |\n|---|---|\n| a | `three` |\n"
	got := slices.Sorted(maps.Keys(rows(t, page)))
	if want := []string{"one", "two-2"}; !slices.Equal(got, want) {
		t.Errorf("rows(%q) = %q, want %q", page, got, want)
	}
}
