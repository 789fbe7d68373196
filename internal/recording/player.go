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
	reader *Reader
	factor float64
	due    time.Time // when the last event was, for the Player
	closed chan struct{}
	once   sync.Once
}

// Play returns a Player of what r has still to tell, so many times as fast as it
// was; 0 is as fast as it is heard. Its time starts with the first Receive.
func Play(r *Reader, factor float64) *Player {
	return &Player{reader: r, factor: factor, closed: make(chan struct{})}
}

// Receive waits for what comes next. It returns io.EOF at the end, or an error of
// the Reader's.
func (p *Player) Receive() ([]byte, error) {
	if p.due.IsZero() {
		p.due = time.Now()
	}
	for {
		e, err := p.reader.Next()
		if err != nil {
			return nil, err
		}
		if p.factor > 0 {
			p.due = p.due.Add(time.Duration(float64(e.After) / p.factor))
		}
		if e.Kind != Output {
			continue
		}
		if !p.wait() {
			return nil, io.EOF
		}
		if len(e.Data) > 0 {
			return e.Data, nil
		}
	}
}

// wait waits until the event is due. It reports false if the Player is closed.
func (p *Player) wait() bool {
	timer := time.NewTimer(time.Until(p.due))
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

// Close ends Receive.
func (p *Player) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}
