package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
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
		if file == "" {
			continue
		}
		if *at, err = Authorities(file); err != nil {
			return files{}, err
		}
	}
	return f, nil
}

// Load reads a certificate with its key. Its error names the file, and what is wrong
// there.
func Load(pair Pair) (*tls.Certificate, error) {
	cert, err := readFile(pair.Cert)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	key, err := readFile(pair.Key)
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

// Authorities reads a file of certificates, in PEM, to trust.
func Authorities(file string) (*x509.CertPool, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("certificates to trust: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("certificates to trust: there are none in %s (it should be PEM: -----BEGIN CERTIFICATE-----)", file)
	}
	return pool, nil
}

func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxFile) {
		err = fmt.Errorf("%s is no file of at most %d bytes", name, maxFile)
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(name)
}

// look returns what the files of o look like.
func look(o Options) string {
	var looks strings.Builder
	all := []string{o.ClientCA, o.AdminCA}
	for _, pair := range o.Pairs {
		all = append(all, pair.Cert, pair.Key)
	}
	for _, file := range all {
		if file == "" {
			continue
		}
		info, err := os.Stat(file)
		switch {
		case err == nil:
			fmt.Fprintln(&looks, file, info.Size(), info.ModTime().UnixNano())
		case errors.Is(err, fs.ErrNotExist):
			fmt.Fprintln(&looks, file, "is gone")
		default:
			fmt.Fprintln(&looks, file, err)
		}
	}
	return looks.String()
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

// refresh reads the files anew if they look different from when they were read, and the
// same as when they were last looked at: they are not being written. What cannot be used
// is logged once, and what was read before stays in force.
func (k *Keyring) refresh() {
	k.mu.Lock()
	o, was := k.options, k.seen
	looks := look(o)
	k.seen = looks
	due := looks == was && looks != k.watched
	if due {
		k.watched = looks
	}
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
	if k.watched != looks {
		return // others were read meanwhile
	}
	k.files = f
	k.put()
	for _, cert := range f.certs {
		k.log.Info("certificate read anew", "name", NameOf(cert.Leaf), "until", cert.Leaf.NotAfter)
	}
}
