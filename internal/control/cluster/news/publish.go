package news

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"moip/internal/bus"
	"moip/internal/control/cluster/spool"
)

const (
	// haste is how soon after a message the next one comes: what happens meanwhile goes
	// with it, so that a storm of calls is few messages.
	haste = 10 * time.Millisecond
	// echoTime is after how long it is made sure, at the latest, that what was published
	// has reached the bus.
	echoTime = time.Second
	// settleTime is how long after the bus has come back what has waited is told: the
	// others and portals have to come back, too.
	settleTime = 3 * time.Second
	// confirmTime is how long that may take.
	confirmTime = 5 * time.Second
	// slowTime is until the bus is tried again that is up, and takes nothing.
	slowTime = 10 * haste
	// againTime is until what the disk or another process has refused is tried again.
	againTime = 5 * time.Second
)

// Counts are of what a gateway has told the bus.
type Counts struct {
	Published uint64 // events, some of them twice after the bus was down
	Waiting   uint64 // to be published
	Lost      uint64 // for which there was no room
}

// A publisher tells the bus what happens in its gateway, in order. What it cannot tell it
// keeps in the spool, as far as there is room: of the rest it tells how much is lost.
//
// The bus takes what it then loses if its connection breaks. So the publisher sends itself
// an echo now and then, behind what it publishes; when the bus comes back it begins again
// after the last event of which it knows.
type publisher struct {
	w      *Wire
	past   past
	nonce  string        // of its echoes
	bell   chan struct{} // the bus is up or down, or there is an echo
	drops  atomic.Uint64 // how often the bus has gone down
	echoed atomic.Uint64 // the newest echo heard

	// Of the goroutine that runs it.
	next   uint64    // number of the event that comes next
	safe   uint64    // what comes before is told for certain, or in the spool
	echo   uint64    // the newest sent
	sent   time.Time // when
	upTo   uint64    // events that are safe once it is heard
	known  uint64    // drops
	full   bool      // the spool, until it is empty
	lost   uint64    // events that nobody has been told of yet: those before next
	aloud  uint64    // how many of them are told of in the spool
	busy   bool      // the spool may have something of old that another process holds
	failed bool      // the spool, which the log knows
}

// A question asks for the events from a number on, or is an echo of the gateway itself.
type question struct {
	From  uint64 `json:"from"`
	Nonce string `json:"nonce,omitempty"`
	Echo  uint64 `json:"echo,omitempty"`
}

// Run publishes what happens, and answers who has missed some, until ctx is done. Only a
// gateway of a hub needs it.
func (w *Wire) Run(ctx context.Context) {
	p := &publisher{w: w, nonce: rand.Text(), bell: w.bell, aloud: 1, busy: w.o.Spool != nil}
	p.past.w = w
	stop, err := w.o.Hub.Bus().Subscribe(asked+w.gateway+"."+w.run, "", p.hear)
	if err != nil {
		w.o.Log.Error("events are not told to the other gateways", "error", err)
		return
	}
	defer stop()
	defer p.past.close()
	defer w.o.Hub.Bus().Follow(func(s bus.State) {
		if !s.Up {
			p.drops.Add(1)
		}
		p.ring()
	})()
	for ctx.Err() == nil {
		p.step(ctx)
	}
	p.finish()
}

func (p *publisher) ring() {
	select {
	case p.bell <- struct{}{}:
	default:
	}
}

func (p *publisher) up() bool { return p.w.o.Hub.Bus().State().Up }

// hear is told of questions, and of our echoes.
func (p *publisher) hear(m bus.Message) {
	var q question
	switch {
	case json.Unmarshal(m.Data, &q) != nil:
	case m.Reply != "":
		p.w.answer(m.Reply, q.From)
	case q.Nonce == p.nonce:
		p.echoed.Store(q.Echo)
		p.ring()
	}
}

// step does what is to be done first, and waits if that is nothing.
func (p *publisher) step(ctx context.Context) {
	p.mind()
	some, news := p.w.since(p.next)
	switch up := p.up(); {
	case up && p.behind():
		if wait := settleTime - time.Since(p.w.o.Hub.Bus().State().Since); wait > 0 {
			p.wait(ctx, nil, wait)
			return
		}
		p.deliver(ctx)
	case len(some) == 0:
		p.idle(ctx, news, up)
	case up:
		if !p.publish(some) {
			p.wait(ctx, nil, slowTime)
			return
		}
		select {
		case <-time.After(haste):
		case <-ctx.Done():
		}
	case !p.keep(some):
		p.wait(ctx, nil, againTime) // they wait where they are
	}
}

