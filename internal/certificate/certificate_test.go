package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"moip/internal/certificate/catest"
	"moip/internal/testkit/logtest"
	"moip/internal/testkit/soon"
)

func TestMain(m *testing.M) {
	// certmagic's limiters, which are global, never end; who keeps a lock fresh looks
	// every five seconds whether it is still there.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}

// open opens a Keyring until the test ends.
func open(t *testing.T, o Options) (*Keyring, *logtest.Log) {
	t.Helper()
	var log logtest.Log
	k, err := Open(o, log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k, &log
}

// listen answers with an echo over TLS until the test ends, and returns where.
func listen(t *testing.T, config *tls.Config) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var answering sync.WaitGroup
	answering.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			answering.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(time.Minute))
				secure := tls.Server(conn, config)
				io.Copy(secure, secure)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		answering.Wait()
	})
	return l.Addr().(*net.TCPAddr)
}

// call connects, and returns the connection when an echo has come: with TLS 1.3 that is
// when a client learns whether its certificate was taken.
func call(t *testing.T, at *net.TCPAddr, config *tls.Config) (*tls.Conn, error) {
	t.Helper()
	conn, err := tls.Dial("tcp", at.String(), config)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	return conn, echo(conn)
}

func echo(conn net.Conn) error {
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, "Envoi")
	said := make([]byte, 5)
	if _, err := io.ReadFull(conn, said); err != nil {
		return err
	}
	if string(said) != "Envoi" {
		return fmt.Errorf("the echo is %q", said)
	}
	return nil
}

// shown returns the certificate that is shown to who asks for a name.
func shown(t *testing.T, at *net.TCPAddr, roots *x509.CertPool, name string) *x509.Certificate {
	t.Helper()
	conn, err := call(t, at, &tls.Config{RootCAs: roots, ServerName: name})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return conn.ConnectionState().PeerCertificates[0]
}

// pairs gives certificates for names, one each.
func pairs(t *testing.T, ca *catest.Authority, names ...string) (all []Pair) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		pair := Pair{filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")}
		ca.Give(t, pair.Cert, pair.Key, time.Hour, name)
		all = append(all, pair)
	}
	return all
}

func TestNames(t *testing.T) {
	ca := catest.New(t)
	k, _ := open(t, Options{Pairs: pairs(t, ca, "127.0.0.1", "a.test", "b.test")})
	at := listen(t, k.Clients())
	for _, name := range []string{"a.test", "b.test", "127.0.0.1"} {
		if c := shown(t, at, ca.Pool, name); nameOf(c) != name {
			t.Errorf("who asks for %s sees %s", name, nameOf(c))
		}
	}
	conn, err := call(t, at, &tls.Config{InsecureSkipVerify: true, ServerName: "c.test"})
	if err != nil {
		t.Fatal(err)
	}
	if c := conn.ConnectionState().PeerCertificates[0]; nameOf(c) != "127.0.0.1" {
		t.Errorf("who asks for another sees %s", nameOf(c))
	}
	s := k.Status()
	if len(s) != 3 || s[1].Name != "a.test" || s[1].Err != nil || time.Until(s[1].Until) > time.Hour || time.Until(s[1].Until) < 59*time.Minute {
		t.Errorf("the status is %+v", s)
	}
}

func TestVersions(t *testing.T) {
	ca := catest.New(t)
	k, _ := open(t, Options{Pairs: pairs(t, ca, "a.test")})
	for name, config := range map[string]*tls.Config{"clients": k.Clients("http/1.1"), "admin": k.Admin()} {
		at := listen(t, config)
		for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
			conn, err := call(t, at, &tls.Config{RootCAs: ca.Pool, ServerName: "a.test", MinVersion: tls.VersionTLS10, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}})
			if (err == nil) != good {
				t.Errorf("%s: %s: %v", name, tls.VersionName(version), err)
			}
			if good && conn.ConnectionState().NegotiatedProtocol != "http/1.1" {
				t.Errorf("%s: it speaks %q", name, conn.ConnectionState().NegotiatedProtocol)
			}
		}
		conn, err := call(t, at, &tls.Config{RootCAs: ca.Pool, ServerName: "a.test"})
		if err != nil || conn.ConnectionState().Version != tls.VersionTLS13 {
			t.Errorf("%s: not the newest version, %v", name, err)
		}
	}
}

