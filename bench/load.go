package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A load is a service, which repeats what it is told unless that asks for pages,
// and its callers.
type load struct {
	at              string // what callers call
	caller, service protocol
	door            net.Listener
	hear            func(call int, c *stream) // what a caller does who has been greeted
	volley          atomic.Pointer[volley]
	heard           atomic.Int64 // bytes of pages
	failed          chan error   // the first failure

	mu     sync.Mutex
	calls  []*stream
	closed bool
}

// newLoad opens the service. Callers reach it at l.at, unless that is changed
// for the address of a gateway in between.
func newLoad(caller, service protocol) (*load, error) {
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &load{at: door.Addr().String(), caller: caller, service: service, door: door, failed: make(chan error, 1)}
	l.hear = l.listen
	go l.serve()
	return l, nil
}

func (l *load) serve() {
	for {
		conn, err := l.door.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			s, err := accept(conn, l.service)
			for err == nil {
				var p []byte
				if p, err = s.receive(); err == nil {
					err = answer(s, p)
				}
			}
		}()
	}
}

// call adds n callers.
func (l *load) call(n int) error {
	first := len(l.calls)
	var left atomic.Int64
	left.Store(int64(n))
	var dialling sync.WaitGroup
	for range 32 {
		dialling.Go(func() {
			for i := left.Add(-1); i >= 0; i = left.Add(-1) {
				// A thousand from an address, which has not many more ports.
				c, err := dial(net.IPv4(127, 0, 0, byte(2+i/1000)), l.at, l.caller)
				if err == nil {
					l.add(c)
					err = greet(c)
				}
				if err != nil {
					l.fail(err)
					return
				}
			}
		})
	}
	dialling.Wait()
	if len(l.failed) > 0 {
		return <-l.failed
	}
	for i, c := range l.calls[first:] {
		go l.hear(first+i, c)
	}
	return nil
}

func (l *load) add(c *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
	if l.closed {
		c.Close()
	}
}

// greet waits until all is there between a caller and the service.
func greet(c *stream) error {
	c.SetDeadline(time.Now().Add(patience))
	defer c.SetDeadline(time.Time{})
	err := c.send(token(0))
	for n := 0; n < tokenSize && err == nil; {
		var p []byte
		p, err = c.receive()
		n += len(p)
	}
	return err
}

// close ends the service and all calls. It may be called again, and while
// another method waits.
func (l *load) close() {
	l.door.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, c := range l.calls {
		c.Close()
	}
}

func (l *load) fail(err error) {
	select {
	case l.failed <- err:
	default:
	}
}

// A volley is keys that are typed at a rate, without waiting for echoes: key i
// in call i, modulo calls. It is sent as the token of i: it makes no difference
// to tokens whether a gateway splits or joins what it relays.
type volley struct {
	calls  int
	keys   []key
	echoed atomic.Int64
}

type key struct {
	sent atomic.Int64  // when, by clock; 0 if not yet
	took time.Duration // until the echo; 0 if it has not come
}

const tokenSize = 8

func token(i int) []byte { return fmt.Appendf(nil, "%0*d", tokenSize, i) }

// clock returns the time since the start of the program.
func clock() time.Duration { return time.Since(started) }

var started = time.Now()

// typeKeys types n keys at a rate, per second. It returns how long they took,
// sorted, when all are back.
func (l *load) typeKeys(ctx context.Context, n, rate int) ([]time.Duration, error) {
	v := &volley{calls: len(l.calls), keys: make([]key, n)}
	l.volley.Store(v)
	ticks, err := newTicker(time.Second / time.Duration(rate))
	if err != nil {
		return nil, err
	}
	defer ticks.close()
	began := clock()
	for i := 0; i < n; {
		due, err := ticks.wait()
		if err != nil {
			return nil, err
		}
		for end := min(i+due, n); i < end; i++ {
			v.keys[i].sent.Store(int64(clock()))
			if err := l.calls[i%v.calls].send(token(i)); err != nil {
				return nil, err
			}
		}
	}
	if spent := (clock() - began).Seconds(); spent*float64(rate) > 1.05*float64(n) {
		return nil, fmt.Errorf("%d keys took %.1f s to type: this machine is too slow, or too busy, for %d a second", n, spent, rate)
	}
	return l.await(ctx, v)
}

// await waits until all echoes are back.
func (l *load) await(ctx context.Context, v *volley) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for int(v.echoed.Load()) < len(v.keys) {
		select {
		case err := <-l.failed:
			return nil, err
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d keys are not back: %w", len(v.keys)-int(v.echoed.Load()), len(v.keys), ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
	took := make([]time.Duration, len(v.keys))
	for i := range v.keys {
		took[i] = v.keys[i].took
	}
	slices.Sort(took)
	return took, nil
}

// listen notes the echoes of the keys typed in a call.
func (l *load) listen(call int, c *stream) {
	var token []byte
	for {
		p, err := c.receive()
		now := clock()
		for _, b := range p {
			if token = append(token, b); len(token) == tokenSize && err == nil {
				err = l.volley.Load().echo(call, string(token), now)
				token = token[:0]
			}
		}
		if err != nil {
			l.fail(fmt.Errorf("call %d: %w", call, err))
			return
		}
	}
}

// echo notes that a token has come back in a call.
func (v *volley) echo(call int, token string, now time.Duration) error {
	i, err := strconv.Atoi(token)
	if err != nil || i < 0 || i >= len(v.keys) || i%v.calls != call {
		return fmt.Errorf("got %q, which was not typed there", token)
	}
	k := &v.keys[i]
	sent := time.Duration(k.sent.Load())
	if sent == 0 || k.took != 0 {
		return fmt.Errorf("got %q twice", token)
	}
	k.took = now - sent
	v.echoed.Add(1)
	return nil
}
