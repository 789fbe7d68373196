package recording

import (
	"slices"
	"time"

	"moip/videotex"
)

// Keys says which of the characters that people type are recorded. Those that are
// not are recorded as asterisks. Function keys always are, and what a terminal
// answers by itself.
type Keys string

const (
	KeysAll   Keys = "all"
	KeysShown Keys = "shown" // those that the screen then shows where they are typed
	KeysNone  Keys = "none"
)

const (
	// maxHold is how long a character waits to be shown.
	maxHold = 2 * time.Second
	// maxHeld bounds what waits behind it, and maxWaiting how many characters
	// wait: a paste is not typed by anybody.
	maxHeld    = 256 << 10
	maxWaiting = 200
)

// A moment is an event of a recording, and when it was.
type moment struct {
	at   time.Duration
	kind Kind
	data []byte
	mask []*char // the characters in it that may be hidden, in order
	open int     // how many of those wait
}

// A char is a character on its way from the keyboard to the screen.
type char struct {
	of          *moment
	from, to    int  // in its data
	code        rune // 0 if it is none that can be shown
	field       *field
	row, column int // where it is to be shown
	state       state
}

type state int8

const (
	waits   state = iota
	matches       // it was shown, but others of its field must be too
	shows
	hides
)

// A field is what is typed between two function keys. Fields show what is typed or
// they do not: once a character is hidden, all that follow are.
type field struct {
	chars  []*char // that wait or match
	ended  bool    // by a function key
	hidden bool
}

// A mask takes the moments of a call as they were, and gives them to out, in their
// order, as they are to be recorded.
//
// A character counts as shown if the output behind it shows that very character
// where the cursor was when it was typed, and does so visibly. What is drawn
// elsewhere says nothing: it may be anything. Nor does a page that is drawn after
// the field has ended, unless it shows all of what waits.
//
// Where the service echoes what is typed but hides it, in a masked zone or in the
// colour of the paper, the output has the password. It is hidden there as well, until
// the service shows what is typed or clears the screen.
type mask struct {
	keys Keys
	out  func(moment)

	reader  videotex.KeyReader
	partial []*char // in the head of a key
	typing  *field
	ended   []*field // whose characters wait
	held    []*moment
	size    int // bytes of held
	open    int // characters that wait

	// What the terminal shows, where Keys are shown.
	screen *videotex.Screen
	parser videotex.Parser
	secret map[rune]bool // was typed and hidden, and may be drawn where nobody sees it
}

func newMask(keys Keys, out func(moment)) *mask {
	m := &mask{keys: keys, out: out, typing: &field{}, secret: map[rune]bool{}}
	if keys == KeysShown {
		m.screen = videotex.NewScreen()
	}
	return m
}

// take takes the next moment, whose data are lent.
func (m *mask) take(next moment) {
	m.expire(next.at)
	if m.keys == KeysAll || len(m.held) == 0 && len(m.secret) == 0 && next.kind != Input {
		m.watch(next.data, next.kind)
		m.out(next)
		return
	}
	m.hold(next)
}

// hold is take for a moment that waits, or may.
func (m *mask) hold(next moment) {
	held := &moment{at: next.at, kind: next.kind, data: append([]byte(nil), next.data...)}
	m.held = append(m.held, held)
	m.size += len(held.data)
	switch next.kind {
	case Input:
		m.typed(held)
	case Output:
		m.shown(held)
	}
	if m.size > maxHeld {
		m.hideAll(m.held)
	}
	m.release()
}

// waiting reports whether something is held back.
func (m *mask) waiting() bool { return len(m.held) > 0 }

// expire hides what has not been shown by now.
func (m *mask) expire(now time.Duration) {
	for len(m.held) > 0 && now-m.held[0].at >= maxHold {
		m.hideAll(m.held[:1])
		m.release()
	}
}

// end hides what waits, and lets all go.
func (m *mask) end() {
	m.hideAll(m.held)
	m.release()
}

