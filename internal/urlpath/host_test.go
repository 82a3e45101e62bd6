package urlpath_test

import (
	"testing"

	"github.com/wstunneld/wstunneld/internal/urlpath"
)

func TestHostScheme(t *testing.T) {
	o := urlpath.DefaultOptions
	tests := []struct{ authority, scheme, want string }{
		{"A:80", "http", "a"},
		{"A:80", "https", "a:80"},
		{"A:443", "http", "a:443"},
		{"A:443", "https", "a"},
		{"[::1]:443", "https", "[::1]"},
	}
	for _, tt := range tests {
		if got, err := urlpath.Host(tt.authority, tt.scheme, &o); got != tt.want || err != nil {
			t.Errorf("Host(%q, %q) = %q, %v, want %q", tt.authority, tt.scheme, got, err, tt.want)
		}
	}
}

// FuzzHost holds that what Host gives is a host, and remains what it is.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"a", "A.b.:80", "1.2.3.4", "1.2", "[::1]:8080", "[::FFFF:1.2.3.4]", "a:", "a:080", "[", "[]", "a:b:c", "\xff", "-a", "a..b", ".:80"} {
		for n := range byte(4) {
			f.Add(s, n)
		}
	}
	f.Fuzz(func(t *testing.T, authority string, n byte) {
		o := &urlpath.Options{HostStrict: n&1 != 0, HostNormalize: n&2 != 0}
		got, err := urlpath.Host(authority, "http", o)
		if err != nil {
			if got != "" || n&3 == 0 {
				t.Fatalf("%+v: Host(%q) = %q, %v", *o, authority, got, err)
			}
			return
		}
		for _, c := range []byte(got) {
			if 'A' <= c && c <= 'Z' || o.HostStrict && (c <= ' ' || c > '~') {
				t.Fatalf("%+v: Host(%q) = %q", *o, authority, got)
			}
		}
		if again, err := urlpath.Host(got, "http", o); err != nil || again != got {
			t.Fatalf("%+v: Host(%q) = %q, again %q, %v", *o, authority, got, again, err)
		}
	})
}
