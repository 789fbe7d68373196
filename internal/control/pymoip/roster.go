package pymoip

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"moip/internal/session"
)

const (
	// The server is still told of a departure this long after it.
	departureLimit = time.Minute

	// An order for a call is not taken while this many messages about the
	// call wait for a server that does not read. As only an order brings
	// messages, and none brings more than five, this bounds the queue.
	waitingLimit = 8
)

var (
	errUnknown  = errors.New("no call has this PID")
	errNoPortal = errors.New("the call's portal connection has ended, and the session that gave the order with it")
	errUnread   = errors.New("the server does not read what it is told of this call")
)

// A roster knows the calls as the server does, and what it has yet to be told
// about them.
type roster struct {
	bell chan struct{} // one slot; rings when the queue has grown

	mu    sync.Mutex // never held while anything else is called
	up    bool
	since time.Time
	next  uint64 // PID
	calls map[session.ID]*call
	pids  map[uint64]*call // the same calls
	queue []message        // while down, bounded by what was known when the link was lost
}

// A call is one the server knows or shall know. The roster's lock guards what
// is not set once.
type call struct {
	id     session.ID     // set once
	pid    uint64         // set once
	caller session.Caller // set once

	portal  *portal   // the connection now in use, nil if there is none
	known   bool      // its arrival was delivered, on this link or a former one
	away    bool      // redirected, by whomever
	asked   string    // session number of the order before the board, if any
	visit   string    // while away: session number of the order that led there, if any
	waiting int       // messages in the queue
	gone    time.Time // zero while the call lasts
}

type message struct {
	kind   kind
	call   *call
	portal *portal // the call's when it was queued
	text   string  // empty for an arrival, composed when it leaves: open queues many at once
}

type kind int

const (
	arrival   kind = iota // New...User
	progress              // of an order: concerns one session of the server
	departure             // UserGone
)

func newRoster(now time.Time) *roster {
	return &roster{
		bell:  make(chan struct{}, 1),
		since: now,
		calls: make(map[session.ID]*call),
		pids:  make(map[uint64]*call),
	}
}

func (r *roster) event(e session.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Type == session.Began {
		r.arrive(e)
		return
	}
	c := r.calls[e.Call]
	if c == nil {
		return
	}
	switch e.Type {
	case session.Redirecting:
		// Without an order the redirection is an operator's, and not the
		// server's to know. (One that comes just while the board judges an
		// order is taken for the order's; the server then hears of that
		// visit, to its end.)
		c.away, c.visit, c.asked = true, c.asked, ""
		r.report(c, "UserRedirecting", c.visit)
	case session.Redirected:
		r.report(c, "UserRedirected", c.visit)
	case session.Returned:
		if e.Reason == session.ReasonFin {
			r.report(c, "UserRequestedClose", c.visit)
		}
		r.report(c, "UserRedirectEnded", c.visit)
		c.away = false
	case session.Ended:
		r.depart(c, e.At)
	}
}

// arrive gives a new call its PID. PIDs are small numbers from 0, as PyMoIP's.
func (r *roster) arrive(e session.Event) {
	c := &call{id: e.Call, pid: r.next, caller: e.Caller}
	r.next++
	r.calls[c.id] = c
	r.pids[c.pid] = c
	if r.up { // otherwise open announces it
		r.push(c, arrival, "")
	}
}

func (r *roster) depart(c *call, at time.Time) {
	delete(r.calls, c.id)
	delete(r.pids, c.pid)
	c.gone = at
	c.asked = ""
	if r.up || c.known {
		r.push(c, departure, fmt.Sprintf("UserGone,,,%d", c.pid))
	}
}

// report queues a state message for the server's session of that number. No
// number, no message: it is the number alone by which the server finds the
// session.
func (r *roster) report(c *call, state, number string) {
	if number != "" {
		r.push(c, progress, fmt.Sprintf("%s,,,%d,%s", state, c.pid, number))
	}
}

// take accepts an order for judgement. It returns the call it concerns, or
// says why there is nothing to judge.
func (r *roster) take(o order) (*call, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.pids[o.pid]
	switch {
	case c == nil:
		return nil, errUnknown
	case c.portal == nil:
		return nil, errNoPortal
	case c.waiting >= waitingLimit:
		return nil, errUnread
	}
	r.push(c, progress, fmt.Sprintf("UserGotCommand,,,%d,%s", c.pid, o.echo))
	c.asked = o.number
	return c, nil
}

