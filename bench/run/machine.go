//go:build linux

package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wstunneld/wstunneld/bench/internal/report"
)

// raiseDescriptors raises the limit of open files for this program and the servers
// that it starts to what 10,000 tunnels need, or as far as it may. It returns the
// limit.
func raiseDescriptors() (int, error) {
	const want = 26_000
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	l.Cur = max(l.Cur, min(l.Max, want))
	if raised := (syscall.Rlimit{Cur: want, Max: want}); l.Cur < want && syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
		return want, nil // root may
	}
	// Set it even if it is what it was: otherwise Go gives the servers the limit
	// that this program was started with.
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	return int(min(l.Cur, want)), nil
}

// facts describes the run and the machine.
func facts(o *options, args []string) []report.Fact {
	return []report.Fact{
		{Name: "command", Value: "`" + strings.Join(append([]string{"go run ./bench/run"}, args...), " ") + "`"},
		{Name: "date", Value: time.Now().UTC().Format("2006-01-02 15:04 MST")},
		{Name: "rounds", Value: fmt.Sprintf("%d, of %v per server and scenario", o.rounds, o.measured)},
		{Name: "machine", Value: fmt.Sprintf("%s, %d CPUs, %s, %s", processor(), runtime.NumCPU(), memory(), runtime.GOARCH)},
		{Name: "kernel", Value: "Linux " + field("/proc/sys/kernel/osrelease", 0)},
		{Name: "open files", Value: fmt.Sprintf("%s per process, so at most %s tunnels", thousands(o.descriptors), thousands(o.tunnels))},
		{Name: "load before", Value: field("/proc/loadavg", 0) + " (1 minute)"},
		{Name: "client and backend", Value: runtime.Version()},
	}
}

// field returns a field of a file in /proc.
func field(name string, i int) string {
	b, _ := os.ReadFile(name)
	if fields := strings.Fields(string(b)); i < len(fields) {
		return fields[i]
	}
	return "unknown"
}

func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

func memory() string {
	kb, err := strconv.Atoi(field("/proc/meminfo", 1)) // MemTotal: n kB
	if err != nil {
		return "unknown memory"
	}
	return fmt.Sprintf("%.1f GiB", float64(kb)/(1<<20))
}

// build builds wstunneld from this module, as a release would be.
func build(ctx context.Context, path string) error {
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, module+"/cmd/wstunneld").CombinedOutput()
	if err != nil {
		return fmt.Errorf("building wstunneld: %w\n%s", err, out)
	}
	return nil
}

// wstunneldVersion says what the program at path says of itself, and what it was
// built from and with.
func wstunneldVersion(path string) string {
	version := firstLine(path, "-v")
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return version
	}
	version += ", " + info.GoVersion
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			version += ", commit " + s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			version += ", modified"
		}
	}
	return version
}

// websockifyVersion asks Python, since websockify has no flag for it.
func websockifyVersion() string {
	const program = `import importlib.metadata as m, platform
print("websockify", m.version("websockify"), "on Python", platform.python_version())`
	return firstLine("python3", "-c", program)
}
