// Package access knows who may ask the operators' API. It looks at four things, in this
// order: the host that a request is for, since a name of somebody else's may lead here
// (DNS rebinding); the page of the web that it is of, which must be our own; who it is
// from; and what they may do.
//
// Who it is from, a token tells (RFC 6750), a session that was begun with one, or a
// certificate that the TLS below has verified. Where there is no token, and the door is
// open, whoever comes may do everything.
package access

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"moip/internal/policy"
	"moip/internal/policy/token"
	"moip/internal/proxied"
)

// A Role is what somebody may do.
type Role int

const (
	Anyone Role = iota // see what tells nothing of this gateway
	Look               // see what there is to be seen of calls and the gateway
	Full               // all
)

func (r Role) String() string { return [...]string{"anyone", "look", "full"}[r] }

// Rules say who may ask.
type Rules struct {
	// Open lets everybody do everything, as long as there are no tokens. It is for
	// an address that nobody else reaches.
	Open bool

	// Hosts are names and addresses by which this machine is called, besides those of the
	// loopback and the address that a request has come to.
	Hosts []string

	// Proxies are believed when they say who asks, which counts for wrong tokens and is
	// told in the log, and for nothing else. Nil for none.
	Proxies *proxied.Trust

	// Full and Look are the tokens of those who may do everything, and who may look.
	Full, Look []token.Token

	// Vouch says why a certificate that was verified when its owner came, with those that
	// were shown behind it, is worth nothing by now. Nil if it is for good.
	Vouch func(shown []*x509.Certificate) error
}

// recheck is how often it is looked whether a certificate is still worth something by which
// somebody is told what has no end.
const recheck = 30 * time.Second

// A Visitor is who asks.
type Visitor struct {
	Role  Role
	By    string    // what they are known by: nothing, token, certificate or session
	Name  string    // of the token or certificate, for the log
	Until time.Time // the end of the session
}

// A Gate lets requests in, or refuses them. Its methods may be called from any goroutine.
type Gate struct {
	log   *slog.Logger
	hush  policy.Hush
	tries policy.Tries

	mu       sync.Mutex
	hosts    []string
	proxies  *proxied.Trust
	vouch    func(shown []*x509.Certificate) error
	tokens   []token.Token
	passes   []*pass // of the tokens
	open     *pass   // everybody's, nil if there is none
	sessions map[key]*pass
	refused  map[string]uint64
}

// A pass is a Visitor for as long as they may come. What they are told without an end,
// ends with it.
type pass struct {
	Visitor
	ctx context.Context
	end context.CancelFunc
}

func newPass(parent context.Context, v Visitor) *pass {
	ctx, end := context.WithCancel(parent)
	return &pass{v, ctx, end}
}

// called returns the same pass by another name.
func (p *pass) called(name string) *pass {
	same := *p
	same.Name = name
	return &same
}

// New returns a Gate.
func New(rules Rules, log *slog.Logger) *Gate {
	g := &Gate{log: log, sessions: map[key]*pass{}, refused: map[string]uint64{}}
	g.Change(rules)
	return g
}

// Change has the Gate go by other rules. Who was let in by a token that is among them no
// more, is out.
func (g *Gate) Change(rules Rules) {
	g.mu.Lock()
	defer g.mu.Unlock()
	tokens, passes := g.tokens, g.passes
	g.vouch = rules.Vouch
	stays := map[string]string{} // the names of those that do, by those that they had
	g.tokens, g.passes, g.hosts, g.proxies = nil, nil, rules.Hosts, cmp.Or(rules.Proxies, new(proxied.Trust))
	for _, list := range []struct {
		role   Role
		tokens []token.Token
	}{{Full, rules.Full}, {Look, rules.Look}} {
		for i, t := range list.tokens {
			g.tokens = append(g.tokens, t)
			name := fmt.Sprintf("%v token %d", list.role, i+1)
			if had := token.Find(tokens, t.Secret()); had >= 0 && passes[had].Role == list.role {
				stays[passes[had].Name] = name
				g.passes = append(g.passes, passes[had].called(name))
				continue
			}
			g.passes = append(g.passes, newPass(context.Background(), Visitor{Role: list.role, By: "token", Name: name}))
		}
	}
	for _, p := range passes {
		if stays[p.Name] == "" {
			p.end()
		}
	}
	for k, p := range g.sessions {
		if name := stays[p.Name]; name != "" {
			g.sessions[k] = p.called(name)
		}
	}
	switch open := rules.Open && len(g.tokens) == 0; {
	case open && g.open == nil:
		g.open = newPass(context.Background(), Visitor{Role: Full, By: "nothing"})
	case !open && g.open != nil:
		g.open.end()
		g.open = nil
	}
}

