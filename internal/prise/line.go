package prise

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"moip/internal/serial"
	"moip/internal/session"
	"moip/videotex"
)

// A line is an open port, never written to faster than its speed. What the Minitel
// says comes by keys, one whole key at a time.
//
// No more is written than a little ahead of the Minitel: what the kernel and the
// adapter hold cannot be taken back.
type line struct {
	port *serial.Port
	flow bool // heed the Minitel's word to stop and to go on

	keys   chan []byte   // closed when the port is gone, of err then
	doubts chan struct{} // whether the Minitel is still there, and at this speed
	turns  chan int      // a speed that the Minitel has just been ordered to have, see turned
	err    error

	mu      sync.Mutex      // guards what follows
	parser  videotex.Parser // stands where the Minitel does
	own     []byte          // orders of ours, to be let in between two sequences
	owned   bool            // in the midst of them
	kept    []byte          // what the call has still to say
	free    time.Time       // when all that was written will be through
	turning bool            // nothing may be written
	holding bool            // but for orders of ours
	stopped time.Time       // when the Minitel said stop; zero if it has said go
	calling bool
	damaged damages
	noise   struct { // of the moment
		since time.Time
		bytes int
	}
}

// damages counts the bytes that came with a wrong parity.
type damages struct{ here, there uint64 }

const (
	// aheadTime is what is written before its time, so that a timer that is late
	// leaves no gap.
	aheadTime = 200 * time.Millisecond
	// halfTime is how long half a key waits for its other half, as in package
	// session.
	halfTime = 200 * time.Millisecond
	// stopTime is how long a Minitel that has said stop is believed.
	stopTime = 10 * time.Second
	// stuckTime is how long the kernel may have no room.
	stuckTime = time.Second
	// manyDamaged bytes in the time of noiseTime are hardly noise: it may speak at
	// another speed.
	manyDamaged = 3
	noiseTime   = 500 * time.Millisecond
)

// Why there is no port any more.
var (
	errPulled = errors.New("it is gone: the adapter was pulled out")
	errStuck  = errors.New("it takes nothing any more")
)

func newLine(port *serial.Port, flow bool) *line {
	l := &line{
		port: port, flow: flow,
		keys: make(chan []byte), doubts: make(chan struct{}, 1), turns: make(chan int, 1),
	}
	go l.read()
	return l
}

// close closes the port.
func (l *line) close() {
	l.port.Close()
	for range l.keys { // nobody wants them
	}
}

// read brings keys until the port is gone.
func (l *line) read() {
	defer close(l.keys)
	var reader videotex.KeyReader
	buf := make([]byte, 256)
	for {
		var half time.Time
		if len(reader.Held()) > 0 {
			half = time.Now().Add(halfTime)
		}
		l.port.SetReadDeadline(half)
		n, err := l.port.Read(buf)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			switch l.err = err; {
			case errors.Is(err, io.EOF):
				l.err = errPulled
			case errors.Is(err, os.ErrClosed):
				l.err = errStuck // see send
			}
			return
		}
		if err != nil {
			l.bring(reader.Flush())
			continue
		}
		for key, rest := reader.Next(l.sound(buf[:n])); key != nil; key, rest = reader.Next(rest) {
			l.bring(key)
		}
	}
}

// bring brings a key, unless it is the Minitel's word to stop or to go on.
func (l *line) bring(key []byte) {
	if len(key) > 0 && !(l.flow && l.flows(key)) {
		l.keys <- bytes.Clone(key)
	}
}

// sound returns, in place, the bytes of p that came undamaged. For those that did
// not, the Minitel is sent SUB, which it shows as a block; and the SUBs that it
// sends are for what came damaged there.
func (l *line) sound(p []byte) []byte {
	if l.port.Parity() == serial.ParityNone {
		return p
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	sound := p[:0]
	for _, b := range p {
		switch {
		case b >= 0x80:
			l.wrong(time.Now())
		case b == videotex.SUB && l.parser.Mode() != videotex.Teleinformatique:
			l.damaged.there++
		default:
			sound = append(sound, b)
		}
	}
	l.pump()
	return sound
}

// wrong notes that a byte has just come with a wrong parity.
func (l *line) wrong(now time.Time) {
	l.damaged.here++
	if now.Sub(l.noise.since) > noiseTime {
		l.noise.since, l.noise.bytes = now, 0
		if l.calling && !l.holding { // not for each: at another speed than ours it hears none
			l.own = append(l.own, videotex.SUB)
		}
	}
	if l.noise.bytes++; l.noise.bytes == manyDamaged {
		l.doubt()
	}
}

func (l *line) doubt() {
	select {
	case l.doubts <- struct{}{}:
	default:
	}
}

// doubted reports whether there has been a doubt, and forgets it.
func (l *line) doubted() bool {
	select {
	case <-l.doubts:
		return true
	default:
		return false
	}
}

// setCalling says whether there is a caller, and returns what came damaged so far.
func (l *line) setCalling(on bool) damages {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calling, l.kept = on, nil
	return l.damaged
}

// flows reports whether key is XOFF or XON, and heeds it. XOFF is the code of SEP: it
// is meant if no letter follows. A Minitel sends neither.
func (l *line) flows(key []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch string(key) {
	case "\x13":
		l.stopped = time.Now()
	case "\x11":
		l.stopped = time.Time{}
		l.pump()
	default:
		return false
	}
	return true
}

// order has p, whole orders, let in as soon as the Minitel is between two sequences.
func (l *line) order(p string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.own = append(l.own, p...)
	l.pump()
}

// write writes as much of p as may be and keeps the rest, unless done. It reports
// whether it keeps anything.
func (l *line) write(p []byte, done <-chan struct{}) (kept bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-done:
		return false
	default:
	}
	l.kept = append(l.kept, p...)
	l.pump()
	return len(l.kept) > 0
}

