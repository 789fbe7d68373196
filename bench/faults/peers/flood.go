package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// flood has the portal, or a service, send a gigabyte to a caller who takes it as fast as it
// comes, and for ever to callers who read like a Minitel or not at all. Meanwhile others type.
func flood(visits bool) error {
	s, err := serve(here("127.0.0.1:0"))
	if err != nil {
		return err
	}
	defer s.die()
	config, before := "[portal]\nurl = 'tcp://"+s.address+"'\n", ""
	if visits {
		dir, err := os.MkdirTemp("", "moip-faults")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		book := filepath.Join(dir, "services.toml")
		text := "[[service]]\ncode = \"FLOT\"\ntitle = \"Le flot\"\nurl = \"tcp://" + s.address + "\"\nprobe = \"none\"\n"
		if err := os.WriteFile(book, []byte(text), 0o600); err != nil {
			return err
		}
		config, before = "directory = '"+book+"'\n", "FLOT\x13A"
	}
	g, err := launch("127.0.0.1", config)
	if err != nil {
		return err
	}
	defer g.stop()
	others, err := gather(orUsual(200), g.door, before, "ws", "telnet", "tcp")
	if err != nil {
		return err
	}
	const phase = 15 * time.Second
	time.Sleep(phase)
	calm, _ := g.memory()
	n, half, usual := others.since()
	tell("without a flood", n, half, usual)

	slow, err := called(g, before, asksForever, "127.7.9.1")
	if err != nil {
		return err
	}
	defer slow.Close()
	deaf, err := called(g, before, asksForever, "127.7.9.2")
	if err != nil {
		return err
	}
	defer deaf.Close()
	var read atomic.Int64
	go func() { // at 1,200 bytes a second
		p := make([]byte, 120)
		for {
			n, err := slow.Read(p)
			if err != nil {
				return
			}
			read.Add(int64(n))
			time.Sleep(100 * time.Millisecond)
		}
	}()
	time.Sleep(phase)
	n, half, most := others.since()
	tell("two slow callers flooded", n, half, most)
	fmt.Printf("%-28s %d KiB were taken of what never ends, of which a caller has read %d KiB\n", "", s.flooded.Load()>>10, read.Load()>>10)
	ratio := float64(most) / float64(usual)

	fast, err := called(g, before, asksAll, "127.7.9.3")
	if err != nil {
		return err
	}
	defer fast.Close()
	began := time.Now()
	if err := await(fast, farewell); err != nil {
		return err
	}
	took := time.Since(began)
	n, half, most = others.since()
	tell("a third one reads it all", n, half, most)
	fmt.Printf("%-28s %d MiB in %v; 99 %% of keys took %.1f and %.1f times what they did\n", "", *size>>20, took.Round(100*time.Millisecond), ratio, float64(most)/float64(usual))
	now, peak := g.memory()
	fmt.Printf("%-28s %.1f MiB before, %.1f at most, %.1f now\n", "memory of the gateway", calm, peak, now)
	if faults := others.leave(); len(faults) > 0 {
		return fmt.Errorf("%d of the others were disturbed, the first: %s", len(faults), faults[0])
	}
	return nil
}

// called returns a call that has asked for a flood.
func called(g *gateway, before, asks, from string) (net.Conn, error) {
	conn, err := call("tcp", g.door, from)
	if err != nil {
		return nil, err
	}
	io.WriteString(conn, before)
	if err := await(conn, welcome[1:]); err != nil {
		return nil, err
	}
	_, err = io.WriteString(conn, asks)
	return conn, err
}
