package admin

import (
	"net/netip"
	"net/url"
	"strings"
	"time"

	"moip/internal/policy"
	"moip/internal/session"
	"moip/videotex"
)

// Calls are all calls under way, oldest first.
type Calls struct {
	Calls []Call `json:"calls"`
	Asked
}

// A Call is one of them.
type Call struct {
	Gateway   string            `json:"gateway"`            // that carries it
	ID        uint64            `json:"id"`                 // of that gateway's: across the hub the call is GATEWAY-ID
	Transport string            `json:"transport"`          // ws, telnet, tcp, with TLS wss, telnets, tcps, or serial
	Address   string            `json:"address"`            // and port, of the terminal
	Began     time.Time         `json:"began"`              //
	State     string            `json:"state"`              // at portal, dialing, at service or over
	Service   string            `json:"service,omitempty"`  // where the caller is or is going
	Terminal  string            `json:"terminal,omitempty"` // as it has told
	Speed     int               `json:"speed,omitempty"`    // of the line in bit/s
	Recorded  bool              `json:"recorded"`
	In        uint64            `json:"in"`   // bytes from the caller
	Out       uint64            `json:"out"`  // bytes to the caller
	Keys      uint64            `json:"keys"` // that the caller has pressed
	Facts     map[string]string `json:"facts,omitempty"`
}

func (d desk) describe(i session.Info) Call { return Describe(d.name(), i) }

// Describe returns a call of a gateway as operators are told of it.
func Describe(gateway string, i session.Info) Call {
	c := Call{
		Gateway: gateway, ID: uint64(i.ID), Transport: i.Caller.Transport, Address: i.Caller.Addr.String(), Began: i.Began.UTC(),
		State: i.State.String(), Service: i.Service, Speed: i.Caller.Speed, Recorded: i.Recorded,
		In: i.In, Out: i.Out, Keys: i.Keys, Facts: i.Facts,
	}
	if i.Identity != [3]byte{} {
		c.Terminal = videotex.TerminalName(i.Identity)
	}
	return c
}

// A filter says which calls are wanted, by what is not empty of it.
type filter struct {
	state, service, transport string
	from                      netip.Prefix
}

func filterOf(q url.Values) (f filter, err error) {
	for name, values := range q {
		value := values[0]
		switch name {
		case "state":
			f.state = value
		case "service":
			f.service = value
		case "transport":
			f.transport = value
		case "from":
			if f.from, err = policy.ParseNetwork(value); err != nil {
				return f, faulty("from: %w", err)
			}
		default:
			return f, faulty("%.20q is nothing to choose calls by (use state, service, transport or from)", name)
		}
	}
	return f, nil
}

func (f filter) has(i session.Info, c Call) bool {
	return (f.state == "" || f.state == c.State) &&
		(f.service == "" || strings.EqualFold(f.service, c.Service)) &&
		(f.transport == "" || f.transport == c.Transport) &&
		(!f.from.IsValid() || f.from.Contains(policy.Bare(i.Caller.Addr.Addr())))
}

// A Message is a text for row 00.
type Message struct {
	Text string `json:"text"`
}

// Told says how many callers were told.
type Told struct {
	Told int `json:"told"`
	Asked
}

// A Redirection says where to.
type Redirection struct {
	To string `json:"to"` // the code of a service of the directory, or a URL
}

// A Recording is on or off.
type Recording struct {
	On bool `json:"on"`
}
