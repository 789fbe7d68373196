package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"moip/internal/telnet"
)

// An honest caller goes about its evening: types, pastes, reads pages, visits services,
// comes back, hangs up and calls again. It knows what it has typed.
type honest struct {
	number int
	random *rand.Rand
	home   home
	fails  func(format string, args ...any)

	line      *homeLine
	haste     haste
	reader    reader
	typed     int // keys
	latencies []time.Duration
	calls     int
	visits    int
}

// newHonest returns the honest caller of a number, which decides about its habits.
func newHonest(number int, seed uint64, doors map[string]string, fails func(string, ...any)) *honest {
	scheme := []string{"ws", "telnet", "tcp"}[number%3]
	return &honest{
		number: number, random: rand.New(rand.NewPCG(seed, uint64(number))), fails: fails,
		home: home{scheme: scheme, door: doors[scheme], address: honestAddress(number), minitel: number%2 == 0},
	}
}

// honestAddress is where an honest caller calls from. The last ten are behind one.
func honestAddress(number int) string {
	if number >= honestCallers-10 {
		return "127.5.9.9"
	}
	return fmt.Sprintf("127.5.1.%d", 1+number)
}

func (h *honest) clumsy() bool { return h.number%20 == 7 }

// evening is calls until the time is over.
func (h *honest) evening(over <-chan struct{}) {
	for {
		if err := h.call(over); err != nil {
			h.fails("honest caller %d (%s, %s), call %d: %v", h.number, h.home.scheme, h.home.address, h.calls, err)
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
	h.line.SetReadDeadline(time.Now().Add(4 * patience))
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
	if err := h.reads("[service]"); err != nil {
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
	h.waits()
	if err := h.reader.expects(key, false); err != nil {
		return err
	}
	h.latencies = append(h.latencies, time.Since(typed))
	return nil
}

// reads reads a page to its end.
func (h *honest) reads(end string) error {
	h.waits()
	return h.reader.expects(end, true)
}

// haste is how long a caller waits for what comes.
type haste struct {
	mu     sync.Mutex
	since  time.Time // when it began not to wait any longer than it must, zero if it has not
	paused bool      // it waits as long as ever nevertheless
}

// waits says how long a caller waits for what it reads next.
func (h *honest) waits() {
	h.haste.mu.Lock()
	defer h.haste.mu.Unlock()
	d := 4 * patience
	if !h.haste.since.IsZero() && !h.haste.paused {
		d = hasty
	}
	if h.line != nil {
		h.line.SetReadDeadline(time.Now().Add(d))
	}
}

// hasty is how long a caller waits that has haste.
const hasty = 5 * time.Second

// hastens has a caller wait no longer than it must from some time on, or as long as ever.
func (h *honest) hastens(since time.Time) {
	h.haste.mu.Lock()
	h.haste.since = since
	h.haste.mu.Unlock()
	h.waits()
}

// hasHaste reports whether a caller has waited for long enough.
func (h *honest) hasHaste() bool {
	h.haste.mu.Lock()
	defer h.haste.mu.Unlock()
	return !h.haste.since.IsZero() && !h.haste.paused && time.Since(h.haste.since) > hasty
}

func (h *honest) isHasty() bool {
	h.haste.mu.Lock()
	defer h.haste.mu.Unlock()
	return !h.haste.since.IsZero()
}

func (h *honest) pausesHaste(is bool) {
	h.haste.mu.Lock()
	h.haste.paused = is
	h.haste.mu.Unlock()
	h.waits()
}

func (h *honest) dial() error {
	line, err := h.home.dial()
	h.haste.mu.Lock()
	h.line = line
	h.haste.mu.Unlock()
	h.reader = reader{from: line, ignored: h.reader.ignored}
	return err
}

// A home is where somebody calls from, and by what.
type home struct {
	scheme  string // as in a URL
	door    string // address and port of the gateway's
	query   string // of the URL, for WebSockets
	address string
	minitel bool        // the terminal answers questions
	trust   *tls.Config // for schemes with TLS
	awake   bool        // it hears at any time what comes, not only when somebody reads it
}

// A homeLine is a line from home.
type homeLine struct {
	conn    net.Conn
	local   string // its address and port at home
	minitel bool
	telnet  *telnet.Conn // nil if it is not spoken
	pump    *pump        // nil if it is not awake

	mu     sync.Mutex // of what follows, of telnet, and of the order of what is written
	recent []byte     // of what the screen was sent
}

// dial calls the gateway.
func (h home) dial() (*homeLine, error) {
	l, err := h.connect()
	if err == nil && h.awake {
		l.pump = &pump{news: make(chan struct{}, 1)}
		go l.pump.run(l.receive)
	}
	return l, err
}

func (h home) connect() (*homeLine, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	l := &homeLine{minitel: h.minitel}
	socket := func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := from(h.address).DialContext(ctx, network, address)
		if err == nil {
			l.local = c.LocalAddr().String()
		}
		return c, err
	}
	var err error
	switch h.scheme {
	case "ws", "wss":
		l.conn, err = h.dialWeb(ctx, socket, l.answersPing)
		return l, err
	case "telnet", "telnets":
		l.telnet = telnet.New(telnet.Client)
	}
	if l.conn, err = socket(ctx, "tcp", h.door); err != nil || h.trust == nil {
		return l, err
	}
	secure := tls.Client(l.conn, h.trust)
	l.conn = secure
	if err := secure.HandshakeContext(ctx); err != nil {
		return l, errors.Join(err, secure.Close())
	}
	return l, nil
}

func (h home) dialWeb(ctx context.Context, socket func(context.Context, string, string) (net.Conn, error), ping func(context.Context, []byte) bool) (net.Conn, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: socket, TLSClientConfig: h.trust, DisableKeepAlives: true}}
	query, kind := h.query, websocket.MessageText
	if h.minitel {
		query, kind = query+"&frames=binary", websocket.MessageBinary
	}
	c, w, err := websocket.Dial(ctx, h.scheme+"://"+h.door+"/?"+query, &websocket.DialOptions{HTTPClient: client, OnPingReceived: ping})
	if err != nil {
		if w != nil {
			err = fmt.Errorf("%w (%s)", err, w.Status)
		}
		return nil, err
	}
	return websocket.NetConn(context.Background(), c, kind), nil
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
	if l.pump != nil {
		return l.pump.Read(p)
	}
	return l.receive(p)
}

