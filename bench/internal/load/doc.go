// Package load is both ends of a tunnel in a benchmark: [Tunnel] is a client, and
// [Backend] stands behind the server. The client tells the backend what to do by
// the first byte that it sends. Both are made to cost little, since they share the
// machine with what is measured; neither looks at a clock. It is for Linux alone.
package load
