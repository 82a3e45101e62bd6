package compat

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// base begins the configurations of testdata/configs that do not set a document
// root themselves.
const base = `server.document-root = "/"
server.port = 8765
server.modules = ("mod_access", "mod_alias", "mod_redirect", "mod_rewrite", "mod_setenv", "mod_extforward",
	"mod_accesslog", "mod_expire", "mod_dirlisting", "mod_wstunnel")
`

var ownRoot = regexp.MustCompile(`(?m)^server\.document-root +=`)

// TestConfigurations compares whether the configurations of testdata/configs are
// accepted (field accepts), and how -p prints those that both accept (print).
func TestConfigurations(t *testing.T) {
	ours, theirs := programs(t)
	for name, archive := range archives(t, "configs") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cases, files, err := parseConfigs(archive)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			writeFiles(t, dir, files)
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					text := strings.ReplaceAll(c.text, "@DIR@", dir)
					if !ownRoot.MatchString(text) {
						text = base + text
					}
					writeFiles(t, dir, []txtar.File{{Name: configName, Data: []byte(text)}})
					got, _, messages := ours.run(t, "-tt", dir)
					want, _, theirMessages := theirs.run(t, "-tt", dir)
					if got != want {
						c.report(t, []string{"accepts"}, func(string) string {
							return fmt.Sprintf("\n%s\n  we: %v %s\nthey: %v %s", c.text, got, messages, want, theirMessages)
						})
						return
					}
					_, print, _ := ours.run(t, "-p", dir)
					_, theirPrint, _ := theirs.run(t, "-p", dir)
					var diff []string
					if got && normalPrint(print) != normalPrint(theirPrint) {
						diff = []string{"print"}
					}
					c.report(t, diff, func(string) string {
						return fmt.Sprintf("-p of\n%s\n  we: %s\nthey: %s", c.text, print, theirPrint)
					})
				})
			}
		})
	}
}

var (
	conditions = regexp.MustCompile(`(?m)^( *(else )?)if \$`)
	pid        = regexp.MustCompile(`(?m)^( *var\.PID *= ).*`)
)

// normalPrint takes away from -p what is not compared: the process number, and
// the word "if", which lighttpd before 1.4.71 did not write.
func normalPrint(s string) string {
	return pid.ReplaceAllString(conditions.ReplaceAllString(s, "${1}$$"), "${1}1")
}
