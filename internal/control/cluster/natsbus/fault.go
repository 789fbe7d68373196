package natsbus

import (
	"errors"

	"github.com/nats-io/nats.go"
)

// fault is told of what goes wrong on a connection that stands.
func (b *Bus) fault(_ *nats.Conn, s *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrSlowConsumer) && s != nil:
		missed, _ := s.Dropped()
		b.o.Log.Warn("messages of the bus are missed: they come faster than they are taken", "subject", s.Subject, "missed", missed)
	case errors.Is(err, nats.ErrPermissionViolation):
		b.o.Log.Error("the NATS server does not permit it: allow this gateway to publish and to subscribe to all below the prefix", "prefix", b.o.Prefix, "error", err)
	default:
		b.o.Log.Debug("bus", "error", err)
	}
}
