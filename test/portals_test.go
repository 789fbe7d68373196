package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nats-io/nats.go"

	"moip/internal/bus/natstest"
	"moip/videotex"
)

// logins are those of doc/cluster.md: a portal may do no more than is said there.
const logins = `authorization { users = [
	{ user: portal, password: secret, permissions: {
		publish: ["moip.call.>", "moip.calls", "moip.calls.>", "moip.events.>", "moip.inbox.>"],
		subscribe: ["moip.event.>", "moip.arrival.>", "_INBOX.>"] } }
	{ user: gateway, password: secret, permissions: { publish: ["moip.>", "_INBOX.>"], subscribe: ["moip.>"] } }
] }
`

// A busPortal is a portal on NATS: one process of it.
type busPortal struct {
	t    *testing.T
	nats *nats.Conn

	mu       sync.Mutex
	callers  map[string]*websocket.Conn // by the names of their calls
	arrivals []string
	events   []busEvent
	news     chan struct{} // closed, and made anew, when there is something new
	deaf     bool          // to arrivals: it takes them and does not answer
}

type busEvent struct {
	Type, Gateway, Service, Reason string
	Call                           uint64
}

func (e busEvent) call() string { return fmt.Sprintf("%s-%d", e.Gateway, e.Call) }

func newBusPortal(t *testing.T, server string) *busPortal {
	t.Helper()
	nc, err := nats.Connect(server, nats.UserInfo("portal", "secret"), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { t.Error(err) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	p := &busPortal{t: t, nats: nc, callers: map[string]*websocket.Conn{}, news: make(chan struct{})}
	nc.QueueSubscribe("moip.arrival.*", "portal", p.arrived)
	nc.Subscribe("moip.event.*", p.happened)
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *busPortal) notes(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.news)
	p.news = make(chan struct{})
}

func (p *busPortal) arrived(m *nats.Msg) {
	var e busEvent
	if err := json.Unmarshal(m.Data, &e); err != nil || e.Type != "began" {
		p.t.Errorf("%s: %v", m.Data, err)
	}
	p.notes(func() {
		p.arrivals = append(p.arrivals, e.call())
		if !p.deaf {
			m.Respond([]byte(`{"ok":true}`))
		}
	})
}

func (p *busPortal) happened(m *nats.Msg) {
	for line := range bytes.SplitSeq(m.Data, []byte("\n")) {
		var e busEvent
		if err := json.Unmarshal(line, &e); err != nil {
			p.t.Errorf("%s: %v", line, err)
			continue
		}
		p.notes(func() { p.events = append(p.events, e) })
		if e.Type == "returned" {
			p.shows(e.call())
		}
	}
}

// shows shows the page to a caller, if that is one of this portal's.
func (p *busPortal) shows(call string) {
	p.mu.Lock()
	c := p.callers[call]
	p.mu.Unlock()
	if c != nil {
		c.Write(context.Background(), websocket.MessageText, []byte("\x0cPortail de "+call))
	}
}

// ServeHTTP serves a caller, and sends back what is typed.
func (p *busPortal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	call := r.Header.Get("Moip-Call")
	p.notes(func() { p.callers[call] = c })
	p.shows(call)
	for {
		kind, data, err := c.Read(context.Background())
		if err != nil {
			break
		}
		c.Write(context.Background(), kind, data)
	}
	p.notes(func() { delete(p.callers, call) })
}

// orders has the gateway of a call do something with it, and returns what is wrong.
func (p *busPortal) orders(call, what string) string {
	p.t.Helper()
	i := strings.LastIndex(call, "-")
	m, err := p.nats.Request("moip.call."+call[:i]+"."+call[i+1:], []byte(what), 5*time.Second)
	if err != nil {
		return err.Error()
	}
	var answer struct {
		OK    bool
		Error string
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil || answer.OK == (answer.Error != "") {
		p.t.Errorf("%s: %v", m.Data, err)
	}
	return answer.Error
}

func (p *busPortal) obeyed(call, what string) {
	p.t.Helper()
	if wrong := p.orders(call, what); wrong != "" {
		p.t.Fatal(what, ": ", wrong)
	}
}

// until waits for something.
func (p *busPortal) until(what string, is func() bool) {
	p.t.Helper()
	for late := time.After(patience); ; {
		p.mu.Lock()
		ok, news := is(), p.news
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-news:
		case <-late:
			p.mu.Lock()
			defer p.mu.Unlock()
			p.t.Fatalf("the portal waits for %s; it has heard of %v and %+v", what, p.arrivals, p.events)
		}
	}
}

// hears waits for the nth event of a call of one type.
func (p *busPortal) hears(call, kind, reason string, n int) {
	p.t.Helper()
	p.until(call+" "+kind+" "+reason, func() bool {
		found := 0
		for _, e := range p.events {
			if e.call() == call && e.Type == kind && (e.Reason == reason) {
				found++
			}
		}
		return found >= n
	})
}

func busGateway(t *testing.T, name, server, portal, more string) *gateway {
	t.Helper()
	dir := t.TempDir()
	for file, text := range map[string]string{
		"nats.secret": "secret\n",
		"moip.toml": fmt.Sprintf("listen = ['tcp://127.0.0.1:0']\nlink = 'nats'\n[portal]\nurl = '%s'\n[bans]\nfile = 'none'\n[shield]\nfile = 'none'\n[redirect]\ndeny = ['*:7']\n"+
			"[cluster]\nnode = '%s'\nurl = ['%s']\nuser = 'gateway'\npassword_file = 'nats.secret'\n%s", portal, name, server, more),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return runsIn(t, dir, "--config", "moip.toml", "--admin", "127.0.0.1:0")
}

func busCaller(t *testing.T, g *gateway) *guest {
	t.Helper()
	conn, err := net.Dial("tcp", g.doors["tcp"])
	if err != nil {
		t.Fatal(err)
	}
	c := &guest{t: t, conn: conn, screen: videotex.NewScreen(), news: make(chan struct{}, 1)}
	var reading sync.WaitGroup
	reading.Go(c.read)
	t.Cleanup(func() { conn.Close(); reading.Wait() })
	return c
}

// A portal on NATS hears of a caller and sends him where it wants, whatever gateway he is at.
func TestPortalOnNATS(t *testing.T) {
	t.Parallel()
	server := natstest.New(t, logins)
	p := newBusPortal(t, server.URL)
	site := httptest.NewServer(p)
	t.Cleanup(site.Close)
	url := "ws" + strings.TrimPrefix(site.URL, "http")
	paris, lyon := busGateway(t, "paris", server.URL, url, ""), busGateway(t, "lyon", server.URL, url, "")
	services := make(chan net.Conn, 1)
	service := "tcp://" + serves(t, func(c net.Conn) {
		c.Write([]byte("\x0cService"))
		services <- c
		bufio.NewReader(c).ReadByte() // until it ends
	})

	for _, g := range []struct {
		*gateway
		call string
	}{{paris, "paris-1"}, {lyon, "lyon-1"}} {
		caller := busCaller(t, g.gateway)
		caller.sees("Portail de " + g.call)
		p.until("the arrival", func() bool { return slices.Contains(p.arrivals, g.call) })
		p.hears(g.call, "began", "", 1)

		p.obeyed(g.call, `{"do":"redirect","to":"`+service+`","route":{"name":"ULLA"}}`)
		caller.sees("Service")
		p.hears(g.call, "redirected", "", 1)
		if wrong := p.orders(g.call, `{"do":"redirect","to":"`+service+`"}`); wrong == "" {
			t.Error("a call is redirected twice")
		}
		(<-services).Close()
		caller.sees("Portail de " + g.call)
		p.hears(g.call, "returned", "closed", 1)

		p.obeyed(g.call, `{"do":"redirect","to":"`+service+`"}`)
		caller.sees("Service")
		p.obeyed(g.call, `{"do":"recall"}`)
		caller.sees("Portail de " + g.call)
		p.hears(g.call, "returned", "recalled", 1)
		<-services

		p.obeyed(g.call, `{"do":"message","text":"Bonsoir"}`)
		caller.sees("Bonsoir")
		for to, want := range map[string]string{
			"tcp://192.0.2.1:7": "is refused", "replay:/etc": "replay", "NOWHERE": "no service of the directory",
		} {
			if wrong := p.orders(g.call, `{"do":"redirect","to":"`+to+`"}`); !strings.Contains(wrong, want) {
				t.Errorf("%s: %q", to, wrong)
			}
		}
		m, err := p.nats.Request("moip.call."+strings.Replace(g.call, "-", ".", 1), []byte(`{"do":"info"}`), patience)
		if err != nil || !strings.Contains(string(m.Data), `"state":"at portal"`) || !strings.Contains(string(m.Data), `"gateway":"`+g.call[:len(g.call)-2]+`"`) {
			t.Errorf("%s %v", m.Data, err)
		}
		if wrong := p.orders(g.call+"9", `{"do":"recall"}`); wrong != "no such call" {
			t.Error(wrong)
		}
	}
	if wrong := p.orders("nantes-1", `{"do":"recall"}`); wrong != nats.ErrNoResponders.Error() {
		t.Error(wrong)
	}
	// All calls, of all gateways.
	inbox := p.nats.NewRespInbox()
	answers, err := p.nats.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	p.nats.PublishRequest("moip.calls", inbox, []byte(`{"do":"list"}`))
	var listed []string
	for range 2 {
		m, err := answers.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		var a struct {
			Gateway string
			Calls   []struct {
				ID      uint64
				Gateway string
			}
		}
		if err := json.Unmarshal(m.Data, &a); err != nil || len(a.Calls) != 1 || a.Calls[0].Gateway != a.Gateway {
			t.Errorf("%s %v", m.Data, err)
		}
		listed = append(listed, fmt.Sprintf("%s-%d", a.Gateway, a.Calls[0].ID))
	}
	slices.Sort(listed)
	if !slices.Equal(listed, []string{"lyon-1", "paris-1"}) {
		t.Error(listed)
	}
	for _, call := range []string{"paris-1", "lyon-1"} {
		p.obeyed(call, `{"do":"hangup"}`)
		p.hears(call, "ended", "hangup", 1)
	}
}

// Two portals share the callers. One that dies takes no arrival with it; and without NATS
// callers are served, and all is told afterwards.
func TestPortalsShare(t *testing.T) {
	t.Parallel()
	server := natstest.New(t, logins)
	a, b := newBusPortal(t, server.URL), newBusPortal(t, server.URL)
	site := httptest.NewServer(b) // whoever has died, the other answers there
	t.Cleanup(site.Close)
	g := busGateway(t, "paris", server.URL, "ws"+strings.TrimPrefix(site.URL, "http"), "")
	heard := func() (all []string) {
		for _, p := range []*busPortal{a, b} {
			p.mu.Lock()
			all = append(all, p.arrivals...)
			p.mu.Unlock()
		}
		return all
	}
	a.mu.Lock()
	a.deaf = true // a dies with what it has in its hands
	a.mu.Unlock()
	callers := 0
	for ; ; callers++ {
		busCaller(t, g).sees(fmt.Sprintf("Portail de paris-%d", callers+1))
		a.mu.Lock()
		some := len(a.arrivals)
		a.mu.Unlock()
		if some > 0 && callers > 2 {
			break
		}
	}
	callers++
	a.nats.Close()
	b.until("all arrivals", func() bool {
		got := slices.Clone(b.arrivals)
		slices.Sort(got)
		return len(slices.Compact(got)) == callers
	})
	if all := heard(); len(all) < callers {
		t.Error(all)
	}

	server.Kill()
	for late := time.Now().Add(patience); b.nats.IsConnected(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("the portal does not see that NATS is away")
		}
	}
	callers++
	last := fmt.Sprintf("paris-%d", callers)
	caller := busCaller(t, g)
	caller.sees("Portail de " + last)
	if wrong := b.orders(last, `{"do":"recall"}`); wrong == "" {
		t.Error("an order is taken without NATS")
	}
	ready, err := http.Get("http://" + g.doors["admin"] + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	ready.Body.Close()
	if ready.StatusCode != http.StatusOK {
		t.Error("without NATS the gateway wants no callers: ", ready.Status)
	}
	server.Start()
	b.until("the arrival meanwhile", func() bool { return slices.Contains(b.arrivals, last) })
	b.hears(last, "began", "", 1)
	b.obeyed(last, `{"do":"message","text":"Bonsoir"}`)
	caller.sees("Bonsoir")
}

// The portal in Python of doc/cluster.md works.
func TestPythonPortal(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../doc/cluster.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```python\n")
	text, _, found := strings.Cut(text, "```\n")
	python, err := exec.LookPath("python3")
	if err != nil || !found {
		t.Fatal("this test needs python3 (Debian: apt-get install python3), and the example: ", err, found)
	}
	script := filepath.Join(t.TempDir(), "portal.py")
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	server := natstest.New(t, "")
	services := make(chan net.Conn, 1)
	service := "tcp://" + serves(t, func(c net.Conn) {
		c.Write([]byte("\x0cService"))
		services <- c
		bufio.NewReader(c).ReadByte()
	})
	port := ports(t, 1)[0]
	_, number, _ := net.SplitHostPort(port)
	portal := exec.Command(python, script, strings.TrimPrefix(server.URL, "nats://"), number, service)
	var trouble bytes.Buffer
	portal.Stderr = &trouble
	out, err := portal.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := portal.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		portal.Process.Kill()
		portal.Wait()
	})
	said := bufio.NewScanner(out)
	if !said.Scan() || said.Text() != "ready" {
		portal.Wait()
		t.Fatal(said.Text(), &trouble)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "moip.toml"), fmt.Appendf(nil, "listen = ['tcp://127.0.0.1:0']\nlink = 'nats'\n[portal]\nurl = 'tcp://%s'\n[bans]\nfile = 'none'\n[shield]\nfile = 'none'\n"+
		"[cluster]\nnode = 'saint-malo'\nurl = ['%s']\n", port, server.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	g := runsIn(t, dir, "--config", "moip.toml")
	caller := busCaller(t, g)
	caller.sees("Portail. Tapez 1.")
	if !said.Scan() || !strings.Contains(said.Text(), `somebody has come: {"gateway":"saint-malo","call":1,`) {
		t.Error(said.Text())
	}
	for range 2 {
		caller.types("1")
		caller.sees("Service")
		(<-services).Close()
		caller.sees("Portail. Tapez 1.")
	}
}