// mind notes what has become of the bus and the spool.
func (p *publisher) mind() {
	if p.echoed.Load() == p.echo {
		p.safe = max(p.safe, p.upTo)
	}
	if drops := p.drops.Load(); drops != p.known {
		p.known = drops
		p.again()
	}
	if p.busy && p.spool() != nil {
		bad, err := p.spool().Open()
		p.busy = errors.Is(err, spool.ErrBusy)
		if err != nil && !p.busy {
			p.w.o.Log.Error("what happened before the start, and was not told to the other gateways, cannot be read", "error", err)
		}
		if bad > 0 {
			p.w.o.Log.Warn("some of what happened before the start cannot be read, and is not told to the other gateways", "lines", bad)
		}
	}
	p.w.next.Store(p.next)
}

// again goes back to what is not safe, as far as that is still kept.
func (p *publisher) again() {
	told := p.w.Told()
	p.next = min(p.next, max(p.safe, told-min(told, Kept)))
}

// spool returns nil where there is none, or another process has it from now on.
func (p *publisher) spool() *spool.Spool {
	if p.w.o.Spool != nil && p.w.yielded.Load() {
		p.w.o.Spool.Close() // a line may just have taken it back
		return nil
	}
	return p.w.o.Spool
}

// behind reports whether there is something to tell before what is new.
func (p *publisher) behind() bool {
	s := p.spool()
	return p.lost > 0 || s != nil && s.Waiting() > 0
}

// idle waits until something is to be done.
func (p *publisher) idle(ctx context.Context, news <-chan struct{}, up bool) {
	switch {
	case up && p.upTo < p.next:
		p.wait(ctx, news, max(0, time.Until(p.sent.Add(echoTime))))
		p.sendEcho(p.up())
	case p.busy || !up:
		p.wait(ctx, news, againTime)
	default:
		p.wait(ctx, news, -1)
	}
}

// wait waits for news, for the bell, or for some time unless it is negative.
func (p *publisher) wait(ctx context.Context, news <-chan struct{}, most time.Duration) {
	var late <-chan time.Time
	if most >= 0 {
		late = time.After(most)
	}
	select {
	case <-news:
	case <-p.bell:
	case <-late:
	case <-ctx.Done():
	}
}

// sendEcho sends an echo, if it is time and the last event is not safe.
func (p *publisher) sendEcho(up bool) {
	if !up || p.upTo >= p.next || time.Since(p.sent) < echoTime {
		return
	}
	p.forceEcho()
}

func (p *publisher) forceEcho() {
	p.echo++
	p.sent, p.upTo = time.Now(), p.next
	data, err := json.Marshal(question{Nonce: p.nonce, Echo: p.echo})
	if err != nil {
		panic(err) // it is a string and a number
	}
	p.w.o.Hub.Bus().Publish(bus.Message{Subject: asked + p.w.gateway + "." + p.w.run, Data: data})
}

// confirmed waits until the bus has what was published.
func (p *publisher) confirmed(ctx context.Context) bool {
	p.forceEcho()
	late := time.After(confirmTime)
	for p.echoed.Load() != p.echo {
		select {
		case <-p.bell:
		case <-late:
			return false
		case <-ctx.Done():
			return false
		}
		if p.drops.Load() != p.known {
			return false
		}
	}
	p.mind()
	return true
}

// publish tells the bus what has happened, or as much of it as goes into a message.
func (p *publisher) publish(some []Event) bool {
	data, n := lines(nil, some)
	switch err := p.w.o.Hub.Bus().Publish(bus.Message{Subject: told + p.w.gateway, Data: data}); {
	case errors.Is(err, bus.ErrLarge) && n > 1:
		return p.publish(some[:n/2])
	case errors.Is(err, bus.ErrLarge):
		p.w.lost.Add(1)
	case err != nil:
		return false
	}
	for _, e := range some[:n] {
		p.pass(e)
	}
	p.w.published.Add(uint64(n))
	p.sendEcho(true)
	return true
}

// pass goes on to what comes after an event.
func (p *publisher) pass(e Event) {
	_, n, _ := numberOf(e.ID)
	p.next = n + 1
	p.w.lost.Add(e.Lost)
	p.w.next.Store(p.next)
}

// keep puts what has happened into the spool. If that cannot be written, it is left.
func (p *publisher) keep(some []Event) bool {
	s := p.spool()
	if s == nil {
		return false
	}
	for _, e := range some {
		err := spool.ErrFull
		if !p.full {
			line, _ := lines(nil, []Event{e})
			err = s.Add(line)
		}
		switch {
		case errors.Is(err, spool.ErrFull):
			p.drop(s, e)
		case errors.Is(err, spool.ErrLine):
			p.w.lost.Add(1) // it would be longer than any
			p.pass(e)
		case err != nil:
			if !p.failed {
				p.w.o.Log.Error("what happens while the bus is down cannot be kept; what is newest waits in memory", "error", err)
			}
			p.failed = true
			return false
		default:
			p.pass(e)
		}
		p.safe, p.failed = p.next, false
	}
	return true
}

