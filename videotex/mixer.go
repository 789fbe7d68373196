package videotex

import (
	"slices"
	"strings"
	"sync"
)

// A Mixer puts two streams on one terminal: a main one, which may change hands
// in the course of a call, and articles, short messages on row 00. The screen
// ends up as if the articles had never been, but for row 00.
//
// It keeps four rules. Only whole sequences leave it, so that a stream that
// ends in the middle of one does no harm. An article goes out only where the
// terminal is at rest, and only the newest. When the main stream changes hands,
// the terminal is brought to rest first. And the first REP after an article is
// spelled out, since it would repeat a character of the article.
//
// If the owner of the main stream leaves it to others to show what is typed, an
// echo is let in where it would have been, by the same rules.
//
// The zero Mixer is ready for use. It is not safe for concurrent use.
type Mixer struct {
	// Asked, if set, is told of each question as it leaves for the terminal,
	// with the owner of the stream that put it.
	Asked func(by any, q Answer)

	// Ordered, if set, is told of each order to the protocol layer as it leaves.
	Ordered func(order []byte)

	queue   *[]byte // main stream; from a pool, nil while there is none
	sent    int     // how much of queue has been sent
	parts   []part  // whose the queue is, in order; the last may still grow
	echo    []byte  // what waits to be let in, see part
	parser  Parser  // follows what was sent
	fades   bool    // the badge is blanks, and there for one article more
	spell   bool    // an article or an echo has gone out since glyph was shown
	article []byte  // the newest, nil once sent
	badge   string  // behind each article, see Badge
	glyph   []byte  // the character REP repeats, as it was sent
}

// A part is a run of the queue with one owner.
type part struct {
	by   any
	n    int
	echo int // bytes of the echo to go out first; if any, the part before is of the same owner
}

const (
	maxUnit = 64      // held back for want of the end of a sequence
	maxEcho = 1 << 10 // to let in
)

var queues = sync.Pool{New: func() any { p := make([]byte, 0, 4<<10); return &p }}

// Write queues p, which comes from by.
func (m *Mixer) Write(by any, p []byte) {
	if m.queue == nil {
		m.queue = queues.Get().(*[]byte)
	}
	m.last(by).n += len(p)
	*m.queue = append((*m.queue)[:copy(*m.queue, m.waiting())], p...)
	m.sent = 0
}

// Echo lets p, a character as it was typed, or CR LF, into the stream that comes
// from by: behind what was written so far, and behind the end of a sequence that
// this leaves open. While 1 KiB waits to be let in, what is typed more is not.
func (m *Mixer) Echo(by any, p []byte) {
	if len(m.echo)+len(p) > maxEcho {
		return
	}
	last := m.last(by)
	if last.echo == 0 || last.n > 0 {
		m.parts = append(m.parts, part{by: by})
		last = m.last(by)
	}
	last.echo += len(p)
	m.echo = append(m.echo, p...)
}

// last returns the last part, which is by's.
func (m *Mixer) last(by any) *part {
	if n := len(m.parts); n == 0 || m.parts[n-1].by != by {
		m.Switch(by)
	}
	return &m.parts[len(m.parts)-1]
}

// Switch gives the main stream to by, once all that waits has been sent. The
// head of a sequence that its former owner has not finished is dropped.
func (m *Mixer) Switch(by any) { m.parts = append(m.parts, part{by: by}) }

// Discard forgets what waits of the main stream, and its echo.
func (m *Mixer) Discard() {
	if n := len(m.parts); n > 0 {
		m.parts = append(m.parts[:0], part{by: m.parts[n-1].by})
	}
	m.echo = nil
	m.release()
}

func (m *Mixer) release() {
	if m.queue != nil && cap(*m.queue) <= 8<<10 {
		*m.queue = (*m.queue)[:0]
		queues.Put(m.queue)
	}
	m.queue, m.sent = nil, 0
}

// Article sets the article to send next; see the function Article for its
// form. It replaces one that is not yet sent: a slow terminal shows the
// current cost, not the history of it. It ends with LF. The Mixer keeps a.
func (m *Mixer) Article(a []byte) { m.article = a }

