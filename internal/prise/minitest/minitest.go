// Package minitest has Minitels for tests: each at the far end of a line, as a serial
// port has one at its DIN socket. The line is a pseudo-terminal, or inside the test, which
// may then be in a bubble of testing/synctest. They keep the line's time, garble what
// comes at another speed than theirs, check parity, and obey the protocol layer as
// STUM 1B has it; what the screen shows is videotex.Screen's.
package minitest

import (
	"bytes"
	"fmt"
	"io"
	"math/bits"
	"strings"
	"sync"
	"testing"
	"time"

	"moip/videotex"
)

// Philips2 and Telic1B are a Minitel 2, which has 9600 bit/s, and a Minitel 1B, which
// has 4800.
var (
	Philips2 = [3]byte{'B', 'v', '6'}
	Telic1B  = [3]byte{'C', 'u', '<'}
)

// codes are those of the speeds (2-5-3).
var codes = map[byte]int{0x52: 300, 0x64: 1200, 0x76: 4800, 0x7F: 9600}

// A cable is the Minitel's end of a line.
type cable interface {
	io.ReadWriteCloser // what the port says, and what the Minitel does, with parity
	speed() int        // of the port; 0 for one that no Minitel has
}

// A Minitel is one in a test. It starts switched off, with its cable plugged in.
type Minitel struct {
	Path string // of the port

	t      testing.TB
	id     [3]byte
	silent bool
	plug   func() cable // a new one

	mu       sync.Mutex
	cable    cable          // nil when it is pulled out
	plugged  sync.WaitGroup // the goroutines of a cable
	on       bool
	speed    int
	routes   map[byte]byte // by receiver, the senders' bits
	function byte          // status
	keys     byte          // status of the keyboard
	mute     bool          // no acknowledgements to the socket
	seeks    bool          // a carrier
	jam      chan struct{} // nothing is taken from the port until it is closed; nil for at once
	parser   videotex.Parser
	screen   *videotex.Screen
	out      chan []byte
	damaged  int
	ahead    time.Duration // the most that was written before its time
}

// start starts it, without a cable until plug can make one. It says that it is id, or
// answers nothing if that is zero.
func start(t testing.TB, id [3]byte, path string) *Minitel {
	m := &Minitel{Path: path, t: t, id: id, silent: id == [3]byte{}}
	m.reset()
	m.speed = 1200
	t.Cleanup(m.Unplug)
	return m
}

// reset is what power-on does, and the order to.
func (m *Minitel) reset() {
	m.routes = map[byte]byte{0x58: 0x4D, 0x59: 0x42, 0x5A: 0x46, 0x5B: 0x4A}
	m.function, m.keys, m.mute, m.seeks = 0x40, 0x40, false, false
}

// Plug connects the cable.
func (m *Minitel) Plug() {
	m.mu.Lock()
	defer m.mu.Unlock()
	line, out, bursts := m.plug(), make(chan []byte, 1<<12), make(chan burst, 1<<12)
	m.cable, m.out = line, out
	m.plugged.Go(func() { m.speak(line, out) })
	m.plugged.Go(func() { m.receive(line, bursts) })
	m.plugged.Go(func() { m.listen(line, bursts) })
}

// Unplug pulls the cable out: the port is gone.
func (m *Minitel) Unplug() {
	m.mu.Lock()
	if m.cable == nil {
		m.mu.Unlock()
		return
	}
	if m.jam != nil {
		close(m.jam)
		m.jam = nil
	}
	close(m.out)
	m.cable.Close()
	m.cable, m.out = nil, nil
	m.mu.Unlock()
	m.plugged.Wait()
}

// On switches it on, at 1200 bit/s. It says so.
func (m *Minitel) On() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.on, m.speed, m.parser, m.screen = true, 1200, videotex.Parser{}, videotex.NewScreen()
	m.reset()
	m.send("\x13\x59\x13\x53\x13\x54")
}

// Off switches it off.
func (m *Minitel) Off() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.on = false
}

