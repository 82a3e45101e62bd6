package front_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/front"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// Who is turned away is woken, once, when there is room.
func TestLimit(t *testing.T) {
	var told []int
	l := &front.Limit{Reached: func(most int) { told = append(told, most) }}
	woken := 0
	enter := func(want bool) {
		t.Helper()
		if got := l.Enter(func() { woken++ }); got != want {
			t.Fatalf("Enter: %v, want %v", got, want)
		}
	}
	wantWoken := func(want int) {
		t.Helper()
		if woken != want {
			t.Fatalf("woken %d times, want %d", woken, want)
		}
	}
	enter(true) // there is no limit yet
	l.Add()
	l.Set(2)
	enter(false)
	enter(false)
	wantWoken(0)
	l.Leave()
	wantWoken(2)
	l.Leave()
	wantWoken(2)
	enter(true)
	enter(true)
	enter(false)
	l.Set(1)
	wantWoken(2)
	l.Leave()
	wantWoken(2)
	l.Set(2)
	wantWoken(3)
	enter(true)
	enter(false)
	l.Set(0)
	wantWoken(4)
	enter(true)
	if want := 3; len(told) != want || told[0] != 2 {
		t.Errorf("told of the limits %v, want %d times 2", told, want)
	}
}

// A limited listener takes what comes above the limit when there is room, keeps
// what net/http needs of a connection, and forgets who waits when it is closed.
func TestLimitListener(t *testing.T) {
	for _, network := range []string{"tcp4", "unix"} {
		t.Run(network, func(t *testing.T) {
			addr := "127.0.0.1:0"
			if network == "unix" {
				addr = wstest.SocketPath(t)
			}
			ln, err := front.Listen(t.Context(), network, addr, 0)
			if err != nil {
				t.Fatal(err)
			}
			reached := make(chan int, 10)
			limit := &front.Limit{Reached: func(most int) { reached <- most }}
			limit.Set(1)
			s := &front.Server{
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					stream, _, err := front.Upgrade(w, &front.Answer{})
					if err != nil {
						t.Error(err)
						return
					}
					io.Copy(stream, stream)
					stream.Close()
				}),
				Log:            slog.New(slog.DiscardHandler),
				MaxHeaderBytes: 8192,
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx, limit.Listener(ln), func() time.Duration { return time.Second }) }()
			dial := func() *wstest.Client {
				conn, err := net.Dial(ln.Addr().Network(), ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				c := wstest.NewClient(t, conn)
				c.Send(wstest.Request("/"))
				return c
			}
			first := dial()
			first.ReadHead()
			second := dial()
			<-reached
			first.Close()
			second.ReadHead()
			third := dial() // waits when the server ends
			<-reached
			second.Close()
			third.ReadHead()
			fourth := dial()
			<-reached
			cancel()
			fourth.SetReadDeadline(time.Now().Add(wstest.Patience))
			if _, err := fourth.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
				t.Errorf("who waits at the end reads: %v; want the end of the connection", err)
			}
			third.Close()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if !limit.Enter(func() {}) {
				t.Error("all connections have ended, and the limit is reached")
			}
		})
	}
}
