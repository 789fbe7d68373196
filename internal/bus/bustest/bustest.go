// Package bustest holds a Bus to what it promises, whatever carries its messages.
package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"moip/internal/bus"
)

// A Net is a bus that a test has for itself.
type Net struct {
	Join func(*testing.T) bus.Bus // a new place, which the test closes and waits for to be up

	// Cut cuts the place that was joined first from all others, and heals that.
	Cut, Heal func()
}

// patience is how long what should happen may take.
const patience = 20 * time.Second

// Conform runs all tests, each with a Net of its own.
func Conform(t *testing.T, open func(*testing.T) Net) {
	for name, test := range map[string]func(*testing.T, Net){
		"patterns": patterns, "order": order, "queues": queues, "request": request, "bounds": bounds,
		"from inside": fromInside, "stop": stop, "slow": slow, "cut": cut, "close": leave,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// until waits for something to become true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// joins returns n places that are up, and hear each other.
func joins(t *testing.T, net Net, n int) (all []bus.Bus) {
	t.Helper()
	for range n {
		b := net.Join(t)
		t.Cleanup(func() { b.Close() })
		all = append(all, b)
	}
	for _, b := range all {
		until(t, "a place is up", func() bool { return b.State().Up })
	}
	hear(t, all...)
	return all
}

// hear waits until each hears each, which is then so of all that has been followed before:
// what is followed at one place is known at another a little later.
func hear(t *testing.T, all ...bus.Bus) {
	t.Helper()
	for _, to := range all {
		var heard collector
		subject := "warm." + bus.Inbox()[len("inbox."):]
		end := heard.follow(t, to, subject, "")
		for i, from := range all {
			until(t, "a place hears another", func() bool {
				from.Publish(bus.Message{Subject: subject, Data: fmt.Append(nil, i)})
				return slices.Contains(heard.data(), fmt.Sprint(i))
			})
		}
		end()
	}
}

// A collector keeps what it is told.
type collector struct {
	mu  sync.Mutex
	all []bus.Message
}

func (c *collector) take(m bus.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, m)
}

// follow has the collector told.
func (c *collector) follow(t *testing.T, b bus.Bus, pattern, queue string) (stop func()) {
	t.Helper()
	stop, err := b.Subscribe(pattern, queue, c.take)
	if err != nil {
		t.Fatal(err)
	}
	return stop
}

func (c *collector) data() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.all {
		all = append(all, string(m.Data))
	}
	return all
}

func (c *collector) subjects() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.all {
		all = append(all, m.Subject)
	}
	return all
}

