package natsbus

import (
	"errors"
	"time"

	"github.com/nats-io/nats.go"
)

// fault is told of what goes wrong on a connection that stands.
func (b *Bus) fault(_ *nats.Conn, s *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrSlowConsumer) && s != nil:
		if missed, e := s.Dropped(); e == nil && b.isNew("missed "+s.Subject) {
			b.o.Log.Warn("messages of the bus are missed: they come faster than they are taken", "subject", b.ours(s.Subject), "missed", missed)
		}
	case errors.Is(err, nats.ErrPermissionViolation):
		b.mu.Lock()
		b.refusal = err
		b.mu.Unlock()
		if b.isNew(err.Error()) {
			b.o.Log.Error("the NATS server does not permit it: allow the account of this gateway to publish and to subscribe to all below the prefix", "prefix", b.o.Prefix, "error", err)
		}
	default:
		b.o.Log.Debug("bus", "error", err)
	}
}

// Refusal returns what the server has not permitted since it was reached, nil if there was
// nothing.
func (b *Bus) Refusal() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refusal
}

// isNew reports whether something has not been told for a while.
func (b *Bus) isNew(what string) bool { return b.hush.isNew(what, time.Now()) }
