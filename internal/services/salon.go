package services

import (
	"fmt"
	"math"
	"strings"
	"time"

	"moip/minitel"
	"moip/videotex"
)

// An entrance asks callers by which name they will go.
type entrance struct {
	room *room
	name minitel.Field
}

func newEntrance(r *room) *entrance {
	return &entrance{room: r, name: minitel.Field{Row: 10, Column: 17, Length: 12}}
}

func (e *entrance) Draw(t *minitel.Terminal) {
	title(t, videotex.Cyan, "SALON", "on y cause")
	t.At(7, 2).Text(count(len(e.room.present())) + " en ce moment.")
	t.At(10, 2).Text("Votre pseudo :").At(10, 30).Attr(videotex.Inverse).Text(" Envoi ")
	t.At(15, 2).Text("Ce que vous écrivez est lu de tous,")
	t.At(16, 2).Text("et n'est gardé nulle part.")
	keys(t, "Sommaire", "quitter")
	e.name.Draw(t)
}

func count(n int) string {
	switch n {
	case 0:
		return "Personne"
	case 1:
		return "1 présent"
	}
	return fmt.Sprintf("%d présents", n)
}

func (e *entrance) Key(t *minitel.Terminal, k minitel.Key) {
	switch {
	case k == minitel.Envoi:
		e.enter(t)
	case k == minitel.Retour:
		t.Hangup()
	case !e.name.Key(t, k):
		others(t, k)
	}
}

func (e *entrance) enter(t *minitel.Terminal) {
	m, err := e.room.join(strings.TrimSpace(e.name.String()), t)
	if err != nil {
		t.Line(12, 2, err.Error())
		e.name.Focus(t)
		return
	}
	t.AtEnd(func() { e.room.leave(m) })
	t.Show(&chat{room: e.room, me: m, text: minitel.Field{Row: textRow, Column: 2, Length: 38, Fill: ' '}})
}

// A chat shows what is said. New messages go below the last, from the bottom of
// the window back to its top, and a blank row after them tells where the newest
// is; so each costs its own length and little more.
type chat struct {
	room *room
	me   *member
	text minitel.Field

	// What the screen shows.
	read   int       // messages up to the last in the window, of all ever said
	missed int       // of those, passed over for the caller's own
	live   bool      // there the newest is, or will come
	row    int       // of the window's last line
	who    string    // is there
	hint   string    // below the text
	pause  time.Time // until when the line is busy with what was shown
}

const (
	whoRow    = 4
	firstSaid = 6
	lastSaid  = 20
	textRow   = 22
	hintRow   = 23

	wide  = 39 // columns of a line, for the cursor would leave the row after 40
	paged = 8  // messages

	// No more messages at once, each followed by a pause: that is what a line at
	// 1200 bit/s carries. The others wait in the room, or are missed.
	atOnce = 3
	toRead = 700 * time.Millisecond
)

func (c *chat) Draw(t *minitel.Terminal) {
	title(t, videotex.Cyan, "SALON", "vous êtes "+c.me.name)
	for _, row := range [...]int{firstSaid - 1, lastSaid + 1} {
		t.At(row, 1).Attr(videotex.Cyan).Repeat('`', 40)
	}
	keys(t, "Suite", "", "Retour", "", "Guide", "qui", "Sommaire", "")
	c.who, c.hint = "", ""
	c.showWho(t)
	c.window(t, math.MaxInt)
	c.text.Draw(t)
}

// window fills the window, which is blank, with messages up to number end, or as
// near as there are any.
func (c *chat) window(t *minitel.Terminal, end int) {
	kept, total := c.room.last()
	first := total - len(kept)
	end = min(max(end, first+1), total)
	c.read, c.live, c.row = end, end == total, firstSaid-1
	for _, m := range kept[start(kept, end-first) : end-first] {
		c.show(t, m)
	}
}

// start returns the first of the messages before end that fit the window
// together.
func start(kept []message, end int) int {
	rows := 0
	for i := end - 1; i >= 0; i-- {
		if rows += len(lines(kept[i])); rows > lastSaid-firstSaid {
			return i + 1
		}
	}
	return 0
}

// older reports whether there are messages to page back to.
func (c *chat) older() bool {
	kept, total := c.room.last()
	return start(kept, max(0, c.read-total+len(kept))) > 0
}

// turn goes to the messages up to number end.
func (c *chat) turn(t *minitel.Terminal, end int) {
	for row := firstSaid; row <= lastSaid; row++ {
		t.Line(row, 1, "")
	}
	c.window(t, end)
	if c.live {
		c.say(t, "")
	} else {
		c.say(t, "Retour : avant   Suite : après")
	}
}

