//go:build unix

package history

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockRun says that a run goes on, until the file is closed: its process has it locked.
// It is not the database itself, whose locks some systems confuse with this one.
func lockRun(path string, run int64) (*os.File, error) {
	f, err := os.OpenFile(runFile(path, run), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return f, nil
}

// goesOn reports whether a run goes on.
func goesOn(path string, run int64) bool {
	f, err := os.OpenFile(runFile(path, run), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil {
		return true
	}
	os.Remove(f.Name()) // its process was killed
	return false
}
