//go:build !windows

package serial

import "golang.org/x/sys/unix"

// Denied returns what keeps the user from opening the port at path, and how they may,
// "" if nothing does. It does not open the port: whatever is at the other end might
// notice.
func Denied(path string) string {
	if unix.Access(path, unix.R_OK|unix.W_OK) != unix.EACCES {
		return ""
	}
	return admission(path)
}
