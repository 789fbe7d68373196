package downstream

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"moip/internal/serial"
	"moip/internal/session"
)

// An Address is where a Listener listens, and what lines its callers have.
type Address struct {
	Scheme string // ws, telnet, tcp or serial
	TLS    bool   // the scheme was wss, telnets or tcps
	Host   string // "" for all addresses, IPv4 and IPv6
	Port   string // from 0 to 65535, 0 for any that is free; for serial its name
	Speed  int    // one of session.Speeds, or 0 if the lines set their own
	Record Record // which calls are recorded, "" if that is said elsewhere
	Proxy  bool   // proxies begin with a header of the PROXY protocol
	Parity serial.Parity
	Flow   bool // heed XOFF and XON; for serial, as Parity is
}

// Transport returns the name of the line that callers come by: the scheme, with an s if
// there is TLS.
func (a Address) Transport() string {
	if a.TLS {
		return a.Scheme + "s"
	}
	return a.Scheme
}

// ParseAddress reads the URI of a Listener: ws://HOST:PORT, telnet://HOST:PORT or
// tcp://HOST:PORT, or with TLS wss, telnets or tcps, each perhaps with ?speed=1200,
// record=all, proxy=on or several of them, or
// serial://PORT, perhaps with parity=software and flow=xonxoff as well.
func ParseAddress(uri string) (a Address, err error) {
	if port, ok := strings.CutPrefix(uri, "serial:"); ok {
		return parseSerial(strings.TrimPrefix(port, "//"))
	}
	u, err := url.Parse(uri)
	if err != nil || !strings.Contains(uri, "://") {
		return a, fmt.Errorf("%.60q is not a URI (write ws://:9001, or ws://[::1]:9001)", uri)
	}
	bare := url.URL{Scheme: u.Scheme, Host: net.JoinHostPort(u.Hostname(), u.Port()), RawQuery: u.RawQuery}
	scheme, secured := strings.CutSuffix(u.Scheme, "s")
	if u.Scheme == "ws" {
		scheme, secured = "ws", false
	}
	_, noPort := strconv.ParseUint(u.Port(), 10, 16)
	switch {
	case !slices.Contains([]string{"ws", "telnet", "tcp"}, scheme):
		return a, fmt.Errorf("unknown scheme %.60q (use ws, telnet or tcp, with TLS wss, telnets or tcps, or serial)", u.Scheme)
	case noPort != nil:
		return a, fmt.Errorf("%.60q has no port from 0 to 65535 (write %s://:9001)", uri, u.Scheme)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	query := u.Query()
	speed, err := speedOf(query)
	record, fault := recordOf(query)
	proxy, noProxy := proxyOf(query)
	err = cmp.Or(err, fault, noProxy)
	query.Del("record")
	query.Del("proxy")
	switch query.Del("speed"); {
	case u.String() != bare.String(), len(query) > 0:
		bare.RawQuery = ""
		return a, fmt.Errorf("%.60q is not a host and a port alone (write %.60s, perhaps with ?speed=1200)", uri, &bare)
	case !isHost(u.Hostname()):
		return a, fmt.Errorf("%.60q is not a host (write 127.0.0.1, [::1], a name, or none for all addresses)", u.Hostname())
	}
	return Address{Scheme: scheme, TLS: secured, Host: u.Hostname(), Port: u.Port(), Speed: speed, Record: record, Proxy: proxy}, err
}

// parseSerial is ParseAddress for /dev/ttyUSB0?speed=4800, or COM3.
func parseSerial(s string) (a Address, err error) {
	name, asked, _ := strings.Cut(s, "?")
	a = Address{Scheme: "serial"}
	if a.Port, err = url.PathUnescape(name); err != nil || a.Port == "" {
		return a, fmt.Errorf("%.60q names no serial port (write serial:///dev/ttyUSB0, or serial://COM3)", name)
	}
	query, err := url.ParseQuery(asked)
	if err != nil {
		return a, fmt.Errorf("%.60q is no query (write ?speed=4800&parity=auto)", asked)
	}
	if a.Speed, err = speedOf(query); err != nil {
		return a, err
	}
	if a.Record, err = recordOf(query); err != nil {
		return a, err
	}
	switch flow := query.Get("flow"); flow {
	case "xonxoff":
		a.Flow = true
	case "", "none":
	default:
		return a, fmt.Errorf("%.60q is no flow control (use xonxoff or none)", flow)
	}
	a.Parity = serial.Parity(cmp.Or(query.Get("parity"), string(serial.ParityAuto)))
	if !slices.Contains([]serial.Parity{serial.ParityAuto, serial.ParityLine, serial.ParitySoftware, serial.ParityNone}, a.Parity) {
		return a, fmt.Errorf("%.60q is no parity (use auto, line, software or none)", a.Parity)
	}
	for key := range query {
		if !slices.Contains([]string{"speed", "record", "parity", "flow"}, key) {
			return a, fmt.Errorf("a serial port has no %.60q (use speed, record, parity and flow)", key)
		}
	}
	return a, nil
}

func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return len(s) < 254 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r == '-' || r == '_' || r == '.' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z')
	})
}

// speedOf returns the speed that a query asks for, 0 if it asks for none.
func speedOf(query url.Values) (int, error) {
	text := query.Get("speed")
	if text == "" || text == "0" {
		return 0, nil
	}
	speed, err := strconv.Atoi(text)
	if err != nil || !slices.Contains(session.Speeds, speed) {
		return 0, fmt.Errorf("%.60q is not a speed in bit/s (use 300, 1200, 4800, 9600, or 0 for none)", text)
	}
	return speed, nil
}
