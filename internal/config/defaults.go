package config

import (
	"time"

	"github.com/wstunneld/wstunneld/internal/accesslog"
	"github.com/wstunneld/wstunneld/internal/forwarded"
	"github.com/wstunneld/wstunneld/internal/urlpath"
)

// defaultServer, defaultSocket and settings are what holds where no directive
// says otherwise.
var (
	defaultServer = Server{
		SyslogFacility:          "daemon",
		MaxRequestFieldSize:     8192,
		GracefulShutdownTimeout: 8 * time.Second,
		ParseOpts:               urlpath.DefaultOptions,
	}
	defaultSocket = socket{port: 80, v6only: true}
)

// defaultLevel is the level of the access log in syslog: informational.
const defaultLevel = 6

func (l *loader) settings() Settings {
	return Settings{
		ServerTag:            l.opts.ServerTag,
		MaxKeepAliveRequests: 1000,
		MaxKeepAliveIdle:     5 * time.Second,
		MaxReadIdle:          60 * time.Second,
		MaxWriteIdle:         360 * time.Second,
		RangeRequests:        true,
		FollowSymlink:        true,
		ProtocolHTTP11:       true,
		ETags:                true,
		ETagUseInode:         true,
		ETagUseMtime:         true,
		ETagUseSize:          true,
		PathInfo:             true,
		AccessLog:            AccessLog{Level: defaultLevel, Format: accesslog.Default},
		DirListing:           DirListing{HideDotfiles: true, EncodeHeader: true, EncodeReadme: true, AutoLayout: true},
		Forwarded:            &forwarded.Policy{Headers: forwarded.DefaultHeaders},
		Wstunnel:             Wstunnel{Balance: "fair"},
	}
}
