package gateway

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// welcome tells whoever started the gateway what to open.
func (g *gateway) welcome(out io.Writer) {
	fmt.Fprintln(out, "MoIP answers callers at")
	for _, l := range g.listeners {
		scheme, address, _ := strings.Cut(l.URI(), "://")
		switch scheme {
		case "ws", "wss":
			fmt.Fprintf(out, "  http%s://%s/  (a Minitel in the browser)\n", strings.TrimPrefix(scheme, "ws"), address)
		case "serial":
			fmt.Fprintf(out, "  %s  (a Minitel at its socket)\n", l.URI())
			continue
		}
		for _, uri := range reached(scheme, l.Addr()) {
			fmt.Fprintf(out, "  %s\n", uri)
		}
	}
	if g.admin != nil {
		fmt.Fprintf(out, "Operators: %s/, or moip ctl\n", g.adminURL())
	}
	fmt.Fprintf(out, "Portal: %s\nCtrl-C stops it.\n", g.about.Load())
}

// reached returns the URIs by which this machine and others reach a listener.
func reached(scheme string, at net.Addr) (uris []string) {
	address := at.(*net.TCPAddr)
	hosts := []string{address.IP.String()}
	if address.IP.IsUnspecified() {
		hosts = append([]string{"localhost"}, addresses()...)
	}
	for _, host := range hosts {
		uris = append(uris, scheme+"://"+net.JoinHostPort(host, strconv.Itoa(address.Port)))
	}
	return uris
}

// addresses returns where other machines may reach this one.
func addresses() (ips []string) {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			ips = append(ips, n.IP.String())
		}
	}
	return ips
}