func (m *mask) hideAll(held []*moment) {
	for _, h := range held {
		for _, c := range h.mask {
			m.hide(c)
		}
	}
}

// release lets go what waits for nothing.
func (m *mask) release() {
	n := 0
	for n < len(m.held) && m.held[n].open == 0 {
		m.size -= len(m.held[n].data)
		m.out(m.held[n].masked())
		n++
	}
	if n == len(m.held) {
		m.held, m.ended = nil, nil
		return
	}
	m.held = m.held[n:]
	m.ended = slices.DeleteFunc(m.ended, func(f *field) bool { return len(f.chars) == 0 })
}

// masked returns the moment with asterisks for what is hidden.
func (h *moment) masked() moment {
	p := make([]byte, 0, len(h.data))
	at := 0
	for _, c := range h.mask {
		if c.state == hides {
			p = append(append(p, h.data[at:c.from]...), '*')
			at = c.to
		}
	}
	return moment{at: h.at, kind: h.kind, data: append(p, h.data[at:]...)}
}

// typed finds the characters in a moment of input.
func (m *mask) typed(h *moment) {
	for rest := h.data; ; {
		key, after := m.reader.Next(rest)
		if key == nil {
			break
		}
		end := len(h.data) - len(after)
		m.key(h, key, max(end-len(key), 0), end)
		rest = after
	}
	// The head of a key may turn out to be none.
	m.partial = append(m.partial, m.chars(h, max(len(h.data)-len(m.reader.Held()), 0), len(h.data))...)
}

// key takes a key that ends in h, where it has the bytes between from and to.
func (m *mask) key(h *moment, key []byte, from, to int) {
	known := videotex.AnswerOf(key) != 0 || key[0] != videotex.SOH
	for _, c := range m.partial {
		if known && key[0] != videotex.SS2 {
			m.decide(c, shows)
		} else {
			m.hide(c)
		}
	}
	m.partial = nil
	switch {
	case key[0] >= 0x20: // a run of characters
		for _, c := range m.chars(h, from, to) {
			m.await(c)
		}
	case key[0] == videotex.SS2 && len(key) > 1:
		if from < to { // what came before, and was cut short, is hidden above
			m.await(m.add(h, from, to, videotex.Decode(key)))
		}
	case known:
		if videotex.AnswerOf(key) == 0 {
			m.endField()
		}
	default: // the head of an identification, and what follows
		for _, c := range m.chars(h, from, to) {
			m.hide(c)
		}
	}
}

// chars returns the bytes of h between from and to that may be characters.
func (m *mask) chars(h *moment, from, to int) (all []*char) {
	for i := from; i < to; i++ {
		if h.data[i] >= 0x20 {
			all = append(all, m.add(h, i, i+1, rune(h.data[i]&0x7F)))
		}
	}
	return all
}

// add returns a char for what h has between from and to.
func (m *mask) add(h *moment, from, to int, code rune) *char {
	c := &char{of: h, from: from, to: to, code: code}
	h.mask = append(h.mask, c)
	h.open++
	m.open++
	return c
}

// await has a character that was typed wait to be shown, if it may be.
func (m *mask) await(c *char) {
	f := m.typing
	if m.screen == nil || f.hidden || c.code == 0 || m.open > maxWaiting {
		f.hidden = true
		m.hide(c)
		return
	}
	c.field = f
	c.row, c.column, _ = m.screen.Cursor()
	if n := len(f.chars); n > 0 {
		c.row, c.column = f.chars[n-1].row, f.chars[n-1].column+1
		if c.column > m.screen.Columns() {
			c.row, c.column = c.row+1, 1
		}
	}
	f.chars = append(f.chars, c)
}

// endField is told of a key that is no character.
func (m *mask) endField() {
	f := m.typing
	f.ended = true
	if len(f.chars) > 0 {
		m.ended = append(m.ended, f)
	}
	m.typing = &field{}
}

