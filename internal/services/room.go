package services

import (
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"moip/minitel"
	"moip/videotex"
)

const (
	maxMembers = 100
	maxKept    = 50 // messages
	burst      = 4  // messages at once, then one a second
	absent     = 30 * time.Minute
)

// A refusal is why a caller cannot join, or not say that now, in the caller's
// words.
type refusal string

const (
	errName  refusal = "De 2 à 12 lettres, chiffres ou tirets"
	errTaken refusal = "Pseudo déjà pris"
	errFull  refusal = "Le salon est complet"
	errFlood refusal = "Pas si vite !"
)

func (r refusal) Error() string { return string(r) }

// A room is where the callers of SALON meet. It keeps the last messages, and who
// reads them knows how many they have read: nobody waits for anybody.
type room struct {
	mu      sync.Mutex
	members map[string]*member // by look
	kept    []message          // the last of all
	total   int                // messages ever
	news    allowance          // of arrivals and departures
}

// A message was said, or is news of the room if by is empty.
type message struct {
	by, text string
}

// A member is a caller in the room. All but name, since and terminal belong to
// the room.
type member struct {
	name     string
	since    time.Time
	terminal *minitel.Terminal

	heard time.Time // when they last said something
	says  allowance
}

// An allowance is for burst messages at once, then one a second. The zero
// allowance is full.
type allowance struct {
	left float64
	at   time.Time
}

// take takes one message from it, if there is one left.
func (a *allowance) take(now time.Time) bool {
	left := min(burst, a.left+now.Sub(a.at).Seconds())
	if left < 1 {
		return false
	}
	a.left, a.at = left-1, now
	return true
}

func newRoom() *room { return &room{members: map[string]*member{}} }

// join lets a caller in.
func (r *room) join(name string, t *minitel.Terminal) (*member, error) {
	if !isName(name) {
		return nil, errName
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members[look(name)] != nil {
		return nil, errTaken
	}
	if len(r.members) == maxMembers {
		return nil, errFull
	}
	now := time.Now()
	m := &member{name: name, since: now, terminal: t, heard: now}
	r.members[look(name)] = m
	r.tell("* "+name+" arrive", now)
	return m, nil
}

// leave ends a member's stay. It does not block, and may be called again.
func (r *room) leave(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members[look(m.name)] == m {
		delete(r.members, look(m.name))
		r.tell("* "+m.name+" s'en va", time.Now())
	}
}

// say tells all members what m says, and returns its number, or that it is too
// much.
func (r *room) say(m *member, text string) (number int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if !m.says.take(now) {
		return 0, errFlood
	}
	m.heard = now
	r.add(message{m.name, text})
	return r.total, nil
}

// tell adds a piece of news, unless somebody makes too much of it: then members
// only see who is there. It is called with the lock held.
func (r *room) tell(text string, now time.Time) {
	if r.news.take(now) {
		r.add(message{text: text})
	} else {
		r.notify()
	}
}

// add is called with the lock held.
func (r *room) add(m message) {
	if len(r.kept) == maxKept {
		r.kept = r.kept[1:]
	}
	r.kept = append(r.kept, m)
	r.total++
	r.notify()
}

func (r *room) notify() {
	for _, m := range r.members {
		m.terminal.Notify()
	}
}

// after returns up to n messages after the first read, how many there were
// before them that are not kept any more, and how many have been read then.
func (r *room) after(read, n int) (messages []message, missed, now int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.total - len(r.kept)
	missed = max(0, first-read)
	read += missed
	n = min(n, r.total-read)
	messages = r.kept[read-first:][:n]
	return slices.Clone(messages), missed, read + n
}

// last returns all messages that are kept, and how many there ever were.
func (r *room) last() ([]message, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.kept), r.total
}

// A presence says who is there, since when, and whether they have been silent
// for long.
type presence struct {
	name   string
	since  time.Time
	absent bool
}

// present lists the members, the first to come first.
func (r *room) present() []presence {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]presence, 0, len(r.members))
	for _, m := range r.members {
		all = append(all, presence{m.name, m.since, time.Since(m.heard) >= absent})
	}
	slices.SortFunc(all, func(a, b presence) int {
		if c := a.since.Compare(b.since); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	return all
}

// isName reports whether a caller may go by name.
func isName(name string) bool {
	if n := utf8.RuneCountInString(name); n < 2 || n > 12 || len(look(name)) < 2 {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && (!unicode.In(r, unicode.Latin, unicode.Nd) || videotex.Encode(string(r))[0] == '?')
	})
}

// look is what names have in common that people would take for each other on a
// Minitel: capitals, accents and hyphens do not count, and 0 is o, 1 and i are l.
func look(name string) string {
	var b strings.Builder
	for _, c := range name {
		shown := videotex.Encode(strings.ToLower(string(c)))
		switch c := shown[len(shown)-1]; c {
		case '-':
		case '0':
			b.WriteByte('o')
		case '1', 'i':
			b.WriteByte('l')
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
