package ws_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/wstunneld/wstunneld/internal/ws"
)

func TestApplyMask(t *testing.T) {
	// Every length around the sizes that the loops step by, every position,
	// every alignment, against one byte at a time.
	const guard = 0xa5
	for n := range 200 {
		for pos := range 4 {
			for align := range 8 {
				buf := bytes.Repeat([]byte{guard}, align+n+8)
				b := buf[align : align+n]
				want := make([]byte, n)
				for i := range b {
					b[i] = byte(i * 7)
					want[i] = b[i] ^ testMask[(pos+i)%4]
				}
				next := ws.ApplyMask(b, testMask, pos)
				if !bytes.Equal(b, want) || next != (pos+n)%4 {
					t.Fatalf("ApplyMask(%d bytes, pos %d) = %d, % x; want %d, % x", n, pos, next, b, (pos+n)%4, want)
				}
				for i, c := range buf {
					if (i < align || i >= align+n) && c != guard {
						t.Fatalf("ApplyMask(%d bytes, pos %d) wrote outside of its slice, at %d", n, pos, i-align)
					}
				}
			}
		}
	}
}

func FuzzApplyMask(f *testing.F) {
	f.Add([]byte("hello, world"), byte(1), byte(2), byte(3), byte(4), 5)
	f.Add(bytes.Repeat([]byte("x"), 131), byte(0), byte(255), byte(7), byte(9), 64)
	f.Fuzz(func(t *testing.T, b []byte, m0, m1, m2, m3 byte, cut int) {
		mask := [4]byte{m0, m1, m2, m3}
		whole := bytes.Clone(b)
		ws.ApplyMask(whole, mask, 0)
		// In two pieces it is the same, and masking twice gives the start back.
		cut = min(max(cut, 0), len(b))
		pieces := bytes.Clone(b)
		pos := ws.ApplyMask(pieces[:cut], mask, 0)
		ws.ApplyMask(pieces[cut:], mask, pos)
		if !bytes.Equal(pieces, whole) {
			t.Fatalf("cut at %d: % x, whole: % x", cut, pieces, whole)
		}
		ws.ApplyMask(whole, mask, 0)
		if !bytes.Equal(whole, b) {
			t.Fatalf("masked twice: % x, want % x", whole, b)
		}
	})
}

func BenchmarkApplyMask(b *testing.B) {
	for _, n := range []int{64, 1 << 10, 16 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			buf := make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				ws.ApplyMask(buf, testMask, 0)
			}
		})
	}
}
