package ws

import "unicode/utf8"

// SplitText returns the length n of the longest prefix of b that is whole,
// valid UTF-8 characters. What follows, b[n:], is empty or the start of a
// character that b ends inside of (at most 3 bytes) if ok is true; otherwise it
// begins with a byte that cannot be there.
func SplitText(b []byte) (n int, ok bool) {
	n = len(b)
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if tail := b[len(b)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				n -= i
			}
			break
		}
	}
	if utf8.Valid(b[:n]) {
		return n, true
	}
	for n = 0; ; {
		r, size := utf8.DecodeRune(b[n:])
		if r == utf8.RuneError && size <= 1 {
			return n, false
		}
		n += size
	}
}

// textCheck validates UTF-8 that arrives in pieces. The zero value is at the
// start of a text.
type textCheck struct {
	tail [utf8.UTFMax]byte // a character begun in earlier pieces
	n    int               // bytes in tail
}

// write checks the next piece. It returns how much of b can be passed on, a
// character begun at the end included, and whether all of it is valid so far.
func (c *textCheck) write(b []byte) (n int, ok bool) {
	for c.n > 0 && n < len(b) {
		c.tail[c.n] = b[n]
		c.n++
		if utf8.FullRune(c.tail[:c.n]) {
			if !utf8.Valid(c.tail[:c.n]) {
				return 0, false
			}
			c.n = 0
		}
		n++
	}
	whole, ok := SplitText(b[n:])
	if !ok {
		return n + whole, false
	}
	if c.n == 0 {
		c.n = copy(c.tail[:], b[n+whole:])
	}
	return len(b), true
}

// whole reports whether the text may end here, and goes back to the start.
func (c *textCheck) whole() bool {
	ok := c.n == 0
	c.n = 0
	return ok
}
