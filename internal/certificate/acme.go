package certificate

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

// ACME says whom to ask for certificates (RFC 8555), and for which names.
type ACME struct {
	Names  []string
	Email  string // where the authority may write, "" for nowhere
	CA     string // the URL of its directory
	Roots  string // a file of authorities, in PEM, by which it is itself known; "" for the system's
	Folder string // for the account, keys and certificates

	// Challenge is how the authority sees that a name is ours: HTTP01, TLSALPN01, or ""
	// for either.
	Challenge string

	tuning
}

// How an authority sees that a name is ours: it opens port 80 by HTTP (RFC 8555, section
// 8.3), or port 443 by TLS (RFC 8737).
const (
	HTTP01    = acme.ChallengeTypeHTTP01
	TLSALPN01 = acme.ChallengeTypeTLSALPN01
)

// LetsEncrypt is the CA that is asked if none is named.
const LetsEncrypt = certmagic.LetsEncryptProductionCA

// Places are where our own listeners answer an authority, nil where none does.
type Places struct{ HTTP, TLS *net.TCPAddr }

// At says where callers arrive from now on.
func (k *Keyring) At(p Places) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at = p
}

// tuning is how patient the authority is met. Zero is what is usual.
type tuning struct {
	check  time.Duration // how often certificates are looked at, 0 for checkEvery
	retry  time.Duration // the first pause after a failure, 0 for firstRetry
	window float64       // the part of its life in which a certificate is renewed, 0 for a third
}

const (
	checkEvery = 10 * time.Minute
	firstRetry = time.Minute

	// After an outage one wants to be back soon; who refuses must not be asked often:
	// Let's Encrypt bears five failures an hour.
	lastRetry    = 15 * time.Minute
	firstRefusal = 5 * time.Minute
	lastRefusal  = 6 * time.Hour
)

// An authority gives certificates. What it has given is in its folder, and all that is
// done here begins from there.
type authority struct {
	o       ACME
	roots   *x509.CertPool
	log     *zap.Logger
	storage *certmagic.FileStorage
	desk    *magic                // answers challenges
	issuer  *certmagic.ACMEIssuer // likewise
}

// newAuthority returns the authority of o, nil if there is none, which is to be opened.
func newAuthority(o ACME, roots *x509.CertPool, log *slog.Logger) (*authority, error) {
	if len(o.Names) == 0 {
		return nil, nil
	}
	if err := os.MkdirAll(o.Folder, 0o700); err != nil {
		return nil, fmt.Errorf("folder for certificates by ACME: %w", err)
	}
	folder, err := filepath.Abs(o.Folder)
	if err != nil {
		return nil, fmt.Errorf("folder for certificates by ACME: %w", err)
	}
	return &authority{o: o, roots: roots, log: quietly(log), storage: &certmagic.FileStorage{Path: folder}}, nil
}

// is reports whether this is what o asks for.
func (a *authority) is(o ACME, roots *x509.CertPool) bool {
	return reflect.DeepEqual(a.o, o) && a.roots.Equal(roots)
}

// open makes ready to answer challenges, until close.
func (a *authority) open() {
	a.desk = a.magic()
	a.issuer = a.asks(a.desk, "", nil)
	a.desk.Issuers = []certmagic.Issuer{a.issuer}
}

func (a *authority) close() { a.desk.stop() }

// A magic is certmagic, for a while.
type magic struct {
	*certmagic.Config
	cache *certmagic.Cache
}

// magic returns certmagic without anything of its defaults, nor anything that it does by
// itself.
func (a *authority) magic() *magic {
	const never = 100 * 365 * 24 * time.Hour
	m := new(magic)
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return m.Config, nil },
		RenewCheckInterval: never,
		OCSPCheckInterval:  never,
		Logger:             a.log,
	})
	m.Config = certmagic.New(m.cache, certmagic.Config{
		RenewalWindowRatio: a.o.window,
		KeySource:          certmagic.StandardKeyGenerator{KeyType: certmagic.P256},
		OCSP:               certmagic.OCSPConfig{DisableStapling: true},
		DisableARI:         a.o.window != 0,
		Storage:            a.storage,
		Logger:             a.log,
	})
	return m
}

func (m *magic) stop() { m.cache.Stop() }

// asks returns who asks the authority, which looks by one challenge at a place of ours,
// "" and nil if it is not to ask. Its solver finds that place taken, by us.
func (a *authority) asks(m *magic, challenge string, at *net.TCPAddr) *certmagic.ACMEIssuer {
	o := certmagic.ACMEIssuer{
		CA: a.o.CA, Email: a.o.Email, Agreed: true, TrustedRoots: a.roots, Logger: a.log,
		DisableHTTPChallenge: challenge == TLSALPN01, DisableTLSALPNChallenge: challenge == HTTP01,
	}
	if at != nil {
		if !at.IP.IsUnspecified() {
			o.ListenHost = at.IP.String()
		}
		o.AltHTTPPort, o.AltTLSALPNPort = at.Port, at.Port
	}
	return certmagic.NewACMEIssuer(m.Config, o)
}

// An unasked issuer has no e-mail address, and does not ask for one at the terminal.
type unasked struct{ *certmagic.ACMEIssuer }

func (u unasked) PreCheck(ctx context.Context, names []string, _ bool) error {
	return u.ACMEIssuer.PreCheck(ctx, names, false)
}

