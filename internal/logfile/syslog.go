package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// A Facility is the part of the system that a line of syslog comes from
// (RFC 5424 section 6.2.1).
type Facility int

// Daemon is lighttpd's default.
const Daemon Facility = 3

// ParseFacility returns the facility of that name in server.syslog-facility.
func ParseFacility(name string) (f Facility, ok bool) {
	f, ok = facilities[name]
	return f, ok
}

var facilities = map[string]Facility{
	"kern":     0,
	"user":     1,
	"mail":     2,
	"daemon":   Daemon,
	"auth":     4,
	"security": 4,
	"syslog":   5,
	"lpr":      6,
	"news":     7,
	"uucp":     8,
	"cron":     9,
	"authpriv": 10,
	"ftp":      11,
	"local0":   16,
	"local1":   17,
	"local2":   18,
	"local3":   19,
	"local4":   20,
	"local5":   21,
	"local6":   22,
	"local7":   23,
}

const (
	// syslogTimeout bounds how long a line waits for a syslog daemon.
	syslogTimeout = 50 * time.Millisecond

	// syslogPause is how long no line waits after that.
	syslogPause = time.Second
)

// sockets are where systems have the socket of their daemon.
var sockets = []string{"/dev/log", "/var/run/syslog", "/var/run/log"}

// A Syslog writes lines to the syslog daemon, over its datagram socket, in the
// form of RFC 3164 that syslog(3) sends.
//
// When the daemon does not take a line, that and those of the next second are lost:
// one that hangs must not hold up whoever logs.
type Syslog struct {
	// Sockets are the paths to try, for a system that has the socket elsewhere.
	// They may be set before the first Write.
	Sockets []string

	facility Facility
	severity int
	tag      string

	mu     sync.Mutex
	conn   net.Conn // nil: not connected
	buf    []byte
	err    error     // of the last line that was sent
	paused time.Time // until then no line is sent
	loss   losses
}

// NewSyslog returns a log with the severity of Write, 0 (emerg) to 7 (debug), and
// tag, the name of the program. There need be no daemon yet.
func NewSyslog(f Facility, severity int, tag string) *Syslog {
	return &Syslog{Sockets: sockets, facility: f, severity: severity, tag: tag, loss: losses{log: "syslog"}}
}

// Write sends b, a line. It is safe for concurrent use.
func (s *Syslog) Write(b []byte) (int, error) {
	return len(b), s.Send(s.severity, b)
}

// Send is Write with a severity of its own.
func (s *Syslog) Send(severity int, line []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); !now.Before(s.paused) {
		s.buf = fmt.Appendf(s.buf[:0], "<%d>%s %s[%d]: %s",
			int(s.facility)*8+severity, now.Format(time.Stamp), s.tag, os.Getpid(), bytes.TrimSuffix(line, []byte("\n")))
		if s.err = s.send(); s.err != nil {
			s.paused = now.Add(syslogPause)
		}
	}
	if s.err != nil {
		s.loss.add(1, s.err)
	}
	return s.loss.due()
}

// send sends buf, over a new connection if the old one is of no use: the daemon
// may have been started again.
func (s *Syslog) send() error {
	if s.conn != nil {
		err := s.write()
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	if err := s.dial(); err != nil {
		return err
	}
	return s.write()
}

func (s *Syslog) write() error {
	s.conn.SetWriteDeadline(time.Now().Add(syslogTimeout))
	_, err := s.conn.Write(s.buf)
	return err
}

// dial connects to the first socket that there is. If there is none, the old
// connection stays.
func (s *Syslog) dial() error {
	var first error
	for _, path := range s.Sockets {
		conn, err := net.Dial("unixgram", path)
		if err == nil {
			if s.conn != nil {
				s.conn.Close()
			}
			s.conn = conn
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// Reopen connects again, or for the first time: before a chroot, behind which
// there is no socket to be found. If that fails, a connection that there was stays
// in use.
func (s *Syslog) Reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dial()
}

// Close closes the connection. What Write has not told of lost lines, it returns.
func (s *Syslog) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
	return s.loss.all()
}
