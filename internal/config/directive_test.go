package config_test

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/config/syntax"
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

// allModules lets every directive have effect.
const allModules = `server.modules = ( "mod_wstunnel", "mod_accesslog", "mod_access", "mod_auth", "mod_setenv", "mod_alias",
	"mod_redirect", "mod_rewrite", "mod_extforward", "mod_status", "mod_expire" )` + "\n"

// assign returns a configuration in which d has value.
func assign(d config.Directive, value string) string {
	if d.Name == "server.modules" {
		return d.Name + " = " + value + "\n"
	}
	return allModules + d.Name + " = " + value + "\n"
}

// example returns a value for d that is not its default.
func example(d config.Directive) string {
	switch {
	case d.Type == config.Bool && d.Default == `"enable"`:
		return `"disable"`
	case d.Example != "" && d.Example != d.Default:
		return d.Example
	}
	return map[config.Type]string{
		config.String: `"x"`, config.Bool: `"enable"`, config.Short: "7", config.Int: "7", config.VList: `( "x" )`,
		config.KVString: `( "x" => "x" )`, config.KVArray: `( "x" => () )`, config.KVAny: `( "x" => 1 )`, config.Any: `"x"`,
	}[d.Type]
}

// TestDirectiveTable checks that each row of the table can be used as it says.
func TestDirectiveTable(t *testing.T) {
	seen := make(map[string]bool)
	for _, d := range config.Directives() {
		if seen[strings.ToLower(d.Name)] {
			t.Errorf("%s is in the table twice", d.Name)
		}
		seen[strings.ToLower(d.Name)] = true
		if d.Doc == "" || d.Status != config.Supported && d.Status != config.Gone && d.Note == "" {
			t.Errorf("%s is not described", d.Name)
		}
		text := assign(d, example(d))
		cfg, err := load(t, text)
		switch {
		case d.Status == config.Refused:
			if err == nil || !strings.Contains(err.Error(), d.Name+" is refused: ") {
				t.Errorf("%s: Load: %v, want a refusal", text, err)
			}
		case err != nil:
			t.Errorf("%s: Load: %v", text, err)
		case d.Status == config.NotYet, d.Status == config.Gone:
			if !strings.Contains(cfg.Warnings.Error(), d.Name+" has no effect: ") {
				t.Errorf("%s: warnings %v, want one on %s", text, cfg.Warnings, d.Name)
			}
		case warns[d.Name]:
		case len(cfg.Warnings) > 0:
			t.Errorf("%s: warnings %v, want none", text, cfg.Warnings)
		}
	}
}

// warns are the directives that warn of any value that is not their default.
var warns = map[string]bool{"server.max-worker": true, "server.http-parseopt-header-strict": true}

// TestDirectiveLands checks that each directive that has effect changes the
// configuration, and that its default, written out, changes nothing.
func TestDirectiveLands(t *testing.T) {
	elsewhere := map[string]bool{ // it is seen in the effect of others, or never
		"server.compat-module-load": true, "server.set-v6only": true, "server.http-parseopt-header-strict": true,
	}
	empty := landed(t, allModules)
	for _, d := range config.Directives() {
		if d.Status == config.Supported || d.Status == config.Differs {
			text := assign(d, example(d))
			if reflect.DeepEqual(landed(t, text), empty) != elsewhere[d.Name] {
				t.Errorf("%s: the configuration is that without it: %v, want %v", text, !elsewhere[d.Name], elsewhere[d.Name])
			}
		}
		if asCode(d.Default) != d.Default && !elsewhere[d.Name] { // not in words
			text := assign(d, d.Default)
			if got := landed(t, text); !reflect.DeepEqual(got, empty) {
				t.Errorf("%s: the configuration is not that without it:\n%+v\n%+v", text, got, empty)
			}
		}
	}
}

// landed returns what the configuration text says, but for its places.
func landed(t *testing.T, text string) any {
	t.Helper()
	cfg := mustLoad(t, text)
	for _, l := range cfg.Listeners {
		l.Pos = syntax.Pos{}
	}
	return []any{cfg.Server, cfg.Listeners, *cfg.Resolve(&config.Request{})}
}

