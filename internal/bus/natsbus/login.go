package natsbus

import (
	"bytes"
	"crypto/tls"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"moip/internal/certificate"
	"moip/internal/smallfile"
)

// A Login is by what a gateway is known to a NATS server, and the server to it. Credentials,
// NKey, Password with User, and Token exclude each other. All are files, which are read
// anew for each connection.
type Login struct {
	Credentials string // a JWT and its key, as NATS's nsc makes them
	NKey        string // a seed
	User        string // a name, no file
	Password    string // its first line is the password
	Token       string // its first line is the token

	CA        string // certificates to trust instead of the system's, in PEM
	Cert, Key string // shown to the server, in PEM
}

// options returns what a connection needs to know. Its errors name the files.
func (l Login) options() (all []nats.Option, err error) {
	check := func(path string, read func(string) error) {
		if path != "" && err == nil {
			err = read(path)
		}
	}
	switch {
	case l.Credentials != "":
		check(l.Credentials, credible)
		all = append(all, nats.UserCredentials(l.Credentials))
	case l.NKey != "":
		option, err := nats.NkeyOptionFromSeed(l.NKey)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.NKey, err)
		}
		all = append(all, option)
	case l.User != "":
		check(l.Password, readable)
		all = append(all, nats.UserInfoHandler(func() (string, string) { return l.User, firstLine(l.Password) }))
	case l.Token != "":
		check(l.Token, readable)
		all = append(all, nats.TokenHandler(func() string { return firstLine(l.Token) }))
	}
	if l.CA != "" {
		check(l.CA, func(path string) error { _, err := certificate.Authorities(path); return err })
		all = append(all, nats.RootCAs(l.CA))
	}
	if l.Cert != "" {
		check(l.Cert, func(string) error { _, err := pair(l.Cert, l.Key); return err })
		all = append(all, nats.ClientCert(l.Cert, l.Key))
	}
	return all, err
}

const maxFile = 64 << 10

// readable returns why a file has nothing to say.
func readable(path string) error {
	data, err := smallfile.Read(path, maxFile)
	if err == nil && len(bytes.TrimSpace(data)) == 0 {
		err = fmt.Errorf("%s: is empty", path)
	}
	return err
}

// credible returns why a file has no credentials. What is in it is not shown.
func credible(path string) error {
	data, err := smallfile.Read(path, maxFile)
	if err != nil {
		return err
	}
	if _, err := nkeys.ParseDecoratedUserNKey(data); err != nil {
		return fmt.Errorf("%s: has no user's key in it (write what nsc generate creds prints)", path)
	}
	if _, err := nkeys.ParseDecoratedJWT(data); err != nil {
		return fmt.Errorf("%s: has no JWT in it (write what nsc generate creds prints)", path)
	}
	return nil
}

// pair is tls.LoadX509KeyPair with errors that name the files.
func pair(cert, key string) (tls.Certificate, error) {
	p, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		err = fmt.Errorf("%s, %s: %w", cert, key, err)
	}
	return p, err
}

// firstLine returns the first line of a file. Without one, the server will say what it thinks
// of that.
func firstLine(path string) string {
	data, _ := smallfile.Read(path, maxFile)
	first, _, _ := bytes.Cut(data, []byte("\n"))
	return string(bytes.TrimSpace(first))
}