func (c *chat) Key(t *minitel.Terminal, k minitel.Key) {
	switch {
	case k == minitel.Envoi:
		c.send(t)
	case k == minitel.Retour && c.older():
		c.turn(t, c.read-paged)
	case k == minitel.Suite && !c.live:
		c.turn(t, c.read+paged)
	case k == minitel.Guide:
		t.Show(&presences{chat: c})
	case !c.text.Key(t, k):
		others(t, k)
	}
}

// send says what was typed.
func (c *chat) send(t *minitel.Terminal) {
	text := strings.TrimSpace(c.text.String())
	if text == "" {
		t.Bell()
		return
	}
	number, err := c.room.say(c.me, text)
	if err != nil {
		c.say(t, err.Error())
		return
	}
	c.pause = time.Time{} // nobody waits for their own words
	if before := number - 1 - c.read; c.live && before >= atOnce {
		c.read, c.missed = number-1, c.missed+before
	}
	if c.text.Clear(); !c.live {
		c.turn(t, math.MaxInt)
	}
	c.say(t, "")
	c.text.Draw(t)
}

// Notice shows what is new. What is being typed stays as it is, and the cursor
// with it.
func (c *chat) Notice(t *minitel.Terminal) {
	if !t.IsDrawn() { // Draw will show it
		return
	}
	if left := time.Until(c.pause); left > 0 {
		t.Alarm(left)
		return
	}
	news := c.showWho(t)
	if c.live {
		news = c.catchUp(t) || news
	}
	if news {
		c.text.Focus(t)
	}
}

// catchUp shows the next messages, and reports whether there were any.
func (c *chat) catchUp(t *minitel.Terminal) bool {
	messages, missed, read := c.room.after(c.read, atOnce)
	if len(messages) == 0 {
		return false
	}
	if missed += c.missed; missed > 0 {
		c.show(t, message{text: fmt.Sprintf("... messages passés : %d", missed)})
		c.missed = 0
	}
	for _, m := range messages {
		c.show(t, m)
	}
	t.Line(below(c.row, firstSaid, lastSaid), 1, "")
	c.read = read
	pause := toRead * time.Duration(len(messages))
	c.pause = time.Now().Add(pause)
	t.Alarm(pause)
	return true
}

// show writes a message below the last.
func (c *chat) show(t *minitel.Terminal, m message) {
	for i, line := range lines(m) {
		c.row = below(c.row, firstSaid, lastSaid)
		t.At(c.row, 1)
		switch {
		case m.by == "":
			t.Attr(videotex.Green)
		case i == 0:
			t.Attr(videotex.Cyan).Text(m.by).Attr(videotex.White)
			line = line[len(m.by):]
		}
		t.Text(line).Write([]byte{videotex.CAN})
	}
}

// lines returns a message as one line or two. No text is longer than the second
// line, so that there is a blank to divide it at.
func lines(m message) []string {
	text := []rune(m.by + " " + m.text)
	if len(text) <= wide {
		return []string{string(text)}
	}
	at := wide
	for text[at] != ' ' {
		at--
	}
	return []string{string(text[:at]), string(text[at:])}
}

// showWho tells who is there, and reports whether that is news.
func (c *chat) showWho(t *minitel.Terminal) bool {
	all := c.room.present()
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.name
	}
	who := minitel.Fit(count(len(all))+" : "+strings.Join(names, ", "), wide-1)
	if who == c.who {
		return false
	}
	c.who = who
	t.Line(whoRow, 2, who)
	return true
}

// say tells the caller something, and leaves the cursor in the text.
func (c *chat) say(t *minitel.Terminal, hint string) {
	if hint != c.hint {
		t.Line(hintRow, 2, hint)
	}
	c.hint = hint
	c.text.Focus(t)
}

// presences is the page of who is there, and since when.
type presences struct {
	chat  *chat
	first int // index of the first on the screen
	total int
}

const presencesShown = 16

func (p *presences) Draw(t *minitel.Terminal) {
	all := p.chat.room.present()
	p.total = len(all)
	title(t, videotex.Cyan, "SALON", count(p.total))
	for i, who := range all[min(p.first, p.total):min(p.first+presencesShown, p.total)] {
		text := fit(who.name, 14) + "depuis " + who.since.In(paris()).Format("15h04")
		if who.absent {
			text += ", absent"
		}
		t.At(6+i, 2).Text(text)
	}
	keys(t, "Suite", "", "Retour", "liste", "Guide", "salon")
}

func (p *presences) Key(t *minitel.Terminal, k minitel.Key) {
	switch {
	case k == minitel.Suite && p.first+presencesShown < p.total:
		p.first += presencesShown
		t.Redraw()
	case k == minitel.Retour && p.first > 0:
		p.first -= presencesShown
		t.Redraw()
	case k == minitel.Retour, k == minitel.Guide, k == minitel.Envoi:
		t.Show(p.chat)
	default:
		others(t, k)
	}
}