// Press types keys, as videotex.Keys has them.
func (m *Minitel) Press(keys string) {
	p, err := videotex.Keys(keys)
	if err != nil {
		m.t.Fatal(err)
	}
	m.Say(string(p))
}

// Say has it send p, as if it were typed.
func (m *Minitel) Say(p string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.on {
		return
	}
	if m.routes[0x59]&2 == 0 {
		return // it is blocked
	}
	if m.routes[0x5A]&2 != 0 && m.routes[0x58]&4 != 0 { // by way of the modem
		m.screen.Write([]byte(p))
	}
	if m.routes[0x5B]&2 != 0 {
		m.send(p)
	}
}

// Fin presses Connexion/Fin without Shift (1-5-3-1-1).
func (m *Minitel) Fin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seeks = !m.seeks
	m.send("\x13\x59")
}

// Seeks reports whether it has taken the telephone line.
func (m *Minitel) Seeks() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seeks
}

// Jam has the adapter send nothing more until the cable is pulled.
func (m *Minitel) Jam() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.jam = make(chan struct{})
}

// jammed waits while the adapter is.
func (m *Minitel) jammed() {
	m.mu.Lock()
	jam := m.jam
	m.mu.Unlock()
	if jam != nil {
		<-jam
	}
}

// Damage has it send bytes with a wrong parity.
func (m *Minitel) Damage(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.out <- bytes.Repeat([]byte{0xC1}, n)
}

// Text returns what is on the screen, without what is blank.
func (m *Minitel) Text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.on {
		return ""
	}
	rows := strings.Split(m.screen.String(), "\n")
	for i, row := range rows {
		rows[i] = strings.TrimRight(row, " ")
	}
	return strings.Trim(strings.Join(rows, "\n"), "\n")
}

// State tells the speed and, in hexadecimal, what the modem, the screen and the
// socket hear, the functions and the keyboard.
func (m *Minitel) State() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fmt.Sprintf("%d %x %x %x %x %x", m.speed, m.routes[0x5A], m.routes[0x58], m.routes[0x5B], m.function, m.keys)
}

// Ahead returns how long before its time bytes were written, at the most, and how
// many came damaged.
func (m *Minitel) Ahead() (time.Duration, int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ahead, m.damaged
}

// Await waits until is true, for a time in which anything of a Minitel's is done.
func (m *Minitel) Await(what string, is func() bool) {
	m.t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			m.t.Fatalf("not within 30 s: %s. On the screen:\n%s\n%s", what, m.Text(), m.State())
		}
	}
}

// AwaitText waits until text is on the screen.
func (m *Minitel) AwaitText(text string) {
	m.t.Helper()
	m.Await(text, func() bool { return strings.Contains(m.Text(), text) })
}

// send queues p for the line, with parity.
func (m *Minitel) send(p string) {
	even := []byte(p)
	for i, b := range even {
		even[i] |= byte(bits.OnesCount8(b)&1) << 7
	}
	if m.out != nil {
		m.out <- even
	}
}

// speak sends what is queued in its time.
func (m *Minitel) speak(line cable, out <-chan []byte) {
	for p := range out {
		for _, b := range p {
			m.mu.Lock()
			on, speed := m.on, m.speed
			m.mu.Unlock()
			if !on {
				continue
			}
			time.Sleep(byteTime(speed))
			if port := line.speed(); port != speed {
				b = garbled(b)
			}
			line.Write([]byte{b})
		}
	}
}

// A burst is what was written at once, to the port that had a speed then.
type burst struct {
	bytes []byte
	at    time.Time
	speed int
}

// receive passes on what is written to the port.
func (m *Minitel) receive(line cable, bursts chan<- burst) {
	defer close(bursts)
	for {
		m.jammed()
		p := make([]byte, 256)
		n, err := line.Read(p)
		if err != nil {
			return
		}
		bursts <- burst{p[:n], time.Now(), line.speed()}
	}
}

