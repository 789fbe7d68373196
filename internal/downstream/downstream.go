// Package downstream is the door of the callers: it listens, and turns those
// who come into Endpoints.
package downstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"moip/internal/prise"
	"moip/internal/proxied"
	"moip/internal/pulse"
	"moip/internal/session"
	"moip/internal/telnet"
	"moip/internal/transport"
)

// DefaultPing is after how much silence a WebSocket caller is pinged.
const DefaultPing = 20 * time.Second

// Answer takes a call. The Endpoint is its own from then on. It returns soon
// and leaves the call to another goroutine: its own is heavy, and Close waits
// for it.
type Answer func(e session.Endpoint, from session.Caller)

// Options of a Listener. The zero value is usable.
type Options struct {
	Ping  time.Duration // of WebSocket callers, 0 for DefaultPing, negative for none
	Stall time.Duration // how long a caller may take nothing, 0 for transport.DefaultStall
	Web   http.Handler  // answers browsers at ws listeners; nil tells them that only WebSockets are answered
	Log   *slog.Logger  // nil for none

	// Open opens the socket for an address, host:port; nil is pulse.Listen. It is for
	// sockets that are there already.
	Open func(address string) (net.Listener, error)

	// TLS returns how wss, telnets and tcps listeners speak TLS with callers of some
	// protocols (RFC 7301), none if they are not to be asked for one. Without it there
	// can be no such listener.
	TLS func(protocols ...string) *tls.Config

	// Admit is asked of each who comes by ws, telnet or tcp, before anything else is
	// done for it; what it returns, the caller is told, and nil lets it in. At ws
	// listeners it is asked of each request, of browsers' too. It must not block. nil
	// lets all in.
	Admit func(from netip.AddrPort, transport string) *Refusal

	// Arrive is told of each connection that is no call yet, and left is called when it
	// is one, or closed. It may have connections closed by calling out, its
	// own not before it has returned. It must not block. nil is told nothing.
	Arrive func(from netip.AddrPort, transport string, out func()) (left func())

	// Enter is asked of each who has been admitted and wants a call. What it returns, the
	// caller is told; if that is nil, leave is called once, when the connection is
	// closed, or no call comes of it. It must not block. nil lets all in.
	Enter func(from netip.AddrPort, transport string) (leave func(), refusal *Refusal)

	// Proxies says which proxies tell who calls, and how; it is asked anew for each
	// connection and each request, and must not block. What they tell is the address of
	// the caller for all else. nil is for none.
	Proxies func() *proxied.Trust

	// Refused is told of each who is refused because such a proxy, from an address, does
	// not say who calls; the reason is one of Reason…. It must not block. nil where nobody
	// wants to know.
	Refused func(from netip.AddrPort, transport, reason string, err error)

	// Short is told of each time that nobody can be accepted, for want of a descriptor or
	// the like, until it is tried again, 5 ms to 1 s later. It must not block. nil has the
	// log told, once until somebody comes.
	Short func(error)

	// Guard looks out for those who come by ws, telnet or tcp and are no callers, nil where
	// nobody does. It is asked of those who are admitted.
	Guard Guard

	// opening is openingTime, where a test has it otherwise.
	opening time.Duration

	// Tap returns what is told of the line of a caller that has arrived from an
	// address, nil for nothing. It must not block. nil where none is.
	Tap func(netip.AddrPort) session.Tap

	// Record says which calls are to be recorded, if the address does not; "" is
	// RecordNone.
	Record Record
}

// A Listener accepts callers at one address.
type Listener struct {
	asked    string
	at       Address
	listener net.Listener       // nil for serial
	server   *http.Server       // for ws
	secure   *tls.Config        // nil without TLS
	attended context.Context    // until Close
	leave    context.CancelFunc // ends attended
	options  Options

	served   chan struct{}  // closed when Serve has returned
	knocking sync.WaitGroup // who has come to server and is no call yet
	parting  atomic.Int32   // callers who take a refusal
	answered chan struct{}  // has a place for each that is being answered

	mu     sync.RWMutex // held for reading while a call is answered
	closed bool
}

