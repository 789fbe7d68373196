//go:build race

package transport

// The race detector makes pools forget and everything larger.
const racing = true
