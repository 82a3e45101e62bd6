package expire_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/expire"
	"github.com/wstunneld/wstunneld/internal/lighttpdtest"
)

const (
	minute = time.Minute
	hour   = time.Hour
	day    = 24 * time.Hour
)

var times = []struct {
	in   string
	want expire.Time
	err  string // a part of the error; "" for none
}{
	{"access plus 3 days 2 hours", expire.Time{Plus: 74 * hour}, ""},
	{"access 3 days", expire.Time{Plus: 3 * day}, ""},
	{"access 1 day", expire.Time{Plus: day}, ""},
	{"now plus 1 minutes", expire.Time{Plus: minute}, ""},
	{"modification plus 1 hour", expire.Time{Modified: true, Plus: hour}, ""},
	{"access plus 1 weeks 1 month 1 year 1 hour 1 minute 1 second", expire.Time{Plus: 397*day + hour + minute + time.Second}, ""},
	{"access plus 2 seconds 3 seconds", expire.Time{Plus: 5 * time.Second}, ""},
	{"access plus 0 seconds", expire.Time{}, ""},
	{"access +1 days", expire.Time{Plus: day}, ""},
	{"access -1 days", expire.Time{Plus: -day}, ""},
	{"access 1 days ", expire.Time{Plus: day}, ""},
	{" access\t1  days", expire.Time{Plus: day}, ""},
	{"access 148 years", expire.Time{Plus: 148 * 360 * day}, ""},

	{"", expire.Time{}, "empty time"},
	{" ", expire.Time{}, "empty time"},
	{"plus 1 day", expire.Time{}, `begins with "plus"`},
	{"Access 1 day", expire.Time{}, `begins with "Access"`},
	{"accessplus 1 day", expire.Time{}, `begins with "accessplus"`},
	{"access", expire.Time{}, "ends without a number"},
	{"access plus", expire.Time{}, "ends without a number"},
	{"access plus plus 1 day", expire.Time{}, `has "plus" where a whole number`},
	{"access x days", expire.Time{}, `has "x" where a whole number`},
	{"access 1.5 days", expire.Time{}, `has "1.5" where a whole number`},
	{"access 0x10 days", expire.Time{}, `has "0x10" where a whole number`},
	{"access 1days", expire.Time{}, `has "1days" where a whole number`},
	{"access 1", expire.Time{}, "has no unit after 1"},
	{"access 1 day 2", expire.Time{}, "has no unit after 2"},
	{"access 1 fortnight", expire.Time{}, `has the unit "fortnight"`},
	{"access 1 DAYS", expire.Time{}, `has the unit "DAYS"`},
	{"access 1 dayss", expire.Time{}, `has the unit "dayss"`},
	{"access 1 s", expire.Time{}, `has the unit "s"`},
	{"access 149 years", expire.Time{}, "longer than 148 years"},
	{"access -149 years", expire.Time{}, "longer than 148 years"},
	{"access 148 years 1 year", expire.Time{}, "longer than 148 years"},
	{"access 99999999999999999999 days", expire.Time{}, "longer than 148 years"},
}

