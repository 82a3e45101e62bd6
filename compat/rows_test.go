package compat

import (
	"os"
	"strings"
	"testing"
)

// TestRows compares the marks of testdata with docs/compatibility.md: each names
// a row, and each row that has an id is shown by a case.
func TestRows(t *testing.T) {
	marks := make(map[string][]mark) // by archive
	for name, archive := range archives(t, "configs") {
		cases, _, err := parseConfigs(archive)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, c := range cases {
			marks[name] = append(marks[name], c.mark)
		}
	}
	for name, archive := range archives(t, "requests") {
		cases, err := parseRequests(section(t, archive, "requests"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, c := range cases {
			marks[name] = append(marks[name], c.mark)
		}
	}
	doc, err := os.ReadFile("../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := rows(t, string(doc))
	pending := make(map[string]int)
	for name, all := range marks {
		for _, m := range all {
			for _, id := range m.differs {
				if _, ok := shown[id]; !ok {
					t.Errorf("%s: %s is no row of docs/compatibility.md", name, id)
				}
				shown[id] = true
			}
			if m.pending != "" {
				pending[m.pending]++
			}
		}
	}
	for id, ok := range shown {
		if !ok {
			t.Errorf("docs/compatibility.md: no case shows %s", id)
		}
	}
	if len(pending) > 0 {
		t.Logf("pending: %v", pending)
	}
}

// rows returns the ids of the rows of a page's tables: what stands in a column
// "id", which is the last. A row may end before it.
func rows(t *testing.T, page string) map[string]bool {
	t.Helper()
	ids := make(map[string]bool)
	columns := 0 // of this table, if it has ids
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(strings.ReplaceAll(line, `\|`, ""))
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		last := strings.TrimSpace(cells[len(cells)-1])
		switch {
		case last == "id":
			columns = len(cells)
		case columns > 0 && len(cells) > columns:
			t.Errorf("docs/compatibility.md: too many cells: %s", line)
		case columns > 0 && len(cells) == columns && strings.Trim(last, "-") != "":
			name := strings.Trim(last, "`")
			if _, ok := ids[name]; ok || !id.MatchString(name) {
				t.Errorf("docs/compatibility.md: %s: twice, or not an id", last)
			}
			ids[name] = false
		}
	}
	return ids
}
