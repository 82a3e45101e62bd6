package ws_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wstunneld/wstunneld/internal/ws"
)

var testMask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// frame returns a masked frame as a client sends it.
func frame(fin bool, op ws.Opcode, payload string) []byte {
	h := ws.Header{Fin: fin, Opcode: op, Masked: true, Mask: testMask, Length: int64(len(payload))}
	b := ws.AppendHeader(nil, h)
	b = append(b, payload...)
	ws.ApplyMask(b[len(b)-len(payload):], testMask, 0)
	return b
}

func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

// decode feeds the pieces to d and renders what it finds, one line an event;
// neighbouring pieces of one message are joined.
func decode(d *ws.Decoder, pieces ...[]byte) string {
	var out strings.Builder
	var data []byte
	open := false
	flush := func(op ws.Opcode, end string) {
		fmt.Fprintf(&out, "%v %q%s\n", op, data, end)
		data, open = nil, false
	}
	last := ws.OpContinuation
	for _, b := range pieces {
		b = bytes.Clone(b) // Next unmasks in place
		for len(b) > 0 {
			p, rest, err := d.Next(b)
			switch {
			case p.Opcode == ws.OpContinuation:
			case p.Opcode.IsControl():
				if open {
					flush(last, "…")
				}
				fmt.Fprintf(&out, "%v %q\n", p.Opcode, p.Payload)
			default:
				data, open, last = append(data, p.Payload...), true, p.Opcode
				if p.Final {
					flush(last, "")
				}
			}
			if err != nil {
				// The start of a character that breaks off has been passed on or
				// not, depending on the cut.
				for len(data) > 0 && last == ws.OpText && !utf8.Valid(data) {
					data = data[:len(data)-1]
				}
				if open && len(data) > 0 {
					flush(last, "…")
				}
				fmt.Fprintf(&out, "%v\n", err)
				return out.String()
			}
			b = rest
		}
	}
	if open {
		flush(last, "…")
	}
	return out.String()
}

var decoderTests = []struct {
	name string
	in   []byte
	want string
}{
	{"nothing", nil, ""},
	{"text", frame(true, ws.OpText, "hello"), "text \"hello\"\n"},
	{"binary", frame(true, ws.OpBinary, "\xff\x00"), "binary \"\\xff\\x00\"\n"},
	{"empty", frame(true, ws.OpBinary, ""), "binary \"\"\n"},
	{"two frames", join(frame(true, ws.OpText, "a"), frame(true, ws.OpBinary, "b")), "text \"a\"\nbinary \"b\"\n"},
	{"fragments", join(frame(false, ws.OpText, "a"), frame(false, ws.OpContinuation, ""), frame(true, ws.OpContinuation, "b")), "text \"ab\"\n"},
	{"ping between fragments", join(frame(false, ws.OpBinary, "a"), frame(true, ws.OpPing, "p"), frame(true, ws.OpContinuation, "b")), "binary \"a\"…\nping \"p\"\nbinary \"b\"\n"},
	{"control frames", join(frame(true, ws.OpPing, strings.Repeat("p", 125)), frame(true, ws.OpPong, ""), frame(true, ws.OpClose, "\x03\xe8bye")),
		"ping \"" + strings.Repeat("p", 125) + "\"\npong \"\"\nclose \"\\x03\\xe8bye\"\n"},
	{"zero mask", []byte{0x82, 0x81, 0, 0, 0, 0, 'x'}, "binary \"x\"\n"},
	{"length not in its shortest form", []byte{0x82, 0xfe, 0, 1, 0, 0, 0, 0, 'x'}, "binary \"x\"\n"},

	{"characters over fragments", join(frame(false, ws.OpText, "\xe2"), frame(false, ws.OpContinuation, "\x82"), frame(true, ws.OpContinuation, "\xac")), "text \"€\"\n"},
	{"text is checked from its start", join(frame(true, ws.OpBinary, "\xe2"), frame(true, ws.OpText, "a")), "binary \"\\xe2\"\ntext \"a\"\n"},

	{"data before a violation", join(frame(true, ws.OpBinary, "kept"), []byte{0x81, 0x05}), "binary \"kept\"\nclose code 1002: unmasked frame from a client\n"},
	{"bare unmasked close", []byte{0x88, 0x00}, "close code 1002: unmasked frame from a client\n"},
	{"RSV bit", []byte{0xc1, 0x80}, "close code 1002: reserved bits set\n"},
	{"opcode 3", []byte{0x83, 0x80}, "close code 1002: reserved opcode\n"},
	{"opcode 11", []byte{0x8b, 0x80}, "close code 1002: reserved opcode\n"},
	{"ping of 126", []byte{0x89, 0xfe}, "close code 1002: control frame over 125 bytes\n"},
	{"ping of 64-bit length", []byte{0x89, 0xff}, "close code 1002: control frame over 125 bytes\n"},
	{"ping without FIN", []byte{0x09, 0x80}, "close code 1002: fragmented control frame\n"},
	{"continuation of nothing", []byte{0x80, 0x80}, "close code 1002: continuation without a message\n"},
	{"continuation after an end", join(frame(true, ws.OpText, "a"), []byte{0x80, 0x80}), "text \"a\"\nclose code 1002: continuation without a message\n"},
	{"text inside a message", join(frame(false, ws.OpText, "a"), []byte{0x81, 0x80}), "text \"a\"…\nclose code 1002: new message inside a fragmented one\n"},
	{"64-bit length with its top bit", []byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, "close code 1002: 64-bit length with its top bit set\n"},

	{"invalid byte", frame(true, ws.OpText, "ab\xffcd"), "text \"ab\"…\nclose code 1007: text message is not UTF-8\n"},
	{"surrogate", frame(true, ws.OpText, "\xed\xa0\x80"), "close code 1007: text message is not UTF-8\n"},
	{"overlong", frame(true, ws.OpText, "a\xc0\x80"), "text \"a\"…\nclose code 1007: text message is not UTF-8\n"},
	{"above U+10FFFF", frame(true, ws.OpText, "\xf4\x90\x80\x80"), "close code 1007: text message is not UTF-8\n"},
}

