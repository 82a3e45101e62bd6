package config

import (
	"strings"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

// Explain returns err, an error of Load or Check, one of c.Warnings or one made
// of such by [errors.Join], for people: under each mistake is the line that it is
// about, with a caret under its place. Of any other error it returns the text.
//
// The text of the errors themselves has one line for each, as logs want it.
func (c *Config) Explain(err error) string {
	switch err := err.(type) {
	case *syntax.Error:
		return c.texts.Explain(err)
	case syntax.ErrorList:
		lines := make([]string, len(err))
		for i, e := range err {
			lines[i] = c.texts.Explain(e)
		}
		return strings.Join(lines, "\n")
	case interface{ Unwrap() []error }:
		var lines []string
		for _, e := range err.Unwrap() {
			lines = append(lines, c.Explain(e))
		}
		return strings.Join(lines, "\n")
	}
	return err.Error()
}
