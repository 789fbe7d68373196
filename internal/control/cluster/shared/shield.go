package shared

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"time"

	"moip/internal/bus"
	"moip/internal/control/cluster"
	"moip/internal/policy/shield"
)

// Subjects of the shield: what each gateway has seen; and who is new asks all for that.
const (
	shieldReports = "shield.reports"
	shieldAsk     = "shield.ask"
)

const (
	reportGap  = 100 * time.Millisecond
	reportMost = 500 // households in a message, of some 150 bytes each, 800 at the most
)

// Shield has the scores of a gateway in common with those of the others.
type Shield struct {
	Hub    *cluster.Hub
	Shield *shield.Shield
	Log    *slog.Logger

	bell   chan struct{}
	asking atomic.Bool // all are to be asked
	retold time.Time   // all that is known here
}

// Open has the Shield say what it sees. It comes before Run, and before callers.
func (s *Shield) Open() {
	s.bell = make(chan struct{}, 1)
	s.Shield.Share(s.Hub.Instance(), func() { ring(s.bell) })
}

// reports are what a gateway has seen.
type reports struct {
	From       string          `json:"from"` // its instance
	Households []shield.Report `json:"households"`
}

// Run tells and hears until ctx is done.
func (s *Shield) Run(ctx context.Context) {
	stop, err := bus.SubscribeAll(s.Hub.Bus(), map[string]func(bus.Message){shieldReports: s.hear, shieldAsk: func(bus.Message) { s.Shield.Retell() }})
	if err != nil {
		s.Log.Error("what the shield sees is not shared", "error", err)
		return
	}
	defer stop()
	defer s.Hub.Bus().Follow(func(state bus.State) {
		if state.Up {
			s.ask()
		}
	})()
	s.ask()
	s.retold = time.Now()
	defer s.tell()
	rounds(ctx, s.bell, func() time.Duration { return reportGap }, time.Minute, s.tell)
}

// ask has all tell what they have seen, and so does this one.
func (s *Shield) ask() {
	s.asking.Store(true)
	ring(s.bell)
}

// tell tells what is new, and now and then all.
func (s *Shield) tell() {
	if !s.Hub.Bus().State().Up {
		return // it is all told when it is up again
	}
	if s.asking.Swap(false) {
		s.Hub.Bus().Publish(bus.Message{Subject: shieldAsk})
	}
	if time.Since(s.retold) >= shield.RetellTime {
		s.retold = time.Now()
		s.Shield.Retell()
	}
	news, more := s.Shield.News(reportMost)
	if len(news) > 0 {
		s.Hub.Bus().Publish(bus.Message{Subject: shieldReports, Data: encode(reports{s.Hub.Instance(), news})})
	}
	if more {
		ring(s.bell)
	}
}

// hear is told what another gateway has seen.
func (s *Shield) hear(m bus.Message) {
	var r reports
	if json.Unmarshal(m.Data, &r) == nil && bus.IsWord(r.From) && r.From != s.Hub.Instance() {
		s.Shield.Take(r.From, r.Households)
	}
}