func TestDecoder(t *testing.T) {
	for _, tt := range decoderTests {
		t.Run(tt.name, func(t *testing.T) {
			if got := decode(new(ws.Decoder), tt.in); got != tt.want {
				t.Errorf("% x:\ngot  %s\nwant %s", tt.in, got, tt.want)
			}
			// Byte by byte, and cut in two anywhere, gives the same.
			if got := decode(new(ws.Decoder), split(tt.in, 1)...); got != tt.want {
				t.Errorf("% x, byte by byte:\ngot  %s\nwant %s", tt.in, got, tt.want)
			}
			for i := range tt.in {
				if got := decode(new(ws.Decoder), tt.in[:i], tt.in[i:]); got != tt.want {
					t.Errorf("% x, cut at %d:\ngot  %s\nwant %s", tt.in, i, got, tt.want)
				}
			}
		})
	}
}

// A text message that ends inside of a character has passed its bytes on by
// then: they were a valid beginning.
func TestDecoderTextCutShort(t *testing.T) {
	var d ws.Decoder
	p, _, err := d.Next(frame(true, ws.OpText, "a\xe2\x82"))
	if string(p.Payload) != "a\xe2\x82" || closeCode(err) != ws.CloseInvalidPayload {
		t.Errorf("Next = %q, %v; want %q and close code 1007", p.Payload, err, "a\xe2\x82")
	}
}

func TestDecoderErrorIsFinal(t *testing.T) {
	var d ws.Decoder
	_, _, err := d.Next([]byte{0x81, 0x00})
	if err == nil {
		t.Fatal("an unmasked frame is accepted")
	}
	p, rest, again := d.Next(frame(true, ws.OpText, "later"))
	if again != err || p.Opcode != 0 || len(rest) != 0 {
		t.Errorf("Next after %v = %+v, %d bytes left, %v; want that error and nothing else", err, p, len(rest), again)
	}
}

