package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"moip/internal/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		pattern, subject string
		want             bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a", "a.b", false}, {"a.b", "a", false},
		{"*", "a", true}, {"*", "a.b", false}, {"a.*.c", "a.b.c", true}, {"a.*.c", "a.b.d", false}, {"a.*", "a", false},
		{">", "a", true}, {">", "a.b", true}, {">", "", false}, {"a.>", "a", false}, {"a.>", "a.b", true}, {"a.>", "a.b.c", true}, {"a.>", "b.c", false},
	} {
		if got := bus.Matches(test.pattern, test.subject); got != test.want {
			t.Errorf("%s has %s: %v", test.pattern, test.subject, got)
		}
	}
	for word, want := range map[string]bool{"": false, "paris": true, "Paris-2_a": true, "a.b": false, "*": false, ">": false, "é": false, "a b": false} {
		if bus.IsWord(word) != want {
			t.Errorf("%q is a word: %v", word, !want)
		}
	}
}

// A deaf bus cannot follow a pattern.
type deaf struct {
	bus.Bus
	to string
}

func (d deaf) Subscribe(pattern, queue string, f func(bus.Message)) (func(), error) {
	if pattern == d.to {
		return nil, bus.ErrDown
	}
	return d.Bus.Subscribe(pattern, queue, f)
}

func TestSubscribeAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		p := x.Join()
		var heard []string
		note := func(m bus.Message) { heard = append(heard, m.Subject) }
		says := func(want ...string) {
			t.Helper()
			for _, subject := range []string{"a", "b", "c.1"} {
				p.Publish(bus.Message{Subject: subject})
				synctest.Wait()
			}
			if !slices.Equal(heard, want) {
				t.Errorf("heard %q, want %q", heard, want)
			}
			heard = nil
		}
		all := map[string]func(bus.Message){"a": note, "c.*": note}
		stop, err := bus.SubscribeAll(p, all)
		if err != nil {
			t.Fatal(err)
		}
		says("a", "c.1")
		stop()
		says()
		if _, err := bus.SubscribeAll(deaf{p, "c.*"}, all); !errors.Is(err, bus.ErrDown) {
			t.Error(err)
		}
		says()
	})
}

func TestExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b := x.Join(), x.Join()
		defer a.Close()
		defer b.Close()
		var heard []string
		stop, _ := b.Subscribe("news.>", "", func(m bus.Message) { heard = append(heard, m.Subject+" "+string(m.Data)) })
		for i := range 3 {
			a.Publish(bus.Message{Subject: "news.a", Data: fmt.Append(nil, i)})
		}
		a.Publish(bus.Message{Subject: "other"})
		synctest.Wait()
		if !slices.Equal(heard, []string{"news.a 0", "news.a 1", "news.a 2"}) {
			t.Error(heard)
		}
		stop()
		a.Publish(bus.Message{Subject: "news.a"})
		synctest.Wait()
		if len(heard) != 3 {
			t.Error("told after it has stopped")
		}
		if err := a.Publish(bus.Message{Subject: "news.a", Data: make([]byte, bus.MaxData+1)}); err != bus.ErrLarge {
			t.Error(err)
		}
	})
}

// Those of a queue share what is published, and others are told all the same.
func TestQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		told := make([]int, 3)
		a := x.Join()
		for i, queue := range []string{"q", "q", ""} {
			a.Subscribe("work", queue, func(bus.Message) { told[i]++ })
		}
		for range 10 {
			a.Publish(bus.Message{Subject: "work"})
		}
		synctest.Wait()
		if told[0]+told[1] != 10 || told[0] == 0 || told[1] == 0 || told[2] != 10 {
			t.Error(told)
		}
	})
}

func TestRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b := x.Join(), x.Join()
		if _, err := a.Request(t.Context(), "twice", nil); err != bus.ErrNobody {
			t.Error(err)
		}
		b.Subscribe("twice", "", func(m bus.Message) {
			b.Publish(bus.Message{Subject: m.Reply, Data: append(m.Data, m.Data...)})
		})
		b.Subscribe("never", "", func(m bus.Message) {})
		if answer, err := a.Request(t.Context(), "twice", []byte("ha")); string(answer) != "haha" || err != nil {
			t.Error(string(answer), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Request(ctx, "never", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		var states []bus.State
		stop := a.Follow(func(s bus.State) { states = append(states, s) })
		why := errors.New("cut")
		a.Cut(why)
		if _, err := a.Request(t.Context(), "twice", nil); err != bus.ErrDown {
			t.Error(err)
		}
		if err := a.Publish(bus.Message{Subject: "twice"}); err != bus.ErrDown {
			t.Error(err)
		}
		a.Cut(nil)
		stop()
		a.Cut(why)
		if len(states) != 2 || states[0].Up || states[0].Why != why || !states[1].Up {
			t.Error(states)
		}
	})
}

// Who follows a subject may publish, and stop.
func TestFromInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a := x.Join()
		n := 0
		var stop func()
		stop, _ = a.Subscribe("count", "", func(m bus.Message) {
			if n++; n == 5 {
				stop()
			}
			a.Publish(m)
		})
		a.Publish(bus.Message{Subject: "count"})
		synctest.Wait()
		if n != 5 {
			t.Error(n)
		}
	})
}
