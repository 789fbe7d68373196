package news

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"moip/internal/bus"
	"moip/internal/control/cluster"
	"moip/internal/session"
)

func event() session.Event {
	return session.Event{
		Call: 12345, Type: session.Redirected, At: time.Now(), In: 1234, Out: 56789, Route: session.Route{Name: "ANNU"},
		Caller: session.Caller{Transport: "wss", Addr: netip.MustParseAddrPort("192.0.2.17:50123")},
	}
}

// What an event costs whoever tells of it, under the call's lock.
func BenchmarkNote(b *testing.B) {
	l, e := newLog(), event()
	b.ReportAllocs()
	for b.Loop() {
		l.Note(e)
	}
}

// What an event costs the gateway beyond that in a hub, on a bus that takes it at once: in
// messages of 1 event, and of as many as a storm has.
func BenchmarkPublish(b *testing.B) {
	for _, many := range []int{1, maxSome} {
		b.Run(map[bool]string{true: "1", false: "storm"}[many == 1], func(b *testing.B) {
			p := (&bus.Exchange{}).Join()
			defer p.Close()
			w := New()
			w.Join(Options{Hub: cluster.New(cluster.Options{Bus: p, Name: "paris"}), Log: slog.New(slog.DiscardHandler)})
			for range many {
				w.Note(event())
			}
			pub := &publisher{w: w, sent: time.Now().Add(time.Hour)}
			pub.past.w = w
			data, n := lines(nil, must(w.since(0)))
			b.ReportAllocs()
			for b.Loop() {
				pub.publish(must(w.since(0)))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*many), "ns/event")
			b.ReportMetric(float64(len(data))/float64(n), "B/event")
		})
	}
}

func must(some []Event, _ <-chan struct{}) []Event { return some }

// What an event of another gateway costs who follows: once for each gateway, and once for
// each reader there.
func BenchmarkHear(b *testing.B) {
	var storm []Event
	l := newLog()
	l.source = source{"paris", "k3f9"}
	for range maxSome {
		l.Note(event())
	}
	storm = must(l.since(0))
	data, n := lines(nil, storm)
	b.ReportAllocs()
	for b.Loop() {
		if len(parse(data, "paris")) != n {
			b.Fatal("lost")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
}
