//go:build unix

package limit

import (
	"golang.org/x/sys/unix"
)

// Descriptors returns how many files the process may have open, 0 for no limit. Like any
// program in Go, it has raised its own limit as far as it may.
func Descriptors() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), 1<<30)) // signed on FreeBSD
}

// lowest returns the number that the next file to be opened will have, which is the lowest
// that is free (POSIX.1-2017, 2.14), or false if no more can be opened.
func lowest() (n int, ok bool) {
	n, err := unix.FcntlInt(2, unix.F_DUPFD_CLOEXEC, 0) // 2 is open in any program in Go
	if err != nil {
		return 0, false
	}
	unix.Close(n)
	return n, true
}
