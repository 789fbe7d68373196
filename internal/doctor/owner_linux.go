package doctor

import (
	"bufio"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ownerOf returns the program that listens at the port of an address, as far as we may
// see: the programs of others only root may.
func ownerOf(address string) owner {
	_, text, _ := net.SplitHostPort(address)
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return owner{}
	}
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if f, err := os.Open(table); err == nil {
			for _, inode := range listening(f, uint16(port)) {
				sockets["socket:["+inode+"]"] = true
			}
			f.Close()
		}
	}
	if len(sockets) == 0 {
		return owner{}
	}
	open, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range open {
		if to, err := os.Readlink(fd); err == nil && sockets[to] {
			return process(filepath.Dir(filepath.Dir(fd)))
		}
	}
	return owner{}
}

// process returns the owner whose folder in /proc that is.
func process(folder string) owner {
	name, err := os.ReadFile(filepath.Join(folder, "comm"))
	if err != nil { // it has ended meanwhile
		return owner{}
	}
	pid, _ := strconv.Atoi(filepath.Base(folder))
	return owner{strings.TrimSpace(string(name)), pid}
}

// listening returns the inodes of the sockets that listen at a port, as told by a
// table of the kernel's (proc_net_tcp.txt).
func listening(table io.Reader, port uint16) (inodes []string) {
	const place, state, inode, listens = 1, 3, 9, "0A"
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) <= inode || fields[state] != listens {
			continue
		}
		_, at, _ := strings.Cut(fields[place], ":")
		if n, err := strconv.ParseUint(at, 16, 16); err == nil && uint16(n) == port {
			inodes = append(inodes, fields[inode])
		}
	}
	return inodes
}
