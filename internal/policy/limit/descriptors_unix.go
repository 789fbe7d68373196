//go:build unix

package limit

import "syscall"

// Descriptors returns how many files the process may have open, 0 for no limit. Like any
// program in Go, it has raised its own limit as far as it may.
func Descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), 1<<30)) // signed on FreeBSD
}