// flush waits until nothing is kept, or until done.
func (l *line) flush(done <-chan struct{}) {
	for l.write(nil, done) {
		select {
		case <-done:
			return
		case <-time.After(aheadTime / 2):
		}
	}
}

// rest returns what brings the Minitel to rest, in Vidéotex.
func (l *line) rest() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.parser.Rest(nil)
}

// deaf reports whether the Minitel hears no question now: in Téléinformatique it has
// no protocol layer (3-1), and in the middle of a sequence there is no room for one.
func (l *line) deaf() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.parser.Mode() == videotex.Teleinformatique || !l.parser.Between()
}

// tune starts the line anew, to a Minitel of which nothing is known.
func (l *line) tune(speed int, parity serial.Parity) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.port.Parity() != parity {
		if err := l.port.SetParity(parity); err != nil {
			return err
		}
	}
	if err := l.port.SetSpeed(speed); err != nil {
		return err
	}
	l.parser, l.own, l.owned, l.kept, l.free = videotex.Parser{}, nil, false, nil, time.Time{}
	l.turning, l.holding, l.stopped = false, false, time.Time{}
	l.doubted()
	select {
	case <-l.turns:
	default:
	}
	return l.port.Discard()
}

// pump writes what may be written now.
func (l *line) pump() {
	var buf [256]byte
	out := buf[:0]
	for room := l.room(); !l.turning; {
		var b byte
		switch {
		case len(l.own) > 0 && (l.owned || l.parser.Between()):
			b, l.own = l.own[0], l.own[1:]
			l.owned = len(l.own) > 0
		case len(l.kept) > 0 && !l.holding && len(out) < room:
			b, l.kept = l.kept[0], l.kept[1:]
		default:
			l.send(out)
			return
		}
		out = append(out, b)
		l.obey(l.parser.Step(b))
	}
	l.send(out)
}

// obey does what order means to the line, as it is written.
func (l *line) obey(order []byte) {
	if speed, ok := videotex.LineSpeed(order); ok {
		l.turning, l.holding = true, true
		l.turns <- speed // has room: there is no other before it is turned
	}
	if string(order) == resetOrder && l.calling { // else it is ours, see bring
		l.own = append(l.own, routings...)
	}
}

// send writes p. The kernel has room for it; a port for which that is not so sends
// nothing and is closed. Of one that is gone the reader hears by itself.
func (l *line) send(p []byte) {
	if len(p) == 0 {
		return
	}
	if now := time.Now(); l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(len(p)) * l.byteTime())
	l.port.SetWriteDeadline(time.Now().Add(stuckTime))
	if _, err := l.port.Write(p); errors.Is(err, os.ErrDeadlineExceeded) {
		l.port.Close()
	}
}

// room returns how many bytes may be written now.
func (l *line) room() int {
	now := time.Now()
	if now.Sub(l.stopped) < stopTime {
		return 0
	}
	ahead := max(l.free.Sub(now), 0)
	return int((aheadTime - ahead) / l.byteTime())
}

// byteTime is how long a byte takes.
func (l *line) byteTime() time.Duration { return session.ByteTime(l.port.Speed()) }

// through waits until the Minitel has all that was written.
func (l *line) through() {
	l.mu.Lock()
	free := l.free
	l.mu.Unlock()
	time.Sleep(time.Until(free))
	l.port.Drain()
}

// turned lets orders of ours be written again, and everything once the speed is
// sure.
func (l *line) turned(sure bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turning, l.holding = false, !sure
	l.pump()
}