// Refused returns how many requests were refused, by reason: host, site, none, wrong, many
// or look.
func (g *Gate) Refused() map[string]uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.refused)
}

// Hosts has next answer requests for hosts that are this machine.
func (g *Gate) Hosts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin") // nor do other sites get it as a picture
		if !g.knows(r) {
			g.refuse(w, r, refusal{http.StatusMisdirectedRequest, "host",
				fmt.Sprintf("%.60q is not known to be this machine (call it localhost or 127.0.0.1, or have the name in admin_hosts)", r.Host), 0})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// knows reports whether the host of r is this machine.
func (g *Gate) knows(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.Trim(r.Host, "[]")
	}
	host = strings.ToLower(host)
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && (ip.IsLoopback() || ip.Equal(ownIP(r))) {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return host != "" && slices.ContainsFunc(g.hosts, func(known string) bool { return strings.EqualFold(known, host) })
}

// ownIP returns the address that a request has come to.
func ownIP(r *http.Request) net.IP {
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return at.IP
	}
	return nil
}

// For has next answer those who have at least a role. What needs one is for our own page
// and for programs; to other pages nothing is told by any method, not even that it
// was done.
func (g *Gate) For(role Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		safe := r.Method == http.MethodGet || r.Method == http.MethodHead
		if (role > Anyone || !safe) && isForeign(r) {
			g.refuse(w, r, refusal{http.StatusForbidden, "site", "this is for no page of another site", 0})
			return
		}
		if role == Anyone {
			next.ServeHTTP(w, r)
			return
		}
		p, no := g.who(r)
		if no.status == 0 && p.Role < role {
			no = refusal{http.StatusForbidden, "look", "who has this token may only look", 0}
		}
		if no.status != 0 {
			g.refuse(w, r, no)
			return
		}
		if known, ok := r.Context().Value(onceKnown{}).(func()); ok {
			known()
		}
		if !safe && p.By != "nothing" {
			g.log.Info("an operator's order", "does", r.Method+" "+r.URL.Path, "from", g.from(r), "known by", p.Name)
		}
		ctx, stop := context.WithCancel(context.WithValue(r.Context(), visitor{}, p.Visitor))
		defer stop()
		defer context.AfterFunc(p.ctx, stop)()
		if p.By == "certificate" {
			go g.watch(ctx, r.TLS, stop)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// onceKnown is the key of what OnceKnown has called.
type onceKnown struct{}

// OnceKnown returns the context of a connection about which known is to be called, perhaps
// several times, once it is known who is there.
func OnceKnown(ctx context.Context, known func()) context.Context {
	return context.WithValue(ctx, onceKnown{}, known)
}

// visitor is the key of the Visitor in the context of a request.
type visitor struct{}

// Of returns who asks, for what For has let in.
func Of(r *http.Request) Visitor {
	v, _ := r.Context().Value(visitor{}).(Visitor)
	return v
}

// isForeign reports whether a page of another site asks, as far as the browser says. Go's
// guard lets such pages look, as long as they are not told what they see. Here, looking
// takes a place among those who follow calls.
func isForeign(r *http.Request) bool {
	asks := r.WithContext(r.Context())
	asks.Method = http.MethodPost
	return http.NewCrossOriginProtection().Check(asks) != nil
}

// who returns who asks, or why they are not let in.
func (g *Gate) who(r *http.Request) (*pass, refusal) {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	if open != nil {
		return open, refusal{}
	}
	if text, shown := token.Bearer(r.Header.Get("Authorization")); shown {
		return g.byToken(r, text)
	}
	if p := g.byCertificate(r.TLS); p != nil {
		return p, refusal{}
	}
	if p := g.bySession(r); p != nil {
		return p, refusal{}
	}
	return nil, refusal{http.StatusUnauthorized, "none", "this needs a token (with moip ctl --token-file FILE, or MOIP_ADMIN_TOKEN_FILE)", 0}
}

// byToken returns who has a token.
func (g *Gate) byToken(r *http.Request, text string) (*pass, refusal) {
	g.mu.Lock()
	tokens, passes := g.tokens, g.passes // which are made anew, not changed
	g.mu.Unlock()
	found := -1
	ok, wait := g.tries.Try(g.from(r).Addr(), func() bool {
		found = token.Find(tokens, text)
		return found >= 0
	})
	switch {
	case ok:
		return passes[found], refusal{}
	case wait > 0:
		return nil, refusal{http.StatusTooManyRequests, "many", "too many wrong tokens came from this address", wait}
	}
	return nil, refusal{http.StatusUnauthorized, "wrong", "this token is not known here", 0}
}

// byCertificate returns who has a certificate that was verified, and is good still.
func (g *Gate) byCertificate(secured *tls.ConnectionState) *pass {
	if secured == nil || len(secured.VerifiedChains) == 0 {
		return nil
	}
	g.mu.Lock()
	vouch := g.vouch
	g.mu.Unlock()
	if vouch != nil && vouch(secured.PeerCertificates) != nil {
		return nil
	}
	name := fmt.Sprintf("certificate %.60q", secured.VerifiedChains[0][0].Subject.CommonName)
	return &pass{Visitor: Visitor{Role: Full, By: "certificate", Name: name}, ctx: context.Background()}
}

// watch calls out once a certificate is worth nothing, until ctx is done.
func (g *Gate) watch(ctx context.Context, secured *tls.ConnectionState, out func()) {
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	for g.byCertificate(secured) != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
	out()
}

// Challenge is how a gateway begins its demand for a token (RFC 6750, section 3).
const Challenge = `Bearer realm="MoIP"`

// A refusal is why a request is not answered. The zero one is none.
type refusal struct {
	status int
	reason string // for whoever counts
	text   string
	wait   time.Duration
}

// aloud are the reasons that the log is told of. To come without a token is how browsers
// begin.
var aloud = []string{"host", "site", "wrong", "many"}

func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, no refusal) {
	g.mu.Lock()
	g.refused[no.reason]++
	g.mu.Unlock()
	if slices.Contains(aloud, no.reason) {
		if n, tell := g.hush.Tell(g.from(r).Addr()); tell {
			g.log.Warn("operators' door: refused", "from", g.from(r), "why", no.text, "refused since last told", n)
		}
	}
	switch no.status {
	case http.StatusUnauthorized:
		challenge := Challenge
		if no.reason == "wrong" {
			challenge += `, error="invalid_token"` // RFC 6750, section 3.1
		}
		w.Header().Set("WWW-Authenticate", challenge)
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(int((no.wait+time.Second-1)/time.Second)))
	}
	tell(w, no.status, no.text)
}

// tell tells why a request is refused.
func tell(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": why}) // whoever has left needs no answer
}

// from returns where a request comes from, as far as it can be known.
func (g *Gate) from(r *http.Request) netip.AddrPort {
	g.mu.Lock()
	proxies := g.proxies
	g.mu.Unlock()
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil { // then all those are one
		at = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	if from, err := proxies.Caller(at, r.Header); err == nil {
		return from
	}
	return at
}
