package natsbus

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"moip/internal/bus"
	"moip/internal/bus/natstest"
	"moip/internal/certificate/catest"
	"moip/internal/policy/token"
	"moip/internal/testkit/freeport"
	"moip/internal/testkit/logtest"
	"moip/internal/testkit/soon"
)

// opensNoted is opens with a log to read.
func opensNoted(t *testing.T, o Options) (*Bus, *logtest.Log) {
	t.Helper()
	n := new(logtest.Log)
	o.Prefix, o.Log = "moip", n.Debug()
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, n
}

func writes(t *testing.T, path, text string) string {
	t.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(t.TempDir(), path)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const secret = "correct-horse-battery"

// allowed is what an account of a gateway needs, as doc/cluster.md has it.
const allowed = `permissions: { publish: "moip.>", subscribe: "moip.>" }`

// Each way to be known to a server lets a gateway in, and nobody else.
func TestLogins(t *testing.T) {
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, _ := user.Seed()
	public, _ := user.PublicKey()
	config, creds := operated(t)
	for name, test := range map[string]struct {
		config string
		login  Login
	}{
		"user":        {`authorization { users: [ { user: paris, password: "` + secret + `", ` + allowed + ` } ] }`, Login{User: "paris", Password: writes(t, "password", secret+"\n")}},
		"token":       {`authorization { token: "` + secret + `" }`, Login{Token: writes(t, "token", " "+secret+" \nno more")}},
		"nkey":        {`authorization { users: [ { nkey: ` + public + `, ` + allowed + ` } ] }`, Login{NKey: writes(t, "seed", string(seed))}},
		"credentials": {config, Login{Credentials: writes(t, "paris.creds", creds)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := natstest.New(t, test.config)
			o := Options{Servers: []string{s.URL}, Login: test.login}
			x, y := opens(t, o), opens(t, o)
			soon.Is(t, "up", up(x))
			soon.Is(t, "up", up(y))
			talk(t, x, y)
			if err := x.Refusal(); err != nil {
				t.Error(err)
			}
			b, log := opensNoted(t, Options{Servers: []string{s.URL}})
			log.Await(t, "uthorization")
			if b.State().Up {
				t.Error("a stranger is let in")
			}
		})
	}
}

// operated returns the configuration of a server whose accounts an operator signs, and
// the credentials of a user there.
func operated(t *testing.T) (config, creds string) {
	t.Helper()
	keys := func(create func() (nkeys.KeyPair, error)) (pair nkeys.KeyPair, public string) {
		pair, err := create()
		if err != nil {
			t.Fatal(err)
		}
		public, _ = pair.PublicKey()
		return pair, public
	}
	signed := func(token string, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	operator, operatorID := keys(nkeys.CreateOperator)
	account, accountID := keys(nkeys.CreateAccount)
	user, userID := keys(nkeys.CreateUser)
	claims := jwt.NewUserClaims(userID)
	claims.Permissions.Pub.Allow.Add("moip.>")
	claims.Permissions.Sub.Allow.Add("moip.>")
	seed, _ := user.Seed()
	file, err := jwt.FormatUserConfig(signed(claims.Encode(account)), seed)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("operator: %s\nresolver: MEMORY\nresolver_preload: { %s: %s }\n",
		signed(jwt.NewOperatorClaims(operatorID).Encode(operator)), accountID, signed(jwt.NewAccountClaims(accountID).Encode(operator))), string(file)
}

// A wrong password keeps nobody from starting, is told once and never shown, and is
// mended in its file.
func TestWrongPassword(t *testing.T) {
	s := natstest.New(t, `authorization { users: [ { user: paris, password: "`+secret+`" } ] }`)
	file := writes(t, filepath.Join(t.TempDir(), "password"), "wrong-and-secret")
	b, log := opensNoted(t, Options{Servers: []string{s.URL}, Login: Login{User: "paris", Password: file}})
	soon.Is(t, "why it is down is known", func() bool { s := b.State(); return strings.Contains(fmt.Sprint(s.Why), "uthorization") })
	time.Sleep(2 * time.Second)
	if n := strings.Count(log.String(), "uthorization"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log)
	}
	writes(t, file, secret)
	soon.Is(t, "up", up(b))
	if log.Has("secret") || log.Has(secret) {
		t.Error(log)
	}
}

// A file that says nothing is told of at the start, with its name.
func TestFaultyFiles(t *testing.T) {
	missing, empty, wrong := filepath.Join(t.TempDir(), "missing"), writes(t, "empty", " \n"), writes(t, "wrong", "what is this")
	for name, login := range map[string]Login{
		missing: {Credentials: missing}, missing + " ": {User: "a", Password: missing}, missing + "  ": {CA: missing}, missing + "   ": {Cert: missing, Key: missing},
		empty: {User: "a", Password: empty}, empty + " ": {Token: empty}, empty + "  ": {Credentials: empty}, empty + "   ": {NKey: empty},
		wrong: {NKey: wrong}, wrong + " ": {CA: wrong}, wrong + "  ": {Cert: wrong, Key: wrong}, wrong + "   ": {Credentials: wrong},
		t.TempDir(): {Token: filepath.Dir(empty)},
	} {
		_, err := Open(Options{Servers: []string{"nats://127.0.0.1:1"}, Login: login, Prefix: "moip", Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			t.Errorf("%+v: is taken", login)
		} else if name := strings.TrimSpace(name); name[0] == '/' && !strings.Contains(err.Error(), filepath.Dir(name)) && login.Token == "" {
			t.Errorf("%+v: %v", login, err)
		} else if strings.Contains(err.Error(), "what is this") {
			t.Errorf("it shows what is in the file: %v", err)
		}
	}
}

// TLS to a server: which must show what our authority has signed, and asks for ours.
func TestTLS(t *testing.T) {
	ca, other, dir := catest.New(t), catest.New(t), t.TempDir()
	pair := func(a *catest.Authority, name string) (cert, key string) {
		cert, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
		a.Give(t, cert, key, time.Hour, "127.0.0.1")
		return cert, key
	}
	serverCert, serverKey := pair(ca, "server")
	cert, key := pair(ca, "gateway")
	strangerCert, strangerKey := pair(other, "stranger")
	s := natstest.New(t, fmt.Sprintf(`tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }`, serverCert, serverKey, ca.File))
	for _, url := range []string{s.URL, strings.Replace(s.URL, "nats:", "tls:", 1)} {
		a, b := opens(t, Options{Servers: []string{url}, Login: Login{CA: ca.File, Cert: cert, Key: key}}), opens(t, Options{Servers: []string{url}, Login: Login{CA: ca.File, Cert: cert, Key: key}})
		soon.Is(t, "up", up(a))
		soon.Is(t, "up", up(b))
		talk(t, a, b)
	}
	for _, test := range []struct {
		why   string
		login Login
	}{
		{"x509", Login{Cert: cert, Key: key}}, // by the system's authorities
		{"x509", Login{CA: other.File, Cert: cert, Key: key}},
		{"the bus is down", Login{CA: ca.File}}, // as the server closes the connection, sometimes without a word
		{"the bus is down", Login{CA: ca.File, Cert: strangerCert, Key: strangerKey}},
	} {
		b, log := opensNoted(t, Options{Servers: []string{s.URL}, Login: test.login})
		log.Await(t, test.why)
		time.Sleep(500 * time.Millisecond)
		if b.State().Up || log.Has("the bus is up") {
			t.Errorf("%+v is let in", test.login)
		}
	}
	// Who has an authority speaks to no server without TLS.
	plain := natstest.New(t, "")
	b, log := opensNoted(t, Options{Servers: []string{plain.URL}, Login: Login{CA: ca.File}})
	log.Await(t, "secure connection not available")
	if b.State().Up {
		t.Error("up without TLS")
	}
}

// What the server does not permit is told, with what to do.
func TestPermissions(t *testing.T) {
	s := natstest.New(t, `authorization { users: [ { user: paris, password: "`+secret+`", permissions: { publish: "moip.a", subscribe: "moip.a" } } ] }`)
	b, log := opensNoted(t, Options{Servers: []string{s.URL}, Login: Login{User: "paris", Password: writes(t, "password", secret)}})
	soon.Is(t, "up", up(b))
	b.Publish(bus.Message{Subject: "forbidden.one"})
	b.Subscribe("forbidden.two", "", func(bus.Message) {})
	soon.Is(t, "both are told", func() bool {
		text := log.String()
		return strings.Contains(text, "moip.forbidden.one") && strings.Contains(text, "moip.forbidden.two") && strings.Contains(text, "allow")
	})
	for range 100 {
		b.Publish(bus.Message{Subject: "forbidden.one"})
	}
	b.Publish(bus.Message{Subject: "forbidden.three"})
	log.Await(t, "moip.forbidden.three")
	if n := strings.Count(log.String(), "moip.forbidden.one"); n != 1 {
		t.Errorf("the first is told %d times", n)
	}
	if b.Refusal() == nil {
		t.Error("nobody knows of it")
	}
}

// A server that takes only small messages is told of, and no connection lost for it.
func TestSmallServer(t *testing.T) {
	s := natstest.New(t, "max_payload: 65536")
	b, log := opensNoted(t, Options{Servers: []string{s.URL}})
	soon.Is(t, "up", up(b))
	if err := b.Publish(bus.Message{Subject: "a", Data: make([]byte, 65537)}); err != bus.ErrLarge {
		t.Error(err)
	}
	if err := b.Publish(bus.Message{Subject: "a", Data: make([]byte, 65536)}); err != nil {
		t.Error(err)
	}
	log.Await(t, "max_payload=65536")
	talk(t, b, b)
}

// Who misses messages is told how many.
func TestSlowIsTold(t *testing.T) {
	s := natstest.New(t, "")
	b, log := opensNoted(t, Options{Servers: []string{s.URL}})
	soon.Is(t, "up", up(b))
	free := make(chan struct{})
	b.Subscribe("flood", "", func(bus.Message) { <-free })
	for range 2 * maxBehindData / bus.MaxData {
		b.Publish(bus.Message{Subject: "flood", Data: make([]byte, bus.MaxData)})
	}
	soon.Is(t, "it is told", func() bool {
		return log.Has("messages of the bus are missed") && log.Has("subject=flood")
	})
	close(free)
}

// A server that is there later is found, and what was followed before is then heard.
func TestLater(t *testing.T) {
	s := natstest.New(t, "")
	s.Kill()
	began := time.Now()
	a, log := opensNoted(t, Options{Servers: []string{s.URL}})
	if took := time.Since(began); took > 5*time.Second {
		t.Error("the start took", took)
	}
	b := opens(t, Options{Servers: []string{s.URL}})
	var heard atomic.Int32
	a.Subscribe("news", "", func(bus.Message) { heard.Add(1) })
	if err := b.Publish(bus.Message{Subject: "news"}); err != bus.ErrDown {
		t.Error(err)
	}
	if _, err := b.Request(t.Context(), "news", nil); err != bus.ErrDown {
		t.Error(err)
	}
	log.Await(t, "connection refused")
	time.Sleep(time.Second)
	if n := strings.Count(log.String(), "the bus is down"); n > 2 {
		t.Errorf("told %d times:\n%s", n, log)
	}
	s.Start()
	soon.Is(t, "up", up(a))
	soon.Is(t, "up", up(b))
	if heard.Load() > 0 {
		t.Error("what was published while it was down has been kept")
	}
	soon.Is(t, "news", func() bool { // the server may learn who follows them after who is up publishes
		b.Publish(bus.Message{Subject: "news"})
		return heard.Load() > 0
	})
	for range 3 { // and again
		s.Kill()
		soon.Is(t, "down", func() bool { return !a.State().Up && !b.State().Up })
		s.Start()
		soon.Is(t, "up", up(a))
		soon.Is(t, "up", up(b))
		talk(t, a, b)
	}
}

// Servers inside know each other by a secret and by certificates, and nobody else.
func TestStrangers(t *testing.T) {
	ca, other, dir := catest.New(t), catest.New(t), t.TempDir()
	cert, key, theirs, theirKey := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c"), filepath.Join(dir, "d")
	ca.Give(t, cert, key, time.Hour, "127.0.0.1")
	other.Give(t, theirs, theirKey, time.Hour, "127.0.0.1")
	ours, err := token.Parse(secret)
	if err != nil {
		t.Fatal(err)
	}
	wrong, _ := token.Parse("another-horse-battery")
	for name, test := range map[string]struct {
		a, b ServerOptions
		ok   bool
	}{
		"secret":                  {ServerOptions{Secret: ours}, ServerOptions{Secret: ours}, true},
		"another secret":          {ServerOptions{Secret: ours}, ServerOptions{Secret: wrong}, false},
		"no secret":               {ServerOptions{Secret: ours}, ServerOptions{}, false},
		"certificates":            {ServerOptions{Cert: cert, Key: key, CA: ca.File, Secret: ours}, ServerOptions{Cert: cert, Key: key, CA: ca.File, Secret: ours}, true},
		"certificates of another": {ServerOptions{Cert: cert, Key: key, CA: ca.File}, ServerOptions{Cert: theirs, Key: theirKey, CA: other.File}, false},
		"one has certificates":    {ServerOptions{Cert: cert, Key: key, CA: ca.File}, ServerOptions{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ends := []string{freeport.Addr(t), freeport.Addr(t)}
			places := slices.Clone(ends)
			var all []*Bus
			var logs []*logtest.Log
			for i, o := range []ServerOptions{test.a, test.b} {
				n := new(logtest.Log)
				if name == "no secret" && i == 0 {
					places = places[:1] // it is asked, and asks nobody
				}
				o.Listen, o.Routes, o.Name, o.Log = ends[i], slices.Clone(places), "paris", n.Logger()
				s, err := StartServer(o)
				if err != nil {
					t.Fatal(err)
				}
				all, logs = append(all, opens(t, Options{Inside: s})), append(logs, n)
			}
			if test.ok {
				soon.Is(t, "up", up(all[0]))
				soon.Is(t, "up", up(all[1]))
				talk(t, all[0], all[1])
				return
			}
			soon.Is(t, "it is told", func() bool { return logs[0].String()+logs[1].String() != "" })
			time.Sleep(3 * time.Second)
			if all[1].State().Up || all[0].State().Up && len(places) > 1 {
				t.Error("they are connected")
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := all[1].Request(ctx, "a", nil); err != bus.ErrDown {
				t.Error(err)
			}
			for _, log := range logs {
				if log.Has("horse") {
					t.Errorf("a secret is shown:\n%s", log)
				}
				if n := strings.Count(log.String(), "\n"); n > 8 {
					t.Errorf("%d lines are logged:\n%s", n, log)
				}
			}
		})
	}
}

// Who has no prefix, as a portal that speaks NATS, is answered at its own inbox; nobody else
// is answered elsewhere than below ours.
func TestForeignInbox(t *testing.T) {
	b := &Bus{prefix: "moip."}
	for reply, want := range map[string]string{"": "", "moip.inbox.a": "inbox.a", "_INBOX.a.b": "_INBOX.a.b", "other.a": "", "moipa.b": ""} {
		m := b.message(natsMessage("moip.a", reply))
		if m.Subject != "a" || m.Reply != want {
			t.Errorf("%q becomes %q", reply, m.Reply)
		}
		if want != "" && b.subject(m.Reply) != reply {
			t.Errorf("%q is answered at %q", reply, b.subject(m.Reply))
		}
	}
}

// What no gateway would send is left aside, and told.
func TestLargeFromElsewhere(t *testing.T) {
	s := natstest.New(t, "max_payload: 4MB")
	b, log := opensNoted(t, Options{Servers: []string{s.URL}})
	soon.Is(t, "up", up(b))
	heard := make(chan int, 10)
	b.Subscribe("large", "", func(m bus.Message) { heard <- len(m.Data) })
	for _, size := range []int{bus.MaxData + 1, bus.MaxData} {
		if err := b.Conn().Publish("moip.large", make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	if n := <-heard; n != bus.MaxData {
		t.Errorf("%d bytes are heard", n)
	}
	if !log.Has("too large, and left aside") {
		t.Error(log)
	}
}

// The server inside lets nobody in but this process.
func TestInsideIsInside(t *testing.T) {
	s, err := StartServer(ServerOptions{Listen: "127.0.0.1:0", Name: "paris", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, at := range []string{s.server.Addr().String(), s.server.ClusterAddr().String()} {
		if c, err := nats.Connect("nats://" + at); err == nil {
			c.Close()
			t.Error("a stranger is let in at", at)
		}
	}
	b := opens(t, Options{Servers: []string{"nats://" + s.server.Addr().String()}})
	if b.State().Up {
		t.Error("a stranger is up")
	}
}
