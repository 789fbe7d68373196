package downstream

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"time"

	"moip/videotex"
)

// A Refusal is why a caller is not let in, and what it is told.
type Refusal struct {
	Text   string // a line in French
	Status int    // of HTTP, 0 for 403
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
		from, _ := netip.ParseAddrPort(r.RemoteAddr) // as net/http has it from the connection
		refusal := l.admit(unmap(from))
		if refusal == nil {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Connection", "close")
		http.Error(w, refusal.Text, cmp.Or(refusal.Status, http.StatusForbidden))
	})
}

const (
	partingTime = 500 * time.Millisecond // for a caller to take a refusal
	maxParting  = 64                     // callers who have it at a time
)

// turnAway tells a caller without HTTP why it is not let in. The connection ends in good
// order: when bytes are left that nobody has read, the kernel resets it, and what we said
// may be lost. In a crowd that has to do, and where words would cost a handshake, there
// are none.
func (l *Listener) turnAway(conn net.Conn, r *Refusal) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(partingTime))
	defer l.parting.Add(-1)
	crowd := l.parting.Add(1) > maxParting
	if crowd && l.at.TLS {
		return
	}
	conn.Write(append(videotex.Encode(r.Text), '\r', '\n'))
	half, ok := conn.(interface{ CloseWrite() error })
	if crowd || !ok || half.CloseWrite() != nil {
		return
	}
	var said [512]byte
	for err := error(nil); err == nil; { // until its end, or the deadline
		_, err = conn.Read(said[:])
	}
}