func TestNone(t *testing.T) {
	k, _ := open(t, Options{})
	at := listen(t, k.Clients())
	if _, err := call(t, at, &tls.Config{InsecureSkipVerify: true}); err == nil {
		t.Error("something is shown")
	}
}

// Files that are replaced are followed; whoever is connected stays so. What cannot be
// used is told once, and changes nothing.
func TestReplaced(t *testing.T) {
	ca := catest.New(t)
	all := pairs(t, ca, "a.test", "b.test")
	k, log := open(t, Options{Pairs: all})
	at := listen(t, k.Clients())
	early, err := call(t, at, &tls.Config{RootCAs: ca.Pool, ServerName: "a.test"})
	if err != nil {
		t.Fatal(err)
	}
	old := early.ConnectionState().PeerCertificates[0]
	const notChanged = "certificates are not changed"

	// The certificate comes before its key.
	good, _ := os.ReadFile(all[0].Key)
	ca.Give(t, all[0].Cert, all[0].Key, 2*time.Hour, "a.test")
	next, _ := os.ReadFile(all[0].Key)
	os.WriteFile(all[0].Key, good, 0o600)
	k.refresh()
	if log.Has(notChanged) {
		t.Error("what may be half written is read")
	}
	for range 3 {
		k.refresh()
	}
	if n := strings.Count(log.String(), notChanged); n != 1 {
		t.Errorf("logged %d times: %s", n, log)
	}
	if !shown(t, at, ca.Pool, "a.test").Equal(old) {
		t.Error("another is shown already")
	}
	os.WriteFile(all[0].Key, next, 0o600)
	k.refresh()
	k.refresh()
	if shown(t, at, ca.Pool, "a.test").Equal(old) {
		t.Error("the old one is still shown")
	}
	if err := echo(early); err != nil {
		t.Errorf("who was connected: %v", err)
	}
	os.Remove(all[1].Cert)
	for range 3 {
		k.refresh()
	}
	shown(t, at, ca.Pool, "b.test")
	if n := strings.Count(log.String(), notChanged); n != 2 {
		t.Errorf("logged %d times: %s", n, log)
	}
}

// Run looks by itself.
func TestRun(t *testing.T) {
	ca := catest.New(t)
	all := pairs(t, ca, "a.test")
	k, _ := open(t, Options{Pairs: all})
	run(t, k)
	at := listen(t, k.Clients())
	old := shown(t, at, ca.Pool, "a.test")
	ca.Give(t, all[0].Cert, all[0].Key, 2*time.Hour, "a.test")
	soon.Is(t, "the new certificate", func() bool { return !shown(t, at, ca.Pool, "a.test").Equal(old) })
}

