//go:build linux

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A crowd are callers who come by a balancer, by telnet and by WebSocket, type a key now and then, and look at what
// comes; who call again when they are cut, and when they are told that the gateway closes;
// and who remember all that.
type crowd struct {
	line, web string             // where they come: HOST:PORT
	from      func(i int) net.IP // the address of the i-th, of its own
	think     time.Duration      // between two keys, on average
	leaving   chan struct{}      // closed when all are to hang up
	there     sync.WaitGroup

	keys, late    atomic.Int64 // typed; of these those that took more than a second
	refused, mute atomic.Int64 // connections in vain: refused, and cut before a word came
	doubtful      sync.Map     // addresses of the latter: they may have been calls

	mu   sync.Mutex
	live map[string]*call // by address, once it was greeted
	past []*call
	lost []string // keys that did not come back, or not as they should
}

// A call is what its caller knows of it.
type call struct {
	address string // where it comes from; no two calls have the same
	port    int
	began   time.Time // it was greeted
	ended   time.Time

	mu      sync.Mutex
	orders  sync.Mutex // held by the one operator who orders something for it
	over    chan struct{}
	left    bool          // the caller has hung up
	warned  bool          // it was told that the gateway closes, or the farewell
	ordered bool          // operators have told it to hang up
	moved   time.Time     // when they last told it to go elsewhere
	at      byte          // who has echoed last: P for the portal, S for the service
	keys    int           // echoed
	row     []byte        // what came on row 00 lately
	news    chan struct{} // closed when there are some
}

// gather has n callers come, and go on until they are to leave.
func gather(t *testing.T, n int, line, web string, think time.Duration, from func(int) net.IP) *crowd {
	c := &crowd{line: line, web: web, from: from, think: think, leaving: make(chan struct{}), live: map[string]*call{}}
	for i := range n {
		c.there.Go(func() {
			c.sleep(time.Duration(i) * time.Second / 250) // come at the pace of people
			for again := 0; !c.isLeaving(); again++ {
				if err := c.calls(i, again); err != nil {
					c.sleep(200*time.Millisecond + rand.N(time.Second))
				}
			}
		})
	}
	t.Cleanup(c.leave)
	return c
}

// leave has all hang up.
func (c *crowd) leave() {
	if !c.isLeaving() {
		close(c.leaving)
	}
	c.there.Wait()
}

func (c *crowd) isLeaving() bool {
	select {
	case <-c.leaving:
		return true
	default:
		return false
	}
}

func (c *crowd) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.leaving:
	}
}

var errMute = errors.New("nobody greets")

// calls is one call, to its end. It returns an error if there was none.
func (c *crowd) calls(i, again int) error {
	at := &net.TCPAddr{IP: c.from(i), Port: 20000 + again%40000}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	conn, err := c.dials(ctx, i, at)
	if err != nil {
		c.refused.Add(1)
		return err
	}
	defer conn.Close()
	l := &call{address: at.String(), port: at.Port, over: make(chan struct{}), news: make(chan struct{})}
	var reading sync.WaitGroup
	greeted := make(chan struct{})
	reading.Go(func() {
		defer cancel()
		l.read(conn, greeted)
	})
	defer reading.Wait()
	defer conn.Close()
	c.doubtful.Store(l.address, true)
	select {
	case <-greeted:
	case <-ctx.Done():
		c.mute.Add(1)
		return errMute
	case <-c.leaving:
		return errMute
	case <-time.After(patience):
		c.mute.Add(1)
		return errMute
	}
	c.doubtful.Delete(l.address)
	l.began = time.Now()
	c.mu.Lock()
	c.live[l.address] = l
	c.mu.Unlock()
	c.types(ctx, conn, l)
	conn.Close()
	reading.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.live, l.address)
	l.ended = time.Now()
	c.past = append(c.past, l)
	close(l.over)
	return nil
}

// dials connects, every third by a WebSocket.
func (c *crowd) dials(ctx context.Context, i int, from *net.TCPAddr) (net.Conn, error) {
	dialer := &net.Dialer{LocalAddr: from, Timeout: patience}
	if i%3 > 0 {
		return dialer.Dial("tcp", c.line)
	}
	transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	dialing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ws, _, err := websocket.Dial(dialing, "ws://"+c.web, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		return nil, err
	}
	return websocket.NetConn(ctx, ws, websocket.MessageText), nil
}