// listen takes each byte when its time on the line is over.
func (m *Minitel) listen(line cable, bursts <-chan burst) {
	var through time.Time
	for p := range bursts {
		for _, b := range p.bytes {
			if through.Before(p.at) {
				through = p.at
			}
			through = through.Add(byteTime(max(p.speed, 300)))
			m.note(through.Sub(p.at))
			// The other end cannot know to some milliseconds when this is.
			if time.Sleep(time.Until(through) - slack); line.speed() != p.speed {
				m.take(b, 0)
				continue
			}
			time.Sleep(time.Until(through))
			m.take(b, p.speed)
		}
	}
}

const slack = 60 * time.Millisecond

func (m *Minitel) note(ahead time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ahead = max(m.ahead, ahead)
}

// take is told of a byte that came at the speed of the port.
func (m *Minitel) take(b byte, port int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.on {
		return
	}
	if port != m.speed {
		b = garbled(b)
	}
	if bits.OnesCount8(b)&1 != 0 {
		m.damaged++
		m.screen.Write([]byte{videotex.SUB})
		if len(m.out) < 4 { // it has no more room
			m.send("\x1A")
		}
		return
	}
	b &= 0x7F
	if m.routes[0x58]&8 != 0 {
		m.screen.Write([]byte{b})
	}
	answers := m.screen.Replies()
	q := m.parser.Step(b)
	if len(q) > 2 && q[0] == videotex.ESC && 0x39 <= q[1] && q[1] <= 0x3B && m.obey(q[2:]) {
		return // and the screen, of a terminal without a socket, is not asked
	}
	if len(answers) > 0 && !m.silent {
		m.send(string(answers))
	}
}

// obey obeys an order, without ESC and the length. It reports false for those that
// only the screen knows.
func (m *Minitel) obey(q []byte) bool {
	answer := func(p ...byte) bool {
		if !m.silent && !m.mute {
			m.send(string(append([]byte{videotex.ESC, byte(0x38 + len(p))}, p...)))
		}
		return true
	}
	set := func(status *byte, mask byte, on bool) {
		if *status &^= mask; on {
			*status |= mask
		}
	}
	switch {
	case q[0] == 0x7B:
		if !m.silent {
			m.send("\x01" + string(m.id[:]) + "\x04")
		}
	case q[0] == 0x7F:
		m.reset()
		m.send("\x13\x5E")
	case q[0] == 0x67:
		if m.seeks {
			m.seeks = false
			m.send("\x13\x59")
		}
	case q[0] == 0x64 && q[1] == 0x53:
		m.mute = true
	case q[0] == 0x72 && len(q) == 1:
		answer(0x73, m.function)
	case q[0] == 0x74:
		for code, speed := range codes {
			if speed == m.speed {
				answer(0x75, code)
			}
		}
	case q[0] == 0x6B:
		if speed := codes[q[1]]; speed > 0 && speed <= max(videotex.TerminalSpeed(m.id), 1200) {
			m.speed = speed
		}
		return m.obey([]byte{0x74})
	case q[0] == 0x62:
		answer(0x63, q[1], m.routes[q[1]])
	case q[0] == 0x60, q[0] == 0x61:
		status := m.routes[q[1]]
		set(&status, 1<<(q[2]&3), q[0] == 0x61)
		m.routes[q[1]] = status
		answer(0x63, q[1], status)
	case (q[0] == 0x69 || q[0] == 0x6A) && len(q) == 2:
		set(&m.function, map[byte]byte{0x43: 2, 0x44: 4, 0x45: 8}[q[1]], q[0] == 0x69)
		answer(0x73, m.function)
	case q[0] == 0x72:
		answer(0x73, q[1], m.keys)
	case q[0] == 0x69, q[0] == 0x6A:
		set(&m.keys, map[byte]byte{0x41: 1, 0x43: 4}[q[2]], q[0] == 0x69)
		answer(0x73, q[1], m.keys)
	default:
		return false
	}
	return true
}

func byteTime(speed int) time.Duration { return 10 * time.Second / time.Duration(speed) }

// garbled is what comes of a byte at another speed.
func garbled(b byte) byte { return b*0x35 + 0x8B }

// Set leaves it at another speed, as a program that was cut off does.
func (m *Minitel) Set(speed int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.speed = speed
}
