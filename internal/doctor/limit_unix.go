//go:build unix

package doctor

import "syscall"

// descriptors returns how many files a gateway may have open, 0 for no limit. Like any
// program in Go, it raises its own limit as far as it may, and so did we.
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), 1<<30)) // signed on FreeBSD
}