// types types keys until the call is over, or the caller has had enough: some stay, and some
// do not.
func (c *crowd) types(ctx context.Context, conn net.Conn, l *call) {
	stays := time.NewTimer(time.Duration((20 + rand.ExpFloat64()*200) * float64(time.Second)))
	defer stays.Stop()
	for n := 0; ; n++ {
		key := byte('a' + n%26)
		keys, _ := l.sees()
		c.keys.Add(1)
		began := time.Now()
		if _, err := conn.Write([]byte{key}); err != nil {
			return
		}
		echoed := func() bool { return l.keys > keys }
		if !l.await(ctx, 5*time.Second, echoed) && l.isMoved() {
			continue // what is typed for somebody who leaves just then may be lost
		}
		if !l.await(ctx, patience, echoed) {
			if ctx.Err() == nil {
				c.accuse("%s: a key does not come back", l.address)
			}
			return
		}
		if time.Since(began) > time.Second {
			c.late.Add(1)
		}
		pause := time.NewTimer(c.think/2 + rand.N(c.think))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		case <-c.leaving:
			pause.Stop()
			l.leaves()
			return
		case <-stays.C:
			pause.Stop()
			l.leaves()
			return
		}
		if _, warned := l.sees(); warned && rand.N(3) == 0 {
			l.leaves() // and calls again
			return
		}
	}
}

func (c *crowd) accuse(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = append(c.lost, fmt.Sprintf(format, args...))
}

// some is a call under way, at a service if there is one that is; nil if there is none.
func (c *crowd) some(atService bool) (some *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.live {
		some = l
		l.mu.Lock()
		at := l.at
		l.mu.Unlock()
		if !atService || at == 'S' {
			break
		}
	}
	return some
}

func (c *crowd) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.live)
}

// books are all calls that are over.
func (c *crowd) books() []*call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.past)
}

// read looks at what comes, to the end.
func (l *call) read(r io.Reader, greeted chan struct{}) {
	var (
		buf   [512]byte
		token []byte
		row   []byte // what comes on row 00 now
		unit  int    // bytes of its US sequence that have come
		onRow bool
	)
	for {
		n, err := r.Read(buf[:])
		l.mu.Lock()
		for _, b := range buf[:n] {
			switch {
			case unit == 0 && b == 0x1f: // US
				unit = 1
				if onRow {
					l.rowed(row)
				}
				row, onRow = row[:0], false
			case unit == 1:
				onRow, unit = b == 0x40, 2 // row 00
			case unit == 2:
				unit = 0
			case onRow && b == '\n': // leaves it
				l.rowed(row)
				onRow = false
			case onRow:
				row = append(row, b)
			case b == '<':
				token = append(token[:0], b)
			case len(token) > 0:
				if token = append(token, b); b == '>' || len(token) > 3 {
					if l.heard(token) && greeted != nil {
						close(greeted)
						greeted = nil
					}
					token = token[:0]
				}
			}
		}
		close(l.news)
		l.news = make(chan struct{})
		if err != nil && onRow {
			l.rowed(row)
		}
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// rowed is told what came on row 00.
func (l *call) rowed(row []byte) {
	if bytes.Contains(row, []byte("Fermeture")) {
		l.warned = true
	}
	if len(l.row) > 1024 {
		l.row = append(l.row[:0], l.row[512:]...)
	}
	l.row = append(append(l.row, row...), '\n')
}

// heard is told a token, and reports whether it is a greeting of the portal.
func (l *call) heard(token []byte) bool {
	if len(token) != 4 || token[3] != '>' {
		return false
	}
	l.at = token[1]
	if token[2] == '!' {
		return token[1] == 'P'
	}
	if token[2] >= 'a' && token[2] <= 'z' {
		l.keys++
	}
	return false
}

func (l *call) sees() (keys int, warned bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keys, l.warned
}

func (l *call) isMoved() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.moved) < 30*time.Second
}

func (l *call) leaves() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = true
}

// await waits until what the caller sees is right.
func (l *call) await(ctx context.Context, d time.Duration, right func() bool) bool {
	late := time.NewTimer(d)
	defer late.Stop()
	for {
		l.mu.Lock()
		ok, news := right(), l.news
		l.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-news:
		case <-ctx.Done():
			l.mu.Lock()
			defer l.mu.Unlock()
			return right()
		case <-l.over:
			return false
		case <-late.C:
			return false
		}
	}
}

// isOver reports whether the call has ended.
func (l *call) isOver() bool {
	select {
	case <-l.over:
		return true
	default:
		return false
	}
}

// echoes serves who comes to an address: says who it is, and sends back each key with that.
func echoes(t *testing.T, at string, who byte) {
	t.Helper()
	listener, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			serving.Go(func() {
				defer func() {
					conn.Close()
					mu.Lock()
					delete(open, conn)
					mu.Unlock()
				}()
				conn.Write([]byte{'<', who, '!', '>'})
				var buf [64]byte
				for {
					n, err := conn.Read(buf[:])
					if err != nil {
						return
					}
					answer := []byte{}
					for _, b := range buf[:n] {
						if strings.ContainsRune("abcdefghijklmnopqrstuvwxyz", rune(b)) {
							answer = append(answer, '<', who, b, '>')
						}
					}
					conn.Write(answer)
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
}
