// Package upstream is the door to the services: it dials them.
package upstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"moip/internal/certificate"
	"moip/internal/session"
	"moip/internal/telnet"
	"moip/internal/transport"
)

// A Dialer reaches services. The zero value is usable.
type Dialer struct {
	Stall   time.Duration // how long a service may take nothing, 0 for transport.DefaultStall
	Witness *Witness      // is told what is found out on the way, nil for nobody

	// Unsent is how many bytes not yet sent may wait in the kernel, on Linux, before they are
	// kept by the Endpoint, 0 for as many as the kernel takes: megabytes, without a word, of
	// a service that never reads.
	Unsent int

	// Permit, unless it is nil, says why a route may not be dialled: by its scheme, its host
	// and its port before a name is looked up, while the address is not known, and then for
	// each address just before that is dialled. No answer of the DNS comes in between.
	Permit func(r session.Route, scheme, host string, at netip.AddrPort) error
}

// A Witness is for whoever wants to know more of a service than its Endpoint tells.
// Each field may be nil. Dial calls the first three.
type Witness struct {
	// Plain may put something between us and a service that is no WebSocket: within the
	// encryption, if there is one.
	Plain func(net.Conn) net.Conn

	// Secured is told what was agreed with a service that has TLS, and a good certificate.
	Secured func(tls.ConnectionState)

	// Answered is told what a service says when it is asked for a WebSocket, be it
	// yes or no.
	Answered func(status int, header http.Header)

	// Heard is transport.WebSocketOptions.Heard.
	Heard func(opcode byte)
}

// Dial reaches r, in the time of ctx. It is a session.Dial.
func (d *Dialer) Dial(ctx context.Context, _ session.ID, r session.Route) (session.Endpoint, error) {
	u, err := check(r)
	if err != nil {
		return nil, fmt.Errorf("dial %w", err)
	}
	e, err := d.dial(ctx, u, r)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", display(u), err)
	}
	return e, nil
}

func (d *Dialer) dial(ctx context.Context, u *url.URL, r session.Route) (session.Endpoint, error) {
	witness := cmp.Or(d.Witness, new(Witness))
	tap := session.TapOf(ctx)
	conn, err := d.open(ctx, u, r, witness.Secured)
	if err != nil {
		return nil, err
	}
	if !isWeb(u) && witness.Plain != nil {
		conn = witness.Plain(conn)
	}
	switch schemes[u.Scheme].protocol {
	case "tcp":
		return transport.TCP(conn, d.Stall), nil
	case "telnet":
		e := transport.NewTelnet(conn, telnet.Client, d.Stall, tap)
		e.TellLocation(location(r))
		return e, nil
	}
	agreed, early, err := handshake(ctx, conn, u, r, witness.Answered)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return transport.NewWebSocket(conn, transport.WebSocketOptions{
		Client: true,
		Binary: r.Frames == session.FramesBinary || r.Frames == session.FramesAuto && agreed == "binary",
		Early:  early,
		Ping:   r.Ping,
		Stall:  d.Stall,
		Heard:  witness.Heard,
		Tap:    tap,
	}), nil
}

// open connects to u, with TLS if that is its scheme. secured may be nil.
func (d *Dialer) open(ctx context.Context, u *url.URL, r session.Route, secured func(tls.ConnectionState)) (net.Conn, error) {
	tap := session.TapOf(ctx)
	var trust *tls.Config
	if schemes[u.Scheme].tls { // what may be wrong with it is known before anybody is called
		var err error
		if trust, err = trusting(r.CA, u); err != nil {
			return nil, err
		}
	}
	conn, err := d.connect(ctx, u, r)
	if err != nil {
		return nil, err
	}
	note(tap, "connected to %s, for %s", conn.RemoteAddr(), display(u))
	if err := tellProxy(conn, r, tap); err != nil {
		conn.Close()
		return nil, err
	}
	if trust == nil {
		return conn, nil
	}
	cipher, err := transport.Secure(ctx, conn, trust)
	if err != nil {
		return nil, err
	}
	state := cipher.ConnectionState()
	if secured != nil {
		secured(state)
	}
	noteSecure(tap, state)
	return cipher, nil
}

// trusting returns how to verify that who is at u is whom it says. The certificates
// in the file ca, if there is one, replace the system's.
func trusting(ca string, u *url.URL) (*tls.Config, error) {
	roots, err := certificate.Authorities(ca)
	trust := &tls.Config{ServerName: u.Hostname(), RootCAs: roots}
	if isWeb(u) {
		trust.NextProtos = []string{"http/1.1"}
	}
	return trust, err
}
