// Package probe tries services gently, and remembers how they are.
package probe

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
	"unicode"

	"moip/internal/session"
)

const (
	dialLimit   = 10 * time.Second
	firstWithin = 30 * time.Second // the first try of a service, if there are few
	atOnce      = 4                // tries under way
	maxErr      = 80               // characters of State.Err
)

// A State says how a service was when it was last tried or called.
type State struct {
	Known bool      // it was tried or called at all; if not, the rest is zero
	Up    bool      // it answered
	Since time.Time // when it was first found to be so, after it had been otherwise
	At    time.Time // when it was last tried or called
	Err   string    // what is known of the cause if it is down: a line of at most 80 characters
	By    string    // the gateway that has found it so; "" if there is one only
}

// A Target is a service to remember.
type Target struct {
	Name  string // unique
	Route session.Route
	Every time.Duration // from one try to the next, a fifth more or less; 0 for no tries
}

// A Prober tries services and remembers their states. Its methods may be
// called from any goroutine.
type Prober struct {
	dial session.Dial
	log  *slog.Logger
	bell chan struct{} // wakes Run; holds one ring

	mu       sync.Mutex // guards what follows, and the services
	services map[string]*service
	trying   int
	shared   // with other gateways
}

// A service is a target and what is known of it.
type service struct {
	Target
	State
	due    time.Time // when to try it next, zero for never
	trying bool
	share
}

// New returns a Prober that watches nothing. It will try services with dial, on
// behalf of call 0, and tell log, nil for nobody, which go down and come back.
func New(dial session.Dial, log *slog.Logger) *Prober {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Prober{dial: dial, log: log, bell: make(chan struct{}, 1)}
}

// Watch replaces the services to remember. What is known of a service stays if
// one of the same name and URL is among the new ones.
func (p *Prober) Watch(targets []Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	services := make(map[string]*service, len(targets))
	for _, t := range targets {
		s := p.services[t.Name]
		if s == nil || s.Route.URL != t.Route.URL {
			s = new(service)
		}
		if s.Every != t.Every {
			s.due = first(t.Every)
		}
		s.Target = t
		services[t.Name] = s
	}
	p.services = services
	p.divide()
	p.ring()
}

// State returns how the service called name is. Nothing is known of one that
// is not watched.
func (p *Prober) State(name string) State {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.services[name]; s != nil {
		return s.State
	}
	return State{}
}

// Note tells how a call found the service called name and, if that is down,
// why; err may be nil. The next try is an interval away then: the call was one.
// An error of the gateway's own, session.ErrScarce, says nothing. Note waits for nobody, and
// may be called under a call's lock.
func (p *Prober) Note(name string, up bool, err error) {
	if errors.Is(err, session.ErrScarce) {
		return
	}
	p.mu.Lock()
	s := p.services[name]
	isNews := false
	if s != nil {
		was := s.State
		isNews = s.found(up, err)
		p.note(s, was, false)
	}
	p.mu.Unlock()
	if isNews {
		p.tell(name, up, err)
	}
}

// Run tries the services that are watched until ctx is done. It returns when
// the last try has ended. It must not be called twice.
func (p *Prober) Run(ctx context.Context) {
	var tries sync.WaitGroup
	defer tries.Wait()
	for ctx.Err() == nil {
		s, t, wait := p.next()
		if s != nil {
			tries.Go(func() { p.try(ctx, s, t) })
			continue
		}
		select {
		case <-wait:
		case <-p.bell:
		case <-ctx.Done():
		}
	}
}

// next returns the service whose turn it is, and its target as it is now. If
// there is none, it returns what to wait for, beside the bell.
func (p *Prober) next() (turn *service, t Target, wait <-chan time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.trying == atOnce {
		return nil, Target{}, nil
	}
	for _, s := range p.services {
		if !s.trying && !s.due.IsZero() && p.isOurs(s) && (turn == nil || s.due.Before(turn.due)) {
			turn = s
		}
	}
	if turn == nil {
		return nil, Target{}, nil
	}
	if pause := time.Until(turn.due); pause > 0 {
		return nil, Target{}, time.After(pause)
	}
	turn.trying = true
	p.trying++
	return turn, turn.Target, nil
}

// try dials a service and hangs up at once.
func (p *Prober) try(ctx context.Context, s *service, t Target) {
	err := knock(ctx, p.dial, t.Route, dialLimit)
	up := err == nil

	p.mu.Lock()
	s.trying = false
	p.trying--
	p.ring()
	// A service may have been replaced meanwhile. And what ctx has cut short
	// says nothing.
	isNews := false
	if errors.Is(err, session.ErrScarce) { // nor does that
		s.due = again(time.Now(), s.Every)
	} else if p.services[t.Name] == s && ctx.Err() == nil {
		was := s.State
		isNews = s.found(up, err)
		p.note(s, was, true)
	}
	p.mu.Unlock()
	if isNews {
		p.tell(t.Name, up, err)
	}
}

// knock dials r and hangs up at once.
func knock(ctx context.Context, dial session.Dial, r session.Route, limit time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	e, err := dial(limited, 0, r)
	if err == nil {
		e.Close()
	}
	return err
}

// ring wakes Run: there may be something to do.
func (p *Prober) ring() {
	select {
	case p.bell <- struct{}{}:
	default:
	}
}

// found notes how s was found just now, and when to try it next. It reports
// whether that is news: a service is expected to be up.
func (s *service) found(up bool, err error) (isNews bool) {
	now := time.Now()
	isNews = up != (s.Up || !s.Known)
	if !s.Known || s.Up != up {
		s.Since = now
	}
	s.Known, s.Up, s.At, s.Err, s.By = true, up, now, "", ""
	if !up {
		s.Err = brief(err)
	}
	s.due = again(now, s.Every)
	return isNews
}

// tell logs that a service went down, or came back.
func (p *Prober) tell(name string, up bool, err error) {
	if up {
		p.log.Info("service is up", "service", name)
	} else {
		p.log.Warn("service is down", "service", name, "error", err)
	}
}

// first returns when to try a service for the first time. Those of a long list
// are not tried all together.
func first(every time.Duration) time.Time {
	if every <= 0 {
		return time.Time{}
	}
	return time.Now().Add(rand.N(min(every, firstWithin)))
}

// again returns when to try a service that was found at the time of last.
func again(last time.Time, every time.Duration) time.Time {
	if every <= 0 {
		return time.Time{}
	}
	return last.Add(every - every/5 + rand.N(every/5*2+1))
}

// brief returns the cause of a failed dial in one line. The words that a Dial
// puts before it, "dial URL", are for logs.
func brief(err error) string {
	if err == nil {
		return ""
	}
	if late, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && late.Timeout() {
		return "no answer in time"
	}
	if cause := errors.Unwrap(err); cause != nil {
		err = cause
	}
	return line(err.Error())
}

// line returns text as a line of at most maxErr characters. A server's words may be in it.
func line(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	if r := []rune(text); len(r) > maxErr {
		text = string(r[:maxErr-1]) + "…"
	}
	return text
}