// Listen opens a door, as ParseAddress has it.
func Listen(uri string, o Options) (*Listener, error) {
	at, err := ParseAddress(uri)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	o.Ping = cmp.Or(o.Ping, DefaultPing)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Proxies == nil {
		o.Proxies = func() *proxied.Trust { return &proxied.Trust{} }
	}
	l := &Listener{asked: uri, at: at, options: o, served: make(chan struct{}), answered: make(chan struct{}, maxAnswered)}
	if at.TLS && o.TLS == nil {
		return nil, fmt.Errorf("listen on %q: there is no certificate (name its files, or whom to ask for one)", uri)
	}
	l.attended, l.leave = context.WithCancel(context.Background())
	if at.Scheme == "serial" {
		return l, nil // the port may come later
	}
	if o.Open == nil {
		o.Open = pulse.Listen
	}
	listener, err := o.Open(net.JoinHostPort(at.Host, at.Port))
	if err != nil {
		if failed, ok := errors.AsType[*net.OpError](err); ok {
			err = failed.Err // we say the rest
		}
		return nil, fmt.Errorf("listen on %q: %w", uri, err)
	}
	tuneListener(listener)
	l.listener = patient{listener, l}
	if at.Scheme == "ws" {
		l.server = newServer(o.Log)
		l.server.ConnState = l.knocks
	}
	if at.TLS {
		l.secure = o.TLS(protocols[at.Scheme]...)
	}
	return l, nil
}

// Addr returns where the Listener listens, nil for a serial port.
func (l *Listener) Addr() net.Addr {
	if l.listener == nil {
		return nil
	}
	return l.listener.Addr()
}

// Asked returns the URI that Listen was given.
func (l *Listener) Asked() string { return l.asked }

// IsAt reports whether what another URI asks for is the port of this Listener.
func (l *Listener) IsAt(uri string) bool {
	at, err := ParseAddress(uri)
	return err == nil && l.listener != nil && at.Port != "0" && at.Port == l.at.Port && at.Host == l.at.Host
}

// Socket returns what Options.Open has returned, nil for a serial port.
func (l *Listener) Socket() net.Listener {
	if l.listener == nil {
		return nil
	}
	return l.listener.(patient).Listener
}

// URI returns what somebody at this machine may open to call.
func (l *Listener) URI() string {
	if l.listener == nil {
		return "serial://" + l.at.Port
	}
	address := l.Addr().(*net.TCPAddr)
	host := address.IP.String()
	if address.IP.IsUnspecified() {
		host = "localhost"
	}
	return l.at.Transport() + "://" + net.JoinHostPort(host, strconv.Itoa(address.Port))
}

// Serve has callers answered until Close, and then returns nil; at a serial port,
// once the call under way is over. It is called once.
func (l *Listener) Serve(answer Answer) error {
	defer close(l.served)
	var err error
	switch l.at.Scheme {
	case "ws":
		l.server.Handler = l.known(l.admitted(l.handler(answer)))
		err = l.server.Serve(l.secured(l.announced(l.listener)))
		l.knocking.Wait()
	case "serial":
		l.attend(answer)
		return nil
	default:
		err = l.serve(answer)
	}
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("listen on %s: %w", l.URI(), err)
}

// serve is Serve for callers without HTTP.
func (l *Listener) serve(answer Answer) error {
	var answering sync.WaitGroup
	defer answering.Wait()
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return err
		}
		answering.Go(func() {
			from, known := l.whose(conn)
			if !known {
				return
			}
			if refusal := l.admit(from); refusal != nil {
				l.turnAway(l.over(conn), refusal)
				return
			}
			line := l.arriving(from)
			conn := l.shaken(conn, from, line)
			if conn == nil {
				return
			}
			if !l.passes(conn, from, line) {
				return
			}
			leave, refusal := l.enter(from)
			if refusal != nil {
				line.refused(errors.New(refusal.Text))
				l.turnAway(conn, refusal)
				return
			}
			if err := becomesCall(conn, leave); err != nil {
				line.refused(err)
				conn.Close()
				return
			}
			var e session.Endpoint
			if l.at.Scheme == "telnet" {
				e = transport.NewTelnet(conn, telnet.Server, l.options.Stall, line.tap)
			} else {
				e = transport.TCP(conn, l.options.Stall)
			}
			if judged, ok := e.(interface{ Judge(transport.Judge) }); ok && l.options.Guard != nil {
				judged.Judge(l.judge)
			}
			l.answer(answer, e, conn, line, session.Caller{Addr: from, Speed: l.at.Speed, Record: l.records(false)})
		})
	}
}

