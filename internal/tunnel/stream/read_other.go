//go:build !unix

package stream

// A lazyReader exists on Unix systems only.
type lazyReader struct{}

func newLazyReader(Conn) *lazyReader { return nil }

func (*lazyReader) read(*reader) (int, error) { panic("stream: no lazy reader on this system") }
