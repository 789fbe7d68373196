package gateway

import (
	"crypto/tls"
	"net"
	"strings"

	"moip/internal/certificate"
	"moip/internal/control/admin"
	"moip/internal/downstream"
	"moip/internal/pulse"
)

func (g *gateway) openCertificates() (err error) {
	if g.keys, err = certificate.Open(g.cfg.TLS.Options(), g.log); err != nil {
		return err
	}
	g.work = append(g.work, g.keys.Run)
	return nil
}

// places returns where an authority that looks whose a name is can be answered: at the
// ports that it opens, or else at the first of those that may be forwarded to.
func places(all []*downstream.Listener) (p certificate.Places) {
	better := func(at *net.TCPAddr, than *net.TCPAddr, port int) *net.TCPAddr {
		if than == nil || at.Port == port && than.Port != port {
			return at
		}
		return than
	}
	for _, l := range all {
		at, ok := l.Addr().(*net.TCPAddr)
		switch scheme, _, _ := strings.Cut(l.URI(), "://"); {
		case !ok:
		case scheme == "ws":
			p.HTTP = better(at, p.HTTP, 80)
		case scheme == "wss", scheme == "telnets", scheme == "tcps":
			p.TLS = better(at, p.TLS, 443)
		}
	}
	return p
}

// certificates tells operators of those there are.
func (g *gateway) certificates() (all []admin.Certificate) {
	for _, s := range g.keys.Status() {
		told := admin.Certificate{Name: s.Name, From: s.From, Until: s.Until.UTC()}
		if s.Err != nil {
			told.Error = s.Err.Error()
		}
		all = append(all, told)
	}
	return all
}

// adminDoor returns the operators' door as it is to be served.
func (g *gateway) adminDoor() net.Listener {
	door := visitors{pulse.Listener(g.admin), g, "admin"}
	if g.adminTLS {
		return tls.NewListener(door, g.keys.Admin())
	}
	return door
}

// adminURL returns where the operators' door is, for whoever is at this machine.
func (g *gateway) adminURL() string {
	scheme := "http"
	if g.adminTLS {
		scheme = "https"
	}
	return reached(scheme, g.admin.Addr())[0]
}
