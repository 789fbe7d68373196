package gateway

import (
	"bufio"
	"bytes"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"moip/internal/downstream"
	"moip/internal/policy/shield"
)

// openShield is for when the bans are open.
func (g *gateway) openShield() {
	g.shield = shield.Open(shield.Options{
		Rules: g.cfg.Shield.Rules(), Bans: g.bans, Exempt: g.isMany, File: g.cfg.Shield.Memory(), Log: g.log,
	})
}

// A guard is the shield at the doors.
type guard struct{ g *gateway }

// Foreign is downstream.Guard's.
func (d guard) Foreign(first []byte) string {
	protocol, _ := d.g.shield.Recognise(first)
	return protocol
}

// tlsAlert refuses a TLS handshake (RFC 8446, section 6: handshake_failure).
var tlsAlert = []byte{0x15, 3, 1, 0, 2, 2, 40}

// Dismiss is downstream.Guard's.
func (d guard) Dismiss(from netip.AddrPort, transport, protocol string, first []byte) []byte {
	d.g.shield.Report(from.Addr(), shield.Kind(protocol))
	d.g.refuse(from, transport, "foreign", downstream.Refusal{})
	switch protocol {
	case "tls":
		return tlsAlert
	case "http":
		return d.g.wrongPort(first)
	}
	return nil
}

// Hold is downstream.Guard's.
func (d guard) Hold(from netip.AddrPort, transport string, quit <-chan struct{}) *downstream.Refusal {
	if !d.g.shield.Wait(from.Addr(), quit) {
		return d.g.refuse(from, transport, "slowed", downstream.Refusal{
			Text: "Trop d'appels en même temps.", Status: http.StatusTooManyRequests, Again: 5 * time.Second,
		})
	}
	return d.g.kept(from, transport) // it may be banned since it was let in
}

// Failed is downstream.Guard's.
func (d guard) Failed(from netip.AddrPort) { d.g.shield.Report(from.Addr(), shield.Upgrade) }

// watched is web, where requests that only scanners make speak against them.
func (g *gateway) watched() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if shield.IsProbe(r.URL.Path) {
			if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
				g.shield.Report(from.Addr().Unmap(), shield.Probe)
			}
		}
		web().ServeHTTP(w, r)
	})
}

// host is a name or an address that may stand in a URL, without a port.
var host = regexp.MustCompile(`^([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])$`)

// wrongPort answers a browser that was sent to a port of telnet: where browsers are
// answered, under the name by which it came.
func (g *gateway) wrongPort(first []byte) []byte {
	text := "Ce port est celui du telnet : on y appelle avec un Minitel ou un émulateur."
	if r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(first))); err == nil {
		if at := g.page(r.Host); at != "" {
			at = html.EscapeString(at)
			text += fmt.Sprintf("<p>Dans un navigateur, ouvrez <a href=\"%s\">%s</a>", at, at)
		}
	}
	body := "<!DOCTYPE html><meta charset=utf-8><title>MoIP</title><p>" + text + "\n"
	return fmt.Appendf(nil, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n"+
		"Content-Security-Policy: default-src 'none'\r\nConnection: close\r\n\r\n%s", len(body), body)
}

// page returns where browsers are answered by whoever calls this machine by a host, "" if
// they are not.
func (g *gateway) page(at string) string {
	name := at
	if h, _, err := net.SplitHostPort(at); err == nil {
		name = h
		if strings.Contains(h, ":") {
			name = "[" + h + "]"
		}
	}
	page, _ := g.browse.Load().(string)
	if page == "" || !host.MatchString(name) {
		return ""
	}
	return strings.Replace(page, "*", name, 1)
}

// noteBrowse notes where browsers are answered. It is called when there are other
// listeners.
func (g *gateway) noteBrowse() {
	for _, l := range g.listeners {
		scheme, at, _ := strings.Cut(l.URI(), "://")
		if secure, ok := strings.CutPrefix(scheme, "ws"); ok {
			_, port, _ := net.SplitHostPort(at)
			g.browse.Store("http" + secure + "://*:" + port + "/")
			return
		}
	}
	g.browse.Store("")
}
