//go:build unix

package history

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes a file for this process alone, until it is closed. It is not the
// database itself, whose locks some systems confuse with this one.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another gateway has %s: %w", path, err)
	}
	return f, nil
}
