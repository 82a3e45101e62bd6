package demo_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/demo"
)

// startBackends runs all backends until the test ends.
func startBackends(t *testing.T) *demo.Backends {
	t.Helper()
	b, err := demo.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run after cancel: %v, want nil", err)
		}
	})
	return b
}

// dial connects to a backend; the connection fails when the test takes too long.
func dial(t *testing.T, b *demo.Backend) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTCP("tcp", nil, b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// say sends all of s, ends its direction and returns all that comes back.
func say(t *testing.T, conn *net.TCPConn, s string) string {
	t.Helper()
	if _, err := io.WriteString(conn, s); err != nil {
		t.Fatal(err)
	}
	conn.CloseWrite()
	return readAll(t, conn)
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func TestConsoleReplies(t *testing.T) {
	b := startBackends(t)
	longest := strings.Repeat("x", demo.MaxLine-1)
	tests := []struct{ name, in, want string }{
		{"echo", "echo one  two\n", "one  two\n\n"},
		{"echo nothing", "echo\n", "\n"},
		{"other line", "no such command\n", "no such command\n\n"},
		{"a command's name as a prefix", "timex\n", "timex\n\n"},
		{"empty line", "\n", "\n"},
		{"line end of DOS", "echo a\r\n", "a\n\n"},
		{"no line end", "echo a", "a\n\n"},
		{"beyond ASCII", "echo grüße, 世界 🌍\n", "grüße, 世界 🌍\n\n"},
		{"lines sent at once", "a\necho b\nc\n", "a\n\nb\n\nc\n\n"},
		{"longest line", longest + "\n", longest + "\n\n"},
		{"line too long", longest + "x\necho a\n", "error: a line may have 4096 bytes\n\n"},
		{"quit", "echo a\nquit\necho b\n", "a\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := say(t, dial(t, b.Console), tt.in); got != tt.want {
				t.Errorf("reply to %.80q: got %.80q, want %.80q", tt.in, got, tt.want)
			}
		})
	}
}

func TestConsoleClock(t *testing.T) {
	b := startBackends(t)
	before := time.Now().Truncate(time.Millisecond)
	reply := say(t, dial(t, b.Console), "time\n")
	got, err := time.Parse("2006-01-02 15:04:05.000 -07:00\n\n", reply)
	if err != nil || got.Before(before) || got.After(time.Now()) {
		t.Errorf("time: got %q, want a time from %v on (%v)", reply, before, err)
	}
	reply = say(t, dial(t, b.Console), "uptime\n")
	up, err := time.ParseDuration(strings.TrimSpace(reply))
	if err != nil || up < 0 || up > time.Minute {
		t.Errorf("uptime: got %q, want less than a minute (%v)", reply, err)
	}
}

// A reply can be told from the next one only if no line of it is empty.
func TestConsoleHelpIsOneReply(t *testing.T) {
	b := startBackends(t)
	got := say(t, dial(t, b.Console), "help\n")
	text, more, found := strings.Cut(got, "\n\n")
	if !found || more != "" {
		t.Errorf("help: got %q, want one reply", got)
	}
	for _, command := range []string{"help", "time", "uptime", "stats", "echo", "quit"} {
		if !strings.Contains("\n"+text, "\n"+command+" ") {
			t.Errorf("help does not name %q:\n%s", command, text)
		}
	}
}

func TestConsoleStats(t *testing.T) {
	b := startBackends(t)
	console, ping, bulk := dial(t, b.Console), dial(t, b.Ping), dial(t, b.Bulk)
	replies := bufio.NewReader(console)
	// A backend counts a little after its client has seen what is counted:
	// ask until the line is there, or console's deadline has passed.
	waitFor := func(want string) {
		t.Helper()
		for last := ""; ; {
			io.WriteString(console, "stats\n")
			var reply string
			for !strings.HasSuffix(reply, "\n\n") {
				line, err := replies.ReadString('\n')
				if err != nil {
					t.Fatalf("stats: got\n%swant a line\n%s(%v)", last, want, err)
				}
				reply += line
			}
			if strings.Contains(reply, want) {
				return
			}
			last = reply
		}
	}
	waitFor(fmt.Sprintf("console %v  open 1  in 6  out 0\n", b.Console.Addr()))
	io.WriteString(ping, "12345")
	waitFor(fmt.Sprintf("ping    %v  open 1  in 5  out 5\n", b.Ping.Addr()))
	io.WriteString(bulk, "down 100\n")
	waitFor(fmt.Sprintf("bulk    %v  open 1  in 9  out 113\n", b.Bulk.Addr()))
	ping.Close()
	waitFor(fmt.Sprintf("ping    %v  open 0  in 5  out 5\n", b.Ping.Addr()))
}

