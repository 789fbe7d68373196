package access

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"moip/internal/policy/token"
	"moip/internal/proxied"
	"moip/internal/testkit/logtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	full  = "full-0123456789abcdef"
	look  = "look-0123456789abcdef"
	other = "other-0123456789abcdef"
)

func tokens(t *testing.T, texts ...string) (all []token.Token) {
	t.Helper()
	for _, text := range texts {
		one, err := token.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// A door is what a Gate guards.
type door struct {
	*testing.T
	gate *Gate
	log  logtest.Log
	mux  http.Handler
}

func guards(t *testing.T, rules Rules) *door {
	d := &door{T: t}
	d.gate = New(rules, d.log.Logger())
	mux := http.NewServeMux()
	says := func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "done, "+Of(r).Role.String()+", "+Of(r).By)
	}
	mux.Handle("GET /page", d.gate.For(Anyone, http.HandlerFunc(says)))
	mux.Handle("POST /page", d.gate.For(Anyone, http.HandlerFunc(says)))
	mux.Handle("GET /look", d.gate.For(Look, http.HandlerFunc(says)))
	mux.Handle("POST /do", d.gate.For(Full, http.HandlerFunc(says)))
	mux.Handle("GET /follow", d.gate.For(Look, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		io.WriteString(w, "over")
	})))
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if v, ok := d.gate.Login(w, r, r.FormValue("token")); ok {
			io.WriteString(w, "done, "+v.Role.String()+", "+v.By)
		}
	})
	mux.HandleFunc("POST /logout", d.gate.Logout)
	d.mux = d.gate.Hosts(mux)
	return d
}

// asks has a request answered. Its headers are pairs; Host and From are the request's own,
// and To is the address that it came to.
func (d *door) asks(method, target string, headers ...string) *http.Response {
	d.Helper()
	r := httptest.NewRequest(method, target, nil)
	r.Host = "127.0.0.1:8999"
	for ; len(headers) > 0; headers = headers[2:] {
		switch name, value := headers[0], headers[1]; name {
		case "Host":
			r.Host = value
		case "From":
			r.RemoteAddr = value
		case "To":
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.ParseIP(value), Port: 8999}))
		default:
			r.Header.Add(name, value)
		}
	}
	w := httptest.NewRecorder()
	d.mux.ServeHTTP(w, r)
	return w.Result()
}

// gets expects an answer: a status, or what a request that was let in is told.
func (d *door) gets(want any, method, target string, headers ...string) {
	d.Helper()
	w := d.asks(method, target, headers...)
	body, _ := io.ReadAll(w.Body)
	got := any(w.StatusCode)
	if text, is := want.(string); is {
		got, want = string(body), "done, "+text
	} else if strings.Contains(string(body), "done") {
		d.Errorf("%s %s %v is done", method, target, headers)
	}
	if got != want {
		d.Errorf("%s %s %v: %v %s, want %v", method, target, headers, w.StatusCode, body, want)
	}
}

func bearer(text string) []string { return []string{"Authorization", "Bearer " + text} }

func TestRoles(t *testing.T) {
	d := guards(t, Rules{Open: true, Full: tokens(t, full), Look: tokens(t, look)})
	d.gets(401, "GET", "/look")
	d.gets(401, "POST", "/do")
	d.gets("anyone, ", "GET", "/page")
	d.gets("look, token", "GET", "/look", bearer(look)...)
	d.gets("full, token", "GET", "/look", bearer(full)...)
	d.gets("full, token", "POST", "/do", bearer(full)...)
	d.gets(403, "POST", "/do", bearer(look)...)
	d.gets(401, "POST", "/do", bearer(other)...)
	d.gets(401, "POST", "/do", "Authorization", "Basic "+full)
	d.gets(401, "POST", "/do", "Authorization", full)
	d.gets(401, "POST", "/do", "Cookie", "moip-8999="+full)
	if w := d.asks("GET", "/look"); w.Header.Get("WWW-Authenticate") != `Bearer realm="MoIP"` {
		t.Error(w.Header)
	}
	if w := d.asks("GET", "/look", bearer(other)...); !strings.Contains(w.Header.Get("WWW-Authenticate"), "invalid_token") {
		t.Error(w.Header)
	}
	log := d.log.String()
	if strings.Contains(log, full) || strings.Contains(log, look) || strings.Contains(log, other) {
		t.Errorf("the log tells tokens:\n%s", log)
	}
	if want := `does="POST /do" from=192.0.2.1:1234 "known by"="full token 1"`; strings.Count(log, want) != 1 {
		t.Errorf("the log has not, once, %s:\n%s", want, log)
	}
	if n := strings.Count(log, "this token is not known here"); n != 1 {
		t.Errorf("wrong tokens are told %d times:\n%s", n, log)
	}
	if refused := fmt.Sprint(d.gate.Refused()); refused != "map[look:1 none:6 wrong:2]" {
		t.Error(refused)
	}
}