// drop counts an event for which the spool has no room. It says there how many there are,
// less and less often: this process may be killed.
func (p *publisher) drop(s *spool.Spool, e Event) {
	if !p.full {
		p.full = true
		p.w.o.Log.Warn("the bus is down for so long that what happens is not kept any more for the other gateways; cluster.spool_size is how much is", "since", e.At)
	}
	if e.Type == Lost {
		p.lost += e.Lost
	} else {
		p.lost++
		p.w.lost.Add(1)
	}
	p.pass(e)
	if p.lost >= p.aloud {
		p.keepLost(s)
	}
}

// keepLost says in the spool how many events are lost.
func (p *publisher) keepLost(s *spool.Spool) {
	line, _ := lines(nil, []Event{p.w.source.lost(p.next-1, p.lost)})
	if s.AddLast(line) == nil {
		p.lost, p.aloud = 0, 2*p.aloud
	}
}

// deliver tells some of what has waited, and then what is lost.
func (p *publisher) deliver(ctx context.Context) {
	var all [][]byte
	s := p.spool()
	if s != nil {
		var err error
		if all, err = s.Next(); err != nil {
			p.w.o.Log.Error("what happened while the bus was down cannot be read", "error", err)
			s.Close()
			p.full, p.aloud = false, 1 // or that is found out anew
			p.wait(ctx, nil, againTime)
			return
		}
	}
	if len(all) == 0 {
		if p.lost > 0 && p.publish([]Event{p.w.source.lost(p.next-1, p.lost)}) {
			p.w.lost.Add(-p.lost) // they are counted
			p.lost = 0
		}
		return
	}
	for _, some := range byGateway(all) {
		if p.tell(some) != nil {
			p.wait(ctx, nil, slowTime)
			return
		}
	}
	if !p.confirmed(ctx) {
		return
	}
	for _, line := range all {
		p.past.add(line)
	}
	if err := s.Done(); err != nil {
		p.w.o.Log.Error("what happened while the bus was down is told, and may be told again after a restart", "error", err)
	}
	if s.Waiting() == 0 {
		p.full, p.aloud = false, 1
		p.w.o.Log.Info("what happened while the bus was down is told to the other gateways")
	}
}

// A batch is lines of the spool that tell of one gateway.
type batch struct {
	gateway string
	lines   [][]byte
}

// byGateway returns lines as they go on the bus. The gateway may have had another name when
// they were written.
func byGateway(all [][]byte) (some []batch) {
	for _, line := range all {
		var e struct{ Gateway string }
		if json.Unmarshal(line, &e) != nil || !isWord(e.Gateway) {
			continue
		}
		if n := len(some); n == 0 || some[n-1].gateway != e.Gateway {
			some = append(some, batch{gateway: e.Gateway})
		}
		last := &some[len(some)-1]
		last.lines = append(last.lines, line)
	}
	return some
}

// tell tells the bus what has waited, in several messages if it takes only small ones. A line
// that is too large by itself is lost.
func (p *publisher) tell(b batch) error {
	n := len(b.lines)
	err := p.w.o.Hub.Bus().Publish(bus.Message{Subject: told + b.gateway, Data: bytes.Join(b.lines, []byte("\n"))})
	switch {
	case errors.Is(err, bus.ErrLarge) && n > 1:
		if err := p.tell(batch{b.gateway, b.lines[:n/2]}); err != nil {
			return err
		}
		return p.tell(batch{b.gateway, b.lines[n/2:]})
	case errors.Is(err, bus.ErrLarge):
		p.w.lost.Add(1)
		return nil
	case err == nil:
		p.w.published.Add(uint64(n))
	}
	return err
}

// finish tells or keeps what is left.
func (p *publisher) finish() {
	soon, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	p.mind()
	if p.up() && !p.behind() {
		for {
			some, _ := p.w.since(p.next)
			if len(some) == 0 || !p.publish(some) {
				break
			}
		}
		if p.safe < p.next && !p.confirmed(soon) {
			p.again()
		}
	}
	if p.up() && !p.behind() && p.safe == p.next {
		return
	}
	for {
		some, _ := p.w.since(p.next)
		if len(some) == 0 || !p.keep(some) {
			break
		}
	}
	if s := p.spool(); s != nil {
		if p.lost > 0 {
			p.keepLost(s)
		}
		s.Close()
	}
}

// Yield leaves the spool to the process that replaces this one.
func (w *Wire) Yield() {
	w.yielded.Store(true)
	if w.o.Spool != nil {
		w.o.Spool.Close()
	}
}

// Counts counts what was published.
func (w *Wire) Counts() Counts {
	c := Counts{Published: w.published.Load(), Lost: w.lost.Load()}
	told, next := w.Told(), w.next.Load()
	c.Waiting = told - min(told, next)
	if w.o.Spool != nil {
		c.Waiting += uint64(w.o.Spool.Waiting())
	}
	return c
}
