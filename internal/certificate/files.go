package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"moip/internal/smallfile"
)

// lookEvery is how often the files are looked at.
const lookEvery = 2 * time.Second

// maxFile bounds what is read of a file.
const maxFile = 1 << 20

// files are what was read.
type files struct {
	certs                       []*tls.Certificate // as Options.Pairs
	clients, admin, authorities *x509.CertPool     // nil where no file is named
}

// read reads the files of o.
func read(o Options) (f files, err error) {
	for _, pair := range o.Pairs {
		cert, err := Load(pair)
		if err != nil {
			return files{}, err
		}
		f.certs = append(f.certs, cert)
	}
	for at, file := range map[**x509.CertPool]string{&f.clients: o.ClientCA, &f.admin: o.AdminCA, &f.authorities: o.ACME.Roots} {
		if *at, err = Authorities(file); err != nil {
			return files{}, err
		}
	}
	return f, nil
}

// Load reads a certificate with its key. Its error names the file, and what is wrong
// there.
func Load(pair Pair) (*tls.Certificate, error) {
	cert, err := smallfile.Read(pair.Cert, maxFile)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	key, err := smallfile.Read(pair.Key, maxFile)
	if err != nil {
		return nil, fmt.Errorf("key of the certificate in %s: %w", pair.Cert, err)
	}
	switch {
	case !has(cert, "CERTIFICATE"):
		return nil, fmt.Errorf("certificate: there is none in %s (it should be PEM: -----BEGIN CERTIFICATE-----)", pair.Cert)
	case has(key, "ENCRYPTED PRIVATE KEY"):
		return nil, fmt.Errorf("key of the certificate: %s has a passphrase (openssl pkey -in OLD -out NEW takes it away)", pair.Key)
	case !has(key, "PRIVATE KEY"):
		return nil, fmt.Errorf("key of the certificate: there is none in %s (it should be PEM: -----BEGIN PRIVATE KEY-----)", pair.Key)
	}
	both, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate in %s with the key in %s: %s", pair.Cert, pair.Key, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return &both, nil
}

// has reports whether there is a PEM block whose type ends so.
func has(data []byte, kind string) bool {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return false
		}
		if strings.HasSuffix(block.Type, kind) {
			return true
		}
	}
}

// Authorities reads a file of certificates, in PEM, to trust. If file is "" they are nil, which
// to crypto/tls are the system's, or nobody where callers are asked for theirs. Its errors name
// the file.
func Authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	data, err := smallfile.Read(file, maxFile)
	if err != nil {
		return nil, fmt.Errorf("certificates to trust: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("certificates to trust: there are none in %s (it should be PEM: -----BEGIN CERTIFICATE-----)", file)
	}
	return pool, nil
}

// look returns what the files of o look like.
func look(o Options) string {
	all := []string{o.ClientCA, o.AdminCA}
	for _, pair := range o.Pairs {
		all = append(all, pair.Cert, pair.Key)
	}
	return smallfile.Look(all...)
}

// follow reads the files anew when they have changed, until ctx is done.
func (k *Keyring) follow(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			k.refresh()
		}
	}
}

// refresh reads the files anew if they have changed. What cannot be used is logged once, and
// what was read before stays in force.
func (k *Keyring) refresh() {
	k.mu.Lock()
	o := k.options
	due := k.watch.Changed(look(o))
	watch := k.watch
	k.mu.Unlock()
	if !due {
		return
	}
	f, err := read(o)
	if err != nil {
		k.log.Error("certificates are not changed; those from before stay in use", "error", err)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.watch != watch {
		return // others were read meanwhile
	}
	k.files = f
	k.put()
	for _, cert := range f.certs {
		k.log.Info("certificate read anew", "name", NameOf(cert.Leaf), "until", cert.Leaf.NotAfter)
	}
}
