package shield

import (
	"fmt"
	"slices"
	"strings"
)

// A Kind is what speaks against a household. The protocols that Recognise names are
// kinds, and so are these.
type Kind string

const (
	Negotiation Kind = "negotiation" // of telnet, without end
	Frames      Kind = "frames"      // that break RFC 6455
	Probe       Kind = "probe"       // see IsProbe

	Short   Kind = "short"   // a call over before a page could be read, without a key
	Mute    Kind = "mute"    // a terminal that does not say who it is when asked
	Typing  Kind = "typing"  // for long, and faster than anybody can
	Upgrade Kind = "upgrade" // a request for a WebSocket that cannot be granted
)

// kinds are all. A browser that is sent to the wrong port opens several connections for a
// page, and tries TLS before HTTP: those two count little. Who mistakes one port for
// another with a client of SSH gives up sooner than after ten.
var kinds = [...]struct {
	Kind
	points float64
	weak   bool // see weakMost
	words  string
}{
	{"http", 2, false, "openings of HTTP"},
	{"tls", 2, false, "openings of TLS"},
	{"ssh", 10, false, "openings of SSH"},
	{"rdp", 10, false, "openings of RDP"},
	{"smb", 10, false, "openings of SMB"},
	{"socks", 10, false, "openings of SOCKS"},
	{"redis", 10, false, "openings of Redis"},
	{"mqtt", 10, false, "openings of MQTT"},
	{"vnc", 10, false, "openings of VNC"},
	{"sip", 10, false, "openings of SIP"},
	{"rtsp", 10, false, "openings of RTSP"},
	{"sql", 10, false, "openings of SQL databases"},
	{"mongodb", 10, false, "openings of MongoDB"},
	{"ldap", 10, false, "openings of LDAP"},
	{"dns", 10, false, "openings of DNS"},
	{"x11", 10, false, "openings of X11"},
	{"amqp", 10, false, "openings of AMQP"},
	{"adb", 10, false, "openings of ADB"},
	{"rmi", 10, false, "openings of RMI"},

	{Probe, 5, false, "requests of scanners"},
	{Frames, 5, false, "WebSockets with broken frames"},
	{Negotiation, 20, false, "telnet negotiations without end"},

	{Short, 1, true, "calls too short for anybody"},
	{Upgrade, 1, true, "failed WebSockets"},
	{Mute, 0.5, true, "terminals that do not say who they are"},
	{Typing, 2, true, "calls that type faster than anybody"},
}

// numberOf returns where a kind stands among kinds, -1 if it is none.
func numberOf(k Kind) int {
	for i := range kinds {
		if kinds[i].Kind == k {
			return i
		}
	}
	return -1
}

// A tally is how often each of kinds was seen.
type tally [len(kinds)]uint16

func (t *tally) add(i int) {
	if t[i]++; t[i] == 0 { // enough for anybody
		t[i]--
	}
}

// strongest are the kinds that were seen, by what they count together.
func (t *tally) strongest() (all []int) {
	for i, n := range t {
		if n > 0 {
			all = append(all, i)
		}
	}
	worth := func(i int) float64 {
		points := float64(t[i]) * kinds[i].points
		if kinds[i].weak {
			return min(points, weakMost) / 1000 // strong ones go first
		}
		return points
	}
	slices.SortStableFunc(all, func(i, j int) int { return int(1000 * (worth(j) - worth(i))) })
	return all
}

// words says in a line what there is of evidence, the strongest first: "openings of SSH:
// 9, openings of RDP: 2". It is short enough for the reason of a ban.
func (t *tally) words() string {
	var said []string
	for _, i := range t.strongest() {
		if len(said) == 3 {
			said = append(said, "and more")
			break
		}
		said = append(said, fmt.Sprintf("%s: %d", kinds[i].words, t[i]))
	}
	return strings.Join(said, ", ")
}

// counts is the tally by kind.
func (t *tally) counts() map[Kind]int {
	all := map[Kind]int{}
	for i, n := range t {
		if n > 0 {
			all[kinds[i].Kind] = int(n)
		}
	}
	return all
}
