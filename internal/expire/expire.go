// Package expire says how long an answer may be kept by caches, as lighttpd's
// mod_expire does: it reads the times of expire.url and expire.mimetypes and
// sets the header fields. It opens no files and knows no configuration.
package expire

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Time is when an answer expires.
type Time struct {
	Modified bool          // counted from the last change of the file, not from the request
	Plus     time.Duration // in whole seconds; may be negative
}

const day = 24 * time.Hour

var units = map[string]time.Duration{
	"second": time.Second,
	"minute": time.Minute,
	"hour":   time.Hour,
	"day":    day,
	"week":   7 * day,
	"month":  30 * day,
	"year":   12 * 30 * day,
}

// Parse reads a time such as "access plus 3 days 2 hours": one of access, now
// (the same) and modification, plus if wanted, then numbers each with a unit
// from second to year, with or without a final s. A month has 30 days, a
// year 12 months, as in lighttpd. The error says what is wrong with which word of s.
func Parse(s string) (Time, error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return Time{}, errors.New(`empty time, want one like "access plus 3 days"`)
	}
	var t Time
	switch words[0] {
	case "access", "now":
	case "modification":
		t.Modified = true
	default:
		return Time{}, fmt.Errorf(`time %q begins with %q, want "access", "now" or "modification"`, s, words[0])
	}
	words = words[1:]
	if len(words) > 0 && words[0] == "plus" {
		words = words[1:]
	}
	if len(words) == 0 {
		return Time{}, fmt.Errorf(`time %q ends without a number and a unit such as "3 days"`, s)
	}
	for ; len(words) > 0; words = words[2:] {
		n, err := strconv.ParseInt(words[0], 10, 64)
		switch {
		case errors.Is(err, strconv.ErrRange):
			return Time{}, tooLong(s)
		case err != nil:
			return Time{}, fmt.Errorf("time %q has %q where a whole number is wanted", s, words[0])
		case len(words) == 1:
			return Time{}, fmt.Errorf("time %q has no unit after %s", s, words[0])
		}
		unit, ok := units[strings.TrimSuffix(words[1], "s")]
		if !ok {
			return Time{}, fmt.Errorf("time %q has the unit %q, want seconds, minutes, hours, days, weeks, months or years", s, words[1])
		}
		if limit := math.MaxInt64 / int64(unit) / 2; n > limit || n < -limit {
			return Time{}, tooLong(s)
		}
		if t.Plus += time.Duration(n) * unit; t.Plus > math.MaxInt64/2 || t.Plus < -math.MaxInt64/2 {
			return Time{}, tooLong(s)
		}
	}
	return t, nil
}

func tooLong(s string) error {
	return fmt.Errorf("time %q is longer than 148 years", s)
}

// A Rule gives a time to what begins with Prefix.
type Rule struct {
	Prefix string
	Time   Time
}

// Rules chooses times. The first rule of URL that matches the path counts; if
// there is none, the first of Types that matches the content type.
type Rules struct {
	URL   []Rule // expire.url
	Types []Rule // expire.mimetypes; a "*" at the end of a prefix means nothing
}

// Set sets the header fields of an answer to r that is sent at now: Expires to a
// client of HTTP/1.0, Cache-Control with max-age to all others. It does nothing
// if r is not GET or HEAD, if h has a Cache-Control, or if there is no rule for
// path, which is decoded, and contentType. What has expired already gets the
// time now. Modified is the zero time if that of the last change is not known;
// then times that are counted from it do nothing.
//
// It is for the statuses 200, 206 and 304 (RFC 9110 section 15.4.5).
func (rs Rules) Set(h http.Header, r *http.Request, path, contentType string, modified, now time.Time) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || h.Get("Cache-Control") != "" {
		return
	}
	t, ok := rs.find(path, contentType)
	from := now
	if t.Modified {
		from = modified
	}
	if !ok || from.IsZero() {
		return
	}
	age := max(0, from.Unix()+int64(t.Plus/time.Second)-now.Unix())
	if r.ProtoAtLeast(1, 1) {
		h.Set("Cache-Control", "max-age="+strconv.FormatInt(age, 10))
	} else {
		h.Set("Expires", time.Unix(now.Unix()+age, 0).UTC().Format(http.TimeFormat))
	}
}

func (rs Rules) find(path, contentType string) (t Time, ok bool) {
	for _, r := range rs.URL {
		if strings.HasPrefix(path, r.Prefix) {
			return r.Time, true
		}
	}
	for _, r := range rs.Types {
		if strings.HasPrefix(contentType, strings.TrimSuffix(r.Prefix, "*")) {
			return r.Time, true
		}
	}
	return Time{}, false
}
