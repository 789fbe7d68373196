package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// patience is how long anything may take.
const patience = 20 * time.Second

// A conn is one connection of a player, and all that came on it.
type conn struct {
	net  net.Conn        // nil if it is a WebSocket that we dialled
	ws   *websocket.Conn // nil if it is none
	done sync.WaitGroup

	mu     sync.Mutex
	news   chan struct{} // closed when something came
	data   []byte
	frames []frame // of a WebSocket
	heard  int     // how much of data the story has heard
	end    error   // why it ended, nil while it lasts
}

// A frame is where a message begins in data.
type frame struct {
	at, size int
	kind     websocket.MessageType
}

// newConn returns a conn, and listens unless it is deaf.
func newConn(n net.Conn, ws *websocket.Conn, deaf bool) *conn {
	c := &conn{net: n, ws: ws, news: make(chan struct{})}
	if !deaf {
		c.done.Go(c.read)
	}
	return c
}

func (c *conn) read() {
	for {
		kind, p, err := c.receive()
		c.mu.Lock()
		if len(p) > 0 {
			c.frames = append(c.frames, frame{len(c.data), len(p), kind})
			c.data = append(c.data, p...)
		}
		c.end = err
		close(c.news)
		c.news = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *conn) receive() (kind websocket.MessageType, p []byte, err error) {
	if c.ws == nil {
		p = make([]byte, 4<<10)
		n, err := c.net.Read(p)
		return 0, p[:n], err
	}
	kind, p, err = c.ws.Read(context.Background())
	if err == nil && kind == websocket.MessageText {
		p, err = latin1Of(p)
	}
	return kind, p, err
}

// await calls ready, with the lock held, until it is done or has failed.
func (c *conn) await(ready func() (bool, error)) error {
	late := time.After(patience)
	for {
		c.mu.Lock()
		done, err := ready()
		news, end := c.news, c.end
		rest := show(c.data[c.heard:])
		c.mu.Unlock()
		switch {
		case err != nil:
			return fmt.Errorf("%w\ncame: %s", err, rest)
		case done:
			return nil
		case end != nil:
			return fmt.Errorf("the connection has ended (%v)\ncame: %s", end, rest)
		}
		select {
		case <-news:
		case <-late:
			return fmt.Errorf("nothing more comes\ncame: %s", rest)
		}
	}
}

var errOther = errors.New("something else comes")

// hear waits for want, which must come next.
func (c *conn) hear(want []byte) error {
	return c.await(func() (bool, error) {
		rest := c.data[c.heard:]
		n := min(len(rest), len(want))
		if !bytes.Equal(rest[:n], want[:n]) {
			return false, errOther
		}
		if n < len(want) {
			return false, nil
		}
		c.heard += n
		return true, nil
	})
}

// hearLater waits for want, whatever comes before.
func (c *conn) hearLater(want []byte) error {
	return c.await(func() (bool, error) {
		i := bytes.Index(c.data[c.heard:], want)
		if i < 0 {
			return false, nil
		}
		c.heard += i + len(want)
		return true, nil
	})
}

// hearFrame waits for a message, which must come next, contain want and
// nothing else and, if kind is not 0, be of that kind.
func (c *conn) hearFrame(kind websocket.MessageType, want []byte) error {
	return c.await(func() (bool, error) {
		for _, f := range c.frames {
			switch {
			case f.at < c.heard:
				continue
			case f.at > c.heard:
				return false, errors.New("this is in the middle of a message")
			case !bytes.Equal(c.data[f.at:f.at+f.size], want):
				return false, fmt.Errorf("another message comes, %s", show(c.data[f.at:f.at+f.size]))
			case kind != 0 && f.kind != kind:
				return false, fmt.Errorf("the message is %v", f.kind)
			}
			c.heard += f.size
			return true, nil
		}
		return false, nil
	})
}

// ended waits for the end of the connection, with nothing left unheard. A
// WebSocket must be closed with the status code given.
func (c *conn) ended(code websocket.StatusCode) error {
	return c.await(func() (bool, error) {
		switch {
		case c.end == nil:
			return false, nil
		case c.heard < len(c.data):
			return false, errors.New("it has ended, but not all that came was heard")
		case c.ws != nil && websocket.CloseStatus(c.end) != code:
			return false, fmt.Errorf("it has ended otherwise: %w", c.end)
		case c.ws == nil && c.end != io.EOF:
			return false, fmt.Errorf("it was broken: %w", c.end)
		}
		return true, nil
	})
}

// say sends messages of a kind or, if there are several pieces, one message in
// that many fragments.
func (c *conn) say(kind websocket.MessageType, pieces ...[]byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if c.ws == nil {
		c.net.SetWriteDeadline(time.Now().Add(patience))
		_, err := c.net.Write(bytes.Join(pieces, nil))
		return err
	}
	if kind == websocket.MessageText {
		for i := range pieces {
			pieces[i] = utf8Of(pieces[i])
		}
	}
	if len(pieces) == 1 {
		return c.ws.Write(ctx, kind, pieces[0])
	}
	w, err := c.ws.Writer(ctx, kind)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return w.Close()
}

// flood says p again and again until the connection ends.
func (c *conn) flood(p []byte) {
	var taken atomic.Int64
	c.done.Go(func() {
		for ; ; taken.Add(1) {
			if c.ws != nil {
				if c.ws.Write(context.Background(), websocket.MessageText, p) != nil {
					return
				}
			} else if _, err := c.net.Write(p); err != nil {
				return
			}
		}
	})
	// Until no more is taken: that a line is clogged shows in nothing else.
	for n := int64(-1); n != taken.Load(); time.Sleep(300 * time.Millisecond) {
		n = taken.Load()
	}
}

// ping waits until the peer has taken all that was said.
func (c *conn) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.ws.Ping(ctx)
}

// close ends the connection in good order.
func (c *conn) close(code websocket.StatusCode) error {
	if c.ws != nil {
		return c.ws.Close(code, "")
	}
	return c.net.Close()
}

// cut ends the connection without a word.
func (c *conn) cut() {
	if c.ws != nil {
		c.ws.CloseNow()
	}
	if c.net != nil {
		c.net.Close()
	}
	c.done.Wait()
}
