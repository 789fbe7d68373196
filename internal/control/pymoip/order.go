package pymoip

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"moip/internal/session"
)

const (
	commandLimit = 4 << 10 // bytes of one message
	numberLimit  = 20      // digits of the server's session number
)

var (
	errTooLong = fmt.Errorf("longer than %d bytes", commandLimit)
	errNotUTF8 = errors.New("text frame is not UTF-8")
	errNoOrder = errors.New("not PID=<pid>,<session>,CONNECT,<uri>,<ping>,<subprotocols>")

	errURI          = errors.New("URI is not ws, wss, telnet or tcp to a host")
	errPing         = errors.New("ping is neither None nor seconds")
	errSubprotocols = errors.New("subprotocols are not a list of names")
)

// An order is the one command there is:
//
//	PID=<pid>,<session>,CONNECT,<uri>,<ping>,<subprotocols>
//
// Its first two fields are known to be good, the last three are judged by
// route.
type order struct {
	pid    uint64 // whom it concerns
	number string // the server's own name for that session, digits, to be echoed
	echo   string // all of it but the PID field

	uri          string
	ping         string
	subprotocols string
}

// decode returns the text of a message. PyMoIP sends its orders in binary
// frames, one byte a character; text frames mean the same.
func decode(kind websocket.MessageType, p []byte) (string, error) {
	switch {
	case len(p) > commandLimit:
		return "", errTooLong
	case kind == websocket.MessageBinary:
		return latin1(p), nil
	case !utf8.Valid(p):
		// An echo of it would cost us the link (RFC 6455 section 8.1).
		return "", errNotUTF8
	}
	return string(p), nil
}

func latin1(p []byte) string {
	text := make([]rune, len(p))
	for i, b := range p {
		text[i] = rune(b)
	}
	return string(text)
}

func parseOrder(text string) (order, error) {
	// The subprotocols are the rest of the line, commas and all.
	field := strings.SplitN(text, ",", 6)
	if len(field) < 6 || field[2] != "CONNECT" || !isNumber(field[1]) {
		return order{}, errNoOrder
	}
	digits, ok := strings.CutPrefix(field[0], "PID=")
	if !ok {
		return order{}, errNoOrder
	}
	pid, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return order{}, errNoOrder
	}
	return order{
		pid:          pid,
		number:       field[1],
		echo:         text[len(field[0])+1:],
		uri:          field[3],
		ping:         field[4],
		subprotocols: field[5],
	}, nil
}

// isNumber says whether s can be a session number. It is a number to the
// server; to us it is a name, and goes back as it came.
func isNumber(s string) bool {
	return s != "" && len(s) <= numberLimit && strings.Trim(s, "0123456789") == ""
}

// route is where the order leads.
func (o order) route() (session.Route, error) {
	u, err := parseURI(o.uri)
	if err != nil {
		return session.Route{}, err
	}
	ping, err := parsePing(o.ping)
	if err != nil {
		return session.Route{}, err
	}
	names, err := parseSubprotocols(o.subprotocols)
	if err != nil {
		return session.Route{}, err
	}
	name := o.uri
	if u.User != nil { // the name is for logs, a password is not
		name = u.Redacted()
	}
	return session.Route{Name: name, URL: o.uri, Ping: ping, Subprotocols: names}, nil
}

// parseURI accepts what PyMoIP can name, and telnet and tcp, which it means to
// but refuses. The gateway's own services are not for its servers to name.
func parseURI(uri string) (*url.URL, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" {
		return nil, errURI
	}
	switch u.Scheme {
	case "ws", "wss", "telnet", "tcp":
		return u, nil
	}
	return nil, errURI
}

// parsePing reads None or a number of seconds.
func parsePing(s string) (time.Duration, error) {
	if strings.EqualFold(s, "none") {
		return 0, nil
	}
	seconds, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, errPing
	}
	return time.Duration(seconds) * time.Second, nil
}

// parseSubprotocols reads [], [""] or ["a","b"], which is JSON. PyMoIP writes
// an empty name for none; offering it would be an empty header, which strict
// servers refuse. What else is no name, the dial will say.
func parseSubprotocols(s string) ([]string, error) {
	var list []string
	if err := json.Unmarshal([]byte(s), &list); err != nil {
		return nil, errSubprotocols
	}
	var names []string
	for _, name := range list {
		if name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}
