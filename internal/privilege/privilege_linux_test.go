package privilege_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wstunneld/wstunneld/internal/privilege"
)

// What a test does, it does to a process of its own, whose task this names.
const task = "WSTUNNELD_TEST_TASK"

var tasks = map[string]func(dir string) error{
	"become":       become,
	"become group": func(string) error { return report(privilege.Become(-1, 65534, nil)) },
	"confine":      confine,
	"files":        files,
}

func TestMain(m *testing.M) {
	if f := tasks[os.Getenv(task)]; f != nil {
		if err := f(os.Args[1]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// inProcess does a task in a process of its own and returns what that printed.
func inProcess(t *testing.T, name, dir string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), task+"="+name)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v, %s", name, err, out)
	}
	return string(out)
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root has rights to give up")
	}
}

// report prints who the threads of this process are, those that were there and
// those that start now.
func report(err error) error {
	if err != nil {
		return err
	}
	for range 8 { // threads that wait in the system
		fds := make([]int, 2)
		if err := syscall.Pipe(fds); err != nil {
			return err
		}
		defer syscall.Close(fds[1])
		go syscall.Read(fds[0], make([]byte, 1))
	}
	statuses, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(statuses) == 0 {
		return fmt.Errorf("%d threads, %v", len(statuses), err)
	}
	seen := make(map[string]bool)
	for _, name := range statuses {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var who []string
		for line := range strings.Lines(string(b)) {
			switch f := strings.Fields(line); f[0] {
			case "Uid:", "Gid:", "Groups:":
				who = append(who, strings.Join(f, " "))
			}
		}
		if line := strings.Join(who, ", "); !seen[line] {
			seen[line] = true
			fmt.Println(line)
		}
	}
	return nil
}

func become(string) error {
	if err := report(privilege.Become(65534, 65534, []int{65534, 12345})); err != nil {
		return err
	}
	for name, err := range map[string]error{
		"setuid":    syscall.Setuid(0),
		"seteuid":   syscall.Setreuid(-1, 0),
		"setgid":    syscall.Setgid(0),
		"setgroups": syscall.Setgroups([]int{0}),
		"chroot":    syscall.Chroot("/"),
	} {
		if err != syscall.EPERM {
			return fmt.Errorf("%s: %v, want %v", name, err, syscall.EPERM)
		}
	}
	return nil
}

func TestBecome(t *testing.T) {
	needRoot(t)
	for name, want := range map[string]string{
		"become":       "Uid: 65534 65534 65534 65534, Gid: 65534 65534 65534 65534, Groups: 12345 65534\n",
		"become group": "Uid: 0 0 0 0, Gid: 65534 65534 65534 65534, Groups:\n",
	} {
		if got := inProcess(t, name, ""); got != want {
			t.Errorf("%s: threads are\n%swant\n%s", name, got, want)
		}
	}
}

func TestBecomeRoot(t *testing.T) {
	for _, id := range [][2]int{{0, 65534}, {65534, 0}, {0, 0}} {
		if err := privilege.Become(id[0], id[1], nil); err == nil || !strings.Contains(err.Error(), "root's") {
			t.Errorf("Become(%d, %d): %v", id[0], id[1], err)
		}
	}
}

func confine(dir string) error {
	if err := privilege.Confine(dir); err != nil {
		return err
	}
	for _, name := range []string{"inside", "/inside", "../inside"} {
		if _, err := os.Stat(name); err != nil {
			return err
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		return fmt.Errorf("%s is still in reach: %v", dir, err)
	}
	return nil
}

func TestConfine(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "inside"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	inProcess(t, "confine", dir)
}

func TestConfineMissing(t *testing.T) {
	if err := privilege.Confine(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Errorf("Confine: %v", err)
	}
}

func files(string) error {
	var had, has syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &had)
	check := func(want uint64) error {
		syscall.Getrlimit(syscall.RLIMIT_NOFILE, &has)
		if has.Cur != want || has.Max != had.Max {
			return fmt.Errorf("limits %+v, want %d of %d", has, want, had.Max)
		}
		return nil
	}
	if err := privilege.SetMaxFiles(100); err != nil {
		return err
	}
	if err := check(100); err != nil {
		return err
	}
	// More than the system gives even to root.
	if err := privilege.SetMaxFiles(1 << 30); err == nil || !strings.Contains(err.Error(), fmt.Sprint(" ", had.Max, " files")) {
		return fmt.Errorf("SetMaxFiles: %v, want the number %d", err, had.Max)
	}
	return check(had.Max)
}

func TestSetMaxFiles(t *testing.T) { inProcess(t, "files", "") }
