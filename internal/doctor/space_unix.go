//go:build linux || darwin || freebsd

package doctor

import "golang.org/x/sys/unix"

// space returns how many bytes are free for us on the disk of a folder.
func space(folder string) (bytes uint64, known bool) {
	var disk unix.Statfs_t
	if err := unix.Statfs(folder, &disk); err != nil {
		return 0, false
	}
	return uint64(max(int64(disk.Bavail), 0)) * uint64(disk.Bsize), true // signed on FreeBSD
}
