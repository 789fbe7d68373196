//go:build unix

package recording

import "syscall"

// descriptors returns how many files the process may have open.
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1 << 20
	}
	return int(min(uint64(limit.Cur), 1<<20)) // signed on FreeBSD
}
