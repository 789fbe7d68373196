package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"

	"moip/internal/control/admin/access"
	"moip/internal/downstream"
	"moip/internal/policy/limit"
)

// visitors are who comes to the door of operators, or of gateways with their links. As
// callers who arrive, they are counted until it is known who they are, so that no crowd
// takes the descriptors that calls need.
type visitors struct {
	net.Listener
	g  *gateway
	by string // admin or link, for whoever counts those who have to go
}

// A visitor is one of them.
type visitor struct {
	net.Conn
	left func() // it is counted no more
}

func (l visitors) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		if isShortage(err) {
			l.g.files.note(err)
		}
		return nil, err // the server tries again, after 5 ms to 1 s
	}
	from := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	left := l.g.limits.Arrive(from.Addr(), func() {
		conn.Close()
		l.g.refuse(from, l.by, string(limit.Crowded), downstream.Refusal{})
	})
	return &visitor{conn, left}, nil
}

func (v *visitor) Close() error {
	v.left()
	return v.Conn.Close()
}

// visitorOf returns the visitor behind a connection that one of them has come by.
func visitorOf(conn net.Conn) *visitor {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	return conn.(*visitor)
}

// operators has a visitor counted no more once it is known to be one. It is
// http.Server.ConnContext.
func operators(ctx context.Context, conn net.Conn) context.Context {
	return access.OnceKnown(ctx, visitorOf(conn).left)
}
