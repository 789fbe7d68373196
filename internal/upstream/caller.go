package upstream

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"moip/internal/policy"
	"moip/internal/proxied"
	"moip/internal/session"
)

// checkRealIP reports whether a service at u can be told who calls as r wants.
func checkRealIP(u *url.URL, r session.Route) error {
	switch r.RealIP {
	case session.RealIPNone, session.RealIPProxy, session.RealIPProxyV2:
	case session.RealIPForwardedFor, session.RealIPForwarded:
		if !isWeb(u) {
			return fmt.Errorf("%s: only a WebSocket has headers, such as X-Forwarded-For", display(u))
		}
	case session.RealIPLocation:
		if schemes[u.Scheme].protocol != "telnet" {
			return fmt.Errorf("%s: only telnet has an option SEND-LOCATION", display(u))
		}
	default:
		return fmt.Errorf("%s: the real IP is told by %q, not x-forwarded-for, forwarded, proxy-v1, proxy-v2 or send-location", display(u), r.RealIP)
	}
	return nil
}

// tellProxy tells the service at the other end of conn, before all else, who calls, if it
// is to learn that by the PROXY protocol.
func tellProxy(conn net.Conn, r session.Route, tap session.Tap) error {
	var from netip.AddrPort
	if r.Caller != nil {
		from = *r.Caller
	}
	to := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	var header []byte
	switch r.RealIP {
	case session.RealIPProxy:
		header = proxied.AppendV1(nil, from, to)
		note(tap, "sent, before all else: %s", strings.TrimSpace(string(header)))
	case session.RealIPProxyV2:
		header = proxied.AppendV2(nil, from, to)
		note(tap, "sent, before all else: a PROXY header of version 2, from %s to %v", told(from), to)
	default:
		return nil
	}
	if _, err := conn.Write(header); err != nil {
		return fmt.Errorf("telling who calls: %w", err)
	}
	return nil
}

func told(from netip.AddrPort) string {
	if !from.IsValid() {
		return "unknown"
	}
	return from.String()
}

// addCaller adds to the headers of a request the one that tells who calls, if there is to
// be one.
func addCaller(header http.Header, r session.Route) {
	caller := ip(r.Caller)
	switch {
	case !caller.IsValid():
	case r.RealIP == session.RealIPForwardedFor:
		header["X-Forwarded-For"] = []string{caller.String()}
	case r.RealIP == session.RealIPForwarded:
		header["Forwarded"] = []string{"for=" + proxied.Node(*r.Caller)}
	}
}

// location returns what is told by SEND-LOCATION, "" for nothing.
func location(r session.Route) string {
	if caller := ip(r.Caller); r.RealIP == session.RealIPLocation && caller.IsValid() {
		return caller.String()
	}
	return ""
}

// ip returns the address alone of a, in the form that other machines know. It
// is not valid if a is nil, or unknown.
func ip(a *netip.AddrPort) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	return policy.Bare(a.Addr())
}
