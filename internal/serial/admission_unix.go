//go:build !windows

package serial

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// admission says why the port at path may not be opened, and how it may.
func admission(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "you may not look there"
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "you may not open it"
	}
	user, group := names(owner.Uid, owner.Gid)
	return advice(info.Mode(), user, group)
}

func advice(mode fs.FileMode, owner, group string) string {
	if mode&0o060 == 0o060 {
		return "you may not open it: add the user to the group " + group + ", and log in anew"
	}
	return "only " + owner + " may open it"
}

// names has the names of a user and a group, or their numbers if they have none.
func names(uid, gid uint32) (owner, group string) {
	owner, group = strconv.Itoa(int(uid)), strconv.Itoa(int(gid))
	if u, err := user.LookupId(owner); err == nil {
		owner = u.Username
	}
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}
	return owner, group
}