// decide says what becomes of a character. It reports false if that has been said.
func (m *mask) decide(c *char, s state) bool {
	if c.state >= shows {
		return false
	}
	c.state = s
	c.of.open--
	m.open--
	return true
}

// hide hides a character, and all that waits in its field.
func (m *mask) hide(c *char) {
	if !m.decide(c, hides) {
		return
	}
	if m.screen != nil && c.code != 0 {
		m.secret[c.code] = true
	}
	if f := c.field; f != nil && !f.hidden {
		f.hidden = true
		for _, other := range f.chars {
			m.hide(other)
		}
		f.chars = nil
	}
}

// watch follows output for which nobody waits.
func (m *mask) watch(p []byte, k Kind) {
	if k != Output || m.screen == nil {
		return
	}
	for _, b := range p {
		m.parser.Step(b)
	}
	m.draw(p)
}

func (m *mask) draw(p []byte) {
	m.screen.Write(p)
	m.screen.Replies() // are the caller's to give
}

// shown looks for characters in a moment of output.
func (m *mask) shown(h *moment) {
	if m.screen == nil {
		return
	}
	begun := 0
	for i, b := range h.data {
		mosaics := m.parser.Mosaics()
		q := m.parser.Step(b)
		if len(q) == 0 {
			continue
		}
		code, n := drawn(q)
		if mosaics {
			code = 0
		}
		row, column, _ := m.screen.Cursor()
		m.draw(h.data[begun : i+1])
		if q[0] == videotex.FF {
			m.hideAll(m.held)
			clear(m.secret)
		}
		if r, c, _ := m.screen.Cursor(); r == row && c == column {
			n = 0 // it was not drawn, but is of a set that is loaded, say
		}
		for ; n > 0; n-- {
			m.settle(row, column, code)
			if m.secret[code] && !m.visible(row, column) {
				m.hide(m.add(h, begun, i+1, 0))
			}
			column++
		}
		begun = i + 1
	}
	m.draw(h.data[begun:])
}

// drawn returns the character that a sequence draws, 0 if it may be any, and on how
// many places.
func drawn(q []byte) (code rune, places int) {
	switch {
	case q[0] >= 0x20:
		return rune(q[0]), 1
	case q[0] == videotex.SS2 && len(q) > 1:
		return videotex.Decode(q), 1
	case q[0] == videotex.SYN, q[0] == videotex.SUB:
		return 0, 1
	case q[0] == videotex.REP && len(q) > 1:
		return 0, int(q[1] & 0x3F)
	}
	return 0, 0
}

// settle decides about the characters that wait for what is drawn at a place.
func (m *mask) settle(row, column int, code rune) {
	for _, f := range append([]*field{m.typing}, m.ended...) {
		for _, c := range f.chars {
			if c.state != waits || c.row != row || c.column != column {
				continue
			}
			if c.code == code && m.visible(row, column) {
				m.match(f, c)
				clear(m.secret)
			} else {
				m.hide(c)
			}
			break
		}
	}
}

// visible reports whether the text at a place can be read.
func (m *mask) visible(row, column int) bool {
	c := m.screen.Cell(row, column)
	if c.Set == videotex.Delimiter {
		return true // a space is one whatever it looks like
	}
	return (c.Set == videotex.G0 || c.Set == videotex.G2) && c.Attr&videotex.Masked == 0 && (c.Ink != c.Paper || c.Code == ' ')
}

// match notes that c is shown. In a field that has ended all that waits must be.
func (m *mask) match(f *field, c *char) {
	c.state = matches
	if f.ended && slices.ContainsFunc(f.chars, func(c *char) bool { return c.state == waits }) {
		return
	}
	for _, c := range f.chars {
		if c.state == matches {
			m.decide(c, shows)
		}
	}
	f.chars = slices.DeleteFunc(f.chars, func(c *char) bool { return c.state == shows })
}
