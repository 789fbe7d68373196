package shared

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"moip/internal/bus"
	"moip/internal/control/cluster"
	"moip/internal/policy/limit"
)

// limitCounts is the subject of what each gateway has of calls.
const limitCounts = "limit.counts"

const (
	tellGap  = 100 * time.Millisecond // from one telling to the next, at the least
	tellEach = 10 * time.Millisecond  // the same for each gateway that hears it, if that is more
	tellTime = time.Second            // and at the most
)

// Limits has the counts of calls of a gateway in common with those of the others.
type Limits struct {
	Hub   *cluster.Hub
	Count *limit.Turnstile
	Log   *slog.Logger

	bell chan struct{}
}

// Open has the Turnstile count for others, too. It comes before Run, and before callers.
func (l *Limits) Open() {
	l.bell = make(chan struct{}, 1)
	l.Count.Share(func() { ring(l.bell) })
}

// A counts tells how many calls a gateway has.
type counts struct {
	From string `json:"from"` // its instance
	Left bool   `json:"left,omitempty"`
	limit.Told
}

// Run tells and hears until ctx is done.
func (l *Limits) Run(ctx context.Context) {
	stop, err := l.Hub.Bus().Subscribe(limitCounts, "", l.hear)
	if err != nil {
		l.Log.Error("limits are this gateway's alone", "error", err)
		return
	}
	defer stop()
	defer l.Hub.Bus().Follow(func(s bus.State) {
		if !s.Up {
			l.Count.Listen(true)
		}
		ring(l.bell)
	})()
	rounds(ctx, l.bell, l.gap, tellTime, func() {
		l.tell(counts{Told: l.Count.Tell()})
		l.Count.Listen(false)
	})
	l.tell(counts{Left: true})
}

// gap is how long to wait until the next telling. Of many gateways each waits longer, as all
// have to hear all.
func (l *Limits) gap() time.Duration {
	return min(max(tellGap, tellEach*time.Duration(l.Count.Hub().Gateways)), tellTime)
}

func (l *Limits) tell(c counts) {
	c.From = l.Hub.Instance()
	l.Hub.Bus().Publish(bus.Message{Subject: limitCounts, Data: encode(c)}) // it is told again in a second
}

// hear is told how many calls another gateway has.
func (l *Limits) hear(m bus.Message) {
	var c counts
	switch {
	case json.Unmarshal(m.Data, &c) != nil || !bus.IsWord(c.From) || c.From == l.Hub.Instance():
	case c.Left:
		l.Count.Quiet(c.From)
	case l.Hub.Bus().State().Up: // or it is late
		l.Count.Hear(c.From, c.Told)
	}
}
