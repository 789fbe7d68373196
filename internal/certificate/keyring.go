// Package certificate has the certificates that the gateway shows, from files or from an
// authority by ACME, and knows those of others that it wants to see. They change while it
// runs: who is connected stays so, and who comes sees the new one.
package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"moip/internal/smallfile"
)

// Options say what certificates there are. The zero value has none.
type Options struct {
	Pairs []Pair
	ACME  ACME // no Names for none

	// ClientCA is a file of the authorities, in PEM, whose certificates callers are asked
	// for; "" asks for none. What is shown is verified; Required turns away who shows none.
	ClientCA string
	Required bool

	// AdminCA is ClientCA for operators. Who shows none is not turned away here: the
	// connection tells what was verified.
	AdminCA string
}

// A Pair is a certificate, with the chain behind it, and its key: files in PEM, which may
// be one and the same.
type Pair struct{ Cert, Key string }

// A Keyring has certificates. Its methods may be called by several at once.
type Keyring struct {
	log  *slog.Logger
	now  atomic.Pointer[ring]
	wake chan struct{} // holds one: there is something for obtain to do

	mu        sync.Mutex // held while now is replaced; guards what follows
	options   Options
	watch     smallfile.Watch // of the files
	files     files
	authority *authority         // nil without ACME
	obtained  map[string]*result // by the names of ACME
	at        Places
	interrupt context.CancelFunc // of what is under way with the authority
}

// A result is what came of asking the authority for a name.
type result struct {
	cert *tls.Certificate // nil if there is none
	err  error            // nil if all is well
}

// A ring is what is in force.
type ring struct {
	certs          []*tls.Certificate // the first is for who names none of theirs
	clients, admin *x509.CertPool     // nil for none
	required       bool
	authority      *authority
}

// Open reads the files, and what the authority has given before. Its errors name the file.
func Open(o Options, log *slog.Logger) (*Keyring, error) {
	k := &Keyring{log: log, wake: make(chan struct{}, 1)}
	k.now.Store(new(ring))
	apply, err := k.Prepare(o)
	if err != nil {
		return nil, err
	}
	apply()
	return k, nil
}

// Prepare reads what other Options name, or anew what they named before. If that fails,
// nothing has changed, and nothing changes before apply.
func (k *Keyring) Prepare(o Options) (apply func(), err error) {
	looks := look(o)
	files, err := read(o)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	next := k.authority
	k.mu.Unlock()
	if next == nil || !next.is(o.ACME, files.authorities) {
		if next, err = newAuthority(o.ACME, files.authorities, k.log); err != nil {
			return nil, err
		}
	}
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.apply(o, looks, files, next)
	}, nil
}

// apply is that of Prepare, under the lock.
func (k *Keyring) apply(o Options, looks string, f files, next *authority) {
	if last := k.authority; last != next {
		if k.interrupt != nil {
			k.interrupt()
		}
		if last != nil {
			last.close()
		}
		k.authority, k.obtained = next, map[string]*result{}
		if next != nil {
			next.open()
			for _, name := range next.o.Names {
				k.obtained[name] = &result{cert: next.stored(name)}
			}
		}
	}
	k.options, k.watch, k.files = o, smallfile.Since(looks), f
	k.put()
	k.rouse()
}

// put puts what there is in force, under the lock.
func (k *Keyring) put() {
	r := &ring{
		certs:   slices.Clone(k.files.certs),
		clients: k.files.clients, admin: k.files.admin, required: k.options.Required, authority: k.authority,
	}
	if k.authority != nil {
		for _, name := range k.authority.o.Names {
			if cert := k.obtained[name].cert; cert != nil {
				r.certs = append(r.certs, cert)
			}
		}
	}
	k.now.Store(r)
}

// rouse has the authority asked soon.
func (k *Keyring) rouse() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Run follows the files, and has what the authority gives obtained and renewed, until ctx
// is done. After it, the Keyring goes on with what it has.
func (k *Keyring) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	tasks.Go(func() { k.obtain(ctx) })
	k.follow(ctx)
}

