// Package session carries one call, from the caller's arrival to the last byte
// of the farewell.
//
// A call has up to three legs: the caller, the portal and, while the call is
// redirected, a service. Each leg has a reader, which is on a goroutine while there is
// something to read, or where its Endpoint is no Sleeper; it hands what it reads to the
// call and never learns where it goes. The call's state
// belongs to whoever holds its lock, and nothing that holds it ever waits for
// a peer, so at every moment one leg has the keyboard and every key one owner.
package session

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// An Endpoint is the far end of a leg: a terminal or a server.
//
// One goroutine at a time may be in Receive, and one in Flush; Send and Close
// may be called from any goroutine, also while others are in Receive or Flush.
type Endpoint interface {
	// Receive waits for the next bytes. They are valid until the next call
	// of Receive. It returns io.EOF if the peer ended the connection in good
	// order, another error if the connection broke.
	Receive() ([]byte, error)

	// Send takes all of p, and does not keep it. It never blocks: what the
	// peer will not take yet is kept for Flush, and Send reports that
	// something is kept. A Send that fails closes the endpoint, and it is
	// Receive that tells why.
	Send(p []byte) (kept bool)

	// Flush blocks until nothing is kept, or the endpoint is closed. It gives
	// up, and closes the endpoint, when the peer has taken nothing for the
	// stall limit.
	Flush()

	// Close ends the connection, in good order if that can be done without
	// waiting. It unblocks Receive and Flush, and may be called again.
	Close() error
}

// A Sleeper is an Endpoint that needs no goroutine to wait in Receive.
type Sleeper interface {
	Endpoint

	// Attend has Receive return ErrQuiet rather than wait, and reports whether that can be
	// done; else Receive waits as ever. It is called before the first Receive. Others
	// may wait for the goroutine on which wake is called.
	Attend(wake func()) bool

	// Sleep is called after ErrQuiet, and reports whether there is still nothing to
	// receive. Then wake is called once, as soon as there is, or the endpoint is closed.
	Sleep() bool
}

// ErrQuiet is what Receive returns of a Sleeper when there is nothing to receive.
var ErrQuiet = errors.New("nothing to receive yet")

// What Receive may return beside io.EOF and the errors of the transport.
var (
	ErrStalled = errors.New("peer takes no data")
	ErrSilent  = errors.New("peer answers no ping")

	// ErrProtocol is wrapped by what is said of a peer that breaks the rules of its
	// protocol, as no clumsy terminal does.
	ErrProtocol = errors.New("protocol error")
)

// ErrForbidden is what a Dial returns for a route that callers may not be sent by.
var ErrForbidden = errors.New("callers may not be sent there")

// ErrScarce is why a Dial fails that says nothing of what was to be dialled: the gateway
// has no descriptor left for it.
var ErrScarce = errors.New("no descriptor is left for it")

// Foreign is what Receive returns of a peer that speaks another protocol, its name.
type Foreign string

func (f Foreign) Error() string { return "the peer speaks " + string(f) }

// Dial reaches r on behalf of a call. It returns once the peer has accepted,
// and gives up when ctx is done.
type Dial func(ctx context.Context, call ID, r Route) (Endpoint, error)

// An ID names a call. The first call of a gateway is 1.
type ID uint64

// A Caller says who called, as far as the gateway can see.
type Caller struct {
	Transport string         // "ws", "telnet", "tcp", with TLS "wss", "telnets", "tcps", or "serial"
	Addr      netip.AddrPort // of the terminal
	Speed     int            // of its line, one of Speeds, or 0 if the line sets its own
	Record    bool           // all of its call is to be recorded
}

// A Route says how to reach a service.
type Route struct {
	Name         string        // the code people type, or the URL if it has none, as package discreet shows it
	URL          string        // ws, wss, telnet, telnets, tcp or tcps; builtin for what is inside
	Ping         time.Duration // WebSocket ping interval, 0 for none
	Subprotocols []string      // offered in this order
	Frames       Frames        // WebSocket frames to send
	Fin          Fin           // how Connexion/Fin is told
	DialTimeout  time.Duration // 0 for the gateway's
	Origin       string        // WebSocket Origin header, none if empty
	CA           string        // file of PEM certificates to trust instead of the system's
	Start        string        // keys typed for the caller once the service is reached
	Echo         bool          // the service echoes no characters; the gateway does
	Case         Case          // of the letters it wants
	Visit        time.Duration // the longest visit, 0 for the gateway's limit
	RealIP       RealIP        // how the service is told who calls
	Speed        int           // the speed it is shown at, one of Speeds, or 0 for the caller's
	Record       bool          // visits to it are recorded
	Author       Author        // who wrote it
	Call         string        // what the portal knows the call as, told in a WebSocket's handshake; "" for none

	// Caller is on whose behalf the service is dialled. The call sets it if
	// RealIP asks for it; elsewhere it is nil.
	Caller *netip.AddrPort
}

// Author says who wrote a route: how far it is trusted depends on that.
type Author string

const (
	AuthorOther  Author = ""       // whoever names a URL: the portal by its link, an operator
	AuthorOwner  Author = "owner"  // the gateway's own configuration and directory
	AuthorImport Author = "import" // a directory that is fetched from elsewhere
)

// Frames says what kind of WebSocket frame carries a stream.
type Frames string

const (
	FramesAuto   Frames = ""       // binary if the subprotocol agreed is "binary", text otherwise
	FramesText   Frames = "text"   // Latin-1 as UTF-8
	FramesBinary Frames = "binary" // bytes as they are
)

// Fin is the form in which Connexion/Fin reaches a server. Public services
// disagree on it.
type Fin string

const (
	FinKey   Fin = ""      // SEP 4/9, as from a Minitel's line
	FinModem Fin = "59"    // SEP 5/9, as from its socket
	FinClose Fin = "close" // nothing but the end of the connection
)

// Case is the case of the letters that a service wants to be sent.
type Case string

const (
	CaseTyped Case = ""      // as they are typed
	CaseUpper Case = "upper" // capitals only
	CaseLower Case = "lower" // small letters only
)

// RealIP is how a service learns the address of the caller.
type RealIP string

const (
	RealIPNone         RealIP = ""                // not at all
	RealIPForwardedFor RealIP = "x-forwarded-for" // by that header of the WebSocket handshake
	RealIPForwarded    RealIP = "forwarded"       // by that one, of RFC 7239
	RealIPProxy        RealIP = "proxy-v1"        // by a line before all else, the PROXY protocol version 1
	RealIPProxyV2      RealIP = "proxy-v2"        // by its version 2
	RealIPLocation     RealIP = "send-location"   // by that option of telnet, RFC 779
)
