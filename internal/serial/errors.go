package serial

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// What is wrong with a port, in the words of explain.
var (
	errBusy   = errors.New("it is in use")
	errNoPort = errors.New("this is not a serial port")
)

// explain says which port err is about and, where that is known, what to do.
// What is ours to branch on, os.ErrClosed above all, stays within.
func explain(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrClosed):
		return fmt.Errorf("%s: %w", path, os.ErrClosed)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: there is no such port; `moip serial --list` shows those there are: %w", path, fs.ErrNotExist)
	case errors.Is(err, errNoPort):
		return fmt.Errorf("%s: %w; `moip serial --list` shows those there are", path, errNoPort)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %s: %w", path, admission(path), fs.ErrPermission)
	case errors.Is(err, errBusy):
		return fmt.Errorf("%s: %w: %s", path, errBusy, holder(path))
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s: the port is gone: %w", path, io.EOF)
	}
	var full *fs.PathError
	if errors.As(err, &full) {
		err = full.Err // the path is in front already
	}
	return fmt.Errorf("%s: %w", path, err)
}
