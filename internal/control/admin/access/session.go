package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net"
	"net/http"
	"time"
)

const (
	sessionTime  = 12 * time.Hour
	sessionsMost = 256
)

// A key is the hash of the name of a session, so that looking it up tells nothing of it.
type key = [sha256.Size]byte

// Login begins a session for a browser that has a token, for 12 hours and as long as the
// token is one of the rules, and tells it the session's name in a cookie: unlike a token,
// the browser has it with every request of its own, a script cannot read it, and no other
// site can have it sent (SameSite=Strict). If the token is wrong it answers w, and ok is
// false. There are 256 sessions at the most; one more ends the oldest.
func (g *Gate) Login(w http.ResponseWriter, r *http.Request, text string) (v Visitor, ok bool) {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	if open != nil {
		return open.Visitor, true
	}
	p, no := g.byToken(r, text)
	if no.status != 0 {
		g.refuse(w, r, no)
		return Visitor{}, false
	}
	name, v := rand.Text(), Visitor{Role: p.Role, By: "session", Name: p.Name, Until: time.Now().Add(sessionTime)}
	ctx, end := context.WithDeadline(p.ctx, v.Until)
	g.begin(sha256.Sum256([]byte(name)), &pass{v, ctx, end})
	g.log.Info("an operator has logged in", "from", g.from(r), "known by", p.Name)
	http.SetCookie(w, cookie(r, name, int(sessionTime/time.Second)))
	return v, true
}

func (g *Gate) begin(k key, p *pass) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var oldest key
	for k, p := range g.sessions {
		if p.ctx.Err() != nil {
			delete(g.sessions, k)
		} else if first, known := g.sessions[oldest]; !known || p.Until.Before(first.Until) {
			oldest = k
		}
	}
	if len(g.sessions) >= sessionsMost {
		g.sessions[oldest].end()
		delete(g.sessions, oldest)
	}
	g.sessions[k] = p
}

// Logout ends the session of a browser, if it has one, and what it is told without an end.
func (g *Gate) Logout(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := keyOf(r)
	if p := g.sessions[k]; p != nil {
		p.end()
		delete(g.sessions, k)
	}
	http.SetCookie(w, cookie(r, "", -1))
}

func (g *Gate) bySession(r *http.Request) *pass {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p := g.sessions[keyOf(r)]; p != nil && p.ctx.Err() == nil {
		return p
	}
	return nil
}

// keyOf returns the key of the session that a request has a cookie of.
func keyOf(r *http.Request) key {
	c, err := r.Cookie(cookieName(r))
	if err != nil {
		return key{}
	}
	return sha256.Sum256([]byte(c.Value))
}

// cookieName has the port in it: to browsers, all ports of a machine are one place for
// cookies, and there may be several gateways.
func cookieName(r *http.Request) string {
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		return "moip-" + port
	}
	return "moip"
}

// cookie is secure where TLS is, or somebody in front says that it is: it harms nobody if
// that is a lie.
func cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName(r), Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}
