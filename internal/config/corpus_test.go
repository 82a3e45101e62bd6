package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/config"
)

// corpus returns the names of the configurations of testdata/corpus.
func corpus(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/corpus/*.conf")
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if names[i], err = filepath.Abs(name); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// TestCorpus loads each testdata/corpus/NAME.conf, as people write them for
// lighttpd, and compares what is told of it with NAME.golden.
func TestCorpus(t *testing.T) {
	names := corpus(t)
	if len(names) < 20 {
		t.Errorf("%d configurations, want at least 20", len(names))
	}
	for _, name := range names {
		base := strings.TrimSuffix(filepath.Base(name), ".conf")
		t.Run(base, func(t *testing.T) {
			cfg, err := config.Load(base+".conf", options(filepath.Dir(name)))
			got := "loads\n"
			if err != nil {
				got = "does not load\n" + cfg.Explain(err) + "\n"
			}
			for _, w := range cfg.Warnings {
				got += "warning: " + cfg.Explain(w) + "\n"
			}
			golden := strings.TrimSuffix(name, ".conf") + ".golden"
			if *update {
				write(t, golden, []byte(got))
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s:\n%s\nwant\n%s", base, got, want)
			}
		})
	}
}
