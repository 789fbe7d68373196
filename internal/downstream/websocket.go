package downstream

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"moip/internal/session"
	"moip/internal/stack"
	"moip/internal/transport"
)

// handshakeTime is how long a caller may take to say what it wants, and to
// take the answer.
const handshakeTime = 10 * time.Second

func newServer(log *slog.Logger) *http.Server {
	return &http.Server{
		ReadTimeout:                  handshakeTime,
		ReadHeaderTimeout:            handshakeTime,
		WriteTimeout:                 handshakeTime,
		IdleTimeout:                  handshakeTime,
		MaxHeaderBytes:               8 << 10,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// knocks counts those who have not said yet what they want. Once they have, the server
// counts them no more, and upgrade does.
func (l *Listener) knocks(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		l.knocking.Add(1)
	case http.StateHijacked, http.StateClosed:
		l.knocking.Done()
	}
}

// handler lets WebSockets in, at any path. Who comes with a browser gets what the
// options have for them.
func (l *Listener) handler(answer Answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
			l.upgrade(w, r, answer)
		case l.options.Web != nil:
			l.options.Web.ServeHTTP(w, r)
		default:
			w.Header().Set("Upgrade", "websocket")
			http.Error(w, "Only WebSockets are answered here.", http.StatusUpgradeRequired)
		}
	})
}

// upgrade makes a call of a request. It does not stay with the call: net/http
// holds some 12 KiB for a handler.
func (l *Listener) upgrade(w http.ResponseWriter, r *http.Request, answer Answer) {
	stack.Grow()
	l.knocking.Add(1)
	defer l.knocking.Done()
	line := l.arriving(remote(r))
	line.secured(r.TLS)
	line.asked(r)
	speed, err := speedOf(r.URL.Query())
	if err != nil {
		line.refused(err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	from := session.Caller{Addr: remote(r), Speed: session.Slower(l.at.Speed, speed), Record: l.records(asksToBeRecorded(r.URL.Query()))}
	leave, refusal := func() {}, l.hold(from.Addr)
	if refusal == nil {
		leave, refusal = l.enter(from.Addr)
	}
	if refusal != nil {
		line.refused(errors.New(refusal.Text))
		l.turnBack(w, r, refusal)
		return
	}
	conn, early, subprotocol, err := upgrade(w, r)
	if err != nil {
		leave()
		if _, refused := errors.AsType[*ws.ConnectionRejectedError](err); refused { // not by a line that breaks
			l.failed(from.Addr)
		}
		line.refused(err)
		l.options.Log.Debug("no WebSocket", "from", r.RemoteAddr, "error", err)
		return
	}
	if err := becomesCall(conn, leave); err != nil {
		line.refused(err)
		conn.Close()
		return
	}
	line.answered(subprotocol)
	conn = socketOf(conn)
	e := transport.NewWebSocket(conn, transport.WebSocketOptions{
		Binary: wantsBinary(r, subprotocol),
		Early:  early,
		Ping:   l.options.Ping,
		Stall:  l.options.Stall,
		Tap:    line.tap,
	})
	if r.URL.Query().Has("news") {
		l.answer(answer, informed{e}, conn, line, from)
	} else {
		l.answer(answer, e, conn, line, from)
	}
}

// upgrade makes a WebSocket of a request, and returns what has come behind it already.
func upgrade(w http.ResponseWriter, r *http.Request) (conn net.Conn, early []byte, subprotocol string, err error) {
	upgrader := ws.HTTPUpgrader{Timeout: handshakeTime}
	subprotocol = agree(r.Header["Sec-Websocket-Protocol"])
	r.Header.Del("Sec-Websocket-Protocol")
	if subprotocol != "" {
		r.Header.Set("Sec-Websocket-Protocol", subprotocol)
		upgrader.Protocol = func(string) bool { return true }
	}
	conn, rw, _, err := upgrader.Upgrade(r, w)
	if err != nil {
		if conn != nil {
			conn.Close()
		}
		return nil, nil, "", err
	}
	early = make([]byte, rw.Reader.Buffered())
	rw.Read(early) // does not fail: it is all there
	return conn, early, subprotocol, nil
}

// agree chooses among the subprotocols that a caller offers in the values of
// its header. Browsers hang up when none of those they offer is chosen, but
// offering none, or an empty name as PyMoIP does, is fine.
func agree(offers []string) string {
	choice := ""
	for offer := range strings.SplitSeq(strings.Join(offers, ","), ",") {
		offer = strings.TrimSpace(offer)
		switch {
		case offer == "binary":
			return offer
		case offer == "tty", choice == "" && transport.IsSubprotocol(offer):
			choice = offer
		}
	}
	return choice
}

// wantsBinary reports whether a caller is to get its bytes as they are. The
// word in its URL counts more than the subprotocol, which may be a habit.
func wantsBinary(r *http.Request, subprotocol string) bool {
	switch r.URL.Query().Get("frames") {
	case "binary":
		return true
	case "text":
		return false
	}
	return subprotocol == "binary"
}
