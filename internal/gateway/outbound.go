package gateway

import (
	"net"
	"net/netip"

	"moip/internal/directory"
	"moip/internal/policy/limit"
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
		Path: g.cfg.Directory, Builtin: services.Names(), Cache: g.cfg.CacheFolder(), Permit: g.permitImport, Log: g.log,
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
	if at.Addr().IsValid() && !limit.FilesForServices() { // its socket has one of the last
		return errKept
	}
	return g.outbound.Load().Judge(outbound.Target{
		Author: r.Author, Scheme: scheme, Host: host, At: at,
		Listed: func() (session.Author, bool) { return g.lists(r.URL) },
	})
}

// permitImport is directory.Options.Permit. The directory says where imports come from; who
// is sent on from there goes by what somebody elsewhere says.
func (g *gateway) permitImport(host string, sentOn bool, at netip.AddrPort) error {
	to := outbound.Target{Author: session.AuthorOwner, Host: host, At: at}
	if sentOn {
		to.Author = session.AuthorImport
	}
	return g.outbound.Load().JudgeAddress(to)
}

// lists says who wrote that very URL into the directory, if anybody has: the owner, if
// several have.
func (g *gateway) lists(url string) (by session.Author, ok bool) {
	if g.book == nil {
		return "", false
	}
	for _, s := range g.book.Directory().Services() {
		if upstream.Same(s.URL, url) && by != session.AuthorOwner {
			by, ok = s.Author, true
		}
	}
	return by, ok
}
