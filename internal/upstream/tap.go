package upstream

import (
	"bytes"
	"crypto/tls"
	"fmt"

	"moip/internal/session"
)

// note says something of the line, if it is tapped.
func note(t session.Tap, format string, a ...any) {
	if t != nil {
		t(session.PassNote, true, fmt.Appendf(nil, format, a...))
	}
}

// noteSecure says how the line is encrypted.
func noteSecure(t session.Tap, s tls.ConnectionState) {
	note(t, "%s, %s, for %s", tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite), s.ServerName)
}

// noteHead tells of a request, or of as much of the answer as is its head.
func noteHead(t session.Tap, sent bool, p []byte) {
	if t != nil {
		head, _, _ := bytes.Cut(p, []byte("\r\n\r\n"))
		t(session.PassHead, sent, head)
	}
}
