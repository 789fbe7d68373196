package certificate

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"moip/internal/certificate/catest"
	"moip/internal/testkit/soon"
)

// run has a Keyring run until the test ends, or stop.
func run(t *testing.T, k *Keyring) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { k.Run(ctx) })
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// A gate is where an authority knocks: doors of both kinds, before there is a Keyring.
type gate struct {
	http, tls *net.TCPAddr

	mu   sync.Mutex
	keys *Keyring
}

func (g *gate) have(k *Keyring) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keys = k
}

func (g *gate) has() *Keyring {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.keys
}

func openGate(t *testing.T) *gate {
	g := new(gate)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.has().Challenges(http.NotFoundHandler()).ServeHTTP(w, r)
	})}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(l) })
	t.Cleanup(func() {
		server.Close()
		serving.Wait()
	})
	g.http = l.Addr().(*net.TCPAddr)
	g.tls = listen(t, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return g.has().Clients("http/1.1").GetConfigForClient(hello)
	}})
	return g
}

func (g *gate) places() Places { return Places{g.http, g.tls} }

const name = "minitel.example"

// asking returns options that ask pebble.
func asking(t *testing.T, p *catest.Pebble) Options {
	return Options{ACME: ACME{
		Names: []string{name}, CA: p.URL, Roots: p.Roots, Folder: t.TempDir(),
		tuning: tuning{check: 100 * time.Millisecond, retry: 100 * time.Millisecond},
	}}
}

// The first certificate is had by either challenge, also where callers must show one of
// their own; after that there is no need of the authority.
func TestFirst(t *testing.T) {
	g := openGate(t)
	p := catest.StartPebble(t, g.http.Port, g.tls.Port, 24*time.Hour)
	strangers := catest.New(t)
	for challenge, email := range map[string]string{HTTP01: "", TLSALPN01: "sysop@minitel.example", "": ""} {
		o := asking(t, p)
		o.ACME.Challenge, o.ACME.Email = challenge, email
		o.ClientCA, o.Required = strangers.File, true
		k, log := open(t, o)
		g.have(k)
		k.At(g.places())
		stop := run(t, k)
		soon.Is(t, "the certificate", func() bool { return !k.Status()[0].Until.IsZero() })
		own := strangers.Client(t, "claude")
		conn, err := call(t, g.tls, &tls.Config{RootCAs: p.Pool, ServerName: name, Certificates: []tls.Certificate{own}})
		if err != nil {
			t.Fatal(err)
		}
		got := conn.ConnectionState().PeerCertificates[0]
		if !log.Has("certificate obtained") || log.Has("level=ERROR") {
			t.Errorf("logged: %s", log)
		}
		stop()

		again, _ := open(t, o)
		if s := again.Status()[0]; s.Name != name || s.From != p.URL || !s.Until.Equal(got.NotAfter) || s.Err != nil {
			t.Errorf("anew there is %+v", s)
		}
	}
}

// Without the authority the gateway does what it can, says so once, and has the
// certificate once the authority is there.
func TestDownAtStart(t *testing.T) {
	g := openGate(t)
	p := catest.StartPebble(t, g.http.Port, g.tls.Port, 24*time.Hour)
	p.Down()
	own := catest.New(t)
	o := asking(t, p)
	o.Pairs = pairs(t, own, "a.test")
	k, log := open(t, o)
	g.have(k)
	k.At(g.places())
	run(t, k)
	soon.Is(t, "the failure", func() bool { return k.Status()[1].Err != nil })
	if s := k.Status()[1]; !s.Until.IsZero() || !strings.Contains(s.Err.Error(), "refused") {
		t.Errorf("the status is %+v", s)
	}
	shown(t, g.tls, own.Pool, "a.test")
	time.Sleep(time.Second) // some more tries
	if n := strings.Count(log.String(), "there is no certificate yet"); n != 1 {
		t.Errorf("told %d times: %s", n, log)
	}
	p.Up(t)
	soon.Is(t, "the certificate", func() bool { return !k.Status()[1].Until.IsZero() })
	shown(t, g.tls, p.Pool, name)
	shown(t, g.tls, own.Pool, "a.test")
}

