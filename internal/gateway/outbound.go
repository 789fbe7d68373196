package gateway

import (
	"net"
	"net/netip"
	"slices"

	"moip/internal/directory"
	"moip/internal/policy/outbound"
	"moip/internal/services"
	"moip/internal/session"
	"moip/internal/upstream"
)

// openBook has the directory for what the rules of redirections say of it, where no portal
// inside has it anyway. Its services are not tried.
func (g *gateway) openBook() (err error) {
	if !g.cfg.NeedsDirectory() {
		return nil
	}
	g.book, err = directory.Open(directory.Options{
		Path: g.cfg.Directory, Builtin: services.Names(), Cache: g.cfg.CacheFolder(), Log: g.log,
	})
	if err == nil {
		g.work = append(g.work, g.book.Run)
	}
	return err
}

// redirectBy puts the rules in force that the configuration has, and notes which doors are
// the gateway's own by now.
func (g *gateway) redirectBy() {
	p := new(outbound.Policy)
	p.Allow, p.Deny = g.cfg.Redirect.Rules()
	for _, l := range g.listeners {
		p.Doors = append(p.Doors, addressesOf(l.Addr())...)
	}
	if g.links != nil {
		p.Doors = append(p.Doors, addressesOf(g.links.Addr())...)
	}
	if g.admin != nil {
		p.Admin = addressesOf(g.admin.Addr())
	} else if address, _ := g.cfg.AdminAddress(); address != "" { // which another gateway has
		if at, err := net.ResolveTCPAddr("tcp", address); err == nil {
			p.Admin = addressesOf(at)
		}
	}
	g.outbound.Store(p)
}

func addressesOf(a net.Addr) []netip.AddrPort {
	if at, ok := a.(*net.TCPAddr); ok {
		return []netip.AddrPort{at.AddrPort()}
	}
	return nil // a serial port is no address
}

// permit is upstream.Dialer.Permit.
func (g *gateway) permit(r session.Route, scheme, host string, at netip.AddrPort) error {
	return g.outbound.Load().Judge(outbound.Target{
		Author: r.Author, Scheme: scheme, Host: host, At: at,
		Listed: func() bool { return g.lists(r.URL) },
	})
}

// lists reports whether the directory has that very URL.
func (g *gateway) lists(url string) bool {
	return g.book != nil && slices.ContainsFunc(g.book.Directory().Services(), func(s directory.Service) bool {
		return upstream.Same(s.URL, url)
	})
}