// issuers are those by which a certificate is tried to be had, in turn: first where the
// port is the one that the authority opens, since others have to be forwarded.
func (a *authority) issuers(m *magic, at Places) (all []certmagic.Issuer) {
	add := func(challenge string, at *net.TCPAddr) {
		if at == nil || a.o.Challenge != "" && a.o.Challenge != challenge {
			return
		}
		issuer := a.asks(m, challenge, at)
		if a.o.Email == "" {
			all = append(all, unasked{issuer})
		} else {
			all = append(all, issuer)
		}
	}
	httpFirst := at.HTTP != nil && at.HTTP.Port == 80 && (at.TLS == nil || at.TLS.Port != 443)
	if httpFirst {
		add(HTTP01, at.HTTP)
	}
	add(TLSALPN01, at.TLS)
	if !httpFirst {
		add(HTTP01, at.HTTP)
	}
	return all
}

// stored returns the certificate for a name that the authority has given before, nil if
// there is none that can be used.
func (a *authority) stored(name string) *tls.Certificate {
	m := a.magic()
	defer m.stop()
	m.Issuers = []certmagic.Issuer{a.asks(m, "", nil)}
	cert, err := m.CacheManagedCertificate(context.Background(), name)
	if err != nil {
		return nil
	}
	return &cert.Certificate
}

// obtained has the certificate for a name obtained, or renewed if it is time. If that
// fails, it returns the one from before, if there is one, and why.
func (a *authority) obtained(ctx context.Context, name string, at Places) (*tls.Certificate, error) {
	m := a.magic()
	defer m.stop()
	if m.Issuers = a.issuers(m, at); len(m.Issuers) == 0 {
		return a.stored(name), errors.New("no listener can show the authority that the name is ours (http-01 needs ws://, tls-alpn-01 wss:// or telnets://)")
	}
	err := m.ManageSync(ctx, []string{name})
	for _, cert := range m.cache.AllMatchingCertificates(name) {
		return &cert.Certificate, err
	}
	return nil, err
}

// isChallenge reports whether an authority comes, to look whose name it is.
func isChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acmez.ACMETLS1Protocol
}

// challenge returns how that is answered (RFC 8737, section 3). No certificate is asked
// of the authority.
func (a *authority) challenge() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{acmez.ACMETLS1Protocol}, GetCertificate: a.desk.GetCertificate,
		SessionTicketsDisabled: true,
	}
}

// answer is challenge by HTTP, and reports whether it was one.
func (a *authority) answer(w http.ResponseWriter, r *http.Request) bool {
	return certmagic.LooksLikeHTTPChallenge(r) && a.issuer.HandleHTTPChallenge(w, r)
}

// obtain asks the authority for what is missing or is to be renewed, again and again,
// until ctx is done.
func (k *Keyring) obtain(ctx context.Context) {
	var failures int
	for {
		wait, failed := k.ask(ctx, failures)
		if failures++; !failed {
			failures = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-k.wake:
			timer.Stop()
			failures = 0
		case <-timer.C:
		}
	}
}

// ask asks the authority about all names once, after so many failures, and returns how
// long to wait.
func (k *Keyring) ask(ctx context.Context, failures int) (wait time.Duration, failed bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	k.mu.Lock()
	a, at := k.authority, k.at
	k.interrupt = cancel
	k.mu.Unlock()
	if a == nil {
		return checkEvery, false
	}
	wait = cmp.Or(a.o.check, checkEvery)
	for _, name := range a.o.Names {
		cert, err := a.obtained(ctx, name, at)
		if ctx.Err() != nil {
			return 0, false
		}
		if err != nil {
			wait, failed = a.pause(err, failures), true
		}
		k.note(a, name, cert, err, wait)
	}
	return wait, failed
}

// pause returns how long to wait after so many failures, and another.
func (a *authority) pause(err error, failures int) time.Duration {
	first, last := cmp.Or(a.o.retry, firstRetry), lastRetry
	if errors.As(err, new(acme.Problem)) && a.o.retry == 0 {
		first, last = firstRefusal, lastRefusal
	}
	return min(first<<min(failures, 10), last)
}

// note puts what came of asking for a name in force, and logs what is new.
func (k *Keyring) note(a *authority, name string, cert *tls.Certificate, err error, wait time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.authority != a {
		return
	}
	was := k.obtained[name]
	fresh := cert != nil && (was.cert == nil || !was.cert.Leaf.Equal(cert.Leaf))
	if cert == nil {
		cert = was.cert
	}
	k.obtained[name] = &result{cert, err}
	if fresh {
		k.put()
	}
	switch {
	case fresh && err == nil:
		k.log.Info("certificate obtained", "name", name, "until", cert.Leaf.NotAfter)
	case err == nil, was.err != nil && was.err.Error() == err.Error():
	case cert == nil:
		k.log.Warn("there is no certificate yet: the authority gives none", "name", name, "authority", a.o.CA, "error", err, "tried again in", wait)
	default:
		k.log.Warn("certificate is not renewed; the one from before stays in use", "name", name,
			"until", cert.Leaf.NotAfter, "authority", a.o.CA, "error", err, "tried again in", wait)
	}
}

// Stored returns the certificate that an authority has given for a name and that is kept
// in the folder of o, nil if there is none.
func Stored(o ACME, name string) *x509.Certificate {
	a := &authority{o: o, log: zap.NewNop(), storage: &certmagic.FileStorage{Path: o.Folder}}
	if cert := a.stored(name); cert != nil {
		return cert.Leaf
	}
	return nil
}
