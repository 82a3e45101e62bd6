package config_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/config"
)

const directivesFile = "../../docs/directives.md"

// docs/directives.md is the table of directives.
func TestDirectivesFile(t *testing.T) {
	got := directivesDoc()
	if *update {
		write(t, directivesFile, []byte(got))
	}
	want, err := os.ReadFile(directivesFile)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what the table of directives says: run go test ./internal/config -update", directivesFile)
	}
}

// TestDirectiveTable checks that each row of the table can be used as it says.
func TestDirectiveTable(t *testing.T) {
	const modules = `server.modules += ( "mod_wstunnel", "mod_accesslog", "mod_access", "mod_auth", "mod_setenv", "mod_alias",
		"mod_redirect", "mod_rewrite", "mod_extforward", "mod_status" )` + "\n"
	values := map[config.Type]string{
		config.String: `"x"`, config.Bool: `"enable"`, config.Short: "1", config.Int: "1", config.VList: `( "x" )`,
		config.KVString: `( "x" => "x" )`, config.KVArray: `( "x" => () )`, config.KVAny: `( "x" => 1 )`, config.Any: `"x"`,
	}
	seen := make(map[string]bool)
	for _, d := range config.Directives() {
		if seen[strings.ToLower(d.Name)] {
			t.Errorf("%s is in the table twice", d.Name)
		}
		seen[strings.ToLower(d.Name)] = true
		if d.Doc == "" || d.Status != config.Supported && d.Status != config.Gone && d.Note == "" {
			t.Errorf("%s is not described", d.Name)
		}
		value := d.Example
		if value == "" {
			value = values[d.Type]
		}
		text := modules + d.Name + " = " + value
		if d.Name == "server.modules" {
			text = d.Name + " = " + value
		}
		cfg, err := load(t, text)
		switch {
		case d.Status == config.Refused:
			if err == nil || !strings.Contains(err.Error(), d.Name+" is refused: ") {
				t.Errorf("%s: Load: %v, want a refusal", text, err)
			}
		case d.Name == "server.http-parseopts": // what fits the example is what is done
		case err != nil:
			t.Errorf("%s: Load: %v", text, err)
		case d.Status == config.NotYet, d.Status == config.Gone:
			if !strings.Contains(cfg.Warnings.Error(), d.Name+" has no effect: ") {
				t.Errorf("%s: warnings %v, want one on %s", text, cfg.Warnings, d.Name)
			}
		case len(cfg.Warnings) > 0:
			t.Errorf("%s: warnings %v, want none", text, cfg.Warnings)
		}
	}
}

// directivesDoc returns the table of directives as docs/directives.md.
func directivesDoc() string {
	var b strings.Builder
	b.WriteString(`# Directives

Every directive of lighttpd that wstunneld knows, by module. This file is made from the table that the program itself uses:
change it there, and run ` + "`go test ./internal/config -update`" + `.

**Type** is what a directive takes; another type is an error.

| type | values |
|---|---|
| string | ` + "`\"text\"`" + ` |
| bool | ` + "`\"enable\"`, `\"enabled\"`, `\"true\"`, `\"1\"` or `\"disable\"`, `\"disabled\"`, `\"false\"`, `\"0\"`" + `, in any case; or an integer, where 0 is off |
| short | an integer from 0 to 65535, or a string of digits |
| int | an integer from 0 to 4294967295, or a string of digits |
| list of strings | ` + "`( \"a\", \"b\" )`" + ` |
| key => string | ` + "`( \"key\" => \"a\" )`" + ` |
| key => list | ` + "`( \"key\" => ( … ) )`" + ` |
| key => any | ` + "`( \"key\" => … )`" + ` |

**Scope** is where it can be set: *global* is outside of conditions, *socket* is there and in ` + "`$SERVER[\"socket\"] == \"…\"`" + `,
*anywhere* is in any condition, too. In the wrong place it has no effect, and a warning says so.

**Status** is what becomes of it here: *supported* as in lighttpd; *differs* in the way that is named; *no effect*, because nothing of
what is served depends on it; *not yet*: it is accepted, and a warning says what is missing; *gone*: lighttpd does not have it any
more, and a warning says so; *refused*: an error, because without it something would be open that it is to close.

A directive of a module that is not in ` + "`server.modules`" + ` has no effect, and a warning says so. Directives of other modules of
lighttpd have no effect, with a warning; those of mod_cgi, mod_fastcgi, mod_scgi, mod_magnet and mod_secdownload are refused.
Unknown directives are warned of, with the nearest name. Names without a dot are variables.
`)
	module := "-"
	for _, d := range ordered(config.Directives()) {
		if d.Module != module {
			module = d.Module
			title := module
			if module == "" {
				title = "Core"
			}
			fmt.Fprintf(&b, "\n## %s\n\n| directive | type | scope | default | status | description |\n|---|---|---|---|---|---|\n", title)
		}
		fmt.Fprintf(&b, "| `%s` | %v | %v | %s | %s | %s |\n", d.Name, d.Type, d.Scope, asCode(d.Default), status(d), cell(d.Doc))
		if d.Name == "wstunnel.ping-interval" {
			hostOptionsDoc(&b)
		}
	}
	return b.String()
}

// hostOptionsDoc writes the options of a host.
func hostOptionsDoc(b *strings.Builder) {
	b.WriteString(`
The options of a host in ` + "`wstunnel.server`" + `. A host may have a label: ` + "`\"label\" => ( \"host\" => … )`" + `.

| option | type | default | description |
|---|---|---|---|
`)
	for _, o := range config.HostOptions() {
		fmt.Fprintf(b, "| `%s` | %v | %s | %s |\n", o.Name, o.Type, asCode(o.Default), cell(o.Doc))
	}
}

// ordered returns list with the directives of each module behind each other, in
// the order in which the modules appear.
func ordered(list []config.Directive) []config.Directive {
	var res []config.Directive
	done := make(map[string]bool)
	for _, first := range list {
		if done[first.Module] {
			continue
		}
		done[first.Module] = true
		for _, d := range list {
			if d.Module == first.Module {
				res = append(res, d)
			}
		}
	}
	return res
}

// status describes what becomes of d.
func status(d config.Directive) string {
	s := map[config.Status]string{
		config.Supported: "supported",
		config.Differs:   "differs",
		config.NoEffect:  "no effect",
		config.NotYet:    "not yet",
		config.Gone:      "gone",
		config.Refused:   "refused",
	}[d.Status]
	if d.Note != "" {
		s += ": " + d.Note
	}
	return cell(s)
}

// asCode returns the default s as a cell; what could be written is code.
func asCode(s string) string {
	if strings.HasPrefix(s, `"`) || strings.HasPrefix(s, "(") || s != "" && strings.Trim(s, "0123456789") == "" {
		return "`" + s + "`"
	}
	return cell(s)
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
