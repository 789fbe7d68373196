// Package proxied is how proxies tell who really calls: by the PROXY protocol before all
// else on a connection, or by a header of each request. It reads both, and writes both.
package proxied

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"moip/internal/policy"
)

// Of headers of the PROXY protocol, as HAProxy's proxy-protocol.txt has it.
const (
	maxV1   = 107     // bytes, section 2.1
	shortV1 = 15      // PROXY UNKNOWN, CR, LF
	headV2  = 16      // signature, version and command, family, length: section 2.2
	maxV2   = 4 << 10 // bytes behind that, of 65535 that could be: addresses, and what else a proxy tells

	signature = "\r\n\r\n\x00\r\nQUIT\n"

	version2 = 0x20
	local    = 0x0 // commands
	proxy    = 0x1

	unspec = 0x00 // families
	tcp4   = 0x11
	tcp6   = 0x21
	unix   = 0x31
)

var errNoHeader = errors.New("no PROXY header comes first (have the proxy send one: send-proxy or send-proxy-v2)")

// Read reads a header of the PROXY protocol, version 1 or 2, and not a byte of what
// follows. It returns who has connected to the proxy; that is not valid if the proxy does
// not say, as of its health checks (LOCAL, UNKNOWN, UNSPEC, or a Unix socket).
//
// It reads 107 bytes at the most of version 1, and 4112 of version 2. How long that may
// take, r decides. It returns io.EOF if nothing comes.
func Read(r io.Reader) (from netip.AddrPort, err error) {
	var head [maxV1]byte
	n, err := io.ReadFull(r, head[:shortV1])
	switch got := string(head[:n]); {
	case n == 0 && err == io.EOF:
		return from, err
	case strings.HasPrefix(got, signature):
		return readV2(r, head[:n], err)
	case err != nil && (isBegun(got, signature) || isBegun(got, "PROXY ")):
		return from, cut(err)
	case strings.HasPrefix(got, "PROXY "):
		return readV1(r, head[:])
	}
	return from, errNoHeader
}

// isBegun reports whether s may become, or is, what begins with prefix.
func isBegun(s, prefix string) bool {
	return strings.HasPrefix(s+prefix[min(len(s), len(prefix)):], prefix)
}

// cut is what has kept a header from being read to its end.
func cut(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading the PROXY header: %w", err)
}

// readV1 is Read for version 1, of which the shortest length is in line.
func readV1(r io.Reader, line []byte) (from netip.AddrPort, err error) {
	n := shortV1
	for !bytes.HasSuffix(line[:n], []byte("\r\n")) {
		more := 2 // what is missing at least
		if line[n-1] == '\r' {
			more = 1
		}
		if n+more > len(line) {
			return from, fmt.Errorf("the PROXY header has no end after %d bytes", n)
		}
		if _, err := io.ReadFull(r, line[n:n+more]); err != nil {
			return from, cut(err)
		}
		n += more
	}
	return parseV1(string(line[:n-2]))
}

// parseV1 reads a line such as PROXY TCP4 192.0.2.7 198.51.100.1 4000 9001.
func parseV1(line string) (from netip.AddrPort, err error) {
	words := strings.Split(line, " ")
	if words[1] == "UNKNOWN" {
		return from, nil // whatever follows
	}
	fault := fmt.Errorf("%q is no PROXY header", line)
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return from, fault
	}
	var ends [2]netip.AddrPort
	for i := range ends {
		address, bad := netip.ParseAddr(words[2+i])
		port, badPort := strconv.ParseUint(words[4+i], 10, 16)
		if bad != nil || badPort != nil || address.Is4() != (words[1] == "TCP4") || address.Zone() != "" ||
			strconv.FormatUint(port, 10) != words[4+i] {
			return from, fault
		}
		ends[i] = netip.AddrPortFrom(address.Unmap(), uint16(port))
	}
	return ends[0], nil
}

