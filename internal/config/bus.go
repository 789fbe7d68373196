package config

import (
	"log/slog"

	"moip/internal/bus/natsbus"
	"moip/internal/policy/token"
)

// Bus returns how a gateway of a hub is on the bus, but for a server inside.
func (c *Config) Bus(log *slog.Logger) natsbus.Options {
	l := c.Cluster
	o := natsbus.Options{Servers: l.URL, Prefix: l.Prefix, Name: "moip " + c.NodeName(), Log: log}
	if l.Listen == "" {
		o.Login = natsbus.Login{
			Credentials: l.Credentials, NKey: l.NKey, User: l.User, Password: l.PasswordFile, Token: l.TokenFile,
			CA: l.CA, Cert: l.Cert, Key: l.KeyFile(),
		}
	}
	return o
}

// BusServer returns how the server inside is. Its error is of the file of the secret.
func (c *Config) BusServer(log *slog.Logger) (o natsbus.ServerOptions, err error) {
	l := c.Cluster
	o = natsbus.ServerOptions{Listen: l.Listen, Routes: l.Routes, Cert: l.Cert, Key: l.KeyFile(), CA: l.CA, Name: c.NodeName(), Log: log}
	if l.SecretFile != "" {
		o.Secret, err = token.ReadOne(l.SecretFile)
	}
	return o, err
}
