// Package ship brings the records of calls to one place, a stream of JetStream, where the
// operator wants that. Until one has arrived there it waits in the history itself, through
// everything that may happen to this process or to NATS, and is brought again.
//
// So the stream may be told of a record twice. It drops what it has had within its
// duplicate window, by the id that a record has in its header Nats-Msg-Id: NODE.RUN.CALL,
// of which RUN is when the gateway was started, in microseconds since 1970. Whoever reads
// the stream drops the rest by the same id.
package ship

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"moip/internal/bus"
	"moip/internal/history"
)

const (
	underWay   = 256              // records that the stream has not acknowledged, at the most
	askTime    = 5 * time.Second  // for an answer about the stream
	ackTime    = 10 * time.Second // for the stream to acknowledge a record
	retryFirst = time.Second      // after a failure, growing to retryLast
	retryLast  = 10 * time.Second
	lookTime   = time.Minute            // between looks for what others with this history have left
	writeTime  = 500 * time.Millisecond // for the history to write what has just ended
	lastTime   = 3 * time.Second        // for the last records of a gateway that ends
)

// Options of a Shipper.
type Options struct {
	Conn    *nats.Conn
	Prefix  string // words of a subject, below which the records are: PREFIX.record.NODE
	Stream  string
	History *history.History // that was opened to Ship
	Log     *slog.Logger     // nil for none
}

// A Shipper ships the records of a history. Its methods may be called from any goroutine.
type Shipper struct {
	o Options

	// Owned by Run.
	js      jetstream.JetStream
	ready   bool    // the stream can be shipped to, as far as is known
	most    int     // bytes that a record may have there
	arrived []int64 // records that the history does not know yet to have arrived

	mu      sync.Mutex
	shipped uint64
	fault   error // nil if what was tried last has gone well
}

// A State is how the shipping goes.
type State struct {
	Shipped uint64 // records that have arrived, since the start
	Waiting int    // that have not yet
	Missed  int    // that never will, as they were deleted too early, since the start
	Fault   error  // why records wait, nil if they need not
}

// New returns a Shipper, which ships while Run runs.
func New(o Options) *Shipper {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("stream", o.Stream)
	return &Shipper{o: o}
}

// State returns how the shipping goes. It reads the history.
func (s *Shipper) State(ctx context.Context) State {
	waiting, missed, err := s.o.History.Shipping(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	return State{s.shipped, waiting, missed, errors.Join(s.fault, err)}
}

// Run ships until ctx is done or the history closed, and then what has just ended, if that
// can be done without delay. What still waits is shipped after the next start.
func (s *Shipper) Run(ctx context.Context) {
	var err error
	if s.js, err = jetstream.New(s.o.Conn, jetstream.WithPublishAsyncMaxPending(underWay), jetstream.WithPublishAsyncTimeout(ackTime)); err != nil {
		s.note(err) // which only wrong options are
		return
	}
	defer s.js.CleanupPublisher()
	look := time.NewTicker(lookTime)
	defer look.Stop()
	defer s.finish()
	pause := retryFirst
	for {
		more, err := s.round(ctx)
		if ctx.Err() != nil || errors.Is(err, history.ErrClosed) {
			return
		}
		s.note(err)
		var again <-chan time.Time
		bell := s.o.History.Outbox()
		switch {
		case err != nil:
			again, bell = time.After(pause), nil
			pause = min(2*pause, retryLast)
		case more:
			pause = retryFirst
			continue
		default:
			pause = retryFirst
		}
		select {
		case <-ctx.Done():
			return
		case <-again:
		case <-bell:
		case <-look.C:
		}
	}
}

// finish ships the last records.
func (s *Shipper) finish() {
	if !s.ready {
		return
	}
	time.Sleep(writeTime)
	ctx, cancel := context.WithTimeout(context.Background(), lastTime)
	defer cancel()
	for {
		if more, err := s.round(ctx); !more || err != nil {
			return
		}
	}
}

// round ships some of what waits, and reports whether there may be more.
func (s *Shipper) round(ctx context.Context) (more bool, err error) {
	if !s.ready {
		if err := s.open(ctx); err != nil {
			return false, err
		}
		s.ready = true
	}
	// As long as they are not noted, what waits has those in it that have arrived: if they
	// were shipped again for longer than the stream remembers, they would be doubled there.
	if err := s.unload(ctx); err != nil {
		return false, err
	}
	all, err := s.o.History.Unshipped(ctx, underWay)
	if err != nil {
		return false, fmt.Errorf("the history cannot be read: %w", err)
	}
	if err := s.load(ctx, all); err != nil {
		s.ready = false
		return false, errors.Join(err, s.unload(ctx))
	}
	return len(all) == underWay, s.unload(ctx)
}

// unload notes in the history what has arrived.
func (s *Shipper) unload(ctx context.Context) error {
	if len(s.arrived) == 0 {
		return nil
	}
	if err := s.o.History.Shipped(ctx, s.arrived); err != nil {
		return fmt.Errorf("that records have arrived cannot be noted in the history: %w", err)
	}
	s.arrived = s.arrived[:0]
	return nil
}

// load has records brought to the stream, and waits until each has arrived or failed. It
// returns the first failure.
func (s *Shipper) load(ctx context.Context, all []history.Record) (failed error) {
	acks := make([]jetstream.PubAckFuture, len(all))
	for i, r := range all {
		var err error
		if acks[i], err = s.js.PublishMsgAsync(s.message(r), jetstream.WithMsgID(id(r)), jetstream.WithExpectStream(s.o.Stream), jetstream.WithRetryAttempts(0)); err != nil {
			failed = err
			break
		}
	}
	for i, ack := range acks {
		if ack == nil {
			break
		}
		select {
		case <-ack.Ok():
			s.arrived = append(s.arrived, all[i].ID)
			s.count()
		case err := <-ack.Err():
			if failed == nil {
				failed = err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if failed != nil {
		return s.explain(failed)
	}
	return nil
}

// A told record is what is shipped.
type told struct {
	Gateway string `json:"gateway"`
	history.Record
}

// message returns a record as it is shipped: with as many visits as fit, and the rest of
// them counted.
func (s *Shipper) message(r history.Record) *nats.Msg {
	for {
		data, err := json.Marshal(told{r.Node, r})
		if err != nil { // there is nothing in it that has no JSON
			panic(err)
		}
		if n := len(r.Visits); len(data) > s.most && n > 0 {
			r.Visits, r.More = r.Visits[:n/2], r.More+n-n/2
			continue
		}
		return &nats.Msg{Subject: s.subject(r.Node), Data: data}
	}
}

// subject is where the records of a gateway are.
func (s *Shipper) subject(node string) string {
	word := strings.Map(func(c rune) rune {
		if bus.IsWord(string(c)) {
			return c
		}
		return '-'
	}, node)
	if word == "" {
		word = "-"
	}
	return s.o.Prefix + ".record." + word
}

func id(r history.Record) string {
	return fmt.Sprintf("%s.%d.%d", r.Node, r.Run.UnixMicro(), r.Call)
}

func (s *Shipper) count() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shipped++
}

// note tells of a failure, and of its end, once.
func (s *Shipper) note(err error) {
	s.mu.Lock()
	before := s.fault
	s.fault = err
	s.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		s.o.Log.Error("records of calls wait in the history, as they cannot be shipped", "error", err)
	case err == nil && before != nil:
		s.o.Log.Info("records of calls are shipped again")
	}
}