// Close ends what Open has begun. Run must have returned, or never been called.
func (k *Keyring) Close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.authority != nil {
		k.authority.close()
	}
}

// Clients returns how listeners speak TLS with callers of some protocols (RFC 7301), none
// if they are not to be asked for one. TLS 1.2 is the least; suites are Go's.
func (k *Keyring) Clients(protocols ...string) *tls.Config {
	return k.config(protocols, func(r *ring, c *tls.Config) {
		if c.ClientCAs = r.clients; r.clients == nil {
			return
		}
		c.ClientAuth = tls.VerifyClientCertIfGiven
		if r.required {
			c.ClientAuth = tls.RequireAndVerifyClientCert
		}
	})
}

// Admin returns how operators are spoken with.
func (k *Keyring) Admin() *tls.Config {
	return k.config([]string{"http/1.1"}, func(r *ring, c *tls.Config) {
		if c.ClientCAs = r.admin; r.admin != nil {
			c.ClientAuth = tls.VerifyClientCertIfGiven
		}
	})
}

// VouchAdmin reports why a certificate of an operator, with those that were shown behind it,
// would not be verified by now, nil if it would: who came before may be connected still.
func (k *Keyring) VouchAdmin(shown []*x509.Certificate) error {
	o := x509.VerifyOptions{
		Roots: k.now.Load().admin, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if o.Roots == nil { // which to Verify were the system's
		return errors.New("nobody is trusted")
	}
	for _, c := range shown[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := shown[0].Verify(o)
	return err
}

// config returns a configuration that goes by what is in force when somebody comes.
func (k *Keyring) config(protocols []string, ask func(*ring, *tls.Config)) *tls.Config {
	var made atomic.Pointer[face]
	return &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		r := k.now.Load()
		if r.authority != nil && isChallenge(hello) {
			return r.authority.challenge(), nil
		}
		if f := made.Load(); f != nil && f.of == r {
			return f.config, nil
		}
		c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols, GetCertificate: r.choose}
		ask(r, c)
		// A session that is resumed shows no certificate, and might outlive its authority.
		c.SessionTicketsDisabled = c.ClientCAs != nil
		made.Store(&face{r, c})
		return c, nil
	}}
}

// A face is a configuration made of a ring, kept so that calls share it.
type face struct {
	of     *ring
	config *tls.Config
}

var errNone = errors.New("there is no certificate to show yet")

// choose returns the first certificate for the name that somebody asks for and that it
// can verify, or else the first of all: who calls by an address may trust it nevertheless.
func (r *ring) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	for _, cert := range r.certs {
		if hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
	}
	if len(r.certs) == 0 {
		return nil, errNone
	}
	return r.certs[0], nil
}

// Challenges has an authority answered that asks by HTTP whether a name is ours (RFC 8555,
// section 8.3), and next answers all else.
func (k *Keyring) Challenges(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := k.now.Load().authority; a == nil || !a.answer(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

// A Status is how one certificate is.
type Status struct {
	Name  string    // the first that it is for
	From  string    // its file, or the authority's URL
	Until time.Time // zero while there is none
	Err   error     // why it cannot be had, or renewed; nil if all is well
}

// Status tells of all certificates, those of files first.
func (k *Keyring) Status() (all []Status) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, cert := range k.files.certs {
		all = append(all, Status{Name: NameOf(cert.Leaf), From: k.options.Pairs[i].Cert, Until: cert.Leaf.NotAfter})
	}
	if k.authority == nil {
		return all
	}
	for _, name := range k.authority.o.Names {
		s := Status{Name: name, From: k.authority.o.CA, Err: k.obtained[name].err}
		if cert := k.obtained[name].cert; cert != nil {
			s.Until = cert.Leaf.NotAfter
		}
		all = append(all, s)
	}
	return all
}

// NameOf returns the first name that a certificate is for.
func NameOf(c *x509.Certificate) string {
	switch {
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	}
	return c.Subject.CommonName
}
