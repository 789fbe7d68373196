package gateway

import (
	"fmt"

	"moip/internal/config"
	"moip/internal/control/cluster"
	"moip/internal/control/cluster/bus"
	"moip/internal/control/cluster/natsbus"
	"moip/internal/policy/token"
)

// openCluster connects the gateway with the others of its hub. One that is alone has a bus
// that ends in this process, and tells nobody how it is.
func (g *gateway) openCluster() (err error) {
	if g.clustered = g.cfg.Clustered(); !g.clustered {
		g.bus = new(bus.Exchange).Join()
	} else if err := g.openBus(); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	g.hub = cluster.New(cluster.Options{Bus: g.bus, Name: g.cfg.NodeName(), Self: g.self, Log: g.log, Alone: !g.clustered, Heir: g.heirOf})
	if !g.clustered {
		return nil
	}
	g.work = append(g.work, g.hub.Run)
	return g.hub.Claim(g.stopped)
}

// openBus opens the gateway's place on the bus of its hub, and the server for it if that
// is inside.
func (g *gateway) openBus() error {
	c := g.cfg.Cluster
	o := natsbus.Options{Servers: c.URL, Login: login(c), Prefix: c.Prefix, Name: "moip " + g.cfg.NodeName(), Log: g.log}
	if c.Listen != "" {
		inside, err := g.openServer(c)
		if err != nil {
			return err
		}
		o.Inside, g.inside = inside, inside
	}
	b, err := natsbus.Open(o)
	if err != nil {
		if o.Inside != nil {
			o.Inside.Close()
		}
		return err
	}
	g.bus = b
	return nil
}

func login(c config.Cluster) natsbus.Login {
	if c.Listen != "" {
		return natsbus.Login{}
	}
	return natsbus.Login{
		Credentials: c.Credentials, NKey: c.NKey, User: c.User, Password: c.PasswordFile, Token: c.TokenFile,
		CA: c.CA, Cert: c.Cert, Key: c.KeyFile(),
	}
}

func (g *gateway) openServer(c config.Cluster) (s *natsbus.Server, err error) {
	o := natsbus.ServerOptions{Listen: c.Listen, Routes: c.Routes, Cert: c.Cert, Key: c.KeyFile(), CA: c.CA, Heir: g.sockets.Told() != "", Name: g.cfg.NodeName(), Log: g.log}
	if c.SecretFile != "" {
		if o.Secret, err = token.ReadOne(c.SecretFile); err != nil {
			return nil, err
		}
	}
	s, err = natsbus.StartServer(o)
	return s, withAdvice(err)
}