func TestOpen(t *testing.T) {
	d := guards(t, Rules{Open: true})
	d.gets("full, nothing", "POST", "/do")
	d.gets("full, nothing", "POST", "/do", bearer(other)...)
	d.gets("full, nothing", "POST", "/login?token=x")
	closed := guards(t, Rules{})
	closed.gets(401, "POST", "/do")
	closed.gets(401, "POST", "/do", bearer(other)...)
	closed.gets(401, "POST", "/do", "Authorization", "Bearer ")
	closed.gets(401, "POST", "/do", "Authorization", "Bearer")
	closed.gets(401, "POST", "/login?token=")
}

// A name of somebody else's leads nowhere.
func TestHosts(t *testing.T) {
	d := guards(t, Rules{Open: true, Hosts: []string{"hub.example", "2001:db8::7"}})
	const in, out = "full, nothing", http.StatusMisdirectedRequest
	for host, want := range map[string]any{
		"localhost": in, "localhost:1": in, "LocalHost:1": in, "127.0.0.1": in, "127.9.9.9:80": in, "[::1]:80": in, "[::1]": in,
		"hub.example": in, "HUB.example:8999": in, "[2001:db8::7]:8999": in, "192.0.2.5:8999": in, "192.0.2.5": in,
		"": out, ":8999": out, "hub.example.evil.example": out, "evil.example": out, "127.0.0.1.evil.example:8999": out, "192.0.2.6:8999": out,
		"0.0.0.0:8999": out, "localhost.": out, "hub.example@evil.example": out, "2130706433": out, "[::]:8999": out,
	} {
		d.gets(want, "GET", "/look", "Host", host, "To", "192.0.2.5")
	}
	d.gets(out, "GET", "/page", "Host", "evil.example")
	d.gets(out, "POST", "/login?token="+full, "Host", "evil.example")
	if n := strings.Count(d.log.String(), "is not known to be this machine"); n != 1 {
		t.Errorf("it is told %d times", n)
	}
}

// Pages of other sites are told nothing, do nothing, and do not take the place of those
// who follow; but a link leads to our page from everywhere.
func TestSites(t *testing.T) {
	d := guards(t, Rules{Open: true})
	for _, foreign := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
		{"Origin", "http://127.0.0.1:8998"}, {"Sec-Fetch-Site", "cross-site", "Origin", "http://127.0.0.1:8999"},
		{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
	} {
		d.gets(403, "GET", "/look", foreign...)
		d.gets(403, "POST", "/do", foreign...)
		d.gets(403, "POST", "/page", foreign...)
		d.gets(403, "GET", "/follow", foreign...)
		d.gets("anyone, ", "GET", "/page", foreign...)
	}
	for _, own := range [][]string{
		{}, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {"Origin", "http://127.0.0.1:8999"},
	} {
		d.gets("full, nothing", "GET", "/look", own...)
		d.gets("full, nothing", "POST", "/do", own...)
	}
	if got := d.asks("GET", "/page").Header.Get("Cross-Origin-Resource-Policy"); got != "same-origin" {
		t.Errorf("pages of other sites may have it: %q", got)
	}
}

// Who guesses is not listened to after ten tries a minute, even when they are right; those
// who are logged in, and neighbours, go on.
func TestGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := guards(t, Rules{Full: tokens(t, full)})
		session := d.logsIn(full)
		for range 10 {
			d.gets(401, "POST", "/do", bearer(other)...)
		}
		d.gets(429, "POST", "/do", bearer(other)...)
		d.gets(429, "POST", "/do", bearer(full)...)
		d.gets(429, "POST", "/login?token="+full)
		d.gets(401, "POST", "/do")
		d.gets("full, session", "POST", "/do", "Cookie", session)
		d.gets("full, token", "POST", "/do", append(bearer(full), "From", "192.0.2.9:1")...)
		if w := d.asks("POST", "/do", bearer(other)...); w.Header.Get("Retry-After") != "60" {
			t.Error(w.Header)
		}
		time.Sleep(time.Minute)
		d.gets("full, token", "POST", "/do", bearer(full)...)
		d.gate.Change(Rules{})
		synctest.Wait()
	})
}

