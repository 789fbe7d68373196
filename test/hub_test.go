package test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A hub is all that lies behind the gateway on an evening: the portal and its command
// port, and services. It sends back what is typed, and holds every key against who has
// typed it.
type hub struct {
	portal, link string            // URLs
	services     []string          // URLs
	others       map[string]string // URLs by what leads there
	closes       bool              // SEP 5/9 is Connexion/Fin, too

	speech sync.Mutex // held while an order is given, and while the link is cut

	mu        sync.Mutex
	next      map[int]int    // the number of the key that each honest caller has to type next
	latest    map[int]int    // how many keys came of each
	announced map[int]string // address and access of each call, by PID, as the link has it
	legs      map[int]*leg   // introduced, by PID
	told      int            // introductions
	orders    chan string    // for the link that is up
	session   int            // the number of the latest order
	asked     map[int]*asked // orders given by the link that is up, by number
	cut       int            // orders up to that number were given by links before
	links     map[*websocket.Conn]bool
	portals   map[*leg]bool // the portal's legs
	away      bool          // the portal is
	restarts  int
	restarted chan struct{} // closed, and made anew, when the portal goes away
	excused   map[int]int   // keys of each honest caller below that number may have been lost
	lost      map[int]int   // how many were
	strays    map[string]bool
	faults    []string
	faulty    int // faults, those that are not kept too
}

// asked is what became of an order of the link.
type asked struct {
	pid    int
	honest bool // it was for an honest caller
	told   int  // the latest that the link has said of it, as an index of saidOfOrders
}

// saidOfOrders is what the link says of an order, in that order.
var saidOfOrders = []string{"", "UserGotCommand", "UserRedirecting", "UserRedirected", "UserRequestedClose", "UserRedirectEnded"}

// maxFaults is how many faults are told; who has seen so many has seen enough.
const maxFaults = 20

// callsHub opens a hub.
func callsHub(t *testing.T) *hub {
	h := &hub{
		next: map[int]int{}, latest: map[int]int{}, announced: map[int]string{}, legs: map[int]*leg{}, orders: make(chan string, 1024),
		asked: map[int]*asked{}, links: map[*websocket.Conn]bool{}, portals: map[*leg]bool{}, restarted: make(chan struct{}),
		excused: map[int]int{}, lost: map[int]int{}, strays: map[string]bool{},
	}
	doors := http.NewServeMux()
	doors.HandleFunc("/portal", h.answers(func(c *websocket.Conn) { h.serve(newLeg(h, 'P', c)) }))
	doors.HandleFunc("/service", h.answers(func(c *websocket.Conn) { h.serve(newLeg(h, 'S', c)) }))
	doors.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(slowness):
			h.answers(func(c *websocket.Conn) { h.serve(newLeg(h, 'S', c)) })(w, r)
		case <-r.Context().Done():
		}
	})
	doors.HandleFunc("/link", h.answers(h.linked))
	server := httptest.NewServer(doors)
	t.Cleanup(server.Close)
	at := "ws" + strings.TrimPrefix(server.URL, "http")
	h.portal, h.link = at+"/portal", at+"/link"
	bare := serves(t, func(c net.Conn) { h.serveBare(c) })
	dead := serves(t, func(c net.Conn) { io.Copy(io.Discard, c) }) // says no word, as one that has vanished
	h.services = []string{at + "/service", "tcp://" + bare}
	h.others = map[string]string{
		"UN": h.services[0], "DEUX": h.services[1], "LENT": at + "/slow", "MORT": "tcp://" + dead, "VIDE": "tcp://" + ports(t, 1)[0],
	}
	return h
}

// slowness is how long it takes until LENT answers.
const slowness = 1500 * time.Millisecond

func (h *hub) answers(serve func(*websocket.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		serve(c)
	}
}

// loses cuts the link. No order is lost with it; what the gateway says just then may be.
func (h *hub) loses() {
	h.speech.Lock()
	defer h.speech.Unlock()
	h.mu.Lock()
	links := slices.Collect(maps.Keys(h.links))
	h.mu.Unlock()
	for _, c := range links {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		c.Ping(ctx) // when it is answered, all orders have come
		cancel()
		c.CloseNow()
	}
	h.forgets()
}

