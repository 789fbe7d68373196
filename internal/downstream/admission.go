package downstream

import (
	"net"
	"net/http"
	"net/netip"
	"time"

	"moip/videotex"
)

// A Refusal is why a caller is not let in, and what it is told.
type Refusal struct {
	Text   string        // a line in French, of 36 characters at the most if Again is not 0
	Status int           // of HTTP, 0 for 403
	Again  time.Duration // after which it may come again, 0 for not
}

// admit asks whether who comes from an address may; nil lets it in.
func (l *Listener) admit(from netip.AddrPort) *Refusal {
	if l.options.Admit == nil {
		return nil
	}
	return l.options.Admit(from, l.at.Transport())
}

// admitted hands requests on of those who may come, and tells others so.
func (l *Listener) admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusal := l.admit(remote(r)); refusal != nil {
			refuse(w, r, refusal)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// enter asks whether there may be a call from an address. Until leave, there is one more.
func (l *Listener) enter(from netip.AddrPort) (leave func(), refusal *Refusal) {
	if l.options.Enter == nil {
		return func() {}, nil
	}
	return l.options.Enter(from, l.at.Transport())
}

const (
	partingTime = 500 * time.Millisecond // for a caller to take a refusal
	maxParting  = 64                     // callers who have it at a time
)

// turnAway tells a caller without HTTP why it is not let in.
func (l *Listener) turnAway(conn net.Conn, r *Refusal) {
	l.sendAway(conn, append(videotex.Encode(r.Text), '\r', '\n'))
}

// sendAway closes a connection, with a word unless that is empty, and in good order, see
// part. In a crowd, a word that may be lost has to do, and where words would cost a
// handshake, there are none.
func (l *Listener) sendAway(conn net.Conn, word []byte) {
	defer conn.Close()
	if len(word) == 0 {
		return
	}
	defer l.parting.Add(-1)
	if l.parting.Add(1) > maxParting {
		if !l.at.TLS {
			conn.SetDeadline(time.Now().Add(partingTime))
			conn.Write(word)
		}
		return
	}
	part(conn, word)
}