// Behind a proxy that is trusted, each has tries of their own; what others say of where
// they come from is not believed.
func TestGuessingByProxy(t *testing.T) {
	d := guards(t, Rules{Full: tokens(t, full), Proxies: &proxied.Trust{
		Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Header: proxied.XForwardedFor,
	}})
	by := func(proxy, from, text string) []string {
		return append(bearer(text), "From", proxy+":1", "X-Forwarded-For", from)
	}
	for range 10 {
		d.gets(401, "POST", "/do", by("127.0.0.1", "192.0.2.1", other)...)
	}
	d.gets(429, "POST", "/do", by("127.0.0.1", "192.0.2.1", full)...)
	d.gets(429, "POST", "/do", by("127.0.0.1", "192.0.2.9, 192.0.2.1", full)...)
	d.gets("full, token", "POST", "/do", by("127.0.0.1", "192.0.2.2", full)...)
	for i := range 10 {
		d.gets(401, "POST", "/do", by("192.0.2.7", fmt.Sprintf("192.0.2.1%d", i), other)...)
	}
	d.gets(429, "POST", "/do", by("192.0.2.7", "192.0.2.20", full)...)
}

// logsIn returns the cookie of a session.
func (d *door) logsIn(text string) string {
	d.Helper()
	w := d.asks("POST", "/login?token="+text)
	c := w.Header.Get("Set-Cookie")
	if w.StatusCode != 200 || !strings.Contains(c, "; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict") {
		d.Fatalf("%s, %q", w.Status, c)
	}
	value, _, _ := strings.Cut(c, ";")
	return value
}

func TestSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := guards(t, Rules{Full: tokens(t, full), Look: tokens(t, look)})
		d.gets(401, "POST", "/login?token="+other)
		session, looks := d.logsIn(full), d.logsIn(look)
		d.gets("full, session", "POST", "/do", "Cookie", session)
		d.gets("look, session", "GET", "/look", "Cookie", looks)
		d.gets(403, "POST", "/do", "Cookie", looks)
		d.gets(401, "POST", "/do", "Cookie", session+"x")
		d.gets(401, "POST", "/do", "Cookie", session, "Host", "127.0.0.1:8998") // another gateway's
		d.gets(403, "POST", "/do", "Cookie", session, "Sec-Fetch-Site", "same-site")
		d.asks("POST", "/logout", "Cookie", session)
		d.gets(401, "POST", "/do", "Cookie", session)

		session = d.logsIn(full)
		time.Sleep(sessionTime - time.Second)
		d.gets("full, session", "POST", "/do", "Cookie", session)
		time.Sleep(2 * time.Second)
		d.gets(401, "POST", "/do", "Cookie", session)

		oldest := d.logsIn(full)
		var newest string
		for range sessionsMost {
			time.Sleep(time.Second)
			newest = d.logsIn(full)
		}
		d.gets(401, "POST", "/do", "Cookie", oldest)
		d.gets("full, session", "POST", "/do", "Cookie", newest)
		if n := len(d.gate.sessions); n != sessionsMost {
			t.Errorf("there are %d sessions", n)
		}

		secure := d.asks("POST", "/login?token="+full, "X-Forwarded-Proto", "https").Header.Get("Set-Cookie")
		if !strings.Contains(secure, "; Secure") {
			t.Errorf("with TLS the cookie is %q", secure)
		}
		d.gate.Change(Rules{})
	})
}