func patterns(t *testing.T, net Net) {
	all := joins(t, net, 2)
	a, b := all[0], all[1]
	followed := []string{"p.a", "p.*", "p.>", "p.*.c", "*.a"}
	collectors := make([]collector, len(followed))
	for i, pattern := range followed {
		collectors[i].follow(t, b, pattern, "")
	}
	var own, last collector
	own.follow(t, a, "p.a", "") // who publishes hears it as all do
	last.follow(t, b, "last", "")
	hear(t, all...)
	sent := []string{"p.a", "p.b", "p.b.c", "p.b.d", "q.a"}
	for _, subject := range append(sent, "last") {
		if err := a.Publish(bus.Message{Subject: subject}); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the last message", func() bool { return len(last.subjects()) == 1 && len(own.subjects()) == 1 })
	for i, pattern := range followed {
		var want []string
		for _, subject := range sent {
			if bus.Matches(pattern, subject) {
				want = append(want, subject)
			}
		}
		until(t, fmt.Sprint(pattern, " is told of ", want), func() bool { return slices.Equal(collectors[i].subjects(), want) })
	}
}

// What one sends comes in its order, whoever else sends.
func order(t *testing.T, net Net) {
	all := joins(t, net, 3)
	var heard collector
	heard.follow(t, all[0], "order.>", "")
	hear(t, all...)
	const n = 1000
	var senders sync.WaitGroup
	for i, b := range all {
		senders.Go(func() {
			for k := range n {
				if err := b.Publish(bus.Message{Subject: fmt.Sprint("order.", i, ".", k%3), Data: fmt.Append(nil, i, " ", k)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	senders.Wait()
	until(t, "all messages", func() bool { return len(heard.data()) == n*len(all) })
	next := make([]int, len(all))
	for _, data := range heard.data() {
		var i, k int
		fmt.Sscan(data, &i, &k)
		if k != next[i] {
			t.Fatalf("of %d, %d comes where %d should", i, k, next[i])
		}
		next[i]++
	}
}

// Those of a queue share what is published, wherever they are, and others hear it all.
func queues(t *testing.T, net Net) {
	all := joins(t, net, 3)
	told := make([]collector, 5)
	told[0].follow(t, all[1], "work.*", "q")
	told[1].follow(t, all[2], "work.*", "q")
	told[2].follow(t, all[1], "work.*", "other")
	told[3].follow(t, all[2], "work.*", "")
	told[4].follow(t, all[0], "work.1", "q")
	hear(t, all...)
	const n = 200
	for i := range n {
		if err := all[0].Publish(bus.Message{Subject: fmt.Sprint("work.", i%2), Data: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	shared := func() (all []string) {
		for _, i := range []int{0, 1, 4} {
			all = append(all, told[i].data()...)
		}
		return all
	}
	until(t, "all messages", func() bool { return len(shared()) >= n && len(told[2].data()) >= n && len(told[3].data()) >= n })
	hear(t, all...)
	done := shared()
	slices.Sort(done)
	if len(slices.Compact(done)) != n || len(shared()) != n || len(told[2].data()) != n || len(told[3].data()) != n {
		t.Errorf("%d of %d were shared, %d and %d heard", len(shared()), n, len(told[2].data()), len(told[3].data()))
	}
}

func request(t *testing.T, net Net) {
	all := joins(t, net, 3)
	a, b, c := all[0], all[1], all[2]
	if _, err := a.Request(t.Context(), "ask.twice", nil); err != bus.ErrNobody {
		t.Error("nobody is there:", err)
	}
	for _, place := range all[1:] {
		if _, err := place.Subscribe("ask.twice", "", func(m bus.Message) {
			place.Publish(bus.Message{Subject: m.Reply, Data: append(slices.Clone(m.Data), m.Data...)})
			place.Publish(bus.Message{Subject: m.Reply, Data: []byte("again")}) // is not the first
		}); err != nil {
			t.Fatal(err)
		}
	}
	b.Subscribe("ask.never", "", func(bus.Message) {})
	b.Subscribe("ask.empty", "", func(m bus.Message) { b.Publish(bus.Message{Subject: m.Reply}) })
	hear(t, all...)
	var asking sync.WaitGroup
	for i := range 100 {
		asking.Go(func() {
			from := []bus.Bus{a, b, c}[i%3]
			answer, err := from.Request(t.Context(), "ask.twice", fmt.Append(nil, i, " "))
			if want := fmt.Sprint(i, " ", i, " "); string(answer) != want || err != nil {
				t.Errorf("%q instead of %q: %v", answer, want, err)
			}
		})
	}
	asking.Wait()
	if answer, err := a.Request(t.Context(), "ask.empty", nil); len(answer) != 0 || err != nil {
		t.Error(answer, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Request(ctx, "ask.never", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}

	// An answer may be waited for by hand, and come from several.
	var answers collector
	inbox := bus.Inbox()
	end := answers.follow(t, a, inbox, "")
	defer end()
	hear(t, all...)
	a.Publish(bus.Message{Subject: "ask.twice", Reply: inbox, Data: []byte("x")})
	until(t, "two answers of two", func() bool { return len(answers.data()) == 4 })
}

func bounds(t *testing.T, net Net) {
	all := joins(t, net, 2)
	a, b := all[0], all[1]
	var heard collector
	heard.follow(t, b, "large", "")
	hear(t, all...)
	large := make([]byte, bus.MaxData+1)
	if err := a.Publish(bus.Message{Subject: "large", Data: large}); err != bus.ErrLarge {
		t.Error(err)
	}
	if _, err := a.Request(t.Context(), "large", large); err != bus.ErrLarge {
		t.Error(err)
	}
	if err := a.Publish(bus.Message{Subject: "large", Data: large[1:]}); err != nil {
		t.Error(err)
	}
	until(t, "a message of the largest size", func() bool { d := heard.data(); return len(d) == 1 && len(d[0]) == bus.MaxData })
}

// Who follows a subject may publish, stop, and follow others.
func fromInside(t *testing.T, net Net) {
	a := joins(t, net, 2)[0]
	var inner collector
	var mu sync.Mutex
	var stop func()
	n := 0
	mu.Lock()
	stop, err := a.Subscribe("count", "", func(m bus.Message) {
		mu.Lock()
		defer mu.Unlock()
		n++
		if n == 5 {
			stop()
			inner.follow(t, a, "after", "")
			a.Publish(bus.Message{Subject: "after"})
		}
		a.Publish(m)
	})
	mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	a.Publish(bus.Message{Subject: "count"})
	until(t, "what is followed from inside", func() bool { return len(inner.data()) == 1 })
	mu.Lock()
	defer mu.Unlock()
	if n != 5 {
		t.Errorf("told %d times", n)
	}
}

func stop(t *testing.T, net Net) {
	all := joins(t, net, 2)
	a, b := all[0], all[1]
	var first, second collector
	end := first.follow(t, b, "news", "")
	second.follow(t, b, "news", "")
	hear(t, all...)
	a.Publish(bus.Message{Subject: "news"})
	until(t, "both are told", func() bool { return len(first.data())+len(second.data()) == 2 })
	end()
	end() // is nothing new
	a.Publish(bus.Message{Subject: "news"})
	until(t, "one goes on", func() bool { return len(second.data()) == 2 })
	if len(first.data()) != 1 {
		t.Error("told after it has stopped")
	}
}

// Who is too slow misses some, and nobody else does, nor waits.
func slow(t *testing.T, net Net) {
	all := joins(t, net, 2)
	a, b := all[0], all[1]
	var late, quick collector
	free := make(chan struct{})
	if _, err := b.Subscribe("flood", "", func(m bus.Message) { <-free; late.take(m) }); err != nil {
		t.Fatal(err)
	}
	quick.follow(t, b, "mark", "")
	hear(t, all...)
	const n, size = 40, 400 << 10 // more than anybody keeps
	for i := range n {
		data := make([]byte, size)
		copy(data, fmt.Sprintf("%04d", i))
		for a.Publish(bus.Message{Subject: "flood", Data: data}) != nil {
			time.Sleep(time.Millisecond) // it leaves as fast as it can
		}
		if err := a.Publish(bus.Message{Subject: "mark"}); err != nil {
			t.Error(err)
		}
	}
	until(t, "others are told", func() bool { return len(quick.data()) == n })
	close(free)
	until(t, "the slow one is told again", func() bool {
		a.Publish(bus.Message{Subject: "flood", Data: []byte("9999")})
		d := late.data()
		return len(d) > 0 && d[len(d)-1] == "9999"
	})
	last := ""
	for _, data := range late.data() {
		if data[:4] < last {
			t.Errorf("%s after %s", data[:4], last)
		}
		last = data[:4]
	}
}

// While it is cut, a place says that it is down, keeps nothing, and is as before after that.
func cut(t *testing.T, net Net) {
	all := joins(t, net, 2)
	a, b := all[0], all[1]
	var heard collector
	heard.follow(t, b, "from.a", "")
	var own collector
	own.follow(t, a, "to.a", "")
	asked := make(chan struct{}, 1)
	b.Subscribe("ask", "", func(bus.Message) { asked <- struct{}{} })
	hear(t, all...)
	var mu sync.Mutex
	var states []bus.State
	unfollow := a.Follow(func(s bus.State) {
		mu.Lock()
		defer mu.Unlock()
		states = append(states, s)
	})
	defer unfollow()
	told := func(up bool) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(states) > 0 && states[len(states)-1].Up == up
		}
	}
	failed := make(chan error, 1)
	go func() {
		_, err := a.Request(t.Context(), "ask", nil)
		failed <- err
	}()
	<-asked
	before := time.Now()
	net.Cut()
	until(t, "down", told(false))
	if err := <-failed; err != bus.ErrDown {
		t.Error("who waits for an answer gets", err)
	}
	s := a.State()
	if s.Up || s.Why == nil || s.At == "" || s.Since.Before(before) {
		t.Error(s)
	}
	if err := a.Publish(bus.Message{Subject: "from.a", Data: []byte("lost")}); err != bus.ErrDown {
		t.Error(err)
	}
	if _, err := a.Request(t.Context(), "ask", nil); err != bus.ErrDown {
		t.Error(err)
	}
	var late collector
	late.follow(t, a, "late.a", "") // can be followed all the same
	net.Heal()
	until(t, "up", told(true))
	if s := a.State(); !s.Up || s.Why != nil || s.At == "" {
		t.Error(s)
	}
	hear(t, all...)
	for subject, from := range map[string]bus.Bus{"from.a": a, "to.a": b, "late.a": b} {
		if err := from.Publish(bus.Message{Subject: subject, Data: []byte("after")}); err != nil {
			t.Error(err)
		}
	}
	for what, c := range map[string]*collector{"by others": &heard, "as before": &own, "as asked while it was cut": &late} {
		until(t, "heard "+what, func() bool { return slices.Equal(c.data(), []string{"after"}) })
	}
}

func leave(t *testing.T, net Net) {
	all := joins(t, net, 3)
	a, b := all[0], all[1]
	var heard, own collector
	heard.follow(t, b, "last", "")
	own.follow(t, a, "first", "")
	hear(t, all...)
	if err := a.Publish(bus.Message{Subject: "last"}); err != nil {
		t.Error(err)
	}
	a.Close()
	a.Close() // is nothing new
	until(t, "what was said before it left", func() bool { return len(heard.data()) == 1 })
	if s := a.State(); s.Up || s.Why == nil {
		t.Error(s)
	}
	if err := a.Publish(bus.Message{Subject: "last"}); err != bus.ErrDown {
		t.Error(err)
	}
	if _, err := a.Request(t.Context(), "last", nil); err != bus.ErrDown {
		t.Error(err)
	}
	b.Publish(bus.Message{Subject: "first"})
	hear(t, all[1:]...)
	if len(own.data()) != 0 {
		t.Error("told after it has left")
	}
}
