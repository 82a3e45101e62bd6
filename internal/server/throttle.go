package server

import (
	"context"
	"net/http"

	"golang.org/x/time/rate"

	"github.com/wstunneld/wstunneld/internal/config"
	"github.com/wstunneld/wstunneld/internal/front"
)

// throttlePiece is how much is written at once by who is throttled.
const throttlePiece = 16 << 10

// limiters bound what is written to one client, or to some together.
type limiters []*rate.Limiter

func newLimiter(kbytesPerSecond int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(kbytesPerSecond*1024), throttlePiece)
}

// limiters returns what server.kbytes-per-second and connection.kbytes-per-second
// say; nil: nothing.
func (g *generation) limiters(set *config.Settings) limiters {
	var ls limiters
	if t := set.Throttle; t != nil {
		l, ok := g.throttles.Load(t)
		if !ok {
			l, _ = g.throttles.LoadOrStore(t, newLimiter(t.KBytesPerSecond))
		}
		ls = append(ls, l.(*rate.Limiter))
	}
	if n := set.ConnectionKBytesPerSecond; n > 0 {
		ls = append(ls, newLimiter(n))
	}
	return ls
}

// write writes b piece by piece, as fast as the limits allow.
func (ls limiters) write(ctx context.Context, b []byte, write func([]byte) (int, error)) (n int, err error) {
	for len(b) > 0 {
		piece := b[:min(len(b), throttlePiece)]
		for _, l := range ls {
			if err := l.WaitN(ctx, len(piece)); err != nil {
				return n, err
			}
		}
		m, err := write(piece)
		n += m
		if err != nil {
			return n, err
		}
		b = b[m:]
	}
	return n, nil
}

// throttle returns w with the limits of q, if it has any.
func throttle(w http.ResponseWriter, q *request) http.ResponseWriter {
	if ls := q.g.limiters(q.set); ls != nil {
		return throttledWriter{w, q.Context(), ls}
	}
	return w
}

// A throttledWriter writes an answer. It hides that net/http can send files without
// copying them.
type throttledWriter struct {
	http.ResponseWriter
	ctx context.Context
	limiters
}

func (w throttledWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w throttledWriter) Write(b []byte) (int, error) {
	return w.write(w.ctx, b, w.ResponseWriter.Write)
}

// A throttledStream is the client's side of a tunnel.
type throttledStream struct {
	front.Stream
	ctx context.Context
	limiters
}

func (c throttledStream) Write(b []byte) (int, error) {
	return c.write(c.ctx, b, c.Stream.Write)
}
