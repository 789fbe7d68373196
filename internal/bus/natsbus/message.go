package natsbus

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"moip/internal/bus"
)

// foreign is how the inboxes begin of who speaks NATS and knows of no prefix, as a portal may.
const foreign = "_INBOX."

// subject returns what a subject of ours is called on NATS.
func (b *Bus) subject(s string) string {
	if strings.HasPrefix(s, foreign) {
		return s
	}
	return b.prefix + s
}

// ours returns what a subject of NATS is called among gateways.
func (b *Bus) ours(s string) string { return strings.TrimPrefix(s, b.prefix) }

// message returns a message of NATS as ours.
func (b *Bus) message(m *nats.Msg) bus.Message {
	reply := m.Reply
	if !strings.HasPrefix(reply, foreign) {
		var ours bool
		if reply, ours = strings.CutPrefix(reply, b.prefix); !ours {
			reply = "" // who has asked could have us speak wherever we may
		}
	}
	return bus.Message{Subject: b.ours(m.Subject), Reply: reply, Data: m.Data}
}

// fits reports whether a message is one of a bus. No gateway sends larger ones, but who else
// is there may, if the server lets it.
func (b *Bus) fits(m *nats.Msg) bool {
	if len(m.Data) <= bus.MaxData {
		return true
	}
	if b.isNew("large " + m.Subject) {
		b.o.Log.Warn("a message of the bus is too large, and left aside", "subject", b.ours(m.Subject), "bytes", len(m.Data))
	}
	return false
}

// Publish is that of a Bus. It returns ErrDown, too, if too much waits for a slow server. It
// does not ask the connection anything, whose lock is held while that server takes nothing.
func (b *Bus) Publish(m bus.Message) error {
	b.mu.Lock()
	up, most := b.state.Up, b.most
	b.mu.Unlock()
	switch {
	case len(m.Data) > bus.MaxData:
		return bus.ErrLarge
	case !up:
		return bus.ErrDown
	case int64(len(m.Data)) > most:
		return bus.ErrLarge
	}
	out := &nats.Msg{Subject: b.subject(m.Subject), Data: m.Data}
	if m.Reply != "" {
		out.Reply = b.subject(m.Reply)
	}
	return b.out.put(out)
}

// Subscribe is that of a Bus.
func (b *Bus) Subscribe(pattern, queue string, f func(bus.Message)) (stop func(), err error) {
	s, err := b.conn.QueueSubscribe(b.subject(pattern), queue, func(m *nats.Msg) {
		if b.fits(m) {
			f(b.message(m))
		}
	})
	if err != nil {
		return nil, err
	}
	s.SetPendingLimits(maxBehind, maxBehindData)
	return func() { s.Unsubscribe() }, nil
}

// Request is that of a Bus.
func (b *Bus) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	if !b.State().Up {
		return nil, bus.ErrDown
	}
	reply, answers, err := b.asked.add()
	if err != nil {
		return nil, err
	}
	defer b.asked.remove(reply)
	if err := b.Publish(bus.Message{Subject: subject, Reply: reply, Data: data}); err != nil {
		return nil, err
	}
	select {
	case a := <-answers:
		return a.data, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// asked are the questions that have no answer yet. All answers come to one pattern, which
// is followed from the first question on.
type asked struct {
	b       *Bus
	mu      sync.Mutex
	inbox   string // "" before the first question
	number  uint64
	waiting map[string]chan answer // by the subject of the answer
}

type answer struct {
	data []byte
	err  error
}

// add returns a subject for the answer to a question, and where that comes.
func (a *asked) add() (reply string, answers <-chan answer, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inbox == "" {
		inbox := bus.Inbox()
		if _, err := a.b.conn.Subscribe(a.b.subject(inbox)+".*", a.take); err != nil {
			return "", nil, err
		}
		a.inbox, a.waiting = inbox, map[string]chan answer{}
	}
	a.number++
	c := make(chan answer, 1)
	reply = a.inbox + "." + strconv.FormatUint(a.number, 36)
	a.waiting[reply] = c
	return reply, c, nil
}

func (a *asked) remove(reply string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, reply)
}

// take is told of an answer, or by the server that nobody is there to give one (its status
// 503).
func (a *asked) take(m *nats.Msg) {
	is := answer{data: m.Data}
	if !a.b.fits(m) {
		return
	}
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		is.err = bus.ErrNobody
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	reply := a.b.ours(m.Subject)
	if c := a.waiting[reply]; c != nil {
		c <- is
		delete(a.waiting, reply)
	}
}

// fail tells all who wait that the bus is down.
func (a *asked) fail() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.waiting {
		c <- answer{err: bus.ErrDown}
	}
	clear(a.waiting)
}

// What waits to be sent at the most, while the server takes it slowly.
const (
	maxOut     = 16384    // messages
	maxOutData = 16 << 20 // bytes of them
)

// An outbox sends messages in their order, by a goroutine of its own: who publishes must not
// wait for the connection.
type outbox struct {
	mu      sync.Mutex
	some    sync.Cond
	waiting []*nats.Msg
	size    int // of them, in bytes
	stopped bool
	ended   chan struct{}
}

func (o *outbox) init() {
	o.some.L = &o.mu
	o.ended = make(chan struct{})
}

func (o *outbox) put(m *nats.Msg) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped || len(o.waiting) >= maxOut || o.size+len(m.Data) > maxOutData {
		return bus.ErrDown
	}
	o.waiting = append(o.waiting, m)
	o.size += len(m.Data)
	o.some.Signal()
	return nil
}

// run sends until the outbox is stopped and empty.
func (o *outbox) run(c *nats.Conn) {
	defer close(o.ended)
	for {
		o.mu.Lock()
		for len(o.waiting) == 0 && !o.stopped {
			o.some.Wait()
		}
		all := o.waiting
		o.waiting, o.size = nil, 0
		o.mu.Unlock()
		if len(all) == 0 {
			return
		}
		for _, m := range all {
			c.PublishMsg(m) // what cannot be sent now is gone
		}
	}
}

// stop waits a little until all is sent.
func (o *outbox) stop() {
	o.mu.Lock()
	o.stopped = true
	o.mu.Unlock()
	o.some.Signal()
	select {
	case <-o.ended:
	case <-time.After(time.Second):
	}
}
