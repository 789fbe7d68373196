//go:build linux

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"moip/internal/history"
)

// stream is that to which records are brought.
const stream = "CALLS"

// makes the stream, as doc/cluster.md has it.
func makes(t *testing.T, urls []string) {
	t.Helper()
	withStream(t, urls, func(ctx context.Context, js jetstream.JetStream) error {
		for {
			asking, cancel := context.WithTimeout(ctx, 3*time.Second)
			_, err := js.CreateOrUpdateStream(asking, jetstream.StreamConfig{
				Name: stream, Subjects: []string{"moip.record.>"}, Storage: jetstream.FileStorage, Replicas: 3, Duplicates: 10 * time.Minute,
			})
			cancel()
			if err == nil || ctx.Err() != nil {
				return err
			}
			wait(ctx, 200*time.Millisecond) // they have not found each other yet
		}
	})
}

func withStream(t *testing.T, urls []string, do func(context.Context, jetstream.JetStream) error) {
	t.Helper()
	conn, err := nats.Connect(urls[0], nats.DontRandomize())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := do(ctx, js); err != nil {
		t.Fatal(err)
	}
}

// shipped waits until all records of a hub are in the stream, and reads them: by address and
// port, how often each is there. Who reads drops what has an id that it has had.
func (h *hub) shipped() (all map[string]int, again int) {
	h.Helper()
	h.takes("all records are in the stream", 3*time.Second, func() error {
		for _, m := range h.members {
			if n := h.metric(m, "moip_records_waiting"); n != 0 {
				return fmt.Errorf("%s has %v waiting", m.name, n)
			}
		}
		return nil
	})
	all = map[string]int{}
	ids := map[string]bool{}
	withStream(h.T, h.urls, func(ctx context.Context, js jetstream.JetStream) error {
		c, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
		if err != nil {
			return err
		}
		info, err := js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		for left := info.CachedInfo().State.Msgs; left > 0; {
			batch, err := c.Fetch(int(min(left, 500)), jetstream.FetchMaxWait(5*time.Second))
			if err != nil {
				return err
			}
			for m := range batch.Messages() {
				left--
				var r history.Record
				if err := json.Unmarshal(m.Data(), &r); err != nil {
					return fmt.Errorf("%q: %w", m.Data(), err)
				}
				id := m.Headers().Get(nats.MsgIdHdr)
				if ids[id] {
					again++
					continue
				}
				ids[id] = true
				all[fmt.Sprintf("%s:%d", r.Address, r.Port)]++
			}
			if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		return nil
	})
	return all, again
}

// sameRecords holds the stream against what the gateways have recorded.
func (h *hub) sameRecords(shipped map[string]int, again int, recorded map[string][]book) {
	h.Helper()
	var missing, doubled, strange []string
	for at, found := range recorded {
		switch n := shipped[at]; {
		case n < len(found):
			missing = append(missing, at)
		case n > len(found):
			doubled = append(doubled, at)
		}
		delete(shipped, at)
	}
	for at := range shipped {
		strange = append(strange, at)
	}
	h.Logf("the stream: %d records missing, %d doubled, %d of no call; %d came twice by the same id", len(missing), len(doubled), len(strange), again)
	if few := slices.Concat(missing, doubled, strange); len(few) > 0 {
		h.Errorf("records in the stream are not those of the gateways: %q", few[:min(5, len(few))])
	}
}