// What is renewed takes the place of the former, which stays in use when it cannot be.
func TestRenewal(t *testing.T) {
	g := openGate(t)
	const life = 300 * time.Second
	p := catest.StartPebble(t, g.http.Port, g.tls.Port, life)
	o := asking(t, p)
	o.ACME.window = 1 - 2/life.Seconds() // due after two seconds
	k, log := open(t, o)
	g.have(k)
	k.At(g.places())
	run(t, k)
	soon.Is(t, "the certificate", func() bool { return !k.Status()[0].Until.IsZero() })
	first, err := call(t, g.tls, &tls.Config{RootCAs: p.Pool, ServerName: name})
	if err != nil {
		t.Fatal(err)
	}
	old := first.ConnectionState().PeerCertificates[0]
	soon.Is(t, "the renewal", func() bool { return !shown(t, g.tls, p.Pool, name).Equal(old) })
	if err := echo(first); err != nil {
		t.Errorf("who was connected: %v", err)
	}
	p.Down()
	soon.Is(t, "the failure", func() bool { return k.Status()[0].Err != nil })
	old = shown(t, g.tls, p.Pool, name)
	if s := k.Status()[0]; !s.Until.Equal(old.NotAfter) {
		t.Errorf("the status is %+v", s)
	}
	if !log.Has("the one from before stays in use") {
		t.Errorf("logged: %s", log)
	}
	p.Up(t)
	soon.Is(t, "the renewal", func() bool { return !shown(t, g.tls, p.Pool, name).Equal(old) })
	soon.Is(t, "the good news", func() bool { return k.Status()[0].Err == nil })
}

// An authority that refuses is not asked often, and a gateway without a door for it says
// what it needs.
func TestRefused(t *testing.T) {
	g := openGate(t)
	p := catest.StartPebble(t, 1, 1, 24*time.Hour) // knocks elsewhere
	o := asking(t, p)
	o.ACME.retry = 0
	k, _ := open(t, o)
	g.have(k)
	k.At(g.places())
	wait, failed := k.ask(t.Context(), 0)
	if !failed || wait != firstRefusal {
		t.Errorf("it waits %v, %v, for %v", wait, failed, k.Status()[0].Err)
	}
	k.At(Places{})
	if wait, failed = k.ask(t.Context(), 0); !failed || wait != firstRetry || !strings.Contains(k.Status()[0].Err.Error(), "no listener can show") {
		t.Errorf("it waits %v, %v, for %v", wait, failed, k.Status()[0].Err)
	}
	if a := k.authority; a.pause(net.ErrClosed, 3) != 8*time.Minute || a.pause(net.ErrClosed, 1000) != lastRetry {
		t.Error("it does not wait longer and longer")
	}
}

// Names may change while it runs, whatever is under way for the former.
func TestOtherNames(t *testing.T) {
	g := openGate(t)
	p := catest.StartPebble(t, g.http.Port, g.tls.Port, 24*time.Hour)
	o := asking(t, p)
	k, _ := open(t, o)
	g.have(k)
	k.At(g.places())
	run(t, k)
	o.ACME.Names = []string{"other.example", "third.example"}
	apply, err := k.Prepare(o)
	if err != nil {
		t.Fatal(err)
	}
	apply()
	soon.Is(t, "the certificates", func() bool {
		all := k.Status()
		return len(all) == 2 && !all[0].Until.IsZero() && !all[1].Until.IsZero()
	})
	shown(t, g.tls, p.Pool, "third.example")
	o.ACME.Names = nil
	if apply, err = k.Prepare(o); err != nil {
		t.Fatal(err)
	}
	apply()
	if _, err := call(t, g.tls, &tls.Config{InsecureSkipVerify: true}); err == nil {
		t.Error("the former are shown")
	}
}