// judged ends what take began. If the order was obeyed, the Redirecting event
// has taken its number; if the number is still here, the order was refused.
//
// Of a refusal the server hears by the states alone, as it knows no other
// answer. It has cleared the caller's field and stays in NO_REDIR. If the call
// is redirected already, silence is right: the visit will end, and that brings
// the page. If the call is at the portal, nothing would ever happen on its
// screen, so we tell of a visit that ended at once, as PyMoIP does of a bad
// URI, and the server shows the page again.
func (r *roster) judged(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	number := c.asked
	c.asked = ""
	if !c.away {
		r.report(c, "UserRedirecting", number)
		r.report(c, "UserRedirectEnded", number)
	}
}

// attach makes p the portal connection of its call.
func (r *roster) attach(p *portal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.calls[p.id]; c != nil {
		c.enter(p)
	}
}

// detach notes that p has ended.
func (r *roster) detach(p *portal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.calls[p.id]; c != nil && c.portal == p {
		c.enter(nil)
	}
}

// enter changes the portal connection. The server's session ended with the old
// one, and a server that was restarted has given its number to somebody else;
// so it is forgotten, and what is queued for it as good as dropped.
func (c *call) enter(p *portal) {
	c.portal = p
	c.asked, c.visit = "", ""
}

// introduction is the text that tells the portal whose connection it has. It
// reports false if the call is not there or the link is down: then the server
// could not order anything.
func (r *roster) introduction(id session.ID) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.calls[id]
	if c == nil || !r.up {
		return "", false
	}
	return c.details(), true
}

func (r *roster) state() (bool, time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.up, r.since
}

// open begins a new link: every call is announced, for the server may be a new
// one as well, and what the former link did not deliver follows.
func (r *roster) open(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.up, r.since = true, now
	undelivered := r.queue
	r.queue = nil
	for _, c := range slices.SortedFunc(maps.Values(r.calls), byPID) {
		r.push(c, arrival, "")
	}
	for _, m := range undelivered {
		if m.outlivesLink(now) {
			r.queue = append(r.queue, m)
		} else {
			m.call.waiting--
		}
	}
}

func byPID(a, b *call) int {
	return cmp.Compare(a.pid, b.pid)
}

func (r *roster) close(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.up, r.since = false, now
}

// outlivesLink says whether a message that one link did not deliver is for the
// next.
func (m message) outlivesLink(now time.Time) bool {
	switch m.kind {
	case progress:
		return m.call.gone.IsZero()
	case departure:
		return m.call.known && now.Sub(m.call.gone) < departureLimit
	}
	return false // calls are announced anew
}

func (r *roster) push(c *call, k kind, text string) {
	r.queue = append(r.queue, message{kind: k, call: c, portal: c.portal, text: text})
	c.waiting++
	select {
	case r.bell <- struct{}{}:
	default: // it rings already
	}
}

// head returns the first message that still has an addressee. It stays in the
// queue until delivered is called.
func (r *roster) head() (text string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue) > 0 {
		m := r.queue[0]
		switch {
		case m.kind == arrival:
			return m.call.announcement(), true
		case m.kind == departure, m.portal == m.call.portal:
			return m.text, true
		}
		r.pop()
	}
	return "", false
}

// delivered removes the message that head returned.
func (r *roster) delivered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.pop(); m.kind == arrival {
		m.call.known = true
	}
}

func (r *roster) pop() message {
	m := r.queue[0]
	r.queue[0] = message{}
	r.queue = r.queue[1:]
	if len(r.queue) == 0 {
		r.queue = nil // a quiet link holds no buffer
	}
	m.call.waiting--
	return m
}

// byWeb reports whether a caller comes by WebSocket. PyMoIP knows nothing of TLS.
func byWeb(c session.Caller) bool { return strings.HasPrefix(c.Transport, "ws") }

func (c *call) announcement() string {
	verb := "NewTelnetUser"
	if byWeb(c.caller) {
		verb = "NewWsUser"
	}
	return fmt.Sprintf("%s,%s,%d,%d", verb, c.host(), c.caller.Addr.Port(), c.pid)
}

func (c *call) details() string { return detailsOf(strconv.FormatUint(c.pid, 10), c.caller) }

// detailsOf is the text that tells the portal who has a connection.
func detailsOf(pid string, c session.Caller) string {
	access := "Telnet"
	if byWeb(c) {
		access = "WS"
	}
	return fmt.Sprintf("PID=%s,IP=%s,PORT=%d,Access=%s\n", pid, hostOf(c), c.Addr.Port(), access)
}

func (c *call) host() string { return hostOf(c.caller) }

// hostOf is the caller's address as PyMoIP writes it, without brackets or zone;
// empty for a caller who has none.
func hostOf(c session.Caller) string {
	addr := c.Addr.Addr()
	if !addr.IsValid() {
		return ""
	}
	return addr.Unmap().WithZone("").String()
}