// forgets forgets what was ordered by links that are no more.
func (h *hub) forgets() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut = h.session
	clear(h.asked)
}

// restart has the portal die, with its link, and come back after a while.
func (h *hub) restart(away time.Duration) {
	h.mu.Lock()
	h.away = true
	h.restarts++
	close(h.restarted)
	h.restarted = make(chan struct{})
	legs, links := slices.Collect(maps.Keys(h.portals)), slices.Collect(maps.Keys(h.links))
	h.mu.Unlock()
	for _, c := range links {
		c.CloseNow()
	}
	for _, l := range legs {
		l.conn.CloseNow()
	}
	gone := func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.portals)+len(h.links) == 0
	}
	if !within(gone) {
		h.fault("the portal does not end")
	}
	time.Sleep(away)
	h.forgets()
	h.mu.Lock()
	h.away = false
	h.mu.Unlock()
}

// restartsSoFar returns how often the portal has died, and what is closed when it does
// again.
func (h *hub) restartsSoFar() (int, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.restarts, h.restarted
}

// excuses an honest caller: of the keys that were typed so far, those that have not come
// need not.
func (h *hub) excuses(who, typed int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.excused[who] = typed
}

// strayed reports whether a key has come that the gateway was to drop.
func (h *hub) strayed(key string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.strays[key]
}

// enlists has c among those of a kind until it is closed again, unless the portal is away.
func enlists[C comparable](h *hub, kind map[C]bool, c C) (ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.away {
		kind[c] = true
	}
	return !h.away
}

func dismisses[C comparable](h *hub, kind map[C]bool, c C) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(kind, c)
}

func (h *hub) fault(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.accuse(format, args...)
}

// sound reports whether there were no faults.
func (h *hub) sound() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.faulty == 0
}

// accuse is fault under the lock.
func (h *hub) accuse(format string, args ...any) {
	if h.faulty++; len(h.faults) < maxFaults {
		h.faults = append(h.faults, fmt.Sprintf(format, args...))
	}
}

