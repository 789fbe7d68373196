// Package tunnel carries HTTP over a bus: one gateway asks another's handler as if it were
// at its port. A request is one message. Its answer comes in pieces, each of which the
// asking side asks for once it has room, so that who takes little slows nothing but its
// own answer. Nobody who has asked is answered for long without being heard of, and nobody
// waits for long for one who is silent.
//
// A message that the bus loses is asked for again, and nothing is done twice for that.
// Trailers, and what takes over a connection, do not go through.
package tunnel

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"moip/internal/bus"
)

const (
	waitTime   = 2 * time.Second // after which one who has nothing to tell yet says that, and one who asks for nothing
	tryTime    = waitTime + time.Second
	silentTime = 7 * time.Second // after which one who is not heard of is given up
)

var (
	// ErrSilent is that a gateway could be asked, and has not answered for 7 s.
	ErrSilent = errors.New("it does not answer")
	// ErrBusy is that a gateway answers too many already.
	ErrBusy = errors.New("it answers too many others")
	// ErrBroken is that an answer has broken off, or makes no sense.
	ErrBroken = errors.New("its answer has broken off")
)

// Host returns the host of URLs by which a Transport asks the instance of a gateway.
func Host(name, instance string) string { return name + "." + instance }

// subject returns where the gateway with a Host is asked.
func subject(host string) string { return "gateway." + host + ".http" }

// A Transport is an http.RoundTripper that asks gateways. The host of a URL is one that
// Host returns. Besides its own errors, it returns those of a bus.
type Transport struct{ Bus bus.Bus }

// RoundTrip has a request answered. Its body may have 128 KiB, otherwise the error is
// bus.ErrLarge.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	e, err := t.begin(r)
	if err != nil {
		return nil, err
	}
	a, err := e.get(r.Context())
	for err == nil && a.Wait {
		a, err = e.get(r.Context())
	}
	if err == nil && a.Status == 0 {
		err = ErrBroken
	}
	if err != nil {
		e.leave()
		return nil, err
	}
	w := &http.Response{
		Status: fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status)), StatusCode: a.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: canonical(a.Header), ContentLength: -1, Request: r,
	}
	if a.End {
		e.leave()
		w.ContentLength, w.Body = int64(len(a.data)), io.NopCloser(bytes.NewReader(a.data))
		return w, nil
	}
	w.Body = newBody(r.Context(), e, a.data)
	return w, nil
}

// canonical returns a header as its methods expect it.
func canonical(h http.Header) http.Header {
	same := http.Header{}
	for name, values := range h {
		for _, v := range values {
			same.Add(name, v)
		}
	}
	return same
}

// An asked is an exchange on the asking side.
type asked struct {
	bus   bus.Bus
	to    string // the subject
	id    string
	piece int    // that is asked for
	say   []byte // what asks for it
}

func (t Transport) begin(r *http.Request) (*asked, error) {
	e := &asked{bus: t.Bus, to: subject(r.URL.Host), id: rand.Text()}
	q := question{ID: e.id, Do: ask, Method: r.Method, URL: r.URL.RequestURI(), Header: r.Header}
	if name, instance, ok := strings.Cut(r.URL.Host, "."); !ok || !bus.IsWord(name) || !bus.IsWord(instance) {
		return nil, fmt.Errorf("%.60q is no gateway's", r.URL.Host)
	}
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if q.body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1)); err != nil {
			return nil, err
		}
		if len(q.body) > maxBody {
			return nil, bus.ErrLarge
		}
	}
	var err error
	e.say, err = q.encode()
	return e, err
}

// get returns an answer to what is asked, which is from then on for what is behind it. It
// asks again for what does not come.
func (e *asked) get(ctx context.Context) (answer, error) {
	for late := time.Now().Add(silentTime); ; {
		frame, err := e.try(ctx)
		switch {
		case err == nil:
			return e.read(frame)
		case ctx.Err() != nil:
			return answer{}, context.Cause(ctx)
		case !errors.Is(err, context.DeadlineExceeded):
			return answer{}, err
		case time.Now().After(late):
			return answer{}, ErrSilent
		}
	}
}

func (e *asked) try(ctx context.Context) ([]byte, error) {
	ctx, stop := context.WithTimeout(ctx, tryTime)
	defer stop()
	return e.bus.Request(ctx, e.to, e.say)
}

func (e *asked) read(frame []byte) (answer, error) {
	a, err := decodeAnswer(frame)
	switch {
	case err != nil:
		return a, err
	case a.Fault == busy:
		return a, ErrBusy
	case a.Fault != "" || a.Piece != e.piece:
		return a, ErrBroken
	}
	if !a.Wait {
		e.piece++
	}
	e.say, err = question{ID: e.id, Do: next, Piece: e.piece}.encode()
	return a, err
}

// tell tells the other side what it does not answer. It says so again, or finds out.
func (e *asked) tell(do string) {
	if frame, err := (question{ID: e.id, Do: do}).encode(); err == nil {
		e.bus.Publish(bus.Message{Subject: e.to, Data: frame})
	}
}

func (e *asked) leave() { e.tell(leave) }

// A body is what is behind the first piece of an answer. One more than what is read is
// had ahead.
type body struct {
	rest   []byte
	pieces chan []byte
	end    error // set before pieces is closed
	stop   context.CancelFunc
}

func newBody(ctx context.Context, e *asked, first []byte) *body {
	b := &body{rest: first, pieces: make(chan []byte)}
	ctx, b.stop = context.WithCancel(ctx)
	go b.fetch(ctx, e)
	return b
}

func (b *body) fetch(ctx context.Context, e *asked) {
	defer close(b.pieces)
	defer e.leave()
	tick := time.NewTicker(waitTime)
	defer tick.Stop()
	for {
		a, err := e.get(ctx)
		if err != nil {
			b.end = err
			return
		}
		for given := a.Wait; !given; {
			select {
			case b.pieces <- a.data:
				given = true
			case <-tick.C:
				e.tell(here)
			case <-ctx.Done():
				b.end = context.Cause(ctx)
				return
			}
		}
		if a.End {
			b.end = io.EOF
			return
		}
	}
}

func (b *body) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		piece, ok := <-b.pieces
		if !ok {
			return 0, b.end
		}
		b.rest = piece
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Close tells the other side that nobody reads.
func (b *body) Close() error {
	b.stop()
	for range b.pieces { // until the last is asked for
	}
	return nil
}