// attend is Serve for the Minitel at a serial port.
func (l *Listener) attend(answer Answer) {
	prise.Serve(l.attended, prise.Options{
		Path: l.at.Port, Speed: l.at.Speed, Parity: l.at.Parity, Flow: l.at.Flow, Log: l.options.Log,
	}, func(e session.Endpoint, from session.Caller) {
		from.Record = l.records(false)
		l.put(answer, e, line{}, from)
	})
}

// answer has the call at the other end of conn answered. Of the caller, its address is
// known, and what was asked for.
func (l *Listener) answer(answer Answer, e session.Endpoint, conn net.Conn, line line, from session.Caller) {
	if from.Speed > 0 {
		tune(conn, from.Speed/10) // a second of the line
	}
	from.Transport = l.at.Transport()
	l.put(answer, e, line, from)
}

var errClosing = errors.New("the gateway stops")

// maxAnswered is how many calls of a Listener are being answered at a time. The rest of a
// crowd waits here, and not before the locks of all that is told of a call: there, what
// happens to calls under way would stand in line with it.
const maxAnswered = 32

// put has a call answered, unless the Listener was closed meanwhile. Should that
// panic, one caller is lost and not all.
func (l *Listener) put(answer Answer, e session.Endpoint, line line, from session.Caller) {
	l.answered <- struct{}{}
	defer func() { <-l.answered }()
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		line.refused(errClosing)
		e.Close()
		return
	}
	defer func() {
		if reason := recover(); reason != nil {
			l.options.Log.Error("panic in answering a call", "reason", reason, "stack", string(debug.Stack()))
			line.refused(fmt.Errorf("panic: %v", reason))
			e.Close()
		}
	}()
	answer(e, from)
}

// addressOf returns where a connection comes from.
func addressOf(conn net.Conn) netip.AddrPort {
	address, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return unmap(address.AddrPort())
}

// unmap makes 192.0.2.1 of ::ffff:192.0.2.1.
func unmap(at netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// Retire is Close when others go on listening at the same socket: it refuses nobody who
// has come, and waits for those who are not yet a call, until ctx is done.
func (l *Listener) Retire(ctx context.Context) {
	if l.listener != nil {
		l.listener.Close()
		if l.server != nil {
			l.server.SetKeepAlivesEnabled(false) // its Shutdown would cut handshakes
		}
		select {
		case <-l.served: // nobody is on the way to a call
		case <-ctx.Done():
		}
	}
	l.Close()
}

// Close ends Serve. Calls that were answered go on, and when it returns none
// is answered any more.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.leave()
	if l.listener == nil {
		return nil
	}
	if l.server != nil {
		l.server.Close() // and with it whoever has not said yet what it wants
	}
	if err := l.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// lowWater is how many bytes not yet sent may wait in the kernel. The kernel would
// not let a connection inherit this from the listening socket. The rest
// waits with the session, which can drop it when Connexion/Fin is pressed. For
// a Minitel 2 KiB last a quarter of a minute.
const lowWater = 2 << 10

// unheard is how many bytes that nobody has read may wait in the kernel, or twice as many.
// They are read before the end of a connection is, and who has sent too many is read
// slowly: of one who had filled the system's buffer and was gone, the call went on for
// minutes. Keys are few. It has to be said of the listener: once there is a connection, the
// peer has been told otherwise.
const unheard = 4 << 10

// A patient listener outlives a want of descriptors and the like, and sets up
// the connections that it accepts.
type patient struct {
	net.Listener
	l *Listener
}

// Accept waits for the next caller. It fails only when the listener is closed.
func (p patient) Accept() (net.Conn, error) {
	const least, most = 5 * time.Millisecond, time.Second
	for delay := least; ; delay = min(2*delay, most) {
		conn, err := p.Listener.Accept()
		if err == nil {
			tune(conn, lowWater)
			pulse.Take(conn, cmp.Or(p.l.options.Stall, transport.DefaultStall))
			return p.l.arrives(conn), nil
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if p.l.options.Short != nil {
			p.l.options.Short(err)
		} else if delay == least { // once for all that follow
			p.l.options.Log.Warn("callers must wait", "error", err)
		}
		time.Sleep(delay)
	}
}
