package test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"moip/internal/telnet"
)

// An honest caller goes about its evening: types, pastes, reads pages, visits services,
// comes back, hangs up and calls again. It knows what it has typed.
type honest struct {
	number int
	random *rand.Rand
	doors  map[string]string
	fails  func(format string, args ...any)

	line      *homeLine
	reader    reader
	typed     int // keys
	latencies []time.Duration
	calls     int
	visits    int
}

// honestAddress is where an honest caller calls from. The last ten are behind one.
func honestAddress(number int) string {
	if number >= honestCallers-10 {
		return "127.5.9.9"
	}
	return fmt.Sprintf("127.5.1.%d", 1+number)
}

// The habits of honest callers, by number.
func (h *honest) door() string { return []string{"ws", "telnet", "tcp"}[h.number%3] }
func (h *honest) clumsy() bool { return h.number%20 == 7 }

// evening is calls until the time is over.
func (h *honest) evening(over <-chan struct{}) {
	for {
		if err := h.call(over); err != nil {
			h.fails("honest caller %d (%s, %s), call %d: %v", h.number, h.door(), honestAddress(h.number), h.calls, err)
			return
		}
		select {
		case <-over:
			return
		case <-time.After(time.Duration(200+h.random.IntN(1500)) * time.Millisecond):
		}
	}
}

func (h *honest) call(over <-chan struct{}) error {
	if err := h.dial(); err != nil {
		return fmt.Errorf("refused: %w", err)
	}
	defer h.line.conn.Close()
	h.calls++
	if err := h.reads("[accueil]"); err != nil {
		return err
	}
	// People look at the first page. A household whose calls are all shorter than that is
	// one of those who make a crush, and may be refused in one.
	h.pauses(3100, 4500)
	if err := h.types(); err != nil {
		return err
	}
	things := []func() error{h.types, h.types, h.pastes, h.pages, h.visit, h.idles}
	for range 3 + h.random.IntN(5) {
		if err := things[h.random.IntN(len(things))](); err != nil {
			return err
		}
		select {
		case <-over:
			return h.leaves()
		default:
		}
	}
	return h.leaves()
}

// leaves ends a call, by Connexion/Fin or without a word.
func (h *honest) leaves() error {
	if h.random.IntN(3) == 0 {
		return nil
	}
	if err := h.press('I'); err != nil {
		return err
	}
	h.line.conn.SetReadDeadline(time.Now().Add(4 * patience))
	_, err := io.Copy(io.Discard, h.line)
	return err
}

// types types keys, each when it sees the one before.
func (h *honest) types() error { return h.typesAt('P') }

func (h *honest) typesAt(place byte) error {
	for range 1 + h.random.IntN(5) {
		key := h.key(place)
		if err := h.says([]byte(key)); err != nil {
			return err
		}
		if err := h.sees(key, time.Now()); err != nil {
			return err
		}
		h.pauses(100, 500)
	}
	return nil
}

// pastes has the emulator paste a text.
func (h *honest) pastes() error {
	var keys []string
	var text []byte
	for range 10 + h.random.IntN(20) {
		keys = append(keys, h.key('P'))
		text = append(text, keys[len(keys)-1]...)
	}
	began := time.Now()
	if _, err := h.line.Write(text); err != nil {
		return err
	}
	for _, key := range keys {
		if err := h.sees(key, began); err != nil {
			return err
		}
	}
	return nil
}

// pages looks at pages, and presses keys that do nothing.
func (h *honest) pages() error {
	for range 1 + h.random.IntN(3) {
		if h.clumsy() {
			h.press('G')
			h.press('A')
			h.press('A')
		}
		if err := h.press('F'); err != nil {
			return err
		}
		if err := h.reads("[sommaire]"); err != nil {
			return err
		}
		h.pauses(100, 400)
	}
	return nil
}

