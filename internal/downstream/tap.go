package downstream

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"

	"moip/internal/session"
)

// A line is how somebody who has just arrived is traced; its methods do nothing if they
// are not.
type line struct{ tap session.Tap }

// arriving returns the line of whoever has arrived from an address.
func (l *Listener) arriving(from netip.AddrPort) line {
	if l.options.Tap == nil {
		return line{}
	}
	return line{l.options.Tap(from)}
}

// secured tells how the line is encrypted, if it is.
func (l line) secured(s *tls.ConnectionState) {
	if l.tap != nil && s != nil {
		l.tap(session.PassNote, false, fmt.Appendf(nil, "%s, %s, for %q", tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite), s.ServerName))
	}
}

// asked tells of a request.
func (l line) asked(r *http.Request) {
	if l.tap != nil {
		var head bytes.Buffer
		head.WriteString(r.Method + " " + r.URL.RequestURI() + " " + r.Proto + "\r\nHost: " + r.Host + "\r\n")
		r.Header.Write(&head)
		l.tap(session.PassHead, false, head.Bytes())
	}
}

// answered tells how a request for a WebSocket was granted.
func (l line) answered(subprotocol string) {
	if l.tap != nil {
		head := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		if subprotocol != "" {
			head += "Sec-WebSocket-Protocol: " + subprotocol + "\r\n"
		}
		l.tap(session.PassHead, true, []byte(head))
	}
}

// refused tells why it was not, and that no call comes of it.
func (l line) refused(err error) {
	if l.tap != nil {
		l.tap(session.PassEnd, true, []byte("no call comes of it: "+err.Error()))
	}
}
