//go:build linux

package cluster

import (
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// An evening is a hub with callers and operators.
type evening struct {
	*hub
	c *crowd
	o *operators
	f *follower
	n int // callers
}

// begins opens a hub, has callers come and operators order.
func (g ground) begins(t *testing.T, n, operators int, think time.Duration) *evening {
	t.Helper()
	h := g.opens(t)
	h.takes("the registry is true", 0, h.isTrue)
	e := &evening{hub: h, n: n, f: follow(h)}
	e.c = gather(t, n, g.at(front, g.line), g.at(front, g.web), think, g.from)
	e.allThere()
	e.o = order(h, e.c, operators, think/2)
	return e
}

// allThere waits until all callers have a call, of which the registry knows, too.
func (e *evening) allThere() {
	e.Helper()
	e.takes("all have a call", 0, func() error {
		if there := e.c.len(); there < e.n*99/100 { // some have just hung up
			return fmt.Errorf("%d of %d", there, e.n)
		}
		return nil
	})
}

// ends has all hang up, ends the gateways, and holds all books against each other. Of calls
// that ended without a word before, those at the named gateways were to.
func (e *evening) ends(killed ...string) {
	e.Helper()
	e.o.ends()
	e.c.leave()
	var shipped map[string]int
	again := 0
	if len(e.urls) > 0 {
		shipped, again = e.shipped()
	}
	e.takes("all who have hung up are told of", 0, func() error { return e.f.hasTold(e.c) })
	e.f.ends()
	var ending sync.WaitGroup
	for _, m := range e.members {
		m.gateway.signal(syscall.SIGTERM)
	}
	for _, m := range e.members {
		ending.Go(func() { m.gateway.ends(e.T) })
	}
	ending.Wait()
	all := map[string][]book{}
	for _, m := range e.members {
		records(e.hub.T, m, all)
	}
	b := e.c.balances(e.hub, all)
	if len(e.urls) > 0 {
		e.sameRecords(shipped, again, all)
	}
	if b.lost+b.doubled+b.unknown > 0 {
		e.Errorf("records lost %d, doubled %d, of nobody %d", b.lost, b.doubled, b.unknown)
	}
	ended := b.young
	for _, name := range killed {
		ended += b.cut["killed at "+name]
		delete(b.cut, "killed at "+name)
	}
	e.f.tells(e.c, ended)
	for why, n := range b.cut {
		e.Errorf("calls lost: %d, %s", n, why)
	}
	for _, fault := range e.c.lost {
		e.Error(fault)
	}
	for _, fault := range e.o.lost {
		e.Errorf("a command is lost: %s", fault)
	}
	for _, fault := range e.o.uncalm {
		e.Errorf("refused although all was well: %s", fault)
	}
	e.Logf("%d calls ended with their gateway", ended)
	e.Logf("%d calls, %d records: %d lost, %d doubled, %d of a gateway killed before it could write them; %d connections refused, %d cut before a word; %d keys, %d late",
		b.calls, b.records, b.lost, b.doubled, b.young, e.c.refused.Load(), e.c.mute.Load(), e.c.keys.Load(), e.c.late.Load())
	e.Logf("commands done: %v, %d by another gateway; %d refused %v, %d not answered, %d came too late for the call, %d lost",
		e.o.done, e.o.across, e.o.refused, e.o.codes, e.o.mute, e.o.excused, len(e.o.lost))
	if e.o.done["message"] == 0 || e.o.done["redirect"] == 0 || e.o.done["recall"] == 0 || e.o.across == 0 {
		e.Error("the operators have not done all that they can")
	}
}

// killed has a gateway die, and come back.
func (e *evening) killed(m *member, away time.Duration) {
	e.Helper()
	time.Sleep(2 * time.Second) // it has written down who has come
	e.fault("a gateway is killed", func() { e.kills(m) }, e.allThere)
	time.Sleep(away)
	e.fault("it is back", func() { e.restarts(m) })
}

// silent cuts one from the others, and heals that. Meanwhile both sides ban and pardon.
func (e *evening) silent(m *member, during time.Duration) {
	e.Helper()
	other := e.members[0]
	if other == m {
		other = e.members[1]
	}
	e.bans(m, "203.0.113.1/32", true)
	e.bans(other, "203.0.113.2/32", true)
	e.takes("bans are the same", 0, func() error { return e.sameBans("203.0.113.1/32", "203.0.113.2/32") })
	defer e.trouble()()
	began := time.Now()
	e.fault("a gateway is cut off", func() {
		m.apart = true
		m.cut()
	})
	e.bans(m, "203.0.113.3/32", true)
	e.bans(other, "203.0.113.4/32", true)
	e.bans(m, "203.0.113.2/32", false)
	e.bans(other, "203.0.113.1/32", false)
	time.Sleep(time.Until(began.Add(during)))
	e.fault("the cut is healed", func() {
		m.apart = false
		m.heal()
	})
	e.takes("bans are the same", 0, func() error { return e.sameBans("203.0.113.3/32", "203.0.113.4/32") })
}

// stopped has a gateway stand still for a while, with all its calls.
func (e *evening) stopped(m *member, during time.Duration) {
	e.Helper()
	defer e.trouble()()
	began := time.Now()
	e.fault("a gateway stands still", func() {
		e.isDown(m, true)
		m.gateway.signal(syscall.SIGSTOP)
	})
	time.Sleep(time.Until(began.Add(during)))
	e.fault("it goes on", func() {
		m.gateway.signal(syscall.SIGCONT)
		e.isDown(m, false)
	})
}

// loopback is a ground for whoever is not root.
func loopback(n int) ground {
	return ground{
		net: fmt.Sprintf("127.%d.0.", n), line: "2323", web: "2380", proxy: "127.0.0.1", settle: time.Second,
		by:   func(host) []string { return nil },
		from: func(i int) net.IP { return net.IPv4(127, byte(n+1), byte(i/200), byte(1+i%200)) },
	}
}

// Three gateways, with NATS in each of them: one is killed, another stands still, the third
// is replaced.
func TestInside(t *testing.T) {
	t.Parallel()
	g := loopback(71)
	g.inner = true
	e := g.begins(t, 200, 20, 2*time.Second)
	e.killed(e.members[0], time.Second)
	e.stopped(e.members[1], 10*time.Second)
	e.fault("a gateway is drained and back", func() { e.drains(e.members[2], 6*time.Second) })
	e.ends("paris")
}

// Three gateways, with a NATS server beside each: one of those is killed, one gateway is cut
// off from all of them.
func TestBeside(t *testing.T) {
	t.Parallel()
	e := loopback(73).begins(t, 200, 20, 2*time.Second)
	e.fault("a NATS server is killed", func() { e.members[0].nats.kill() })
	e.fault("it is back", func() { e.members[0].nats.start(t) })
	e.silent(e.members[1], 10*time.Second)
	e.ends()
}
