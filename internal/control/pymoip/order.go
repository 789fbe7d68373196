package pymoip

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"moip/internal/discreet"
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

	errURI          = errors.New("URI is not ws, wss, telnet, telnets, tcp or tcps to a host")
	errPing         = errors.New("ping is neither None nor seconds")
	errSubprotocols = errors.New("subprotocols are not a list of names")

	errNotLatin1 = errors.New("not all of it is Latin-1")
	errComma     = errors.New("there is a comma in the URI")
	errStart     = errors.New("there are keys to type for the caller")
	errName      = errors.New("a subprotocol is no name")
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

// encode is decode's reverse, for a binary frame.
func encode(text string) ([]byte, error) {
	p := make([]byte, 0, len(text))
	for _, c := range text {
		if c > 0xFF {
			return nil, errNotLatin1
		}
		p = append(p, byte(c))
	}
	if len(p) > commandLimit {
		return nil, errTooLong
	}
	return p, nil
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
	if err := parseURI(o.uri); err != nil {
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
	return session.Route{Name: discreet.URL(o.uri), URL: o.uri, Ping: ping, Subprotocols: names}, nil
}

// parseURI accepts what PyMoIP can name, telnet and tcp, which it means to but refuses,
// and those with TLS. The gateway's own services are not for its servers to name.
func parseURI(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" {
		return errURI
	}
	switch u.Scheme {
	case "ws", "wss", "telnet", "telnets", "tcp", "tcps":
		return nil
	}
	return errURI
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
// servers refuse.
func parseSubprotocols(s string) ([]string, error) {
	var list []string
	if err := json.Unmarshal([]byte(s), &list); err != nil {
		return nil, errSubprotocols
	}
	var names []string
	for _, name := range list {
		switch {
		case name == "":
		case unsayable(name):
			return nil, errSubprotocols
		default:
			names = append(names, name)
		}
	}
	return names, nil
}

// ErrUnsayable refuses a route that no order can express.
var ErrUnsayable = errors.New("a gateway cannot be told of the route")

// writeOrder returns the order, under that number, to lead the gateway's caller
// pid to r. It names the URL, the ping and the subprotocols of r, as there are
// no words for the rest.
func writeOrder(pid, number uint64, r session.Route) ([]byte, error) {
	if err := sayable(r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsayable, err)
	}
	p, err := encode(fmt.Sprintf("PID=%d,%d,CONNECT,%s,%s,%s", pid, number,
		r.URL, writePing(r.Ping), writeSubprotocols(r.Subprotocols)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsayable, err)
	}
	return p, nil
}

// sayable says why r would be misunderstood, nil if it would not.
func sayable(r session.Route) error {
	err := parseURI(r.URL)
	switch {
	case err != nil:
		return err
	case strings.Contains(r.URL, ","):
		return errComma
	case r.Start != "":
		return errStart
	case slices.ContainsFunc(r.Subprotocols, unsayable):
		return errName
	}
	return nil
}

// unsayable says whether a subprotocol's name would be misread: PyMoIP divides
// the list at its commas and takes the quotes off, whatever is between.
func unsayable(name string) bool {
	return name == "" || strings.ContainsFunc(name, func(c rune) bool {
		return c <= ' ' || c > '~' || strings.ContainsRune(`",\`, c)
	})
}

// writePing writes None or whole seconds.
func writePing(d time.Duration) string {
	if d <= 0 {
		return "None"
	}
	return strconv.FormatInt(min(int64((d+time.Second-1)/time.Second), math.MaxUint16), 10)
}

// writeSubprotocols writes [] or ["a","b"], without blanks.
func writeSubprotocols(names []string) string {
	if len(names) == 0 {
		return "[]"
	}
	return `["` + strings.Join(names, `","`) + `"]`
}