func TestParse(t *testing.T) {
	for _, tt := range times {
		got, err := expire.Parse(tt.in)
		switch {
		case tt.err == "" && err != nil:
			t.Errorf("Parse(%q): %v", tt.in, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("Parse(%q): error %v, want one with %q", tt.in, err, tt.err)
		case got != tt.want:
			t.Errorf("Parse(%q) = %v, want %v", tt.in, got, tt.want)
		}
	}
}

// Lighttpd takes the same times, but for the differences told here.
func TestLighttpdTimes(t *testing.T) {
	bin := lighttpdtest.Path(t)
	conf := filepath.Join(t.TempDir(), "lighttpd.conf")
	for _, tt := range times {
		config := fmt.Sprintf("server.document-root = \"/tmp\"\nserver.modules = (\"mod_expire\")\nexpire.url = (\"\" => \"%s\")\n", tt.in)
		if err := os.WriteFile(conf, []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(bin, "-tt", "-f", conf).CombinedOutput()
		they, we := err == nil, tt.err == ""
		switch tooLong, spaces := strings.Contains(tt.err, "longer than"), strings.ContainsAny(strings.TrimSpace(tt.in), "\t") || strings.Contains(tt.in, "  "); {
		case tooLong: // lighttpd's numbers overflow in silence
			if !they {
				t.Errorf("%q: lighttpd does not take it either: %s", tt.in, out)
			}
		case spaces: // lighttpd wants one space each
			if they {
				t.Errorf("%q: lighttpd takes it too", tt.in)
			}
		case they != we:
			t.Errorf("%q: accepted by us %v, by lighttpd %v: %s", tt.in, we, they, out)
		}
	}
}

func TestSet(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 999_999_999, time.UTC)
	old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	access := func(d time.Duration) expire.Time { return expire.Time{Plus: d} }
	modified := func(d time.Duration) expire.Time { return expire.Time{Modified: true, Plus: d} }
	rules := expire.Rules{
		URL: []expire.Rule{
			{"/d/a", access(3*day + 2*hour)},
			{"/d/", access(minute)},
			{"/d/b", access(hour)},
			{"/m", modified(hour)},
			{"/past", access(-hour)},
			{"/star*", access(hour)},
		},
		Types: []expire.Rule{
			{"text/html", modified(day)},
			{"text/*", access(day)},
			{"image/", access(2 * day)},
		},
	}
	const control, expires = "Cache-Control: max-age=", "Expires: "
	tests := []struct {
		method, proto, path, contentType string
		modified                         time.Time
		want                             string // "" for no header
	}{
		{"GET", "1.1", "/d/a.txt", "text/plain", old, control + "266400"},
		{"HEAD", "1.1", "/d/a.txt", "text/plain", old, control + "266400"},
		{"GET", "2.0", "/d/a.txt", "text/plain", old, control + "266400"},
		{"GET", "1.0", "/d/a.txt", "text/plain", old, expires + "Mon, 05 Jan 2026 05:04:05 GMT"},
		{"POST", "1.1", "/d/a.txt", "text/plain", old, ""},
		{"OPTIONS", "1.1", "/d/a.txt", "text/plain", old, ""},
		{"GET", "1.1", "/d/b.txt", "text/plain", old, control + "60"}, // the first rule, not the longest
		{"GET", "1.1", "/D/a.txt", "x/y", old, ""},
		{"GET", "1.1", "/past", "x/y", old, control + "0"},
		{"GET", "1.0", "/past", "x/y", old, expires + "Fri, 02 Jan 2026 03:04:05 GMT"},
		{"GET", "1.1", "/start", "x/y", old, ""},

		{"GET", "1.1", "/m", "x/y", now.Add(-10 * minute), control + "3000"},
		{"GET", "1.1", "/m", "x/y", now.Add(2 * hour), control + "10800"},
		{"GET", "1.1", "/m", "x/y", old, control + "0"},
		{"GET", "1.1", "/m", "x/y", time.Time{}, ""},
		{"GET", "1.0", "/m", "x/y", now.Add(-10 * minute), expires + "Fri, 02 Jan 2026 03:54:05 GMT"},
		{"GET", "1.1", "/m", "text/plain", time.Time{}, ""}, // the path has its rule

		{"GET", "1.1", "/x", "text/plain;charset=utf-8", old, control + "86400"},
		{"GET", "1.1", "/x", "text/html", now, control + "86400"},
		{"GET", "1.1", "/x", "text/html", now.Add(-hour), control + "82800"},
		{"GET", "1.1", "/x", "image/png", old, control + "172800"},
		{"GET", "1.1", "/x", "text", old, ""},
		{"GET", "1.1", "/x", "Image/png", old, ""},
		{"GET", "1.1", "/x", "", old, ""},
	}
	for _, tt := range tests {
		for _, present := range []string{"", "no-store"} {
			r := &http.Request{Method: tt.method}
			if _, err := fmt.Sscanf(tt.proto, "%d.%d", &r.ProtoMajor, &r.ProtoMinor); err != nil {
				t.Fatal(err)
			}
			h, want := http.Header{}, tt.want
			if present != "" {
				h.Set("Cache-Control", present)
				want = "Cache-Control: " + present
			}
			rules.Set(h, r, tt.path, tt.contentType, tt.modified, now)
			var got []string
			for k, v := range h {
				got = append(got, k+": "+strings.Join(v, ","))
			}
			if got := strings.Join(got, "; "); got != want {
				t.Errorf("HTTP/%s %s %s, %s, modified %v, with Cache-Control %q: %q, want %q",
					tt.proto, tt.method, tt.path, tt.contentType, tt.modified, present, got, want)
			}
		}
	}
}

// What Parse takes fits the arithmetic of Set.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"access plus 3 days 2 hours", "modification 1 years", "now -1 second", "access", "access 146 years 146 years",
		"access 9223372036854775807 seconds", "access -9223372036854775808 years", "access plus 1 x", "  ",
	} {
		f.Add(s)
	}
	now := time.Unix(1_700_000_000, 0)
	f.Fuzz(func(t *testing.T, s string) {
		tm, err := expire.Parse(s)
		if err != nil {
			return
		}
		// The same time written in seconds is the same time.
		base := "access"
		if tm.Modified {
			base = "modification"
		}
		again, err := expire.Parse(fmt.Sprintf("%s plus %d seconds", base, tm.Plus/time.Second))
		if err != nil || again != tm {
			t.Fatalf("Parse(%q) = %v; in seconds %v, %v", s, tm, again, err)
		}
		h := http.Header{}
		rules := expire.Rules{URL: []expire.Rule{{Time: tm}}}
		rules.Set(h, &http.Request{Method: "GET", ProtoMajor: 1, ProtoMinor: 1}, "/", "", now, now)
		if got, want := h.Get("Cache-Control"), fmt.Sprintf("max-age=%d", max(0, tm.Plus/time.Second)); got != want {
			t.Fatalf("%q: Cache-Control %q, want %q", s, got, want)
		}
	})
}
