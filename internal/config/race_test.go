//go:build race

package config_test

// The race detector makes sync.Pool forget things, so that they are allocated again.
const raceDetector = true