// TestDirectiveType checks that each directive takes no value of another type.
func TestDirectiveType(t *testing.T) {
	wrong := map[config.Type][]string{
		config.String:   {"1", `( "x" )`},
		config.Bool:     {`"maybe"`, `( "enable" )`},
		config.Short:    {`"x"`, `"-1"`, "65537", "( 1 )"},
		config.Int:      {`"x"`, `"-1"`, "4294967296", "( 1 )"},
		config.VList:    {`"x"`, "1", "( 1 )", `( "x" => "y" )`},
		config.KVString: {`"x"`, "1", `( "x" )`, `( "x" => 1 )`},
		config.KVArray:  {`"x"`, "1", `( "x" )`, `( "x" => "y" )`},
		config.KVAny:    {`"x"`, "1", `( "x" )`},
	}
	for _, d := range config.Directives() {
		for _, value := range wrong[d.Type] {
			text := assign(d, value)
			_, err := load(t, text)
			if err == nil || !strings.Contains(err.Error(), d.Name) || !strings.Contains(err.Error(), " takes ") {
				t.Errorf("%s: Load: %v, want an error that says what %s takes", text, err, d.Name)
			}
		}
	}
}

// TestDirectiveScope checks that each directive has effect in a condition, or is
// warned of, as its scope says.
func TestDirectiveScope(t *testing.T) {
	for _, d := range config.Directives() {
		if d.Status == config.Refused || d.Status == config.Gone {
			continue
		}
		for cond, allowed := range map[string]bool{
			`$HTTP["url"] == "/"`:       d.Scope == config.ScopeConnection,
			`$SERVER["socket"] == ":1"`: d.Scope != config.ScopeServer,
			`$SERVER["socket"] != ":1"`: d.Scope == config.ScopeConnection,
		} {
			text := allModules + cond + " { " + d.Name + " = " + example(d) + " }\n"
			warned := strings.Contains(mustLoad(t, text).Warnings.Error(), d.Name+" has no effect in a condition") ||
				strings.Contains(mustLoad(t, text).Warnings.Error(), d.Name+" has no effect here")
			if warned == allowed && d.Name != "server.breakagelog" {
				t.Errorf("%s: warned of: %v, want %v", text, warned, !allowed)
			}
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

A directive of a module that is not in ` + "`server.modules`" + ` has no effect, and a warning says so; those of mod_indexfile,
mod_staticfile, mod_dirlisting and mod_openssl need not be there. Directives of other modules of lighttpd are at the end.
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
		fmt.Fprintf(&b, "| `%s` | %v | %v | %s | %s | %s |\n", d.Name, d.Type, d.Scope, asCode(d.Default), status(d.Status, d.Note), cell(d.Doc))
		if d.Name == "wstunnel.ping-interval" {
			hostOptionsDoc(&b)
		}
	}
	parseOptionsDoc(&b)
	flagsDoc(&b)
	modulesDoc(&b)
	return b.String()
}

// parseOptionsDoc writes the options of server.http-parseopts.
func parseOptionsDoc(b *strings.Builder) {
	b.WriteString("\n## The options of server.http-parseopts\n\n| option | default | description |\n|---|---|---|\n")
	for _, o := range config.ParseOptions() {
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", o.Name, asCode(o.Default), cell(o.Doc))
	}
}

// flagsDoc writes the keys of server.feature-flags.
func flagsDoc(b *strings.Builder) {
	b.WriteString("\n## The flags of server.feature-flags\n\n| flag | type | default | status | description |\n|---|---|---|---|---|\n")
	for _, f := range config.FeatureFlags() {
		fmt.Fprintf(b, "| `%s` | %v | %s | %s | %s |\n", f.Name, f.Type, asCode(f.Default), status(f.Status, f.Note), cell(f.Doc))
	}
}

// modulesDoc writes the modules whose directives are not in the table.
func modulesDoc(b *strings.Builder) {
	b.WriteString(`
## Other modules

They can be listed in ` + "`server.modules`" + `. None of them is in this version: their directives are accepted with a warning, unless that
would leave something open.

| module | directives | status |
|---|---|---|
`)
	for _, m := range config.Modules() {
		if len(m.Prefixes) == 0 {
			continue
		}
		s := "no effect"
		if m.Refuse != "" {
			s = "refused: " + m.Refuse
		}
		fmt.Fprintf(b, "| %s | `%s*` | %s |\n", m.Name, strings.Join(m.Prefixes, "*`, `"), s)
	}
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

// status describes what becomes of a directive or a flag.
func status(status config.Status, note string) string {
	s := map[config.Status]string{
		config.Supported: "supported",
		config.Differs:   "differs",
		config.NoEffect:  "no effect",
		config.NotYet:    "not yet",
		config.Gone:      "gone",
		config.Refused:   "refused",
	}[status]
	if note != "" {
		s += ": " + note
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