// Badge has text stand in inverse video at the end of row 00, up to column 36: at
// once, and over whatever an article or the stream has there from now on. An empty
// text takes it away. It has letters and digits alone.
func (m *Mixer) Badge(text string) {
	if m.fades = text == ""; m.fades {
		text = strings.Repeat(" ", len(m.badge))
	}
	m.badge = text
	if m.article == nil && text != "" {
		m.article = []byte{US, 0x40, 0x41, LF}
	}
}

// badged returns an article with the badge.
func (m *Mixer) badged(a []byte) []byte {
	p := Page(slices.Clip(a[:len(a)-1])).At(0, 37-len(m.badge))
	if !m.fades {
		p = p.Attr(Inverse)
	}
	return append(append(p, m.badge...), LF)
}

// Size returns how many bytes of the main stream wait.
func (m *Mixer) Size() int { return len(m.waiting()) }

// Waits reports whether something of the main stream waits that comes from by.
func (m *Mixer) Waits(by any) bool {
	return slices.ContainsFunc(m.parts, func(p part) bool { return p.by == by && p.n > 0 })
}

// waiting returns what of the main stream has not been sent.
func (m *Mixer) waiting() []byte {
	if m.queue == nil {
		return nil
	}
	return (*m.queue)[m.sent:]
}

// Next appends to dst what is to be sent next, and forgets it: whole sequences,
// of about n bytes or the first that is longer. It appends nothing if there is
// nothing to send, or nothing whole.
func (m *Mixer) Next(dst []byte, n int) []byte {
fill:
	for end := len(dst) + n; len(dst) < end; {
		if m.articleDue() {
			dst = m.sendArticle(dst)
			continue
		}
		if len(m.parts) == 0 {
			break
		}
		if n := m.pass(end - len(dst)); n > 0 {
			dst = append(dst, m.waiting()[:n]...)
			m.sent += n
			m.parts[0].n -= n
			continue
		}
		u := m.unit()
		switch p := &m.parts[0]; {
		case u > 0:
			dst = m.take(dst, m.waiting()[:u], p.by)
			m.sent += u
			p.n -= u
		case len(m.parts) > 1 && m.parts[1].echo > 0:
			var due bool
			if dst, due = m.letIn(dst); !due {
				break fill
			}
		case len(m.parts) > 1: // the owner has changed
			m.sent += p.n
			dst = m.parser.Rest(dst)
			m.parts = append(m.parts[:0], m.parts[1:]...)
		default:
			break fill
		}
	}
	if m.Size() == 0 {
		m.release()
	}
	return dst
}

// articleDue reports whether there is an article, and now is the time for it.
func (m *Mixer) articleDue() bool { return m.article != nil && m.parser.AtRest() }

// pass returns how much of the queue is to be sent as it is, and clear at a
// glance, as most is: of about most bytes, up to what asks for something, or an
// article. It notes what that does.
func (m *Mixer) pass(most int) int {
	q := m.waiting()[:m.parts[0].n]
	sent := 0
	for sent < min(most, len(q)) && !m.articleDue() {
		if n := m.parser.run(q[sent:min(most, len(q))]); n > 0 {
			sent += n
			m.shows(q[sent-1 : sent])
			continue
		}
		n := m.parser.glance(q[sent:])
		if n == 0 || q[sent] == ENQ || q[sent] == REP && m.spell {
			break
		}
		s, row0 := q[sent:sent+n], m.parser.Row0()
		m.parser.obey(s)
		m.leaves(row0)
		m.shows(s)
		sent += n
	}
	return sent
}

// leaves has the badge shown again if the stream, which was on row 00, has left it.
func (m *Mixer) leaves(row0 bool) {
	if row0 && !m.parser.Row0() && m.badge != "" && !m.fades {
		m.Badge(m.badge) // which may be written over
	}
}

// shows notes the character that the sequence s has shown, if it has shown one
// that REP repeats.
func (m *Mixer) shows(s []byte) {
	switch c := s[0] & 0x7F; {
	case m.parser.iso(): // knows no REP, nor does REP know what is shown there
	case c >= 0x20, c == SUB:
		m.glyph, m.spell = append(m.glyph[:0], c), false
	case (c == SS2 || c == SYN) && len(s) > 1:
		m.glyph, m.spell = append(m.glyph[:0], s...), false
	}
}

