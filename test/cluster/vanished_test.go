//go:build linux

package cluster

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// TestVanished has HAProxy, as doc/cluster.md has it, find out who has vanished without a word:
// first the machine of a gateway, with callers there who type and such who only look, then
// callers. Nothing comes back of what is sent to them, not even that nobody is there.
func TestVanished(t *testing.T) {
	if *inside == "" {
		again(t)
		return
	}
	g := namespaces(t)
	g.inner = true
	h := g.opens(t)
	h.takes("the registry is true", 0, h.isTrue)
	c := &crowd{line: g.at(front, g.line), web: g.at(front, g.web), think: time.Second}
	var all []*guest
	for i := range 36 {
		all = append(all, c.comes(t, i, g.from(i), i/3%2 == 0))
	}
	gone, at, cut := h.members[0], h.where(), map[string]*guest{}
	for _, who := range all {
		if at[who.address].Gateway == gone.name {
			cut[who.kind] = who
		}
	}
	if len(cut) != 4 {
		t.Fatalf("at %s are only %v", gone.name, cut)
	}

	h.isDown(gone, true)
	began := time.Now()
	if err := commands(fmt.Sprintf("ip link set to%d down", gateways)); err != nil {
		t.Fatal(err)
	}
	for _, who := range all {
		if at[who.address].Gateway == gone.name {
			who.ends(t, began, 30*time.Second)
		}
	}
	for _, who := range all {
		if at[who.address].Gateway != gone.name && who.isOver() {
			t.Errorf("%s, at another gateway: cut", who.kind)
		}
	}
	looks, reads := c.comes(t, 1, g.from(100), false), c.comes(t, 1, g.from(101), false) // at another, at once

	at = h.where()
	began = time.Now()
	for _, who := range []*guest{looks, reads} {
		ip, _, _ := net.SplitHostPort(who.address)
		if err := commands("ip netns exec "+space(front)+" iptables -A INPUT -j DROP -s "+ip, "ip netns exec "+space(front)+" iptables -A OUTPUT -j DROP -d "+ip); err != nil {
			t.Fatal(err)
		}
	}
	e := at[reads.address]
	path := fmt.Sprintf("/calls/%s-%d/message", e.Gateway, e.ID)
	if err := h.asks(t.Context(), h.members[1], "POST", path, map[string]string{"text": "Bonsoir"}, nil); err != nil {
		t.Error(err)
	}
	for _, who := range []*guest{looks, reads} {
		for {
			if _, there := h.where()[who.address]; !there {
				break
			} else if time.Since(began) > 3*time.Minute {
				t.Fatal("who has vanished still has a call after 3 minutes")
			}
			time.Sleep(time.Second)
		}
		t.Logf("a caller who has vanished: found after %.0f s", time.Since(began).Seconds())
	}
}

// A guest is a caller who stays until cut off.
type guest struct {
	*call
	kind string
}

// comes has somebody call, by a WebSocket if i is a multiple of three, who types a key a second
// or only looks.
func (c *crowd) comes(t *testing.T, i int, from net.IP, types bool) *guest {
	t.Helper()
	at := &net.TCPAddr{IP: from, Port: 20000}
	kind := map[bool]string{true: "WebSocket, ", false: "telnet, "}[i%3 == 0] + map[bool]string{true: "types", false: "looks"}[types]
	who := &guest{call: &call{address: at.String(), over: make(chan struct{}), news: make(chan struct{})}, kind: kind}
	ctx, cancel := context.WithCancel(context.Background())
	conn, err := c.dials(ctx, i, at)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	var there sync.WaitGroup
	t.Cleanup(func() { cancel(); conn.Close(); there.Wait() })
	greeted := make(chan struct{})
	there.Go(func() {
		who.read(conn, greeted)
		who.ended = time.Now()
		close(who.over)
	})
	select {
	case <-greeted:
	case <-time.After(patience):
		t.Fatalf("%s: nobody greets", kind)
	}
	if types {
		there.Go(func() {
			for !who.isOver() {
				if _, err := conn.Write([]byte{'a'}); err != nil {
					return
				}
				wait(ctx, c.think)
			}
		})
	}
	return who
}

// ends waits until a guest is cut off.
func (who *guest) ends(t *testing.T, began time.Time, within time.Duration) {
	t.Helper()
	select {
	case <-who.over:
		t.Logf("%s: told after %.1f s", who.kind, who.ended.Sub(began).Seconds())
	case <-time.After(time.Until(began.Add(within))):
		t.Errorf("%s: told nothing for %v", who.kind, within)
	}
}

// where are all calls, by the address of their callers.
func (h *hub) where() map[string]entry {
	h.Helper()
	var answer struct{ Calls []entry }
	if err := h.asks(h.Context(), h.members[1], "GET", "/calls", nil, &answer); err != nil {
		h.Error(err)
	}
	calls := map[string]entry{}
	for _, e := range answer.Calls {
		calls[e.Address] = e
	}
	return calls
}
