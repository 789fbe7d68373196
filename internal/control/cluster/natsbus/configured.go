package natsbus

import (
	"log/slog"

	"moip/internal/config"
	"moip/internal/policy/token"
)

// Configured returns how a gateway is on the bus, as its configuration says, but for a
// server inside.
func Configured(cfg *config.Config, log *slog.Logger) Options {
	c := cfg.Cluster
	o := Options{Servers: c.URL, Prefix: c.Prefix, Name: "moip " + cfg.NodeName(), Log: log}
	if c.Listen == "" {
		o.Login = Login{
			Credentials: c.Credentials, NKey: c.NKey, User: c.User, Password: c.PasswordFile, Token: c.TokenFile,
			CA: c.CA, Cert: c.Cert, Key: c.KeyFile(),
		}
	}
	return o
}

// ConfiguredServer returns how the server inside is. Its error is of the file of the
// secret.
func ConfiguredServer(cfg *config.Config, log *slog.Logger) (o ServerOptions, err error) {
	c := cfg.Cluster
	o = ServerOptions{Listen: c.Listen, Routes: c.Routes, Cert: c.Cert, Key: c.KeyFile(), CA: c.CA, Name: cfg.NodeName(), Log: log}
	if c.SecretFile != "" {
		o.Secret, err = token.ReadOne(c.SecretFile)
	}
	return o, err
}
