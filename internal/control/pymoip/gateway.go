package pymoip

import (
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/coder/websocket"

	"moip/internal/session"
)

const (
	linksLimit    = 64
	ordersLimit   = 64      // that wait for one gateway
	callersLimit  = 1 << 16 // that one gateway may announce
	linkPing      = 20 * time.Second
	handshakeTime = 10 * time.Second
)

var errUnreadOrders = errors.New("the gateway does not read its orders")

// A gateway is the far end of a link that is up.
type gateway struct {
	addr   netip.AddrPort
	host   netip.Addr // bare, by which its callers are known
	since  time.Time  // the link is up
	orders chan []byte
	drop   context.CancelCauseFunc // ends the link

	settled *time.Timer // owned by attend

	// Guarded by Server.mu.
	announced map[uint64]session.Caller // by PID
	lowest    uint64                    // PID announced on this link
	guests    map[uint64]*guest         // by PID, whose orders go this way
}

// accept lets a gateway's link in, and stays with it to its end.
func (s *Server) accept(w http.ResponseWriter, r *http.Request) {
	addr, _ := netip.ParseAddrPort(r.RemoteAddr) // else it is no address that is allowed
	host := bare(addr.Addr())
	shown, ok := s.admits(w, r, host)
	if !ok {
		return
	}
	select {
	case s.room <- struct{}{}:
		defer func() { <-s.room }()
	default:
		s.muffler.complain("gateway refused: too many links", "from", addr, "limit", linksLimit)
		http.Error(w, "This portal has all the links that it can bear.", http.StatusServiceUnavailable)
		return
	}
	s.linked(r.Context().Value(by{}).(net.Conn))
	w.Header().Set("Connection", "close")    // if it asks for no link after all, it is not kept uncounted
	conn, err := websocket.Accept(w, r, nil) // of the subprotocols none, as PyMoIP's server
	if err != nil {
		s.log.Debug("no control link", "from", addr, "err", err)
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(commandLimit) // beyond it, the link is closed with 1009
	s.attend(conn, addr, shown)
}

// attend serves a link until it is lost, the token that was shown is none any more, or the
// server stops.
func (s *Server) attend(conn *websocket.Conn, addr netip.AddrPort, shown string) {
	ctx, drop := context.WithCancelCause(s.life)
	defer drop(nil)
	gw := &gateway{
		addr: addr, host: bare(addr.Addr()), since: time.Now(), orders: make(chan []byte, ordersLimit), drop: drop,
		announced: map[uint64]session.Caller{}, lowest: math.MaxUint64, guests: map[uint64]*guest{},
	}
	if !s.enter(gw) {
		return
	}
	defer s.open.Done()
	s.log.Info("gateway linked", "from", addr)
	if shown != "" {
		go s.watch(ctx, shown, drop) // which ends with ctx
	}
	err := converse(ctx, conn, linkPing,
		func(life context.Context) error { return s.listen(life, conn, gw) },
		func(life context.Context) error { return gw.speak(ctx, life, conn) })
	s.leave(gw)
	if s.life.Err() != nil || websocket.CloseStatus(err) == websocket.StatusNormalClosure {
		s.log.Info("gateway left", "from", addr)
	} else {
		s.log.Warn("gateway's link lost", "from", addr, "err", err)
	}
}

// speak delivers orders until the link ends. When ctx is done it closes conn.
func (gw *gateway) speak(ctx, life context.Context, conn *websocket.Conn) error {
	for {
		select {
		case p := <-gw.orders:
			if err := conn.Write(life, websocket.MessageBinary, p); err != nil {
				return err
			}
		case <-ctx.Done():
			conn.Close(websocket.StatusGoingAway, "")
			return context.Cause(ctx)
		case <-life.Done():
			return context.Cause(life)
		}
	}
}

// listen hears the gateway's messages until conn fails. What it does not
// understand is not for it.
func (s *Server) listen(life context.Context, conn *websocket.Conn, gw *gateway) error {
	for {
		kind, p, err := conn.Read(life)
		if err != nil {
			return err
		}
		var n news
		text, err := decode(kind, p)
		if err == nil {
			n, err = parseNews(text)
		}
		if err == nil {
			err = s.hear(gw, n)
		}
		if err != nil {
			s.log.Debug("gateway's message ignored", "from", gw.addr, "err", err, "message", quote(p))
		}
	}
}
