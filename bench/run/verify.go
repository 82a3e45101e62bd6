//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"

	"github.com/wstunneld/wstunneld/bench/internal/load"
)

// verify has a server carry what the scenarios make it carry, and looks at every
// byte. It measures nothing.
func verify(s *section) ([]float64, error) {
	for _, check := range []func(*section) error{verifyDown, verifyUp, verifyEcho} {
		if err := check(s); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// verifyDown receives different data through 16 tunnels at once.
func verifyDown(s *section) error {
	return s.each(16, func(i int, t *load.Tunnel) error {
		seed := byte(i)
		if err := s.order(load.Give, seed)(t); err != nil {
			return err
		}
		got := make([]byte, load.DataSize)
		if n, err := io.ReadFull(t, got); err != nil {
			return fmt.Errorf("backend → client: %w behind %d bytes of %d", err, n, len(got))
		}
		return same("backend → client", got, load.Data(seed, len(got)))
	})
}

// verifyUp sends different data through a tunnel for each size of frames.
func verifyUp(s *section) error {
	sizes := []int{16 << 10, 64 << 10, 1 << 20}
	return s.each(len(sizes), func(i int, t *load.Tunnel) error {
		what := fmt.Sprintf("client → backend, frames of %d bytes", sizes[i])
		data := load.Data(byte(i), load.DataSize)
		if err := s.order(load.Take)(t); err != nil {
			return err
		}
		for frame := range slices.Chunk(data, sizes[i]) {
			// The last frame is of one byte.
			if _, err := t.Write(s.protocol.AppendMessage(nil, frame)); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
		}
		var got [sha256.Size]byte
		if _, err := io.ReadFull(t, got[:]); err != nil {
			return fmt.Errorf("%s: waiting for the hash: %w", what, err)
		}
		if got != sha256.Sum256(data) {
			return fmt.Errorf("%s: the backend has another hash", what)
		}
		return nil
	})
}

// verifyEcho sends messages of all three encodings of a length through many
// tunnels, and closes them in good order. lighttpd 1.4.69 refuses frames whose
// 16-bit length has bit 11 set, so there are none.
func verifyEcho(s *section) error {
	return s.each(100, func(i int, t *load.Tunnel) error {
		data := load.Data(byte(i), 128<<10)
		for round, size := range []int{1, 64, 125, 126, 1024, 16 << 10, 64 << 10} {
			message := data[round:][:size]
			if round == 0 {
				message = []byte{load.Echo}
			}
			if _, err := t.Write(s.protocol.AppendMessage(nil, message)); err != nil {
				return fmt.Errorf("echo of %d bytes: %w", size, err)
			}
			got := make([]byte, size)
			if n, err := io.ReadFull(t, got); err != nil {
				return fmt.Errorf("echo: %w behind %d bytes of %d", err, n, size)
			}
			if err := same("echo", got, message); err != nil {
				return err
			}
		}
		return t.Finish()
	})
}

// each opens n tunnels and calls f for each, all at the same time.
func (s *section) each(n int, f func(i int, t *load.Tunnel) error) error {
	open, err := s.open(n, func(*load.Tunnel) error { return nil })
	if err != nil {
		return err
	}
	errs := make(chan error, len(open))
	for i, t := range open {
		go func() { errs <- f(i, t) }()
	}
	for range open {
		if failed := <-errs; err == nil {
			err = failed
		}
	}
	return err
}

func same(what string, got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	at := 0
	for got[at] == want[at] {
		at++
	}
	return fmt.Errorf("%s: byte %d of %d is %#x, want %#x", what, at, len(want), got[at], want[at])
}
