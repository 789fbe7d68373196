// Package natsbus has a bus of NATS: of servers that run elsewhere, or of one in each
// gateway, which are connected with each other.
package natsbus

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"moip/internal/bus"
)

// What holds for a connection to a server. One that is cut is noticed after pingTime times
// one more than maxPings.
const (
	pingTime   = 2 * time.Second
	maxPings   = 2
	dialTime   = 2 * time.Second
	writeTime  = 4 * time.Second
	retryFirst = 250 * time.Millisecond // after all servers have been tried, growing to
	retryLast  = 4 * time.Second
)

// What waits for one who follows a pattern.
const (
	maxBehind     = 16384   // messages
	maxBehindData = 8 << 20 // bytes of them, but for one more message
)

// maxTold is how many reasons the log is told while the bus is down.
const maxTold = 4

// Options of a Bus.
type Options struct {
	Servers []string // URLs without secrets; any of them will do
	Login   Login
	Inside  *Server // the server in this process, instead of Servers; the Bus closes it
	Prefix  string  // words of a subject, below which all is said
	Name    string  // what servers call the connection, for whoever looks at their clients
	Log     *slog.Logger
}

// A Bus is a gateway's place on a bus of NATS.
type Bus struct {
	o      Options
	prefix string // with a dot at the end
	conn   *nats.Conn
	out    outbox
	asked  asked
	hush   hush

	turn      sync.Mutex // held from a change of the state until who follows has been told
	told      []string   // guarded by turn: why it is down, as the log knows
	mu        sync.Mutex
	state     bus.State // guarded by mu, as all below
	most      int64     // bytes of a message that the server takes
	connected bool      // to a server; that inside may be alone
	why       error     // it is not
	alone     error     // why the server inside is, nil if it is not
	refusal   error     // of the server, for what this gateway may not say or hear
	followers map[*func(bus.State)]struct{}
	closed    bool
}

var _ bus.Bus = (*Bus)(nil)

// Open returns a Bus, which is down if no server can be reached now, and up as soon as one
// can. Its errors are of what is in the files of the Login.
func Open(o Options) (*Bus, error) {
	login, err := o.Login.options()
	if err != nil {
		return nil, err
	}
	b := &Bus{o: o, prefix: o.Prefix + ".", why: errors.New("no server has answered yet"), followers: map[*func(bus.State)]struct{}{}}
	b.state = bus.State{Since: time.Now(), Why: b.why, At: strings.Join(o.Servers, ", ")}
	b.out.init()
	b.asked.b = b
	options := append(login,
		nats.Name(o.Name), nats.CustomInboxPrefix(b.prefix+"inbox"),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(), nats.CustomReconnectDelay(retryTime),
		nats.ReconnectBufSize(-1), nats.Timeout(dialTime), nats.FlusherTimeout(writeTime), nats.ReconnectOnFlusherError(),
		nats.PingInterval(pingTime), nats.MaxPingsOutstanding(maxPings),
		nats.ConnectHandler(b.connect), nats.ReconnectHandler(b.connect), nats.DisconnectErrHandler(b.disconnect), nats.ReconnectErrHandler(b.disconnect),
		nats.ErrorHandler(b.fault),
	)
	if o.Inside != nil {
		o.Inside.settle()
		b.state.At, b.alone = o.Inside.At(), o.Inside.alone()
		options = append(options, o.Inside.option())
	}
	if err := b.dial(options); err != nil {
		return nil, fmt.Errorf("the bus at %s: %w", b.state.At, err)
	}
	go b.out.run(b.conn)
	if b.conn.IsConnected() {
		b.connect(b.conn) // now, and not when its turn comes
	}
	if o.Inside != nil {
		o.Inside.follow(b.routed)
	}
	return b, nil
}

// dial makes the connection, of which nobody is told before it is there.
func (b *Bus) dial(options []nats.Option) (err error) {
	b.turn.Lock()
	defer b.turn.Unlock()
	b.conn, err = nats.Connect(strings.Join(b.o.Servers, ","), options...)
	return err
}

// retryTime returns how long to wait before all servers are tried for the nth time again.
// Gateways that have lost the same server do not all come back at once.
func retryTime(n int) time.Duration {
	d := retryLast
	if n < 5 {
		d = min(retryFirst<<n, retryLast)
	}
	return d/2 + rand.N(d/2)
}

// Conn returns the connection, for what a Bus has not, such as streams.
func (b *Bus) Conn() *nats.Conn { return b.conn }

// State is that of a Bus.
func (b *Bus) State() bus.State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// Follow is that of a Bus.
func (b *Bus) Follow(f func(bus.State)) (stop func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.followers[&f] = struct{}{}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.followers, &f)
	}
}

// connect is told that a server has been reached.
func (b *Bus) connect(c *nats.Conn) {
	most, at := c.MaxPayload(), c.ConnectedUrlRedacted()
	if most < bus.MaxData {
		b.o.Log.Error("the NATS server takes only small messages: set its max_payload to 1MB", "at", at, "max_payload", most)
	}
	b.change(func() {
		b.connected, b.why, b.refusal, b.most = true, nil, nil, most
		if b.o.Inside == nil {
			b.state.At = at
		}
	})
}

// disconnect is told that the server is lost, or that none is to be had.
func (b *Bus) disconnect(_ *nats.Conn, why error) {
	if why == nil {
		why = errors.New("the server has closed the connection")
	}
	b.change(func() { b.connected, b.why = false, why })
}

// routed is told why the server inside is connected with no other, or nil.
func (b *Bus) routed(alone error) {
	b.change(func() { b.alone = alone })
}

// change has f change what the state depends on, and tells who follows if that is another.
// f must not ask the connection anything, which may be busy, see Publish.
func (b *Bus) change(f func()) {
	b.turn.Lock()
	defer b.turn.Unlock()
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return
	}
	f()
	was := b.state
	up, why := b.connected && b.alone == nil, b.why
	if b.connected {
		why = b.alone
	}
	b.state.Up, b.state.Why = up, why
	if was.Up != up {
		b.state.Since = time.Now()
	}
	state, all := b.state, maps.Clone(b.followers)
	b.mu.Unlock()
	if was.Up == up && (up || was.Why.Error() == why.Error()) {
		return
	}
	b.tell(state)
	for f := range all {
		(*f)(state)
	}
}

// tell tells the log, and those who wait for answers that there will be none.
func (b *Bus) tell(s bus.State) {
	if s.Up {
		b.told = nil
		b.o.Log.Info("the bus is up", "at", s.At)
		return
	}
	b.asked.fail()
	if why := s.Why.Error(); len(b.told) < maxTold && !slices.Contains(b.told, why) {
		b.told = append(b.told, why)
		b.o.Log.Warn("the bus is down; calls go on, and the gateway keeps trying", "at", s.At, "error", s.Why)
	}
}

// Close is that of a Bus.
func (b *Bus) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.state.Up, b.state.Why = false, bus.ErrDown
	b.mu.Unlock()
	b.out.stop()
	if b.conn.IsConnected() {
		b.conn.FlushTimeout(time.Second) // the last word may be that we leave
	}
	b.conn.Close()
	b.asked.fail()
	if b.o.Inside != nil {
		b.o.Inside.Close()
	}
	return nil
}
