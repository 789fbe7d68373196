//go:build unix && (!linux || race)

package transport

import "syscall"

// The race detector must see what is read and written.

func read(fd int, p []byte) (int, error)  { return syscall.Read(fd, p) }
func write(fd int, p []byte) (int, error) { return syscall.Write(fd, p) }