// sendArticle appends the article, with the badge if there is one.
func (m *Mixer) sendArticle(dst []byte) []byte {
	a := m.article
	if m.badge != "" {
		a = m.badged(a)
	}
	if m.fades {
		m.badge, m.fades = "", false
	}
	m.follow(a)
	m.article, m.spell = nil, true
	return append(dst, a...)
}

// unit returns the length of the shortest run of whole sequences at the head
// of the queue, 0 if there is none.
func (m *Mixer) unit() int {
	q := m.waiting()[:m.parts[0].n]
	ahead := m.parser
	for i, b := range q {
		ahead.Step(b)
		if ahead.Between() || i+1 == maxUnit {
			return i + 1
		}
	}
	return 0
}

// letIn appends the first character of the echo that stands between the first
// two parts, if the terminal is at rest, in whichever standard. If not, it puts
// the echo off behind the next byte of its stream. It reports false if that has
// not come.
func (m *Mixer) letIn(dst []byte) ([]byte, bool) {
	before, after := &m.parts[0], &m.parts[1]
	switch {
	case before.n == 0 && m.parser.free():
		n := 1
		for m.parser.Step(m.echo[0]); n < after.echo && !m.parser.Between(); n++ {
			m.parser.Step(m.echo[n])
		}
		dst = append(dst, m.echo[:n]...)
		m.echo, m.spell = m.echo[n:], true
		if after.echo -= n; after.echo == 0 {
			m.parts = slices.Delete(m.parts, 0, 1)
		}
	case after.n > 0:
		before.n++
		after.n--
	case len(m.parts) == 2:
		return dst, false
	default:
		if next := &m.parts[2]; next.echo > 0 {
			next.echo += after.echo
		} else { // the owner has changed
			m.echo = m.echo[after.echo:]
		}
		m.parts = slices.Delete(m.parts, 1, 2)
	}
	return dst, true
}

// take appends the unit u to dst and notes what it does. After an article it
// goes sequence by sequence, for the first REP to be spelled out.
func (m *Mixer) take(dst, u []byte, by any) []byte {
	whole := !m.spell || len(u) == maxUnit
	if whole {
		dst = append(dst, u...)
	}
	begun := 0
	for i, b := range u {
		shown, row0 := m.parser.region == open, m.parser.Row0()
		s := m.parser.Step(b)
		m.leaves(row0)
		if len(s) == 0 {
			continue
		}
		asSent := u[begun : i+1] // with what s lacks: parity, padding, what was abandoned
		begun = i + 1
		if q := Question(s); q != 0 && m.Asked != nil {
			m.Asked(by, q)
		}
		if m.Ordered != nil && len(s) > 2 && s[0] == ESC && s[1] >= 0x39 && s[1] <= 0x3B {
			m.Ordered(s)
		}
		switch {
		case !shown:
		case !whole && s[0] == REP && m.spell && !m.parser.iso():
			dst = m.repeat(dst, s[1])
			continue
		default:
			m.shows(s)
		}
		if !whole {
			if !m.parser.Between() && asSent[0]&0x7F == REP { // s is within it
				asSent = asSent[1:]
			}
			dst = append(dst, asSent...)
		}
	}
	if !whole {
		dst = append(dst, u[begun:]...)
	}
	return dst
}

// repeat appends the character to repeat as often as REP n says.
func (m *Mixer) repeat(dst []byte, n byte) []byte {
	if n <= 0x40 || len(m.glyph) == 0 { // none at all, or nothing was ever shown
		return dst
	}
	accented := m.parser.Mosaics() && len(m.glyph) > 1 // no SS2 in mosaics
	if accented {
		dst = append(dst, SI)
	}
	for range n - 0x40 {
		dst = append(dst, m.glyph...)
	}
	if accented {
		dst = append(dst, SO)
	}
	m.spell = false
	return dst
}

// follow notes what an article does to the terminal.
func (m *Mixer) follow(a []byte) {
	for _, b := range a {
		m.parser.Step(b)
	}
}
