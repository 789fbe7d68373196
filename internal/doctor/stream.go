package doctor

import (
	"context"
	"errors"

	"moip/internal/control/cluster/ship"
)

// checkStream looks whether the stream takes the records of calls.
func (o Options) checkStream(ctx context.Context) []Finding {
	const name = "records"
	b, err := o.join()
	if err != nil {
		return nil // which the bus tells
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(ctx, busTime)
	defer cancel()
	if !await(ctx, b).Up {
		return nil
	}
	stream := o.Config.Cluster.Records
	switch err := ship.Look(ctx, ship.Options{Conn: b.Conn(), Prefix: o.Config.Cluster.Prefix, Stream: stream}); {
	case errors.Is(err, ship.ErrMissing):
		return []Finding{warning(name, "start the gateway, or make the stream yourself, with the replicas that you want", "%s: %v", stream, err)}
	case err != nil:
		return []Finding{problem(name, "mend that; until then records wait in the history", "%s: %v", stream, err)}
	}
	return []Finding{good(name, "the stream %s takes them", stream)}
}
