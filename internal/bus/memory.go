package bus

import (
	"context"
	"maps"
	"sync"
	"time"
)

// maxBehind is how many messages wait for one who follows a pattern of an Exchange.
const maxBehind = 4096

// An Exchange is the bus of gateways that are all in this process: of the only one there
// is, or of many in a test. The zero value is empty.
type Exchange struct {
	mu     sync.Mutex
	places map[*Place]struct{}
	turn   int // of queues
}

// Join returns a new place at the exchange.
func (x *Exchange) Join() *Place {
	p := &Place{x: x, subs: map[*sub]struct{}{}, followers: map[*func(State)]struct{}{}, state: State{Up: true, Since: time.Now(), At: "this process"}}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.places == nil {
		x.places = map[*Place]struct{}{}
	}
	x.places[p] = struct{}{}
	return p
}

// publish tells m to all but those who are cut off.
func (x *Exchange) publish(from *Place, m Message) (told int, err error) {
	if len(m.Data) > MaxData {
		return 0, ErrLarge
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if !from.state.Up {
		return 0, ErrDown
	}
	queues := map[string][]*sub{}
	for p := range x.places {
		if !p.state.Up {
			continue
		}
		for s := range p.subs {
			if !Matches(s.pattern, m.Subject) {
				continue
			}
			if s.queue != "" {
				queues[s.queue] = append(queues[s.queue], s)
				continue
			}
			s.take(m)
			told++
		}
	}
	for _, all := range queues {
		x.turn++
		all[x.turn%len(all)].take(m)
		told++
	}
	return told, nil
}

// A Place is a gateway's at an Exchange.
type Place struct {
	x         *Exchange
	subs      map[*sub]struct{}         // guarded by x.mu, as all below
	followers map[*func(State)]struct{} //
	state     State
}

var _ Bus = (*Place)(nil)

// Publish is that of a Bus.
func (p *Place) Publish(m Message) error {
	_, err := p.x.publish(p, m)
	return err
}

// Request is that of a Bus.
func (p *Place) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	inbox, answers := Inbox(), make(chan []byte, 1)
	stop, err := p.Subscribe(inbox, "", func(m Message) {
		select {
		case answers <- m.Data:
		default: // not the first
		}
	})
	if err != nil {
		return nil, err
	}
	defer stop()
	cut := make(chan struct{}, 1)
	defer p.Follow(func(s State) {
		if !s.Up {
			select {
			case cut <- struct{}{}:
			default:
			}
		}
	})()
	told, err := p.x.publish(p, Message{subject, inbox, data})
	if err != nil {
		return nil, err
	}
	if told == 0 {
		return nil, ErrNobody
	}
	select {
	case answer := <-answers:
		return answer, nil
	case <-cut:
		return nil, ErrDown
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Subscribe is that of a Bus.
func (p *Place) Subscribe(pattern, queue string, f func(Message)) (stop func(), err error) {
	s := &sub{pattern: pattern, queue: queue, f: f}
	p.x.mu.Lock()
	defer p.x.mu.Unlock()
	p.subs[s] = struct{}{}
	return func() {
		p.x.mu.Lock()
		defer p.x.mu.Unlock()
		delete(p.subs, s)
		s.stop()
	}, nil
}

// State is that of a Bus.
func (p *Place) State() State {
	p.x.mu.Lock()
	defer p.x.mu.Unlock()
	return p.state
}

// Follow is that of a Bus.
func (p *Place) Follow(f func(State)) (stop func()) {
	p.x.mu.Lock()
	defer p.x.mu.Unlock()
	p.followers[&f] = struct{}{}
	return func() {
		p.x.mu.Lock()
		defer p.x.mu.Unlock()
		delete(p.followers, &f)
	}
}

// Cut has the place unreachable, for a reason, as if its line were cut; with nil it is
// reachable again. What is published in between is lost.
func (p *Place) Cut(why error) {
	p.x.mu.Lock()
	if p.state.Up == (why == nil) {
		p.x.mu.Unlock()
		return
	}
	p.state.Up, p.state.Why, p.state.Since = why == nil, why, time.Now()
	state, all := p.state, maps.Clone(p.followers)
	p.x.mu.Unlock()
	for f := range all {
		(*f)(state)
	}
}

// Close is that of a Bus.
func (p *Place) Close() error {
	p.x.mu.Lock()
	defer p.x.mu.Unlock()
	for s := range p.subs {
		s.stop()
	}
	clear(p.subs)
	delete(p.x.places, p)
	p.state.Up, p.state.Why = false, ErrDown
	return nil
}

// A sub follows a pattern. It has a goroutine only while it has messages.
type sub struct {
	pattern, queue string
	f              func(Message)

	mu      sync.Mutex
	waiting []Message
	busy    bool
	stopped bool
}

// take has s told of m, unless too much waits for it.
func (s *sub) take(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || len(s.waiting) == maxBehind {
		return
	}
	s.waiting = append(s.waiting, m)
	if !s.busy {
		s.busy = true
		go s.tell()
	}
}

func (s *sub) tell() {
	for {
		s.mu.Lock()
		if s.stopped || len(s.waiting) == 0 {
			s.busy, s.waiting = false, nil
			s.mu.Unlock()
			return
		}
		m := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.mu.Unlock()
		s.f(m)
	}
}

func (s *sub) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
}