// Who came by a token that holds no more is out, whatever they are doing.
func TestChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := guards(t, Rules{Open: true})
		follow := func(headers ...string) <-chan int {
			over := make(chan int, 1)
			go func() { over <- d.asks("GET", "/follow", headers...).StatusCode }()
			synctest.Wait()
			return over
		}
		isOver := func(what string, over <-chan int, want bool) {
			t.Helper()
			synctest.Wait()
			select {
			case status := <-over:
				if !want || status != 200 {
					t.Errorf("who follows %s is out: %d", what, status)
				}
			default:
				if want {
					t.Errorf("who follows %s is still there", what)
				}
			}
		}
		anybody := follow()
		d.gate.Change(Rules{Open: true, Full: tokens(t, full), Look: tokens(t, look)})
		isOver("without a token", anybody, true)
		d.gets(401, "POST", "/do")

		session := d.logsIn(full)
		byToken, bySession, byOther := follow(bearer(full)...), follow("Cookie", session), follow(bearer(look)...)
		d.gate.Change(Rules{Open: true, Full: tokens(t, other, full), Look: tokens(t, look)})
		isOver("by a token that stays", byToken, false)
		isOver("by its session", bySession, false)
		d.gets("full, session", "POST", "/do", "Cookie", session)

		d.gate.Change(Rules{Open: true, Full: tokens(t, other), Look: tokens(t, look, full)})
		isOver("by a token that is another's", byToken, true)
		isOver("by its session", bySession, true)
		isOver("by the token that stays", byOther, false)
		d.gets(401, "GET", "/look", "Cookie", session)
		d.gets("look, token", "GET", "/look", bearer(full)...)
		d.gets("full, token", "POST", "/do", bearer(other)...)

		left := d.logsIn(other)
		leaves := follow("Cookie", left)
		d.asks("POST", "/logout", "Cookie", left)
		isOver("by a session that is logged out", leaves, true)

		d.gate.Change(Rules{Open: true})
		isOver("by the last token", byOther, true)
		d.gets("full, nothing", "POST", "/do")
	})
}

// A certificate that was verified is as good as a token; one that was only shown is none.
func TestCertificate(t *testing.T) {
	d := guards(t, Rules{})
	c := &x509.Certificate{Subject: pkix.Name{CommonName: "claire"}}
	for _, test := range []struct {
		secured *tls.ConnectionState
		want    int
	}{
		{nil, 401}, {&tls.ConnectionState{}, 401}, {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}, 401},
		{&tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{c}}}, 200},
	} {
		r := httptest.NewRequest("POST", "https://localhost:8999/do", nil)
		r.TLS = test.secured
		w := httptest.NewRecorder()
		d.mux.ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("%+v: %d", test.secured, w.Code)
		}
	}
	if !d.log.Has(`certificate \"claire\"`) {
		t.Errorf("the log does not tell who gave the order:\n%s", &d.log)
	}
}

// Whose certificate is vouched for no more is out, also where they are connected still, or
// are told what has no end.
func TestCertificateNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		d := guards(t, Rules{Vouch: func([]*x509.Certificate) error {
			if gone.Load() {
				return errors.New("no more")
			}
			return nil
		}})
		all := []*x509.Certificate{{Subject: pkix.Name{CommonName: "claire"}}}
		ask := func(path string) int {
			r := httptest.NewRequest("GET", "https://localhost:8999"+path, nil)
			r.TLS = &tls.ConnectionState{PeerCertificates: all, VerifiedChains: [][]*x509.Certificate{all}}
			w := httptest.NewRecorder()
			d.mux.ServeHTTP(w, r)
			return w.Code
		}
		over := make(chan int, 1)
		go func() { over <- ask("/follow") }()
		time.Sleep(time.Hour)
		if status := ask("/look"); status != 200 || len(over) > 0 {
			t.Errorf("while all is well: %d, and %d are out", status, len(over))
		}
		gone.Store(true)
		if status := ask("/look"); status != 401 {
			t.Errorf("who is connected still has %d", status)
		}
		time.Sleep(recheck)
		synctest.Wait()
		if len(over) != 1 {
			t.Fatal("who follows is still there")
		}
	})
}

// The log calls tokens by where they are in their file now, also those of sessions.
func TestNames(t *testing.T) {
	d := guards(t, Rules{Full: tokens(t, other, full)})
	session := d.logsIn(full)
	d.gate.Change(Rules{Full: tokens(t, full, look)})
	d.log.Take()
	for by, headers := range map[string][]string{"full token 1": bearer(full), "full token 2": bearer(look)} {
		d.log.Take()
		d.asks("POST", "/do", headers...)
		if !d.log.Has(by) {
			t.Errorf("who is %s is called so:\n%s", by, &d.log)
		}
	}
	d.log.Take()
	d.gets("full, session", "POST", "/do", "Cookie", session)
	if !d.log.Has("full token 1") {
		t.Errorf("who has logged in is called so:\n%s", &d.log)
	}
	d.gate.Change(Rules{})
	d.gets(401, "POST", "/do", "Cookie", session)
}
