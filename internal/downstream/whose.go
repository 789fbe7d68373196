package downstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"moip/internal/proxied"
)

// Reasons why nobody is let in before it is known who calls, for Options.Refused.
const (
	ReasonNoProxy     = "proxy"     // a proxy does not begin with a header of the PROXY protocol
	ReasonNoForwarded = "forwarded" // or says in a request what is no address
)

// unknown is what a caller is told then.
var unknown = Refusal{Text: "Adresse inconnue.", Status: http.StatusBadRequest}

// proxyOf reports whether a query asks that proxies begin with a header of the PROXY
// protocol.
func proxyOf(query url.Values) (bool, error) {
	switch text := query.Get("proxy"); {
	case !query.Has("proxy"), text == "off":
		return false, nil
	case text == "on":
		return true, nil
	default:
		return false, fmt.Errorf("proxy is %.60q (use on or off)", text)
	}
}

// isProxy reports whether who connects from an address must begin with a header of the
// PROXY protocol. Others are who they are, and a header of theirs is what they type.
func (l *Listener) isProxy(from netip.AddrPort) bool {
	return l.at.Proxy && l.options.Proxies().Trusts(from.Addr())
}

// refused tells whoever wants to know that a proxy has not said who calls. It is no fault
// of one that was cut short here.
func (l *Listener) refused(from netip.AddrPort, reason string, err error) {
	if l.options.Refused != nil && !errors.Is(err, net.ErrClosed) {
		l.options.Refused(from, l.at.Transport(), reason, err)
	}
}

// whose returns who calls by a connection without HTTP. If that cannot be known, it has
// seen to the connection. It waits for a proxy's header, for handshakeTime or until Close.
func (l *Listener) whose(conn net.Conn) (from netip.AddrPort, known bool) {
	from = addressOf(conn)
	if !l.isProxy(from) {
		return from, true
	}
	conn.SetReadDeadline(time.Now().Add(handshakeTime))
	stop := context.AfterFunc(l.attended, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	told, err := proxied.Read(conn)
	if !stop() {
		conn.Close()
		return from, false
	}
	conn.SetReadDeadline(time.Time{})
	switch {
	case err == io.EOF, err == nil && (!told.IsValid() || told == from):
		// A health check, of which no call is to come. HAProxy names itself in those of
		// version 1.
		l.options.Log.Debug("a proxy looks whether somebody is here", "from", from)
		conn.Close()
		return from, false
	case err != nil:
		l.refused(from, ReasonNoProxy, err)
		if l.at.TLS {
			conn.Close() // whose first words are spent, there is no handshake with
		} else {
			l.turnAway(conn, &unknown)
		}
		return from, false
	}
	return told, true
}

// announced returns listener with the connections of proxies announced.
func (l *Listener) announced(listener net.Listener) net.Listener {
	if !l.at.Proxy {
		return listener
	}
	return announcer{listener, l}
}

type announcer struct {
	net.Listener
	door *Listener
}

// Accept does not wait for a header: that is for the goroutine of the connection.
func (a announcer) Accept() (net.Conn, error) {
	conn, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if s, ok := conn.(socket); ok && a.door.isProxy(addressOf(conn)) {
		return &announced{socket: s, door: a.door}, nil
	}
	return conn, nil
}

// An announced connection is a proxy's, and begins with a header of the PROXY protocol.
// Whoever is the first to read, or to ask for the remote address, as net/http is in the
// goroutine of the connection, waits for that, for handshakeTime. Once it has come, what is
// below may be used as well.
//
// If the proxy does not say who calls, it is the proxy itself: a health check may be a
// request, which wants an answer.
type announced struct {
	socket
	door *Listener
	once sync.Once
	from net.Addr
	err  error
}

func (a *announced) Read(p []byte) (int, error) {
	if a.once.Do(a.begin); a.err != nil {
		return 0, a.err
	}
	return a.socket.Read(p)
}

// RemoteAddr returns where the caller is.
func (a *announced) RemoteAddr() net.Addr {
	a.once.Do(a.begin)
	return a.from
}

func (a *announced) begin() {
	a.from = a.socket.RemoteAddr()
	a.SetReadDeadline(time.Now().Add(handshakeTime)) // net/http sets its own later
	told, err := proxied.Read(a.socket)
	a.SetReadDeadline(time.Time{})
	if err != nil {
		a.err = err
		if err != io.EOF {
			a.door.refused(addressOf(a.socket), ReasonNoProxy, err)
		}
	} else if told.IsValid() {
		a.from = net.TCPAddrFromAddrPort(told)
	}
}

// NetConn returns the connection that was announced.
func (a *announced) NetConn() net.Conn { return a.socket }

// socketOf returns the connection that has been announced, of one that was.
func socketOf(conn net.Conn) net.Conn {
	if a, ok := conn.(*announced); ok {
		return a.socket
	}
	return conn
}

// known has the remote address of each request be its caller's, of which several may come
// by one connection of a proxy, and refuses those whose caller is not known.
func (l *Listener) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, _ := netip.ParseAddrPort(r.RemoteAddr) // as net/http has it from the connection
		from, err := l.options.Proxies().Caller(unmap(at), r.Header)
		if err != nil {
			l.refused(unmap(at), ReasonNoForwarded, err)
			refuse(w, r, &unknown)
			return
		}
		r.RemoteAddr = from.String()
		next.ServeHTTP(w, r)
	})
}

// remote returns who makes a request that is known.
func remote(r *http.Request) netip.AddrPort {
	from, _ := netip.ParseAddrPort(r.RemoteAddr) // else it is nobody's whom one could name
	return from
}
