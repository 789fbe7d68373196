package ship

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"moip/internal/bus"
)

// window is for how long a stream that is made here knows what it has had.
const window = 10 * time.Minute

// ErrMissing is that there is no such stream yet.
var ErrMissing = errors.New("the stream is not there yet; a gateway makes it, if it may")

// Look sees whether there is a stream that takes the records, and changes nothing. It
// returns ErrMissing, or an error that says what to do. Of the options it needs no History.
func Look(ctx context.Context, o Options) (err error) {
	s := New(o)
	if s.js, err = jetstream.New(o.Conn); err != nil {
		return err
	}
	return s.look(ctx)
}

// open sees that the stream is there and takes the records, and makes it if it is not and
// that is permitted. Its errors say what to do.
func (s *Shipper) open(ctx context.Context) error {
	err := s.look(ctx)
	if errors.Is(err, ErrMissing) {
		return s.create(ctx)
	}
	return err
}

func (s *Shipper) look(ctx context.Context) error {
	if !s.o.Conn.IsConnected() {
		return bus.ErrDown
	}
	s.most = min(bus.MaxData, int(s.o.Conn.MaxPayload()))
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	stream, err := s.js.Stream(ctx, s.o.Stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return ErrMissing
	case errors.Is(err, context.DeadlineExceeded):
		return nil // one may be allowed to write to it, and not to look at it
	case err != nil:
		return s.explain(err)
	}
	config := stream.CachedInfo().Config
	if most := int(config.MaxMsgSize); most > 0 {
		s.most = min(s.most, most)
	}
	subject := s.subject("any")
	if !slices.ContainsFunc(config.Subjects, func(pattern string) bool { return bus.Matches(pattern, subject) }) {
		return fmt.Errorf("the stream takes %s, and no %s (add it: nats stream edit %s --subjects '%s'; or name another stream)",
			strings.Join(config.Subjects, ", "), s.subjects(), s.o.Stream, strings.Join(append(config.Subjects, s.subjects()), ","))
	}
	return nil
}

// subjects are where all records are.
func (s *Shipper) subjects() string { return s.o.Prefix + ".record.>" }

func (s *Shipper) create(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	_, err := s.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: s.o.Stream, Description: "records of calls at gateways of MoIP",
		Subjects: []string{s.subjects()}, Storage: jetstream.FileStorage, Duplicates: window,
	})
	if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another gateway was faster
		return fmt.Errorf("the stream is not there, and cannot be made: %w (make it: nats stream add %s --subjects '%s' --storage file --dupe-window %v --defaults; or permit this gateway to publish on $JS.API.STREAM.CREATE.%s)",
			s.explain(err), s.o.Stream, s.subjects(), window, s.o.Stream)
	}
	if err == nil {
		s.o.Log.Info("stream made for the records of calls, with one replica and without limits", "subjects", s.subjects())
	}
	return nil
}

// explain says what to do about an error of JetStream.
func (s *Shipper) explain(err error) error {
	switch {
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionReconnecting):
		return bus.ErrDown
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("%w (permit JetStream to the account of this gateway)", err)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		return errors.New("the NATS servers have no JetStream now (start them with -js, or with jetstream {} in their configuration; in a cluster, more than half of them must be up)")
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return errors.New("no stream takes the records now")
	case errors.Is(err, jetstream.ErrAsyncPublishTimeout), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer in time (may this gateway publish on %s and on $JS.API.STREAM.INFO.%s, and subscribe to %s.inbox.>?)", s.subjects(), s.o.Stream, s.o.Prefix)
	}
	return err
}
