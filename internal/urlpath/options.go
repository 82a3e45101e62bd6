package urlpath

import (
	"errors"
	"fmt"
)

// Options are lighttpd's server.http-parseopts; each field names its key there.
//
// Without Normalize, no field below it has an effect. With it, escapes of
// unreserved characters are always decoded: the key url-normalize-unreserved
// changes nothing, and has no field.
type Options struct {
	HeaderStrict  bool // header-strict; for whoever reads the header
	MethodGetBody bool // method-get-body: GET and HEAD may have a body; as above
	HostStrict    bool // host-strict; see [Host]
	HostNormalize bool // host-normalize; HostStrict implies it

	Normalize         bool // url-normalize
	Required          bool // url-normalize-required: decode all that needs no escape, too
	CtrlsReject       bool // url-ctrls-reject: of control characters, escaped or not
	BackslashTrans    bool // url-path-backslash-trans: "\" is "/" in the path
	Decode2F          bool // url-path-2f-decode: "%2F" is "/" in the path
	Reject2F          bool // url-path-2f-reject; not with Decode2F
	DotSegRemove      bool // url-path-dotseg-remove: of "//", "/./" and "/../"
	DotSegReject      bool // url-path-dotseg-reject; not with DotSegRemove
	Query20Plus       bool // url-query-20-plus: a space is "+" in the query
	InvalidUTF8Reject bool // url-invalid-utf8-reject
}

// DefaultOptions are those of a configuration without server.http-parseopts, and
// what that directive starts from.
var DefaultOptions = Options{
	HeaderStrict:      true,
	HostStrict:        true,
	Normalize:         true,
	CtrlsReject:       true,
	Decode2F:          true,
	DotSegRemove:      true,
	InvalidUTF8Reject: true,
}

// Set sets the option named key. The error says that there is none.
func (o *Options) Set(key string, on bool) error {
	field := map[string]*bool{
		"header-strict":            &o.HeaderStrict,
		"method-get-body":          &o.MethodGetBody,
		"host-strict":              &o.HostStrict,
		"host-normalize":           &o.HostNormalize,
		"url-normalize":            &o.Normalize,
		"url-normalize-unreserved": new(bool),
		"url-normalize-required":   &o.Required,
		"url-ctrls-reject":         &o.CtrlsReject,
		"url-path-backslash-trans": &o.BackslashTrans,
		"url-path-2f-decode":       &o.Decode2F,
		"url-path-2f-reject":       &o.Reject2F,
		"url-path-dotseg-remove":   &o.DotSegRemove,
		"url-path-dotseg-reject":   &o.DotSegReject,
		"url-query-20-plus":        &o.Query20Plus,
		"url-invalid-utf8-reject":  &o.InvalidUTF8Reject,
	}[key]
	if field == nil {
		return fmt.Errorf("unknown option %q", key)
	}
	*field = on
	return nil
}

// Check says which options exclude each other. The one that is on by default has
// to be disabled for the other to be enabled.
func (o *Options) Check() error {
	switch {
	case !o.Normalize:
		return nil
	case o.Decode2F && o.Reject2F:
		return errors.New("url-path-2f-decode and url-path-2f-reject exclude each other")
	case o.DotSegRemove && o.DotSegReject:
		return errors.New("url-path-dotseg-remove and url-path-dotseg-reject exclude each other")
	}
	return nil
}
