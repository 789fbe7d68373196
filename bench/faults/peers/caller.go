package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// doorOf returns where callers of a scheme are answered by the gateway whose door for tcp is
// at an address.
func doorOf(tcp, scheme string) string {
	host, _, _ := net.SplitHostPort(tcp)
	return net.JoinHostPort(host, map[string]string{"tcp": "9100", "ws": "9101", "telnet": "9102"}[scheme])
}

// call calls by a scheme from an address, and returns what is typed and shown. With telnet,
// none of its options is answered.
func call(scheme, tcp, from string) (net.Conn, error) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	conn, err := dialer.Dial("tcp", doorOf(tcp, scheme)) // by this thread, which has its network
	if err != nil || scheme != "ws" {
		return conn, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dialled := func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	client := &http.Client{Transport: &http.Transport{DialContext: dialled, DisableKeepAlives: true}}
	c, _, err := websocket.Dial(ctx, "ws://"+doorOf(tcp, scheme), &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(-1)
	return websocket.NetConn(context.Background(), c, websocket.MessageText), nil
}

// await reads as far as text.
func await(conn io.Reader, text string) error {
	var last []byte
	p := make([]byte, 4<<10)
	for !strings.Contains(string(last), text) {
		n, err := conn.Read(p)
		if err != nil {
			return fmt.Errorf("%w before %q came", err, text)
		}
		last = append(last[max(0, len(last)-len(text)):], p[:n]...)
	}
	return nil
}

// People are callers who type a key every half second, and wait to see it.
type people struct {
	mu     sync.Mutex
	keys   []time.Duration // there and back
	faults []string
	over   chan struct{}
	there  sync.WaitGroup
}

// gather has n call by schemes in turn, from as many addresses, and type before what leads
// to whoever repeats keys. It returns when each has seen one.
func gather(n int, tcp, before string, schemes ...string) (*people, error) {
	p := &people{over: make(chan struct{})}
	ready := make(chan error, n)
	for i := range n {
		time.Sleep(10 * time.Millisecond) // not to be refused
		p.there.Go(func() {
			conn, err := call(schemes[i%len(schemes)], tcp, fmt.Sprintf("127.7.%d.%d", i/200, 1+i%200))
			if err != nil {
				ready <- err
				return
			}
			defer conn.Close()
			io.WriteString(conn, before)
			if err := p.key(conn, i, 0); err != nil {
				ready <- err
				return
			}
			ready <- nil
			p.types(conn, i)
		})
	}
	for range n {
		if err := <-ready; err != nil {
			return p, err
		}
	}
	p.since()
	return p, nil
}

func (p *people) types(conn net.Conn, who int) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-p.over:
			return
		case <-tick.C:
		}
		if err := p.key(conn, who, n); err != nil {
			p.mu.Lock()
			p.faults = append(p.faults, err.Error())
			p.mu.Unlock()
			return
		}
	}
}

// key types a key that is like no other, and waits to see it.
func (p *people) key(conn net.Conn, who, n int) error {
	key := fmt.Sprintf("{%04d:%06d}", who, n)
	conn.SetDeadline(time.Now().Add(5 * time.Minute))
	typed := time.Now()
	if _, err := io.WriteString(conn, key); err != nil {
		return err
	}
	if err := await(conn, key); err != nil {
		return err
	}
	p.mu.Lock()
	p.keys = append(p.keys, time.Since(typed))
	p.mu.Unlock()
	return nil
}

// since returns how many keys came back since it was last asked, their median and how long
// 99 % of them took at most.
func (p *people) since() (n int, half, most time.Duration) {
	p.mu.Lock()
	keys := p.keys
	p.keys = nil
	p.mu.Unlock()
	if n = len(keys); n == 0 {
		return 0, 0, 0
	}
	slices.Sort(keys)
	return n, keys[n/2], keys[n*99/100]
}

// leave has all hang up, and returns what went wrong.
func (p *people) leave() []string {
	close(p.over)
	p.there.Wait()
	return p.faults
}

// tell prints how keys went.
func tell(when string, n int, half, most time.Duration) {
	fmt.Printf("%-28s %6d keys, half of them in %v, 99 %% in %v\n", when, n, half.Round(10*time.Microsecond), most.Round(10*time.Microsecond))
}
