package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"moip/bench/peer"
	"moip/internal/control/cluster/news"
	"moip/internal/control/cluster/tunnel"
)

// join starts all gateways at once.
func join(ctx context.Context, h *hub) error {
	for i := range *gateways {
		g, err := h.open(ctx, fmt.Sprintf("g%d", i))
		if err != nil {
			return err
		}
		h.all = append(h.all, g)
	}
	took, err := h.know(30 * time.Second)
	if err == nil {
		say("joined", "%d gateways know each other %.1f s after the last has come", len(h.all), took.Seconds())
	}
	return err
}

// A cost is what NATS and all gateways have spent of CPU, until a time.
type cost struct {
	at         time.Time
	nats, ours time.Duration
}

func (h *hub) cost() cost { return cost{time.Now(), h.nats.used(), peer.Own()} }

// each says what each of n has cost since was, without the beats, which go on.
func (h *hub) each(n float64, was cost) string {
	is := h.cost()
	took := is.at.Sub(was.at).Seconds()
	us := func(d time.Duration, idle float64) float64 { return (d.Seconds() - idle*took) * 1e6 / n }
	return fmt.Sprintf("CPU of NATS %.1f us, of gateways %.1f us", us(is.nats-was.nats, h.idle.nats), us(is.ours-was.ours, h.idle.ours))
}

// beats measures a hub in which nothing happens.
func beats(_ context.Context, h *hub) error {
	was := h.cost()
	time.Sleep(*length)
	n, took := float64(len(h.all)), length.Seconds()
	rate := n * n / 2 // each hears all, every two seconds
	say("beats", "%.0f a second are heard, each: %s", rate, h.each(rate*took, was))
	is := h.cost()
	h.idle.nats, h.idle.ours = (is.nats-was.nats).Seconds()/took, (is.ours-was.ours).Seconds()/took
	_, err := h.know(time.Second)
	return err
}

// tell has each gateway tell of its events, at an even pace.
func (h *hub) tell() {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	began, told := time.Now(), 0
	for now := range tick.C {
		for due := int(now.Sub(began).Seconds() * float64(*events)); told < due; told++ {
			for _, g := range h.all {
				g.note()
			}
		}
		if now.Sub(began) > *length {
			return
		}
	}
}

// publish measures events that nobody follows. Beats go on beside them.
func publish(_ context.Context, h *hub) error {
	was, before := h.cost(), h.told()
	h.tell()
	n := h.told() - before
	say("events, nobody follows", "%.0f a second, each: %s", float64(n)/length.Seconds(), h.each(float64(n), was))
	return nil
}

// told is how many events there have been.
func (h *hub) told() (n uint64) {
	for _, g := range h.all {
		n += g.wire.Told()
	}
	return n
}

// A listener counts events, which come in order.
type listener struct {
	mu   sync.Mutex
	last map[string]int // call of the last, by gateway
	n    uint64
	err  error
}

func (l *listener) Tell(_ string, e news.Event) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, known := l.last[e.Gateway]
	if l.err == nil && (e.Type == news.Lost || known && int(e.Call) != last+1) {
		l.err = fmt.Errorf("%s: %s %d after %d", e.Gateway, e.Type, e.Call, last)
	}
	l.last[e.Gateway] = int(e.Call)
	l.n++
	return true
}

func (*listener) Mark(string) bool { return true }
func (*listener) Quiet() bool      { return true }

func (l *listener) heard() (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n, l.err
}

// listen follows the hub at its first gateway until stop. What was told since the last
// beats would count as new, so it waits for other beats.
func (h *hub) listen(ctx context.Context) (l *listener, stop func()) {
	time.Sleep(3 * time.Second)
	l = &listener{last: map[string]int{}}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { h.all[0].wire.Follow(ctx, "", "", l) })
	return l, func() { cancel(); done.Wait() }
}

// all waits until n events were heard, each once and in order.
func (l *listener) all(n uint64, within time.Duration) (time.Duration, error) {
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		heard, err := l.heard()
		switch took := time.Since(began); {
		case err != nil:
			return 0, err
		case heard == n:
			return took, nil
		case took > within:
			return 0, fmt.Errorf("%d events of %d were heard", heard, n)
		}
	}
}

// follow measures events that somebody follows.
func follow(ctx context.Context, h *hub) error {
	l, stop := h.listen(ctx)
	defer stop()
	time.Sleep(time.Second) // it has found where all are
	was, before := h.cost(), h.told()
	h.tell()
	n := h.told() - before
	late, err := l.all(n, 30*time.Second)
	if err != nil {
		return err
	}
	say("events, one follows", "%d, each once and in order, the last %v after the end, each: %s", n, late.Round(time.Millisecond), h.each(float64(n), was))
	return nil
}

// command has one gateway ask the others in turn, so many at a time.
func command(ctx context.Context, h *hub) error {
	const atATime = 16
	client := http.Client{Transport: tunnel.Transport{Bus: h.all[0].bus}}
	next := make(chan int)
	errs := make(chan error, atATime)
	var asking sync.WaitGroup
	was, began := h.cost(), time.Now()
	for range atATime {
		asking.Go(func() {
			var wrong error
			for i := range next {
				wrong = errors.Join(wrong, ask(ctx, &client, h.all[1+i%(len(h.all)-1)]))
			}
			errs <- wrong
		})
	}
	for i := range *commands {
		next <- i
	}
	close(next)
	asking.Wait()
	took := time.Since(began)
	each := h.each(float64(*commands), was)
	for range atATime {
		if err := <-errs; err != nil {
			return err
		}
	}
	say("commands", "%d, none lost, %.0f a second, each: %s", *commands, float64(*commands)/took.Seconds(), each)
	return nil
}

func ask(ctx context.Context, client *http.Client, g *gateway) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+tunnel.Host(g.hub.Name(), g.hub.Instance())+"/", nil)
	if err != nil {
		return err
	}
	w, err := client.Do(r)
	if err != nil {
		return err
	}
	return w.Body.Close()
}

// kill has a tenth of the gateways end without a word.
func kill(_ context.Context, h *hub) error {
	left := len(h.all) - max(len(h.all)/10, 1)
	var dying sync.WaitGroup
	for _, g := range h.all[left:] {
		dying.Go(func() { g.close(true) })
	}
	dying.Wait()
	h.lost = len(h.all) - left
	h.all = h.all[:left]
	took, err := h.know(20 * time.Second)
	if err == nil {
		say("killed", "%d gateways are known to be silent by all %d others after %.1f s", h.lost, left, took.Seconds())
	}
	return err
}

// restart kills the server, which comes again five seconds later, and events go on.
func restart(ctx context.Context, h *hub) error {
	l, stop := h.listen(ctx)
	defer stop()
	time.Sleep(time.Second)
	before := h.told()
	h.nats.kill()
	for range 50 {
		for _, g := range h.all {
			g.note()
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := h.nats.start(ctx); err != nil {
		return err
	}
	took, err := h.know(30 * time.Second)
	if err != nil {
		return err
	}
	n := h.told() - before
	late, err := l.all(n, 30*time.Second)
	if err != nil {
		return err
	}
	say("NATS killed", "for 5 s; back, all know each other after %.1f s, and %.1f s later the last of %d events is heard, each once", took.Seconds(), late.Seconds(), n)
	return nil
}
