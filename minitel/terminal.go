// Package minitel is a kit for videotex services. A service is made of pages;
// a page draws itself and obeys keys:
//
//	type hello struct{ name minitel.Field }
//
//	func (h *hello) Draw(t *minitel.Terminal) {
//		t.At(3, 2).Attr(videotex.Cyan, videotex.DoubleHeight).Text("Bonjour !")
//		t.At(6, 2).Text("Votre nom :")
//		h.name.Draw(t)
//	}
//
//	func (h *hello) Key(t *minitel.Terminal, k minitel.Key) {
//		if k == minitel.Envoi {
//			t.Show(&welcome{h.name.String()})
//			return
//		}
//		h.name.Key(t, k)
//	}
//
// A Terminal shows the pages to one caller. All methods of pages are called by
// one goroutine at a time for a Terminal, so what belongs to one caller needs
// no lock; what callers share does.
package minitel

import (
	"cmp"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"moip/videotex"
)

// A Page is a screenful and what its keys do.
type Page interface {
	// Draw shows the page. The screen has been cleared, but for row 00.
	Draw(t *Terminal)
	// Key obeys a key. What it writes changes the page that is shown.
	Key(t *Terminal, k Key)
}

// A Noticer is a Page that waits for more than keys: for the time, other
// callers, the terminal's name.
type Noticer interface {
	// Notice is called after Notify, when an Alarm goes off and when the
	// terminal has identified itself. Several of these may come as one.
	Notice(t *Terminal)
}

// A Hearer is a Page that wants to see what the terminal sends as it comes.
type Hearer interface {
	// Hear is given each key or answer, and each run of plain characters,
	// before Key is. It must not keep sequence.
	Hear(t *Terminal, sequence []byte)
}

const (
	// maxTyped bounds the keys that wait; a caller cannot type that much
	// between two turns of Receive.
	maxTyped = 16 << 10
	// screenful is how much is written before what else was typed must wait:
	// a caller who types ahead gets no more than the line can carry.
	screenful = 1 << 10
)

// ErrQuiet is what Receive returns of a Terminal that is attended when there is nothing to
// show.
var ErrQuiet = errors.New("nothing to show yet")

// ErrTyped ends a Terminal whose caller has typed more than can wait.
var ErrTyped = errors.New("too many keys wait")

// A Terminal is the Minitel of one caller, as a service sees it. To whoever
// carries the call it is the far end of a connection: Send brings keys, Receive
// gives what the caller gets to see. The other methods are for pages, within
// Draw, Key, Notice and Hear, unless they say otherwise.
type Terminal struct {
	mu     sync.Mutex
	keys   []byte // not yet obeyed
	notice bool
	over   error         // what Receive returns at last
	busy   bool          // Receive is at work
	ended  bool          // and what pages have begun is
	bell   chan struct{} // rung when there is something for Receive, unless somebody attends
	rouse  func()        // of Attend, nil if Receive waits itself
	asleep bool          // rouse is to be called when there is something

	// Owned by Receive.
	page     Page
	reader   videotex.KeyReader
	out      videotex.Page
	stale    bool   // page has to be drawn
	focus    *Field // that the cursor is in
	enter    bool   // the last key was CR
	identity [3]byte
	alarm    *time.Timer
	hungUp   bool
	atEnd    []func()
}

// New returns a Terminal that shows the page first.
func New(first Page) *Terminal {
	return &Terminal{page: first, stale: true, bell: make(chan struct{}, 1)}
}

// Attend has Receive return ErrQuiet rather than wait, so that no goroutine need wait there,
// and reports true: that can be done. wake is for Sleep. It is called before Receive is.
func (t *Terminal) Attend(wake func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bell, t.rouse = nil, wake
	return true
}

// Sleep is called after ErrQuiet. It reports whether there is still nothing to show; then
// wake is called when there may be, once and on a goroutine of its own.
func (t *Terminal) Sleep() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asleep = len(t.keys) == 0 && !t.notice && t.over == nil
	return t.asleep
}

