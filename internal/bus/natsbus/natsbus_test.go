package natsbus

import (
	"context"
	"errors"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"moip/internal/bus"
	"moip/internal/testkit/freeport"
	"moip/internal/testkit/soon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func up(b *Bus) func() bool { return func() bool { return b.State().Up } }

func opens(t *testing.T, o Options) *Bus {
	t.Helper()
	o.Prefix, o.Log = "moip", slog.New(slog.NewTextHandler(t.Output(), nil))
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// talk has b asked by a.
func talk(t *testing.T, a, b *Bus) {
	t.Helper()
	stop, err := b.Subscribe("twice", "", func(m bus.Message) { b.Publish(bus.Message{Subject: m.Reply, Data: append(m.Data, m.Data...)}) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	soon.Is(t, "an answer", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		answer, err := a.Request(ctx, "twice", []byte("ha"))
		return err == nil && string(answer) == "haha"
	})
}

func TestOutside(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	s.ReadyForConnections(5 * time.Second)
	a, b := opens(t, Options{Servers: []string{s.ClientURL()}}), opens(t, Options{Servers: []string{s.ClientURL()}})
	soon.Is(t, "up", up(a))
	soon.Is(t, "up", up(b))
	talk(t, a, b)
	if _, err := a.Request(t.Context(), "nobody", nil); err != bus.ErrNobody {
		t.Error(err)
	}
}

// Who publishes does not wait for a server that takes nothing, as long as it holds the
// connection.
func TestPublishWaitsForNobody(t *testing.T) {
	line := opensLine(t, startsNATS(t, server.Options{}).Addr().String())
	b := opens(t, Options{Servers: []string{"nats://" + line.at}})
	soon.Is(t, "up", up(b))
	line.Cut()
	for err := error(nil); err == nil; {
		began := time.Now()
		err = b.Publish(bus.Message{Subject: "flood", Data: make([]byte, bus.MaxData)})
		if took := time.Since(began); took > writeTime/2 {
			t.Error("publishing took", took)
		}
	}
}

func TestInside(t *testing.T) {
	places := []string{freeport.Addr(t), freeport.Addr(t)}
	var all []*Bus
	for _, at := range places {
		s, err := StartServer(ServerOptions{Listen: at, Routes: places, Name: "paris", Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, opens(t, Options{Inside: s}))
	}
	soon.Is(t, "up", up(all[0]))
	soon.Is(t, "up", up(all[1]))
	talk(t, all[0], all[1])
}

// A process that replaces another takes over its port, and both stay on the bus.
func TestHeir(t *testing.T) {
	places := []string{freeport.Addr(t), freeport.Addr(t)}
	start := func(at string, heir bool) (*Server, *Bus) {
		s, err := StartServer(ServerOptions{Listen: at, Routes: places, Heir: heir, Name: "paris", Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		if err != nil {
			t.Fatal(err)
		}
		return s, opens(t, Options{Inside: s})
	}
	first, old := start(places[0], false)
	_, other := start(places[1], false)
	soon.Is(t, "up", up(old))
	if _, err := StartServer(ServerOptions{Listen: places[0], Name: "paris"}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Error(err)
	}
	_, heir := start(places[0], true)
	talk(t, old, other)
	if heir.State().Up {
		t.Error("up without a port")
	}
	first.Yield()
	for _, b := range []*Bus{old, other, heir} {
		soon.Is(t, "up", up(b))
	}
	talk(t, old, other)
	talk(t, other, old)
	talk(t, heir, other)
	talk(t, heir, old)
	old.Close()
	talk(t, heir, other)
}

func natsMessage(subject, reply string) *nats.Msg { return &nats.Msg{Subject: subject, Reply: reply} }
