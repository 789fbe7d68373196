//go:build !linux && !windows && !darwin && !freebsd && !openbsd

package serial

import (
	"errors"
	"fmt"
	"runtime"
)

const marks = false

func openLine(string) (Line, error) {
	return nil, fmt.Errorf("serial ports on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