func TestPrepare(t *testing.T) {
	ca, other := catest.New(t), catest.New(t)
	k, _ := open(t, Options{Pairs: pairs(t, ca, "a.test")})
	at := listen(t, k.Clients())
	if _, err := k.Prepare(Options{Pairs: []Pair{{"nothing.pem", "nothing.key"}}}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	shown(t, at, ca.Pool, "a.test")
	apply, err := k.Prepare(Options{Pairs: pairs(t, other, "a.test")})
	if err != nil {
		t.Fatal(err)
	}
	shown(t, at, ca.Pool, "a.test")
	apply()
	shown(t, at, other.Pool, "a.test")
}

// Callers are asked for certificates of some authorities, which may be exchanged: who
// had come by one of the former is not let in again.
func TestClients(t *testing.T) {
	ca, theirs, others := catest.New(t), catest.New(t), catest.New(t)
	o := Options{Pairs: pairs(t, ca, "a.test"), ClientCA: theirs.File, AdminCA: others.File}
	mine, foreign := theirs.Client(t, "claude"), others.Client(t, "paul")
	resumed := tls.NewLRUClientSessionCache(10)
	by := func(certs ...tls.Certificate) *tls.Config {
		return &tls.Config{RootCAs: ca.Pool, ServerName: "a.test", ClientSessionCache: resumed,
			// Whatever authorities the server names.
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &append(certs, tls.Certificate{})[0], nil
			}}
	}
	k, _ := open(t, o)
	at := listen(t, k.Clients())
	admin := listen(t, k.Admin())
	expect := func(what string, at *net.TCPAddr, good bool, certs ...tls.Certificate) {
		t.Helper()
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := by(certs...)
			config.MaxVersion = version
			if _, err := call(t, at, config); (err == nil) != good {
				t.Errorf("%s, by %s: %v", what, tls.VersionName(version), err)
			}
		}
	}
	expect("optional, shown", at, true, mine)
	expect("optional, none", at, true)
	expect("optional, of others", at, false, foreign)
	expect("operators, shown", admin, true, foreign)
	expect("operators, none", admin, true)
	expect("operators, of others", admin, false, mine)

	change := func() {
		t.Helper()
		apply, err := k.Prepare(o)
		if err != nil {
			t.Fatal(err)
		}
		apply()
	}
	o.Required = true
	change()
	expect("required, shown", at, true, mine)
	expect("required, none", at, false)
	o.ClientCA = others.File
	change()
	expect("exchanged, of the former", at, false, mine)
	expect("exchanged, shown", at, true, foreign)
}

func TestLoadRefuses(t *testing.T) {
	ca := catest.New(t)
	all := pairs(t, ca, "a.test", "b.test")
	a, b := all[0], all[1]
	dir := t.TempDir()
	rubbish, locked, big := filepath.Join(dir, "rubbish"), filepath.Join(dir, "locked"), filepath.Join(dir, "big")
	os.WriteFile(rubbish, []byte("MINITEL"), 0o600)
	os.WriteFile(locked, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"), 0o600)
	os.WriteFile(big, make([]byte, maxFile+1), 0o600)
	for want, pair := range map[string]Pair{
		"key of the certificate in " + a.Cert + ": stat":                                          {a.Cert, "nothing"},
		"certificate: stat nothing":                                                               {"nothing", a.Key},
		"certificate: there is none in " + rubbish:                                                {rubbish, a.Key},
		"certificate: there is none in " + a.Key:                                                  {a.Key, a.Key},
		"key of the certificate: there is none in":                                                {a.Cert, rubbish},
		locked + " has a passphrase (openssl pkey":                                                {a.Cert, locked},
		"certificate in " + a.Cert + " with the key in " + b.Key + ": private key does not match": {a.Cert, b.Key},
		dir + ": not a regular file":                                                              {dir, a.Key},
		big + ": not a regular file":                                                              {a.Cert, big},
	} {
		if _, err := Load(pair); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", pair, err, want)
		}
	}
	both := filepath.Join(dir, "both.pem")
	cert, _ := os.ReadFile(a.Cert)
	key, _ := os.ReadFile(a.Key)
	os.WriteFile(both, append(key, cert...), 0o600)
	if _, err := Load(Pair{both, both}); err != nil {
		t.Errorf("both in one: %v", err)
	}
	if _, err := Authorities(rubbish); err == nil || !strings.Contains(err.Error(), "there are none in "+rubbish) {
		t.Error(err)
	}
}

// A certificate of an operator is vouched for as long as its authority is trusted.
func TestVouchAdmin(t *testing.T) {
	ours, others := catest.New(t), catest.New(t)
	k, _ := open(t, Options{AdminCA: ours.File})
	own := ours.Client(t, "claire")
	shown := []*x509.Certificate{own.Leaf}
	if shown[0] == nil {
		t.Fatal("no certificate")
	}
	if err := k.VouchAdmin(shown); err != nil {
		t.Error(err)
	}
	for _, o := range []Options{{AdminCA: others.File}, {}} {
		apply, err := k.Prepare(o)
		if err != nil {
			t.Fatal(err)
		}
		apply()
		if k.VouchAdmin(shown) == nil {
			t.Errorf("with %+v it is vouched for", o)
		}
	}
}