// readV2 is Read for version 2, of which begun has come, and perhaps no more.
func readV2(r io.Reader, begun []byte, err error) (from netip.AddrPort, _ error) {
	var head [headV2]byte
	n := copy(head[:], begun)
	if err == nil {
		_, err = io.ReadFull(r, head[n:])
	}
	if err != nil {
		return from, cut(err)
	}
	command, family := head[12], head[13]
	length := int(binary.BigEndian.Uint16(head[14:]))
	if command != version2|local && command != version2|proxy {
		return from, fmt.Errorf("a PROXY header of version and command %02Xh is unknown", command)
	}
	if length > maxV2 {
		return from, fmt.Errorf("the PROXY header is %d bytes long (%d are the most)", headV2+length, headV2+maxV2)
	}
	rest := make([]byte, length)
	if _, err := io.ReadFull(r, rest); err != nil {
		return from, cut(err)
	}
	if command == version2|local {
		return from, nil // whatever the addresses are
	}
	return parseV2(family, rest)
}

// parseV2 reads the addresses in p. What is behind them, a proxy's further news (TLVs,
// section 2.2), is left out.
func parseV2(family byte, p []byte) (from netip.AddrPort, err error) {
	sizes := map[byte]int{unspec: 0, tcp4: 4, tcp6: 16, unix: 108}
	size, known := sizes[family]
	if !known {
		return from, fmt.Errorf("a PROXY header of the family %02Xh is not for a TCP connection", family)
	}
	ports := 4
	if family == unspec || family == unix {
		ports = 0
	}
	if len(p) < 2*size+ports {
		return from, fmt.Errorf("a PROXY header of the family %02Xh has no room for addresses in %d bytes", family, len(p))
	}
	if ports == 0 {
		return from, nil
	}
	address, _ := netip.AddrFromSlice(p[:size]) // does not fail
	return netip.AddrPortFrom(address.Unmap(), binary.BigEndian.Uint16(p[2*size:])), nil
}

// AppendV1 appends the header of version 1 by which a service at an address learns who
// calls. If either is not valid, or they are not of one family, it says UNKNOWN.
func AppendV1(p []byte, from, to netip.AddrPort) []byte {
	from, to = bare(from), bare(to)
	family := ""
	switch {
	case from.Addr().Is4() && to.Addr().Is4():
		family = "TCP4"
	case from.Addr().Is6() && to.Addr().Is6():
		family = "TCP6"
	default:
		return append(p, "PROXY UNKNOWN\r\n"...)
	}
	return fmt.Appendf(p, "PROXY %s %s %s %d %d\r\n", family, from.Addr(), to.Addr(), from.Port(), to.Port())
}

// AppendV2 is AppendV1 for version 2, which tells of two families as of IPv6. Where an
// address is not valid it says LOCAL, which all take: PROXY and UNSPEC some do not.
func AppendV2(p []byte, from, to netip.AddrPort) []byte {
	from, to = bare(from), bare(to)
	var addresses []byte
	command, family := byte(proxy), byte(unspec)
	switch a, b := from.Addr(), to.Addr(); {
	case !a.IsValid() || !b.IsValid():
		command = local
	case a.Is4() && b.Is4():
		family, addresses = tcp4, slices.Concat(a.AsSlice(), b.AsSlice())
	default:
		a, b := a.As16(), b.As16()
		family, addresses = tcp6, slices.Concat(a[:], b[:])
	}
	if family != unspec {
		addresses = binary.BigEndian.AppendUint16(addresses, from.Port())
		addresses = binary.BigEndian.AppendUint16(addresses, to.Port())
	}
	p = append(p, signature...)
	p = append(p, version2|command, family)
	p = binary.BigEndian.AppendUint16(p, uint16(len(addresses)))
	return append(p, addresses...)
}

// bare returns an address in the form that other machines know.
func bare(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(policy.Bare(a.Addr()), a.Port())
}
