package config

import (
	stdctx "context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

// lookupBound is how long Check waits for all names together.
const lookupBound = 5 * time.Second

// Check reports what a start needs beyond a valid text: server.document-root,
// the directory of server.chroot, the user and the group to go on as, and
// addresses for the names of listeners and of backends. It opens no socket of
// the configuration. The error is a [syntax.ErrorList] of all it found.
func (c *Config) Check() error {
	_, errs := c.identity()
	if f := c.Server.Chroot; f.Name != "" {
		if problem := notDirectory(f.Name); problem != "" {
			errs = append(errs, &syntax.Error{Pos: f.Pos, Msg: "server.chroot is " + quote(f.Name) + ", which " + problem, Hint: "create it, or correct the path"})
		}
	}
	if c.base.DocumentRoot == "" {
		errs = append(errs, &syntax.Error{
			Pos:  syntax.Pos{File: c.name, Line: 1, Col: 1},
			Msg:  "server.document-root is not set",
			Hint: `write server.document-root = "/srv/www", outside of conditions`,
		})
	}
	ctx, cancel := stdctx.WithTimeout(stdctx.Background(), lookupBound)
	defer cancel()
	known := make(map[string]error) // by network and name
	check := func(pos syntax.Pos, network, address string) {
		if network == "unix" {
			return
		}
		host, _, err := net.SplitHostPort(address)
		if _, e := netip.ParseAddr(host); err != nil || e == nil {
			return
		}
		// A listener is of one family: tcp4 is looked up as ip4.
		network = "ip" + network[len("tcp"):]
		key := network + " " + host
		if _, ok := known[key]; !ok {
			_, known[key] = net.DefaultResolver.LookupNetIP(ctx, network, host)
		}
		if err := known[key]; err != nil {
			errs = append(errs, &syntax.Error{
				Pos:  pos,
				Msg:  "the name " + quote(host) + " has no address: " + lookupReason(err),
				Hint: "correct it, or write an address",
			})
		}
	}
	for _, ln := range c.Listeners {
		check(ln.Pos, ln.Network, ln.Address)
	}
	for _, e := range c.Exts {
		for _, h := range e.Hosts {
			check(h.Pos, h.Network, h.Address)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errs
}

// notDirectory says why name is no directory, or "".
func notDirectory(name string) string {
	fi, err := os.Stat(name)
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return "cannot be used: " + pe.Err.Error()
	}
	if !fi.IsDir() {
		return "is no directory"
	}
	return ""
}

// lookupReason returns what the resolver says of err, without the name.
func lookupReason(err error) string {
	if de := (*net.DNSError)(nil); errors.As(err, &de) {
		return de.Err
	}
	return err.Error()
}
