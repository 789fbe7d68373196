package pymoip

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"moip/internal/session"
)

var (
	errNoNews    = errors.New("not a gateway's message")
	errNoDetails = errors.New("not PID=<pid>,IP=<ip>,PORT=<port>,Access=<WS|Telnet>")
)

// A claim is what a gateway says of a caller.
type claim struct {
	pid    uint64 // its own number for the caller
	caller session.Caller
}

// parseDetails reads the text of an introduction, without its LF.
func parseDetails(text string) (claim, error) {
	field := strings.Split(text, ",")
	if len(field) != 4 {
		return claim{}, errNoDetails
	}
	for i, name := range []string{"PID=", "IP=", "PORT=", "Access="} {
		value, ok := strings.CutPrefix(field[i], name)
		if !ok {
			return claim{}, errNoDetails
		}
		field[i] = value
	}
	c, ok := parseClaim(field[0], field[1], field[2])
	switch field[3] {
	case "WS":
		c.caller.Transport = "ws"
	case "Telnet":
		c.caller.Transport = "telnet"
	default:
		ok = false
	}
	if !ok {
		return claim{}, errNoDetails
	}
	return c, nil
}

// parseClaim reads what introductions and announcements have in common. A
// caller on a serial line has no address.
func parseClaim(pid, ip, port string) (c claim, ok bool) {
	if c.pid, ok = parseNumber(pid); !ok {
		return c, false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return c, false
	}
	if ip == "" {
		return c, number == 0
	}
	addr, err := netip.ParseAddr(ip)
	c.caller.Addr = netip.AddrPortFrom(bare(addr), uint16(number))
	return c, err == nil
}

// bare is an address as it is compared: in one form only.
func bare(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// news is one message of a gateway:
//
//	NewWsUser,<ip>,<port>,<pid>
//	NewTelnetUser,<ip>,<port>,<pid>
//	UserGone,,,<pid>
//	UserGotCommand,,,<pid>,<number>,CONNECT,...
//	UserRedirecting,,,<pid>,<number>
//	UserRedirected,,,<pid>,<number>
//	UserRequestedClose,,,<pid>,<number>
//	UserRedirectEnded,,,<pid>,<number>
type news struct {
	verb   string
	claim  claim  // no more than the PID, but for the first two
	number uint64 // of the order it answers; 0 for the first three
}

func parseNews(text string) (n news, err error) {
	field := strings.SplitN(text, ",", 6)
	if len(field) < 4 {
		return n, errNoNews
	}
	ok := false
	switch n.verb = field[0]; n.verb {
	case "NewWsUser", "NewTelnetUser":
		n.claim, ok = parseClaim(field[3], field[1], field[2])
		n.claim.caller.Transport = "telnet"
		if n.verb == "NewWsUser" {
			n.claim.caller.Transport = "ws"
		}
	case "UserGone":
		n.claim.pid, ok = parseNumber(field[3])
	case "UserGotCommand", "UserRedirecting", "UserRedirected", "UserRequestedClose", "UserRedirectEnded":
		if len(field) > 4 {
			n.number, ok = parseNumber(field[4])
		}
		if ok {
			n.claim.pid, ok = parseNumber(field[3])
		}
	}
	if !ok {
		return news{}, errNoNews
	}
	return n, nil
}

func parseNumber(s string) (n uint64, ok bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}