func TestDecoderFromServer(t *testing.T) {
	d := ws.Decoder{FromServer: true}
	if got, want := decode(&d, []byte{0x82, 1, 'x', 0x82, 0x81, 0, 0, 0, 0, 'x'}), "binary \"x\"\nclose code 1002: masked frame from a server\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDecoderDoesNotAllocate(t *testing.T) {
	in := join(frame(false, ws.OpText, "grüße"), frame(true, ws.OpPing, "p"), frame(true, ws.OpContinuation, strings.Repeat("x", 70000)), frame(true, ws.OpPing, "pp"))
	buf := make([]byte, len(in))
	var d ws.Decoder
	if n := testing.AllocsPerRun(100, func() {
		copy(buf, in)
		for b := buf; len(b) > 0; {
			_, b, _ = d.Next(b[:min(len(b), 7)])
		}
		copy(buf, in)
		for b := buf; len(b) > 0; {
			_, b, _ = d.Next(b)
		}
	}); n != 0 {
		t.Errorf("%v allocations a run, want 0", n)
	}
}

// split cuts b into pieces of n bytes.
func split(b []byte, n int) (pieces [][]byte) {
	for len(b) > n {
		pieces = append(pieces, b[:n])
		b = b[n:]
	}
	return append(pieces, b)
}

// FuzzDecoder states that the way the bytes are cut into reads changes nothing.
func FuzzDecoder(f *testing.F) {
	for i, tt := range decoderTests {
		f.Add(tt.in, uint64(i))
	}
	f.Add(join(frame(false, ws.OpText, strings.Repeat("ä", 300)), frame(true, ws.OpPing, "ping"), frame(true, ws.OpContinuation, "€"), frame(true, ws.OpClose, "\x03\xe9")), uint64(7))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		want := decode(new(ws.Decoder), in)
		rnd := rand.New(rand.NewPCG(seed, 0))
		var pieces [][]byte
		for b := in; len(b) > 0; {
			n := 1 + rnd.IntN(len(b))
			pieces = append(pieces, b[:n])
			b = b[n:]
		}
		got := decode(new(ws.Decoder), pieces...)
		if got != want {
			t.Fatalf("% x\nwhole:     %s\nin pieces: %s", in, want, got)
		}
	})
}

// FuzzRoundTrip states that decoding what was encoded gives it back, whatever
// the payload, the mask and the cut into frames.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("hello"), uint32(0x01020304), uint16(2), true)
	f.Add(bytes.Repeat([]byte{0xff}, 70000), uint32(0), uint16(65535), false)
	f.Add([]byte{}, uint32(1), uint16(0), false)
	f.Fuzz(func(t *testing.T, payload []byte, mask uint32, size uint16, fromServer bool) {
		key := [4]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)}
		if fromServer {
			key = [4]byte{}
		}
		var wire []byte
		op := ws.OpBinary
		for _, piece := range split(payload, 1+int(size)) {
			h := ws.Header{Opcode: op, Masked: !fromServer, Mask: key, Length: int64(len(piece))}
			wire = append(ws.AppendHeader(wire, h), piece...)
			ws.ApplyMask(wire[len(wire)-len(piece):], key, 0)
			op = ws.OpContinuation
		}
		wire = ws.AppendHeader(wire, ws.Header{Fin: true, Opcode: op, Masked: !fromServer, Mask: key})
		d := ws.Decoder{FromServer: fromServer}
		if got, want := decode(&d, wire), fmt.Sprintf("binary %q\n", payload); got != want {
			t.Fatalf("got %.200s, want %.200s", got, want)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 16 << 10, 64 << 10} {
		for _, op := range []ws.Opcode{ws.OpBinary, ws.OpText} {
			b.Run(fmt.Sprintf("%v-%d", op, size), func(b *testing.B) {
				// A buffer of 64 KiB of frames, decoded again and again. Its
				// contents change with each pass, so the mask is zero: the work
				// is the same, and text stays text.
				h := ws.Header{Fin: true, Opcode: op, Masked: true, Length: int64(size)}
				one := append(ws.AppendHeader(nil, h), strings.Repeat("x", size)...)
				buf := bytes.Repeat(one, max(1, (64<<10)/len(one)))
				var d ws.Decoder
				b.SetBytes(int64(len(buf)))
				b.ReportAllocs()
				for b.Loop() {
					for rest := buf; len(rest) > 0; {
						var err error
						if _, rest, err = d.Next(rest); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
