// Package procfs reads from Linux's /proc what a process and its children cost:
// processor time and memory. It measures other processes, not its own, and starts
// none. Its parsers take text, so they run on every system; what reads the files
// is for Linux alone.
package procfs

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every system
// that Go runs on.
const tick = 10 * time.Millisecond

// A Stat is what /proc/PID/stat says.
type Stat struct {
	Parent int
	Waited time.Duration // user and system time of the children that ended and were waited for
}

// ParseStat parses /proc/PID/stat.
func ParseStat(b []byte) (Stat, error) {
	// Field 2, the command, is in parentheses and may hold any character, those too.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	const first = 3 // the number of fields[0]
	var n [18]int64
	for _, field := range []int{4, 16, 17} {
		if field-first >= len(fields) {
			return Stat{}, fmt.Errorf("no field %d in stat %q", field, b)
		}
		var err error
		if n[field], err = strconv.ParseInt(fields[field-first], 10, 64); err != nil {
			return Stat{}, fmt.Errorf("field %d of stat %q: %w", field, b, err)
		}
	}
	return Stat{Parent: int(n[4]), Waited: time.Duration(n[16]+n[17]) * tick}, nil
}

// ParsePSS returns the proportional set size in bytes that /proc/PID/smaps_rollup
// states: memory that processes share is counted in equal parts for each.
func ParsePSS(b []byte) (int64, error) {
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kb, ok := strings.CutSuffix(strings.TrimSpace(rest), " kB")
			n, err := strconv.ParseInt(kb, 10, 64)
			if !ok || err != nil {
				return 0, fmt.Errorf("smaps_rollup line %q, want a number of kB", line)
			}
			return n << 10, nil
		}
	}
	return 0, fmt.Errorf("no line Pss: in smaps_rollup %q", b)
}

// ParseTCPPages returns the pages of memory that /proc/net/sockstat says all TCP
// sockets of the system hold, buffers included.
func ParseTCPPages(b []byte) (int64, error) {
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "TCP:") {
			continue
		}
		fields := strings.Fields(line)
		for i := 1; i+1 < len(fields); i += 2 {
			if fields[i] == "mem" {
				return strconv.ParseInt(fields[i+1], 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("no TCP mem in sockstat %q", b)
}