// The echo must not wait for more than it got.
func TestPing(t *testing.T) {
	b := startBackends(t)
	conn := dial(t, b.Ping)
	for size := 1; size <= 1<<16; size *= 4 {
		sent := bytes.Repeat([]byte{0, 0xff, byte(size)}, size)
		if _, err := conn.Write(sent); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("echo of %d bytes: %v, equal %v", len(sent), err, bytes.Equal(got, sent))
		}
	}
}

func TestBulkDown(t *testing.T) {
	b := startBackends(t)
	conn := dial(t, b.Bulk)
	r := bufio.NewReader(conn)
	for _, size := range []int64{0, 1, 65520, 65521, 65522, 4*65521 + 1, 20 << 20} {
		fmt.Fprintf(conn, "down %d\n", size)
		sum := crc32.NewIEEE()
		if _, err := io.CopyN(sum, r, size); err != nil {
			t.Fatalf("down %d: %v", size, err)
		}
		want := fmt.Sprintf("%d %08x\n", size, sum.Sum32())
		if got, err := r.ReadString('\n'); got != want || err != nil {
			t.Fatalf("down %d: last line %q, want %q (%v)", size, got, want, err)
		}
	}
}

// What is sent must show a block that is missing: no two blocks of a usual
// buffer size are equal.
func TestBulkDownHasNoEqualBlocks(t *testing.T) {
	b := startBackends(t)
	const size, block = 8 << 20, 4096
	data := []byte(say(t, dial(t, b.Bulk), fmt.Sprintf("down %d\n", size)))
	seen := make(map[string]int)
	for i := 0; i < size; i += block {
		if first, ok := seen[string(data[i:i+block])]; ok {
			t.Fatalf("the %d bytes at %d are those at %d", block, i, first)
		}
		seen[string(data[i:i+block])] = i
	}
}

func TestBulkUp(t *testing.T) {
	b := startBackends(t)
	conn := dial(t, b.Bulk)
	r := bufio.NewReader(conn)
	data := bytes.Repeat([]byte("seventeen bytes.\n"), 1<<20)
	for _, size := range []int{0, 1, 4095, 4096, 4097, 65536, len(data)} {
		fmt.Fprintf(conn, "up %d\n", size)
		if _, err := conn.Write(data[:size]); err != nil {
			t.Fatalf("up %d: %v", size, err)
		}
		want := fmt.Sprintf("%d %08x\n", size, crc32.ChecksumIEEE(data[:size]))
		if got, err := r.ReadString('\n'); got != want || err != nil {
			t.Fatalf("up %d: %q, want %q (%v)", size, got, want, err)
		}
	}
}

func TestBulkUpCountsWhatCame(t *testing.T) {
	b := startBackends(t)
	want := fmt.Sprintf("3 %08x\n", crc32.ChecksumIEEE([]byte("abc")))
	if got := say(t, dial(t, b.Bulk), "up 10\nabc"); got != want {
		t.Errorf("3 bytes of 10: got %q, want %q", got, want)
	}
}

func TestBulkRefuses(t *testing.T) {
	b := startBackends(t)
	const syntax = "error: say \"down N\" or \"up N\"\n"
	const number = "error: a transfer has 0 to 1073741824 bytes\n"
	tests := []struct{ name, in, want string }{
		{"unknown command", "sideways 5\n", syntax},
		{"empty line", "\n", syntax},
		{"no number", "down\n", number},
		{"negative", "up -1\n", number},
		{"one too many", "down 1073741825\n", number},
		{"beyond 32 bits", "up 4294967297\n", number},
		{"endless line", strings.Repeat("down ", 10_000), syntax},
		{"data behind it", "nonsense\n" + strings.Repeat("x", 1<<20), syntax},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := say(t, dial(t, b.Bulk), tt.in); got != tt.want {
				t.Errorf("reply to %.40q: got %.80q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

// Run ends while clients are in the middle of everything.
func TestBackendsRunCutsConnections(t *testing.T) {
	b, err := demo.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()

	idle, stuck := dial(t, b.Ping), dial(t, b.Bulk)
	say := func(conn net.Conn, s string) {
		if _, err := io.WriteString(conn, s); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	say(idle, "x")
	say(stuck, fmt.Sprintf("down %d\n", demo.MaxBulk)) // and it reads no more
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v, want nil", err)
	}
	if n, err := idle.Read(make([]byte, 1)); err == nil {
		t.Errorf("idle connection: read %d bytes, want its end", n)
	}
	if conn, err := net.DialTCP("tcp", nil, b.Ping.Addr()); err == nil {
		conn.Close()
		t.Error("the port still accepts connections")
	}
}
