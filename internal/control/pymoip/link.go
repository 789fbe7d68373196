// Package pymoip speaks the dialect of PyMoIP's gateways and servers: the
// control link, on which a server learns who calls at a gateway and orders
// redirections, and the introduction, by which it learns whose session is
// whose. Nothing else in the house knows this dialect.
//
// Both halves are here. A [Link] is a gateway's, for the server that is its
// portal: an observer of calls, a door to the switchboard, and a wrapper round
// the portal's dial. A [Server] is the portal's, for all gateways that use it:
// a listener for their links, a wrapper round the switchboard's Answer, an
// observer of calls, and a door through which they are redirected. Either works
// with the other, and with PyMoIP's own.
package pymoip

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"github.com/coder/websocket"

	"moip/internal/discreet"
	"moip/internal/session"
)

const (
	defaultRetry   = 5 * time.Second
	handshakeLimit = 10 * time.Second
	pingInterval   = 10 * time.Second

	frameLimit = 64 << 10 // bytes; a longer message costs the server its link
)

// Board is what the link needs of the switchboard.
type Board interface {
	// Redirect sends a call to a service, or says why not. It does not wait
	// for the service. If it returns nil the call's Redirecting event has
	// been emitted; the link holds no lock while it calls.
	Redirect(call session.ID, r session.Route) error
}

// Options say what a link needs.
type Options struct {
	URL   string // of the server's command port, ws or wss
	Board Board
	Log   *slog.Logger  // nil for none
	Retry time.Duration // least time from one dial to the next, 0 for 5 s; up to a quarter more at random

	// TokenFile has the token that is shown to the server, CA the certificates that are
	// trusted instead of the system's; "" for none. PyMoIP's server does not look at
	// tokens.
	TokenFile, CA string

	socket func(ctx context.Context, network, address string) (net.Conn, error) // nil for the usual
}

// A Link is the gateway's end of the command link. It dials the server, tells
// it what happens to the calls and obeys its orders.
type Link struct {
	to     Options
	board  Board
	log    *slog.Logger
	retry  time.Duration
	jitter func(most time.Duration) time.Duration // up to most, not included
	roster *roster

	muffler *muffler
	failure string // Owned by Run: why the last dial failed, "" if it did not.
}

// New returns a link that is down. Run brings it up.
func New(o Options) *Link {
	l := &Link{
		to:     o,
		board:  o.Board,
		log:    o.Log,
		retry:  o.Retry,
		jitter: rand.N[time.Duration],
		roster: newRoster(time.Now()),
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.log = l.log.With("link", discreet.URL(o.URL))
	if l.retry <= 0 {
		l.retry = defaultRetry
	}
	l.muffler = &muffler{log: l.log}
	return l
}

// Event takes note of what happened to a call. It never blocks and never calls
// the board, so it may be called under the call's lock; the events of a call
// must come in order, and Began before the call's portal is heard.
func (l *Link) Event(e session.Event) {
	l.roster.event(e)
}

// State says whether the link is up, and since when it is or is not.
func (l *Link) State() (up bool, since time.Time) {
	return l.roster.state()
}

// Run keeps the link until ctx is done. Then it delivers what is queued, as
// far as a second allows, and closes the link in good order.
func (l *Link) Run(ctx context.Context) {
	for ctx.Err() == nil {
		// The pause counts from the start of the attempt: a link that has
		// worked for a while is redialled at once, and a server that accepts
		// and drops us is not hammered. All gateways lose their links when it
		// restarts, in the same instant, and are not to come back in one: at
		// once is a moment later for each, and so are the dials that follow.
		pause := time.After(l.retry)
		l.attempt(ctx)
		select {
		case <-pause:
		case <-ctx.Done():
		}
		select {
		case <-time.After(l.jitter(l.retry / 4)):
		case <-ctx.Done():
		}
	}
}

// attempt dials once and serves the link until it is lost or ctx is done.
func (l *Link) attempt(ctx context.Context) {
	conn, err := l.dial(ctx)
	if err != nil {
		if ctx.Err() == nil {
			l.failed(err)
		}
		return
	}
	l.failure = ""
	l.roster.open(time.Now())
	l.log.Info("control link open")
	err = converse(ctx, conn, pingInterval,
		func(life context.Context) error { return l.listen(life, conn) },
		func(life context.Context) error { return l.speak(ctx, life, conn) })
	l.roster.close(time.Now())
	if ctx.Err() == nil {
		l.log.Warn("control link lost", "err", err)
	} else {
		l.log.Info("control link closed")
	}
}

func (l *Link) dial(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	conn, _, err := reach(ctx, l.to)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(frameLimit)
	return conn, nil
}

// failed logs a failed dial, aloud only if the one before failed otherwise.
func (l *Link) failed(err error) {
	level := slog.LevelWarn
	why := rootCause(err)
	if why == l.failure {
		level = slog.LevelDebug
	}
	l.failure = why
	l.log.Log(context.Background(), level, "control link: dial failed", "err", err, "retry", l.retry)
}

// rootCause is the innermost error's text. The outer ones name local ports,
// which differ from dial to dial.
func rootCause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// speak delivers messages as they come until life ends. When ctx is done it
// delivers the last ones and closes conn.
func (l *Link) speak(ctx, life context.Context, conn *websocket.Conn) error {
	for {
		last := ctx.Err() != nil
		if err := l.deliver(life, conn); err != nil {
			return err
		}
		if last {
			return conn.Close(websocket.StatusNormalClosure, "")
		}
		select {
		case <-l.roster.bell:
		case <-ctx.Done():
		case <-life.Done():
			return context.Cause(life)
		}
	}
}

// deliver writes what is queued. A message leaves the queue when its write has
// succeeded. There is no time limit: keepAlive ends the life of a connection
// whose peer does not read.
func (l *Link) deliver(life context.Context, conn *websocket.Conn) error {
	for {
		text, ok := l.roster.head()
		if !ok {
			return nil
		}
		if err := conn.Write(life, websocket.MessageText, []byte(text)); err != nil {
			return err
		}
		l.roster.delivered()
	}
}

// listen obeys the server's messages until conn fails.
func (l *Link) listen(life context.Context, conn *websocket.Conn) error {
	for {
		kind, r, err := conn.Reader(life)
		if err != nil {
			return err
		}
		p, err := io.ReadAll(io.LimitReader(r, commandLimit+1))
		if err != nil {
			return err
		}
		// A message must be read to its end before the next one.
		if _, err := io.Copy(io.Discard, r); err != nil {
			return err
		}
		l.obey(kind, p)
	}
}

// obey carries out one message of the server. Whatever is wrong with it costs
// neither the link nor a call.
func (l *Link) obey(kind websocket.MessageType, p []byte) {
	text, err := decode(kind, p)
	if err != nil {
		l.complain(p, err)
		return
	}
	if text == "blabla" { // what the Annulation key makes a PyMoIP server send
		l.log.Debug("control link: blabla")
		return
	}
	o, err := parseOrder(text)
	if err != nil {
		l.complain(p, err)
		return
	}
	if err := l.connect(o); err != nil {
		l.complain(p, err)
	}
}

// connect carries out an order.
func (l *Link) connect(o order) error {
	c, err := l.roster.take(o)
	if err != nil {
		return err
	}
	route, err := o.route()
	if err == nil {
		err = l.board.Redirect(c.id, route)
	}
	l.roster.judged(c)
	return err
}

func (l *Link) complain(p []byte, err error) {
	l.muffler.complain("control link: message refused", "err", err, "message", quote(p))
}
