package recording

import (
	"io"
	"sync"
	"time"
)

// A Player is the far end of a call that was recorded: it says what the terminal
// was sent then, when it was sent. What it is sent, it does not hear. It is an
// Endpoint of package session.
type Player struct {
	speed  Speed
	closed chan struct{}
	once   sync.Once

	mu     sync.Mutex // held by Receive
	source source
	due    time.Time // when what comes next is said
	rest   []byte    // of an event
}

// A source tells of events, one after the other, until io.EOF or an error.
type source interface {
	Next() (Event, error)
	close()
}

// pause is the kind of an Output that is due after its time whatever the speed. No
// file can have it.
const pause Kind = 0xFF

// Play returns a Player of what r has still to tell. Its time starts with the first
// Receive.
func Play(r *Reader, s Speed) *Player { return newPlayer(r, s) }

func newPlayer(from source, s Speed) *Player {
	return &Player{source: from, speed: s, closed: make(chan struct{})}
}

func (d *Reader) close() {}

// Receive waits for what comes next. It returns io.EOF at the end, or an error of
// the recording's.
func (p *Player) Receive() ([]byte, error) {
	p.mu.Lock()
	data, err := p.receive()
	p.mu.Unlock()
	if p.isClosed() {
		p.release()
	}
	return data, err
}

func (p *Player) receive() ([]byte, error) {
	if p.due.IsZero() {
		p.due = time.Now()
	}
	for len(p.rest) == 0 {
		if p.isClosed() {
			return nil, io.EOF
		}
		e, err := p.source.Next()
		if err != nil {
			return nil, err
		}
		switch e.Kind {
		case pause:
			p.due = time.Now().Add(e.After)
		case Output:
			p.due = p.due.Add(p.speed.after(e.After))
		default:
			p.due = p.due.Add(p.speed.after(e.After))
			continue
		}
		p.rest = e.Data
		if !p.wait() {
			return nil, io.EOF
		}
	}
	if !p.wait() { // a line that is busy
		return nil, io.EOF
	}
	n := min(len(p.rest), p.speed.cut())
	data := p.rest[:n]
	p.rest = p.rest[n:]
	if p.speed.Line > 0 {
		if now := time.Now(); p.due.Before(now) {
			p.due = now // it has saved up nothing
		}
		p.due = p.due.Add(p.speed.lasts(n))
	}
	return data, nil
}

// wait waits until what comes next is due. It reports false if the Player is closed.
func (p *Player) wait() bool {
	if p.isClosed() {
		return false
	}
	late := time.Until(p.due)
	if late <= 0 {
		return true
	}
	timer := time.NewTimer(late)
	defer timer.Stop()
	select {
	case <-p.closed:
		return false
	case <-timer.C:
		return true
	}
}

// Send takes p, for nobody.
func (p *Player) Send([]byte) (kept bool) { return false }

// Flush has nothing to wait for.
func (p *Player) Flush() {}

// Close ends Receive. It does not wait for a disk.
func (p *Player) Close() error {
	p.once.Do(func() { close(p.closed) })
	p.release()
	return nil
}

func (p *Player) isClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

// release closes the files of a Player that is closed, or leaves that to Receive.
func (p *Player) release() {
	if p.mu.TryLock() {
		defer p.mu.Unlock()
		p.source.close()
	}
}