// Send takes keys. It never blocks, keeps nothing of p, and always reports
// false: nothing waits for Flush. It may be called from any goroutine.
func (t *Terminal) Send(p []byte) (kept bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keys = append(t.keys, p...); len(t.keys) > maxTyped {
		t.keys, t.over = nil, ErrTyped
	}
	t.wake()
	return false
}

// Unread takes back the keys that pages have not obeyed yet. When a portal puts
// its caller through to a service, what was typed ahead is for the service. It
// may be called from any goroutine.
func (t *Terminal) Unread() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := t.keys
	t.keys = nil
	return keys
}

// Flush has nothing to wait for.
func (t *Terminal) Flush() {}

// Close ends the visit; Receive then returns net.ErrClosed, but need not be
// called again. It may be called from any goroutine, and again.
func (t *Terminal) Close() error {
	t.mu.Lock()
	t.over = net.ErrClosed
	t.wake()
	t.mu.Unlock()
	t.end()
	return nil
}

// Notify has the page's Notice called. It never blocks and may be called from
// any goroutine.
func (t *Terminal) Notify() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notice = true
	t.wake()
}

// wake is called with the lock held.
func (t *Terminal) wake() {
	if t.rouse != nil {
		if t.asleep {
			t.asleep = false
			go t.rouse() // whoever sends may hold locks that Receive's caller takes
		}
		return
	}
	select {
	case t.bell <- struct{}{}:
	default:
	}
}

// Receive waits until there is something to show and returns it. It is here,
// on the goroutine of whoever calls, that pages work. After Hangup it returns
// io.EOF, after Close net.ErrClosed; once it has failed it must not be called
// again.
func (t *Terminal) Receive() ([]byte, error) {
	t.mu.Lock()
	t.busy = true
	t.mu.Unlock()
	err := t.receive()
	t.mu.Lock()
	t.busy = false
	if err != ErrQuiet {
		t.over = cmp.Or(t.over, err)
	}
	t.mu.Unlock()
	t.end()
	return t.out, err
}

func (t *Terminal) receive() error {
	t.out = nil
	for {
		if err := t.serve(); err != nil {
			t.out = nil
			return err
		}
		switch {
		case len(t.out) > 0:
			return nil
		case t.hungUp:
			return io.EOF
		case t.bell == nil:
			return ErrQuiet
		}
		<-t.bell
	}
}

// serve answers what has come, until a screenful is to be shown, and draws the
// page if it has changed.
func (t *Terminal) serve() error {
	for more := true; more && len(t.out) < screenful && !t.hungUp; {
		key, notice, err := t.next()
		if err != nil {
			return err
		}
		if notice {
			t.tell()
		} else if key != nil {
			t.obey(key)
		}
		more = notice || key != nil
	}
	if t.stale {
		t.draw()
	}
	return nil
}

// next returns the news there is: that there is a notice, or a key.
func (t *Terminal) next() (key []byte, notice bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over != nil || t.notice {
		notice, t.notice = t.notice, false
		return nil, notice, t.over
	}
	if key, t.keys = t.reader.Next(t.keys); len(t.keys) == 0 {
		t.keys = nil // an idle terminal holds no buffer
	}
	return key, false, nil
}

func (t *Terminal) draw() {
	t.stale = false
	t.Write(videotex.Page{}.Clear())
	t.page.Draw(t)
}

// obey hands the page a whole key, or a run of plain ones.
func (t *Terminal) obey(key []byte) {
	if h, ok := t.page.(Hearer); ok {
		h.Hear(t, key)
	}
	if a := videotex.AnswerOf(key); a != 0 {
		if a == videotex.Identity {
			t.identity = [3]byte(key[1:4])
			t.tell()
		}
		return
	}
	for k := range t.pressed(key) {
		if t.page.Key(t, k); t.hungUp {
			return
		}
	}
}

