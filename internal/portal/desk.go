package portal

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"

	"moip/internal/session"
	"moip/videotex"
)

// A desk serves one caller. It is an Endpoint: the keys that Send brings wait
// until Receive, on the call's own goroutine, answers them.
type desk struct {
	portal *Portal
	call   session.ID
	addr   netip.Addr

	mu     sync.Mutex
	keys   []byte
	redraw bool          // the caller is back, or here for the first time
	over   error         // what Receive returns at last
	bell   chan struct{} // rung when there is something for Receive

	// Owned by Receive.
	reader   videotex.KeyReader
	field    []byte // what is typed in the code field
	first    int    // index of the first service listed
	terminal string
	order    *session.Route // to be given once the caller has seen the page
	bye      bool
}

// maxTyped bounds the keys that wait; a caller cannot type that much between
// two turns of Receive.
const maxTyped = 16 << 10

func newDesk(p *Portal, call session.ID, addr netip.Addr) *desk {
	d := &desk{portal: p, call: call, addr: addr, bell: make(chan struct{}, 1)}
	d.welcome()
	return d
}

// Send takes keys. It does not block.
func (d *desk) Send(p []byte) (kept bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.keys = append(d.keys, p...); len(d.keys) > maxTyped {
		d.keys, d.over = nil, session.ErrStalled
	}
	d.wake()
	return false
}

// Flush has nothing to wait for.
func (d *desk) Flush() {}

// Close ends the visit.
func (d *desk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = net.ErrClosed
	d.wake()
	return nil
}

// welcome has the home page drawn anew.
func (d *desk) welcome() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.redraw = true
	d.wake()
}

// wake is called with the lock held.
func (d *desk) wake() {
	select {
	case d.bell <- struct{}{}:
	default:
	}
}

// Receive waits for keys or news and returns what the caller gets to see.
func (d *desk) Receive() ([]byte, error) {
	if d.bye {
		return nil, io.EOF
	}
	if r := d.order; r != nil {
		d.order = nil
		if !d.portal.redirect(d.call, *r) {
			return d.say(nil, "Demande refusée, réessayez"), nil
		}
	}
	for {
		<-d.bell
		d.mu.Lock()
		keys, redraw, over := d.keys, d.redraw, d.over
		d.keys, d.redraw = nil, false
		d.mu.Unlock()
		if over != nil {
			return nil, over
		}
		if out := d.answer(keys, redraw); len(out) > 0 {
			return out, nil
		}
	}
}

func (d *desk) answer(keys []byte, redraw bool) (out videotex.Page) {
	if redraw {
		d.field = d.field[:0]
		out = d.home(out)
	}
	for !d.bye {
		var key []byte
		if key, keys = d.reader.Next(keys); key == nil {
			break
		}
		out = d.key(out, key)
	}
	return out
}

// key obeys one key, or a run of plain ones.
func (d *desk) key(out videotex.Page, key []byte) videotex.Page {
	if videotex.AnswerOf(key) == videotex.Identity {
		d.terminal = videotex.TerminalName([3]byte(key[1:4]))
		return append(d.line(out, 3, d.caller()), d.cursor()...)
	}
	if videotex.IsFin(key) {
		d.bye = true
		return append(out, goodbye...)
	}
	switch videotex.Function(key) {
	case 0:
		if key[0] == videotex.SS2 && len(key) == 3 {
			key = key[2:] // codes have no accents
		}
		if key[0] < 0x20 {
			return out
		}
		return d.typed(out, key)
	case videotex.Correction:
		if len(d.field) == 0 {
			return append(out, videotex.BEL)
		}
		d.field = d.field[:len(d.field)-1]
		return append(out, videotex.BS, '.', videotex.BS)
	case videotex.Annulation:
		d.field = d.field[:0]
		return d.drawField(out)
	case videotex.Repetition, videotex.Sommaire, videotex.Guide:
		return d.home(out)
	case videotex.Suite:
		return append(d.list(out, d.first+listed), d.cursor()...)
	case videotex.Retour:
		return append(d.list(out, d.first-listed), d.cursor()...)
	case videotex.Envoi:
		return d.send(out)
	}
	return out
}

// typed echoes what fits the field, in capitals.
func (d *desk) typed(out videotex.Page, keys []byte) videotex.Page {
	for _, b := range strings.ToUpper(string(keys)) {
		switch {
		case b > 0x5F:
		case len(d.field) == fieldLength:
			out = append(out, videotex.BEL)
		default:
			d.field = append(d.field, byte(b))
			out = append(out, byte(b))
		}
	}
	return out
}

// send looks up the code typed.
func (d *desk) send(out videotex.Page) videotex.Page {
	code := strings.TrimSpace(string(d.field))
	if code == "" {
		return d.say(out, "Tapez le code d'un service")
	}
	s, ok := d.portal.services.Lookup(code)
	if !ok {
		return d.say(out, "Service inconnu : "+code)
	}
	d.order = &s.Route
	return d.line(out, 22, "Connexion à "+s.Name+"...")
}

func (d *desk) say(out videotex.Page, text string) videotex.Page {
	return append(d.line(out, 22, text), d.cursor()...)
}
