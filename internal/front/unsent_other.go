//go:build !linux

package front

// limitUnsent exists on Linux only.
func limitUnsent(Stream) {}
