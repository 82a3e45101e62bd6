package config

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"

	"github.com/wstunneld/wstunneld/internal/config/syntax"
)

// An Identity is whom a server that is started as root goes on as.
type Identity struct {
	UID    int        // -1: as before
	GID    int        // -1: as before
	Groups []int      // all groups, GID among them; empty: none but GID
	Pos    syntax.Pos // of server.username, or else of server.groupname
}

// Identity looks up server.username and server.groupname in the system. It
// returns nil if neither is set, or if the server is not started as root, which
// alone can change it. The user has the groups that the system says; its group
// is its own unless server.groupname is set. The error is a [syntax.ErrorList]:
// an unknown name, or one with the number 0.
func (c *Config) Identity() (*Identity, error) {
	id, errs := c.identity()
	if len(errs) > 0 {
		return nil, errs
	}
	return id, nil
}

func (c *Config) identity() (*Identity, syntax.ErrorList) {
	s := &c.Server
	if c.uid != 0 || s.Username == "" && s.Groupname == "" {
		return nil, nil
	}
	var errs syntax.ErrorList
	fail := func(directive, format string, args ...any) {
		errs = append(errs, &syntax.Error{
			Pos:  c.contexts[0].find(directive).value.pos,
			Msg:  fmt.Sprintf("%s is %s", directive, fmt.Sprintf(format, args...)),
			Hint: "name an account that is for the server alone, or remove the line to go on as root",
		})
	}
	id := &Identity{UID: -1, GID: -1}
	if s.Groupname != "" {
		if g, err := user.LookupGroup(s.Groupname); err != nil {
			fail("server.groupname", "%s, which cannot be looked up: %s", quote(s.Groupname), accountReason(err))
		} else if id.GID = account(g.Gid); id.GID <= 0 {
			fail("server.groupname", "%s, which has the number %s: it must not be that of root", quote(s.Groupname), g.Gid)
		}
	}
	if s.Username == "" {
		id.Pos = c.contexts[0].find("server.groupname").value.pos
		return id, errs
	}
	id.Pos = c.contexts[0].find("server.username").value.pos
	u, err := user.Lookup(s.Username)
	if err != nil {
		fail("server.username", "%s, which cannot be looked up: %s", quote(s.Username), accountReason(err))
		return id, errs
	}
	if id.UID = account(u.Uid); id.UID <= 0 {
		fail("server.username", "%s, which has the number %s: it must not be that of root", quote(s.Username), u.Uid)
	}
	if s.Groupname == "" {
		if id.GID = account(u.Gid); id.GID <= 0 {
			fail("server.username", "%s, whose group has the number %s: it must not be that of root", quote(s.Username), u.Gid)
		}
	}
	groups, err := u.GroupIds()
	if err != nil {
		fail("server.username", "%s, whose groups cannot be looked up: %v", quote(s.Username), err)
	}
	id.Groups = []int{id.GID}
	for _, g := range groups {
		if n := account(g); n > 0 && n != id.GID {
			id.Groups = append(id.Groups, n)
		}
	}
	return id, errs
}

// account returns the number of a user or group, -1 if it is none.
func account(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// accountReason returns what err says of an account, without its name.
func accountReason(err error) string {
	if ue := user.UnknownUserError(""); errors.As(err, &ue) {
		return "there is no such user"
	}
	if ge := user.UnknownGroupError(""); errors.As(err, &ge) {
		return "there is no such group"
	}
	return err.Error()
}