func (t *Terminal) tell() {
	if n, ok := t.page.(Noticer); ok {
		n.Notice(t)
	}
}

// end ends what pages have begun, if they never will be called again. Whoever
// carries the call may drop it between two turns of Receive, so Close ends it as
// well.
func (t *Terminal) end() {
	t.mu.Lock()
	last := t.over != nil && !t.busy && !t.ended
	t.ended = t.ended || last
	t.mu.Unlock()
	if !last {
		return
	}
	t.Alarm(0)
	for _, f := range t.atEnd {
		f()
	}
}

// Show goes to p. It is drawn when something is to be written on it, or when all
// keys typed so far are obeyed: a caller who knows the way does not wait for the
// pages on it.
func (t *Terminal) Show(p Page) { t.page, t.stale = p, true }

// Redraw shows the page anew.
func (t *Terminal) Redraw() { t.stale = true }

// Hangup ends the call, once what was written is shown.
func (t *Terminal) Hangup() {
	if t.stale { // a last page
		t.draw()
	}
	t.hungUp = true
}

// AtEnd has f called once the caller has left, or was left. f must not block:
// it may be Close that calls it.
func (t *Terminal) AtEnd(f func()) { t.atEnd = append(t.atEnd, f) }

// Alarm has Notice called in d, instead of any Alarm set before; 0 is never.
func (t *Terminal) Alarm(d time.Duration) {
	if t.alarm != nil {
		t.alarm.Stop()
		t.alarm = nil
	}
	if d > 0 {
		t.alarm = time.AfterFunc(d, t.Notify)
	}
}

// Identify asks the terminal who it is (ENQROM, STUM 1B 7-6). Notice is called
// when it has answered; not all do.
func (t *Terminal) Identify() { t.Write([]byte{videotex.ESC, 0x39, 0x7B}) }

// Identity is what the terminal answered: maker, type and version, as
// videotex.TerminalName takes it. It is zero if it has not answered.
func (t *Terminal) Identity() [3]byte { return t.identity }

// IsDrawn reports whether the page is on the screen. If it is not, what belongs
// to it need not be written: Draw will do that.
func (t *Terminal) IsDrawn() bool { return !t.stale }

// Write shows bytes as they are.
func (t *Terminal) Write(p []byte) *Terminal {
	if t.stale {
		t.draw()
	}
	t.out = append(t.out, p...)
	t.focus = nil
	return t
}

// At goes to row 0 to 24, column 1 to 40. That resets all attributes.
func (t *Terminal) At(row, column int) *Terminal { return t.Write(videotex.Page{}.At(row, column)) }

// Text writes text; see videotex.Encode.
func (t *Terminal) Text(text string) *Terminal { return t.Write(videotex.Encode(text)) }

// Attr sends attributes; see videotex.Page.
func (t *Terminal) Attr(a ...byte) *Terminal { return t.Write(videotex.Page{}.Attr(a...)) }

// Repeat shows the character b n times, 1 to 64.
func (t *Terminal) Repeat(b byte, n int) *Terminal { return t.Write(videotex.Page{}.Repeat(b, n)) }

// Line replaces what is in a row from column on.
func (t *Terminal) Line(row, column int, text string) *Terminal {
	return t.At(row, column).Write([]byte{videotex.CAN}).Text(text)
}

// Article shows text on row 00, in 36 columns, and leaves the cursor and the
// attributes as they are.
func (t *Terminal) Article(text string) { t.aside(videotex.Article(text)) }

// Bell beeps.
func (t *Terminal) Bell() { t.aside([]byte{videotex.BEL}) }

// aside writes what does not change the page.
func (t *Terminal) aside(p []byte) { t.out = append(t.out, p...) }

// HideCursor hides the cursor, which a Field shows.
func (t *Terminal) HideCursor() { t.Write([]byte{videotex.COF}) }