// visit is one to a service, which ends by Connexion/Fin or by Suite.
func (h *honest) visit() error {
	if err := h.press('D'); err != nil {
		return err
	}
	if err := h.reads("[accueil]"); err != nil {
		return fmt.Errorf("on the way to a service: %w", err)
	}
	h.visits++
	if err := h.typesAt('S'); err != nil {
		return fmt.Errorf("at a service: %w", err)
	}
	end := byte('I')
	if h.random.IntN(2) == 0 {
		end = 'H'
	}
	if err := h.press(end); err != nil {
		return err
	}
	if err := h.reads("[retour]"); err != nil {
		return fmt.Errorf("on the way back by %c: %w", end, err)
	}
	return nil
}

func (h *honest) idles() error { h.pauses(500, 2500); return nil }

func (h *honest) pauses(least, most int) {
	time.Sleep(time.Duration(least+h.random.IntN(most-least)) * time.Millisecond)
}

// key returns the next key to type.
func (h *honest) key(place byte) string {
	key := fmt.Sprintf("{%c%03d:%06d}", place, h.number, h.typed)
	h.typed++
	return key
}

// says types what belongs together: the clumsy, finger by finger.
func (h *honest) says(text []byte) error {
	if !h.clumsy() {
		_, err := h.line.Write(text)
		return err
	}
	for _, b := range text {
		if _, err := h.line.Write([]byte{b}); err != nil {
			return err
		}
		h.pauses(5, 80)
	}
	return nil
}

func (h *honest) press(key byte) error {
	_, err := h.line.Write([]byte{0x13, key})
	return err
}

// sees expects a key to come back, next of all.
func (h *honest) sees(key string, typed time.Time) error {
	h.line.conn.SetReadDeadline(time.Now().Add(4 * patience))
	if err := h.reader.expects(key, false); err != nil {
		return err
	}
	h.latencies = append(h.latencies, time.Since(typed))
	return nil
}

// reads reads a page to its end.
func (h *honest) reads(end string) error {
	h.line.conn.SetReadDeadline(time.Now().Add(4 * patience))
	return h.reader.expects(end, true)
}

func (h *honest) dial() (err error) {
	h.line, err = dialHome(h.door(), h.doors[h.door()], honestAddress(h.number), h.number%2 == 0)
	h.reader = reader{from: h.line}
	return err
}

// A homeLine is the line of an honest caller, with a terminal that answers questions if
// it is a Minitel.
type homeLine struct {
	conn    net.Conn
	minitel bool
	telnet  *telnet.Conn // nil if it is not spoken

	mu sync.Mutex // of telnet, and of the order of what is written
}

// dialHome calls a door from an address.
func dialHome(scheme, door, address string, minitel bool) (*homeLine, error) {
	l := &homeLine{minitel: minitel}
	var err error
	if scheme != "ws" {
		if l.conn, err = from(address).Dial("tcp", door); scheme == "telnet" {
			l.telnet = telnet.New(telnet.Client)
		}
		return l, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DialContext: from(address).DialContext, DisableKeepAlives: true}}
	url, kind := "ws://"+door, websocket.MessageText
	if minitel {
		url, kind = url+"/?frames=binary", websocket.MessageBinary
	}
	c, w, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		if w != nil {
			err = fmt.Errorf("%w (%s)", err, w.Status)
		}
		return nil, err
	}
	l.conn = websocket.NetConn(context.Background(), c, kind)
	return l, nil
}

func (l *homeLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn.SetWriteDeadline(time.Now().Add(4 * patience))
	out := p
	if l.telnet != nil {
		out = l.telnet.Encode(nil, p)
	}
	if _, err := l.conn.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

var enqrom = []byte("\x1b9{")

// Read reads what the screen is sent.
func (l *homeLine) Read(p []byte) (int, error) {
	n, err := l.conn.Read(p)
	data := p[:n]
	if l.telnet != nil {
		var reply []byte
		l.mu.Lock()
		data, reply = l.telnet.Receive(data)
		if len(reply) > 0 {
			l.conn.Write(reply) // should that fail, so will reading
		}
		l.mu.Unlock()
	}
	if l.minitel && bytes.Contains(data, enqrom) {
		l.Write([]byte("\x01Cu<\x04"))
	}
	return len(data), err
}
