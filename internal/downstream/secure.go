package downstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"

	"moip/internal/transport"
)

// protocols are what callers of a scheme may ask for in their handshake (RFC 7301). With
// HTTP/2 there were no WebSockets.
var protocols = map[string][]string{"ws": {"http/1.1"}}

// acmeProtocol is that of a connection by which an authority sees that a name is ours.
// All of it is the handshake (RFC 8737, section 3).
const acmeProtocol = "acme-tls/1"

var errAuthority = errors.New("an authority looks whose the name is")

// over returns a connection that has come, over which TLS is spoken if it is to be. Its
// handshake is yet to be done.
func (l *Listener) over(conn net.Conn) net.Conn {
	if l.secure == nil {
		return conn
	}
	return transport.SecureServer(conn, l.secure)
}

// shaken returns a connection that has come as over does, after the handshake, or nil if
// nobody is to be answered there.
func (l *Listener) shaken(conn net.Conn, from netip.AddrPort, line line) net.Conn {
	secure, ok := l.over(conn).(*tls.Conn)
	if !ok {
		return conn
	}
	ctx, cancel := context.WithTimeout(l.attended, handshakeTime)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		line.refused(err)
		l.options.Log.Debug("no TLS", "from", from, "error", err)
		conn.Close()
		return nil
	}
	state := secure.ConnectionState()
	line.secured(&state)
	if state.NegotiatedProtocol == acmeProtocol {
		line.refused(errAuthority)
		secure.Close()
		return nil
	}
	return secure
}

// secured returns listener with its connections as over has them. Their handshakes are
// net/http's.
func (l *Listener) secured(listener net.Listener) net.Listener { return overTLS{listener, l} }

type overTLS struct {
	net.Listener
	l *Listener
}

func (o overTLS) Accept() (net.Conn, error) {
	conn, err := o.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return o.l.over(conn), nil
}
