package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"
)

// What a caller asks the service for. Anything else it repeats.
const (
	onePage = "P"
	noEnd   = "E" // pages, one after another, as fast as they are taken
)

// page has some 500 bytes, of text in colours.
var page = []byte("\f" + strings.Repeat("\x1BCMinitel", 55))

// answer does what the service is asked for.
func answer(s *stream, p []byte) error {
	switch string(p) {
	case onePage:
		return s.send(page)
	case noEnd:
		for {
			if err := s.send(page); err != nil {
				return err
			}
		}
	}
	return s.send(p)
}

// An evening is what all callers do, on lines of what speed.
type evening struct {
	title string
	query string        // of the address they call
	asks  string        // for what, "" for nothing
	every time.Duration // how often; 0 is once
	spent []spent       // in each round
}

// What an evening has cost.
type spent struct {
	cpu  float64 // percent of a core
	rss  float64 // KiB a call
	read float64 // bytes a call and second that callers were sent
}

func evenings() []*evening {
	return []*evening{
		{title: "idle"},
		{title: "idle, 1200 bit/s", query: "?speed=1200"},
		{title: "a page a minute", asks: onePage, every: time.Minute},
		{title: "a page a minute, 1200 bit/s", query: "?speed=1200", asks: onePage, every: time.Minute},
		{title: "pages without end, 1200 bit/s", query: "?speed=1200", asks: noEnd},
	}
}

const (
	settling = 8 * time.Second  // until pages come and go as they will; 5 times that if they fill the queues of all calls first
	watched  = 20 * time.Second // and so long it is measured: each caller is pinged once in that time
)

// spendEvenings measures each evening in each round, and prints what they cost.
func spendEvenings(ctx context.Context, dir string) error {
	all := evenings()
	for round := range *rounds {
		log.Printf("round %d of %d", round+1, *rounds)
		for _, e := range all {
			s, err := e.spend(ctx, dir)
			if err != nil {
				return fmt.Errorf("%s: %w", e.title, err)
			}
			log.Printf("%-30s %.1f %% CPU, %.1f KiB a call, %.1f bytes/s read", e.title, s.cpu, s.rss, s.read)
			e.spent = append(e.spent, s)
		}
	}
	return reportEvenings(all)
}

// spend has the callers of an evening call a gateway that is started for them.
func (e *evening) spend(ctx context.Context, dir string) (s spent, err error) {
	l, err := newLoad(wsText, wsText)
	if err != nil {
		return s, err
	}
	defer l.close()
	defer context.AfterFunc(ctx, l.close)()
	l.hear = l.read
	gateway, at, err := launch(ctx, peer{command: moip("ws", "ws", e.query)}, dir, l.at)
	if err != nil {
		return s, err
	}
	defer gateway.stop()
	l.at = at

	// The first call makes a gateway set up what all have in common.
	if err := l.call(1); err != nil {
		return s, err
	}
	first := gateway.use()
	if err := l.call(*calls - 1); err != nil {
		return s, err
	}
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	go e.ask(asking, l)
	settle := settling
	if e.asks == noEnd {
		settle *= 5
	}
	if err := l.pass(ctx, settle); err != nil {
		return s, err
	}
	before, began, heard := gateway.use(), clock(), l.heard.Load()
	if err := l.pass(ctx, watched); err != nil {
		return s, err
	}
	after, took, read := gateway.use(), (clock() - began).Seconds(), l.heard.Load()-heard
	return spent{
		cpu:  100 * (after.cpu - before.cpu).Seconds() / took,
		rss:  (after.rss - first.rss) / float64(*calls-1),
		read: float64(read) / took / float64(*calls),
	}, nil
}

// ask has one caller after another ask, evenly, until ctx ends.
func (e *evening) ask(ctx context.Context, l *load) {
	if e.asks == "" {
		return
	}
	gap := max(e.every/time.Duration(len(l.calls)), 100*time.Microsecond)
	ticks, err := newTicker(gap)
	if err != nil {
		l.fail(err)
		return
	}
	defer ticks.close()
	for i := 0; ctx.Err() == nil && (e.every > 0 || i < len(l.calls)); {
		due, err := ticks.wait()
		for ; due > 0 && err == nil && (e.every > 0 || i < len(l.calls)); due-- {
			err = l.calls[i%len(l.calls)].send([]byte(e.asks))
			i++
		}
		if err != nil {
			l.fail(err)
			return
		}
	}
}

// read counts what a caller is sent.
func (l *load) read(call int, c *stream) {
	for {
		p, err := c.receive()
		if err != nil {
			l.fail(fmt.Errorf("call %d: %w", call, err))
			return
		}
		l.heard.Add(int64(len(p)))
	}
}

// pass waits, for a call to fail.
func (l *load) pass(ctx context.Context, d time.Duration) error {
	select {
	case err := <-l.failed:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// reportEvenings prints a table and, if asked to, writes it to doc/performance.md.
// Evenings are compared with the first one of the same round.
func reportEvenings(all []*evening) error {
	var t bytes.Buffer
	fmt.Fprintf(&t, "%s of %v, %d callers, ws→ws.\n\n", circumstances(nil), watched, *calls)
	fmt.Fprint(&t, "| callers | bytes/s read | CPU, % of a core | of idle | RSS a call, KiB | of idle |\n|---|--:|--:|--:|--:|--:|\n")
	for _, e := range all {
		var values [5][]float64
		for i, s := range e.spent {
			idle := all[0].spent[i]
			for column, v := range []float64{s.read, s.cpu, s.cpu / idle.cpu, s.rss, s.rss / idle.rss} {
				values[column] = append(values[column], v)
			}
		}
		fmt.Fprintf(&t, "| %s |", e.title)
		for column, format := range []string{"%.1f", "%.1f", "× %.1f", "%.1f", "× %.2f"} {
			fmt.Fprintf(&t, " %s |", spread(format, values[column]))
		}
		fmt.Fprintln(&t)
	}
	os.Stdout.Write(t.Bytes())
	if *write {
		return insert("doc/performance.md", "evening", t.Bytes())
	}
	return nil
}