func (l *homeLine) SetReadDeadline(t time.Time) {
	if l.pump != nil {
		l.pump.setDeadline(t)
	} else if l.conn != nil {
		l.conn.SetReadDeadline(t)
	}
}

// sleeps has a line that is awake read no more, and answer nothing.
func (l *homeLine) sleeps() { l.pump.asleep.Store(true) }

func (l *homeLine) answersPing(context.Context, []byte) bool {
	return l.pump == nil || !l.pump.asleep.Load()
}

// saw reports whether the screen was sent a text lately.
func (l *homeLine) saw(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.recent, []byte(text))
}

func (l *homeLine) receive(p []byte) (int, error) {
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
	l.mu.Lock()
	l.recent = append(l.recent[max(0, len(l.recent)-8000):], data...)
	l.mu.Unlock()
	if l.minitel && bytes.Contains(data, enqrom) {
		l.Write([]byte("\x01Cu<\x04"))
	}
	return len(data), err
}

// A pump reads all the time, and keeps what it has read, until it sleeps.
type pump struct {
	asleep atomic.Bool
	news   chan struct{} // has room for one

	mu   sync.Mutex
	data []byte
	err  error
	late time.Time // the deadline of Read
}

func (p *pump) run(read func([]byte) (int, error)) {
	for buf := make([]byte, 4<<10); !p.asleep.Load(); {
		n, err := read(buf)
		p.mu.Lock()
		p.data, p.err = append(p.data, buf[:n]...), err
		p.mu.Unlock()
		p.tell()
		if err != nil {
			return
		}
	}
}

func (p *pump) tell() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}

func (p *pump) setDeadline(t time.Time) {
	p.mu.Lock()
	p.late = t
	p.mu.Unlock()
	p.tell()
}

// Read returns what has been read, or waits for it. It is for one at a time.
func (p *pump) Read(b []byte) (int, error) {
	for {
		p.mu.Lock()
		n, late, err := copy(b, p.data), p.late, p.err
		p.data = p.data[n:]
		p.mu.Unlock()
		if n > 0 || err != nil {
			return n, err
		}
		var tooLate <-chan time.Time
		if !late.IsZero() {
			if tooLate = time.After(time.Until(late)); !time.Now().Before(late) {
				return 0, os.ErrDeadlineExceeded
			}
		}
		select {
		case <-p.news:
		case <-tooLate:
		}
	}
}
