package main

import (
	"fmt"
	"strings"
	"syscall"
	"time"
)

// stop stops the gateway for a while, again and again, as a machine that is moved or swaps
// does, while people type.
func stop() error {
	s, err := serve(here("127.0.0.1:0"))
	if err != nil {
		return err
	}
	defer s.die()
	g, err := launch("127.0.0.1", "[portal]\nurl = 'tcp://"+s.address+"'\n")
	if err != nil {
		return err
	}
	defer g.stop()
	p, err := gather(orUsual(100), g.door, "", "ws", "telnet", "tcp")
	if err != nil {
		return err
	}
	for word := range strings.SplitSeq(*stops, ",") {
		still, err := time.ParseDuration(word)
		if err != nil {
			return err
		}
		time.Sleep(time.Second)
		p.since() // of those who had to wait
		time.Sleep(3 * time.Second)
		n, half, most := p.since()
		tell("before", n, half, most)
		g.signal(syscall.SIGSTOP)
		time.Sleep(still)
		p.since()
		g.signal(syscall.SIGCONT)
		began := time.Now()
		for n := 0; n < orUsual(100)/2; time.Sleep(time.Millisecond) {
			if m, _, _ := p.since(); m > 0 {
				n += m
			} else if time.Since(began) > patience {
				return fmt.Errorf("keys do not come after %v", still)
			}
		}
		fmt.Printf("stopped for %v: half of those who waited have their key %v later, %d calls have ended\n", still, time.Since(began).Round(time.Millisecond), g.logged("call ended"))
	}
	ended := g.logged("call ended")
	if faults := p.leave(); len(faults) > 0 || ended > 0 {
		return fmt.Errorf("%d calls have ended, %d callers say %q", ended, len(faults), faults)
	}
	return nil
}
