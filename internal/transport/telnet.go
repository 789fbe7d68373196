package transport

import (
	"fmt"
	"net"
	"sync"
	"time"

	"moip/internal/session"
	"moip/internal/telnet"
)

// A Telnet is an Endpoint that speaks telnet to those peers who do.
type Telnet struct {
	stream

	mu    sync.Mutex // Send and Receive both use state, and what it says must stay in order
	state *telnet.Conn
}

// NewTelnet returns an Endpoint for conn, and greets the peer if we are the
// server. For stall see TCP. Unless tap is nil, it is told of what passes from the first
// byte on.
func NewTelnet(conn net.Conn, side telnet.Side, stall time.Duration, tap session.Tap) *Telnet {
	t := &Telnet{stream: streamOf(conn, stall), state: telnet.New(side)}
	t.Tap(tap)
	t.reply(t.state.Greeting())
	return t
}

// TellLocation has a service told a location, by SEND-LOCATION (RFC 779), if it speaks
// telnet; "" is none. It is called before Receive.
func (t *Telnet) TellLocation(location string) { t.state.TellLocation(location) }

// errEndless is of a peer that has telnet.Conn.Endless.
var errEndless = fmt.Errorf("%w: telnet options negotiated without end", session.ErrProtocol)

// Receive waits for data, and answers what else the peer says.
func (t *Telnet) Receive() ([]byte, error) {
	for {
		p, err := t.stream.Receive()
		if err != nil {
			return nil, err
		}
		data, endless := t.decode(p)
		if endless {
			t.end(errEndless)
			return nil, errEndless
		}
		if len(data) > 0 {
			return data, nil
		}
	}
}

func (t *Telnet) decode(p []byte) (data []byte, endless bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	data, reply := t.state.Receive(p)
	t.reply(reply)
	return data, t.state.Endless()
}

// reply sends what no session asked for.
func (t *Telnet) reply(p []byte) {
	if t.stream.Send(p) {
		t.flushSoon()
	}
}

// Send sends p as data.
func (t *Telnet) Send(p []byte) (kept bool) {
	out := borrow()
	defer out.giveBack()
	t.mu.Lock()
	defer t.mu.Unlock()
	*out = t.state.Encode(*out, p)
	return t.stream.Send(*out)
}

// Facts returns what the peer told of itself so far: terminal, window,
// location, and environ.X for each variable X. Nobody vouches for them.
func (t *Telnet) Facts() map[string]string {
	t.mu.Lock()
	told := t.state.Facts()
	t.mu.Unlock()

	facts := make(map[string]string)
	note := func(name, value string) {
		if value != "" {
			facts[name] = value
		}
	}
	note("terminal", told.Terminal)
	note("window", told.Window)
	note("location", told.Location)
	for name, value := range told.Environ {
		note("environ."+name, value)
	}
	return facts
}
