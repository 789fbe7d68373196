package doctor

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ownerOf returns the program that keeps others from listening at an address, as far
// as we may see: the programs of others only root may.
func ownerOf(address string) owner {
	host, text, _ := net.SplitHostPort(address)
	ip, _ := netip.ParseAddr(host) // a name may be any
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return owner{}
	}
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if f, err := os.Open(table); err == nil {
			for _, inode := range listening(f, netip.AddrPortFrom(ip, uint16(port))) {
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

// listening returns the inodes of the sockets that listen at an address, or at another
// that covers it, as told by a table of the kernel's (proc_net_tcp.txt). An address
// that is not valid is any.
func listening(table io.Reader, at netip.AddrPort) (inodes []string) {
	const place, state, inode, listens = 1, 3, 9, "0A"
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) <= inode || fields[state] != listens {
			continue
		}
		there, err := parsePlace(fields[place])
		if err == nil && there.Port() == at.Port() && covers(there.Addr(), at.Addr()) {
			inodes = append(inodes, fields[inode])
		}
	}
	return inodes
}

// covers reports whether who listens at one address keeps others from the other.
func covers(a, b netip.Addr) bool {
	return !a.IsValid() || !b.IsValid() || a == b || a.IsUnspecified() || b.IsUnspecified()
}

// parsePlace reads an address as the kernel writes it: words of 32 bits in the order
// of the machine, and a port.
func parsePlace(text string) (netip.AddrPort, error) {
	words, at, _ := strings.Cut(text, ":")
	port, err := strconv.ParseUint(at, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var ip []byte
	for ; len(words) >= 8; words = words[8:] {
		n, err := strconv.ParseUint(words[:8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, err
		}
		ip = binary.NativeEndian.AppendUint32(ip, uint32(n))
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok || words != "" {
		return netip.AddrPort{}, errPlace
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), nil
}

var errPlace = errors.New("no address")