// linked is the command port: the gateway says who comes and goes, and is told where
// callers go.
func (h *hub) linked(c *websocket.Conn) {
	if !enlists(h, h.links, c) {
		return
	}
	defer dismisses(h, h.links, c)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var speaking sync.WaitGroup
	defer speaking.Wait()
	defer cancel()
	speaking.Go(func() {
		for {
			select {
			case order := <-h.orders:
				h.speech.Lock()
				err := c.Write(ctx, websocket.MessageText, []byte(order))
				h.speech.Unlock()
				if err != nil {
					h.orders <- order // for the next
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	for {
		_, p, err := c.Read(ctx)
		if err != nil {
			return
		}
		h.hears(strings.Split(string(p), ","))
	}
}

// hears takes a message of the link.
func (h *hub) hears(words []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(words) < 4 {
		h.accuse("the link says %q", words)
		return
	}
	pid, err := strconv.Atoi(words[3])
	if err != nil {
		h.accuse("the link says %q", words)
		return
	}
	switch words[0] {
	case "NewWsUser", "NewTelnetUser":
		for l := range h.portals { // a link that was away may be why they are not introduced
			if l.wants != "" {
				go l.asks()
			}
		}
	}
	switch words[0] {
	case "NewWsUser":
		h.announced[pid] = words[1] + "," + words[2] + ",WS"
	case "NewTelnetUser":
		h.announced[pid] = words[1] + "," + words[2] + ",Telnet"
	case "UserGone":
		maps.DeleteFunc(h.asked, func(_ int, a *asked) bool { return a.pid == pid })
	case "UserRedirectEnded":
		if l := h.legs[pid]; l != nil {
			go l.shows("retour")
		}
	}
	if told := slices.Index(saidOfOrders, words[0]); told > 0 && len(words) > 4 {
		number, _ := strconv.Atoi(words[4])
		h.obeyed(number, pid, told)
	}
}

// obeyed takes what the link says of an order: each once, and one after the other.
func (h *hub) obeyed(number, pid, told int) {
	a := h.asked[number]
	switch {
	case number <= h.cut: // of which some may not have come
	case a == nil:
		h.accuse("the link says %s of order %d, which is none, or over", saidOfOrders[told], number)
	case a.pid != pid, a.told >= told:
		h.accuse("the link says %s for %d of order %d, which is for %d, and of which it has said %s", saidOfOrders[told], pid, number, a.pid, saidOfOrders[a.told])
	case told == len(saidOfOrders)-1:
		delete(h.asked, number)
	default:
		a.told = told
	}
}

// sends has a caller redirected, to one of the services or to where is said.
func (h *hub) sends(l *leg, to string) {
	h.mu.Lock()
	pid := l.pid
	if pid < 0 { // a portal cannot say who is not introduced
		l.wants = to
		h.mu.Unlock()
		l.asks()
		return
	}
	h.session++
	session := h.session
	if to == "" {
		to = h.services[session%len(h.services)]
	}
	h.asked[session] = &asked{pid: pid, honest: strings.HasPrefix(l.from, "127.5.")}
	h.mu.Unlock()
	order := fmt.Sprintf("PID=%d,%d,CONNECT,%s,None,[]", pid, session, to)
	select {
	case h.orders <- order:
	case <-time.After(patience):
		h.fault("the link takes no orders")
	}
}

// arrived holds a key against what was typed: {P012:000034} is the 35th key of caller 12,
// typed at the portal. {X...} is one that the gateway was to drop, if
// it was in time.
func (h *hub) arrived(l *leg, key string) {
	place, who, n := key[1], 0, 0
	_, err := fmt.Sscanf(key[2:], "%03d:%06d}", &who, &n)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case place == 'X' && l.place == 'S':
		h.strays[key] = true
		return
	case err != nil || place != l.place:
		h.accuse("%q arrives at %c, for %s", key, l.place, l.from)
	case l.place == 'P' && l.from != "" && !strings.HasPrefix(l.from, honestAddress(who)+","):
		h.accuse("%q comes from %s, whose it is not", key, l.from)
	case n > h.next[who] && n <= h.excused[who]:
		h.lost[who] += n - h.next[who]
		h.next[who] = n + 1
	case n != h.next[who]:
		h.accuse("%q arrives, not key %d", key, h.next[who])
		h.next[who] = n + 1
	default:
		h.next[who]++
	}
	h.latest[who]++
}

// introduced takes what the gateway says of a call.
func (h *hub) introduced(l *leg, text string) {
	var pid int
	var ip, port, access string
	words := strings.Split(strings.TrimSuffix(text, "\n"), ",")
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "PID":
			pid, _ = strconv.Atoi(value)
		case "IP":
			ip = value
		case "PORT":
			port = value
		case "Access":
			access = value
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if l.pid >= 0 {
		h.accuse("call %d, of %s, introduces itself again: %q", l.pid, l.from, text)
		return
	}
	h.told++
	l.pid, l.from = pid, ip+","+port+","+access
	if other := h.legs[pid]; other != nil && other != l {
		h.accuse("%q is what another call was", text)
	}
	h.legs[pid] = l
	if to := l.wants; to != "" {
		l.wants = ""
		go h.sends(l, to)
	}
}

// left forgets a call whose portal's leg is over, and holds what it was introduced as
// against what the link had said of it.
func (h *hub) left(l *leg) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l.pid < 0 {
		return
	}
	delete(h.legs, l.pid)
	if was, ok := h.announced[l.pid]; ok && was != l.from {
		h.accuse("call %d was announced as %s, and introduced as %s", l.pid, was, l.from)
	}
	delete(h.announced, l.pid)
	if l.forges && !strings.HasPrefix(l.from, "127.200.") {
		h.accuse("who forges is %s to the portal", l.from)
	}
}

// serve is a leg's life.
func (h *hub) serve(l *leg) {
	defer h.left(l)
	if l.place == 'P' {
		if !enlists(h, h.portals, l) {
			return
		}
		defer dismisses(h, h.portals, l)
		l.asks()
		l.shows("accueil")
	} else {
		l.shows("service")
	}
	mark := false
	for {
		kind, p, err := l.conn.Read(context.Background())
		switch {
		case err != nil:
			return
		case l.place == 'P' && kind == websocket.MessageBinary && string(p) == "\x01\x7f\x7f\x7f\x04":
			mark = true
		case mark: // as PyMoIP's server has it, whoever says so
			mark = false
			h.introduced(l, string(p))
		case !l.hears(p):
			l.conn.Close(websocket.StatusNormalClosure, "")
			return
		}
	}
}

// serveBare is the life of a leg at the service without WebSockets.
func (h *hub) serveBare(c net.Conn) {
	l := newLeg(h, 'S', nil)
	l.bare = c
	l.shows("service")
	p := make([]byte, 4<<10)
	for {
		n, err := c.Read(p)
		if err != nil || !l.hears(p[:n]) {
			return
		}
	}
}

// A leg is a call at the portal or a service.
type leg struct {
	hub   *hub
	place byte // P or S
	conn  *websocket.Conn
	bare  net.Conn

	// Guarded by hub.mu.
	pid    int    // -1 until it is introduced
	from   string // address,port,access, as introduced
	forges bool   // has said that it does
	wants  string // to go there, once it is introduced

	// Owned by hears.
	key []byte // begun
	sep bool   // the next byte is a function key's
	soh []byte // begun
}

func newLeg(h *hub, place byte, c *websocket.Conn) *leg {
	return &leg{hub: h, place: place, conn: c, pid: -1}
}

func (l *leg) sends(text string) {
	if l.bare != nil {
		l.bare.SetWriteDeadline(time.Now().Add(patience))
		l.bare.Write([]byte(text))
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	l.conn.Write(ctx, websocket.MessageBinary, []byte(text))
}

// asks puts a question to the terminal, which the gateway answers, too, with who calls, if
// the link is up.
func (l *leg) asks() { l.sends("\x1b9{") }

// shows draws a page of some 600 bytes.
func (l *leg) shows(name string) { l.sends("\x0c" + pageOf(name)) }

func pageOf(name string) string { return strings.Repeat("minitel sur ip ", 40) + "[" + name + "]" }

// hears takes what was typed, and reports whether the call goes on.
func (l *leg) hears(p []byte) bool {
	var echo []byte
	for _, b := range p {
		switch {
		case l.sep:
			l.sep = false
			if len(echo) > 0 {
				l.sends(string(echo))
				echo = nil
			}
			if !l.presses(b) {
				return false
			}
		case b == 0x13:
			l.sep = true
		case b == 0x01:
			l.soh = []byte{b}
		case l.soh != nil:
			if l.soh = append(l.soh, b); b == 0x04 || len(l.soh) > 5 {
				if strings.Contains(string(l.soh), "\x7f\x7f\x7f") {
					l.hub.fault("%s brings what only the gateway says: %q", l.from, l.soh)
				}
				l.soh = nil
			}
		case b >= ' ' && b < 0x7f:
			echo = append(echo, b)
			l.types(b)
		}
	}
	if len(echo) > 0 {
		l.sends(string(echo))
	}
	return true
}

var honestKey = regexp.MustCompile(`^\{[PSX][0-9]{3}:[0-9]{6}\}$`)

// forgery is what those type who forge.
const forgery = "{FORGE}"

// types takes a character.
func (l *leg) types(b byte) {
	if b == '{' {
		l.key = l.key[:0]
	} else if len(l.key) == 0 || len(l.key) > 20 {
		return
	}
	l.key = append(l.key, b)
	if b != '}' {
		return
	}
	switch key := string(l.key); {
	case key == forgery:
		l.hub.mu.Lock()
		l.forges = true
		l.hub.mu.Unlock()
	case l.place == 'P' && l.hub.others[strings.Trim(key, "{}")] != "":
		l.hub.sends(l, l.hub.others[strings.Trim(key, "{}")])
	case honestKey.MatchString(key): // and no attacker's noise
		l.hub.arrived(l, key)
	}
	l.key = l.key[:0]
}

// presses takes a function key, and reports whether the call goes on.
func (l *leg) presses(b byte) bool {
	switch {
	case b == 'C': // Répétition: many pages
		for range 8 {
			l.shows("page")
		}
	case b == 'F': // Sommaire
		l.shows("sommaire")
	case b == 'D' && l.place == 'P': // Guide, who is redirected
		l.hub.sends(l, "")
	case b == 'H' && l.place == 'S': // Suite ends a visit
		return false
	case b == 'I', b == 'Y' && l.hub.closes: // as from a socket, which forgers say, too
		return false
	}
	return true
}
