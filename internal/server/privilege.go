package server

import (
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/config/syntax"
	"github.com/wstunneld/wstunneld/internal/privilege"
)

// A confinement is what a server that was started as root cannot change while it
// runs.
type confinement struct{ username, groupname, chroot string }

func confinementOf(cfg *config.Config) confinement {
	return confinement{cfg.Server.Username, cfg.Server.Groupname, cfg.Server.Chroot.Name}
}

// confine gives up root's rights as cfg says: server.chroot first, and then all
// but those of id, which may be nil. Sockets are those open.
func confine(cfg *config.Config, id *config.Identity, sockets map[address]*socket) error {
	if dir := cfg.Server.Chroot; dir.Name != "" {
		_, _ = time.Now().Zone() // reads the system's time zone, for the logs
		for _, sock := range sockets {
			if unix, ok := sock.ln.(*net.UnixListener); ok {
				unix.SetUnlinkOnClose(false) // its name means another file in there
			}
		}
		if err := privilege.Confine(dir.Name); err != nil {
			return &syntax.Error{Pos: dir.Pos, Msg: "server.chroot: " + err.Error(), Hint: "is it a directory, and may this process change its root?"}
		}
	}
	if id == nil {
		return nil
	}
	if err := privilege.Become(id.UID, id.GID, id.Groups); err != nil {
		directive := "server.username"
		if id.UID < 0 {
			directive = "server.groupname"
		}
		return &syntax.Error{Pos: id.Pos, Msg: directive + ": " + err.Error(), Hint: "start the server with all of root's rights, or as that user without this line"}
	}
	return nil
}

// setMaxFiles sets server.max-fds. Without, the runtime has raised the limit as
// far as it may.
func setMaxFiles(cfg *config.Config) error {
	if cfg.Server.MaxFDs == 0 {
		return nil
	}
	return privilege.SetMaxFiles(cfg.Server.MaxFDs)
}

// warnMaxFiles logs an error of setMaxFiles.
func (s *Server) warnMaxFiles(cfg *config.Config, err error) {
	if err != nil {
		s.log.Warn("server.max-fds is not granted", slog.Int("server.max-fds", cfg.Server.MaxFDs), slog.Any("error", err),
			slog.String("hint", "raise the limit of open files where the server is started (LimitNOFILE of systemd, ulimit -n), or lower server.max-fds"))
	}
}

// warnConfinement logs what of cfg waits for the next start.
func (s *Server) warnConfinement(cfg *config.Config) {
	if !s.root {
		return
	}
	was, is := s.confinement, confinementOf(cfg)
	for _, d := range []struct{ name, was, is string }{
		{"server.username", was.username, is.username},
		{"server.groupname", was.groupname, is.groupname},
		{"server.chroot", was.chroot, is.chroot},
	} {
		if d.was != d.is {
			s.log.Warn("a directive changes at the next start", slog.String("directive", d.name), slog.String("now", d.was), slog.String("then", d.is))
		}
	}
}

// isRoot reports whether this process has rights to give up.
func isRoot() bool { return os.Geteuid() == 0 }
