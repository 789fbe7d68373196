package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"moip/internal/picture"
	"moip/internal/session"
	"moip/internal/upstream"
	"moip/videotex"
)

const (
	maxKept = 64 << 10  // bytes of a service that are looked at
	flood   = 512 << 10 // bytes without a pause are too many for any page
)

// A call is a connection to a peer, on which we are a terminal. It belongs to one
// goroutine, but for what the reader has.
type call struct {
	peer     session.Endpoint
	accepted time.Duration // from the first step to the peer's yes
	began    time.Time     // when the peer had accepted

	// What was agreed. Nothing writes it once the peer has accepted.
	agreed string // subprotocol
	web    bool   // it is a WebSocket
	tls    *tls.ConnectionState
	status int         // of a WebSocket's handshake, 0 for none
	header http.Header // of the same

	plain  *plain           // what came before telnet was taken out of it, nil for a WebSocket
	frames [16]atomic.Int64 // that came, by their opcodes
	pong   chan struct{}    // holds one

	flushing atomic.Bool
	ended    sync.Once
	chunks   chan []byte   // from the reader, closed at the end
	done     chan struct{} // closed to end the reader
	err      error         // why the chunks are over; set before

	screen *videotex.Screen
	first  time.Duration // from the yes to the first byte
	data   []byte        // all that came, as far as it is looked at
	total  int           // bytes that came
	over   bool          // the peer has hung up
	floods bool
}

// identity is what we say of ourselves: an emulator, of nobody's make.
var identity = [3]byte{'M', 'g', '1'}

// dial calls r. If it fails, the call has what is known nevertheless.
func dial(ctx context.Context, r session.Route) (*call, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	c := &call{
		screen: videotex.NewScreen(), pong: make(chan struct{}, 1),
		chunks: make(chan []byte), done: make(chan struct{}),
	}
	c.screen.Identify(identity[0], identity[1], identity[2])
	began := time.Now()
	peer, err := (&upstream.Dialer{Witness: c.witness()}).Dial(ctx, 0, r)
	c.began = time.Now()
	c.accepted = c.began.Sub(began)
	if err != nil {
		return c, err
	}
	c.peer = peer
	go c.read()
	return c, nil
}

func (c *call) witness() *upstream.Witness {
	return &upstream.Witness{
		Plain: func(conn net.Conn) net.Conn {
			c.plain = &plain{Conn: conn}
			return c.plain
		},
		Secured: func(s tls.ConnectionState) { c.tls = &s },
		Answered: func(status int, h http.Header) {
			c.web, c.status, c.header, c.agreed = true, status, h, line(h.Get("Sec-Websocket-Protocol"))
		},
		Heard: c.heard,
	}
}

// Opcodes of RFC 6455, section 11.8.
const (
	opText   = 1
	opBinary = 2
	opPing   = 9
	opPong   = 10
)

// heard is told of frames.
func (c *call) heard(opcode byte) {
	c.frames[opcode&15].Add(1)
	if opcode == opPong {
		select {
		case c.pong <- struct{}{}:
		default:
		}
	}
}

// read hands on what comes, until the end or hangUp.
func (c *call) read() {
	defer close(c.chunks)
	for {
		p, err := c.peer.Receive()
		if err != nil {
			c.err = err
			return
		}
		select {
		case c.chunks <- append([]byte(nil), p...):
		case <-c.done:
			c.err = net.ErrClosed
			return
		}
	}
}

// hangUp ends the call, and waits for the reader. It may be called again.
func (c *call) hangUp() {
	c.ended.Do(func() {
		c.peer.Close()
		close(c.done)
		for range c.chunks {
		}
	})
}

// send types keys.
func (c *call) send(p []byte) {
	if len(p) > 0 && c.peer.Send(p) && c.flushing.CompareAndSwap(false, true) {
		go func() { // which ends with the call
			c.peer.Flush()
			c.flushing.Store(false)
		}()
	}
}

// listen takes what comes until it has paused for still, or until limit. It answers
// what a terminal answers, and returns what has come.
func (c *call) listen(ctx context.Context, still, limit time.Duration) (came []byte) {
	late := time.After(limit)
	var quiet <-chan time.Time
	n := 0
	for !c.over {
		select {
		case p, ok := <-c.chunks:
			if !ok {
				c.over = true
				return came
			}
			c.take(p)
			if len(came) < maxKept {
				came = append(came, p...)
			}
			if n += len(p); n > flood {
				c.floods = true
				return came
			}
			quiet = time.After(still)
		case <-quiet:
			return came
		case <-late:
			return came
		case <-ctx.Done():
			return came
		}
	}
	return came
}

// take looks at what came.
func (c *call) take(p []byte) {
	if c.total == 0 {
		c.first = time.Since(c.began)
	}
	c.total += len(p)
	if room := maxKept - len(c.data); room > 0 {
		c.data = append(c.data, p[:min(room, len(p))]...)
	}
	c.screen.Write(p)
	c.send(c.screen.Replies())
}

// end returns how the peer has hung up.
func (c *call) end() string {
	if errors.Is(c.err, io.EOF) {
		return "in good order"
	}
	return line(c.err.Error())
}

// page returns the screen as rows of text, without the empty ones at its end.
func (c *call) page() []string {
	rows := strings.Split(strings.TrimRight(picture.Text(c.screen), "\n"), "\n")
	if len(rows) == 1 && rows[0] == "" {
		return nil
	}
	for i, row := range rows {
		rows[i] = strings.TrimRight(line("." + row)[1:], " ") // its blanks in front stay
	}
	return rows
}

// glance returns the first words of the screen.
func (c *call) glance() string {
	for _, row := range c.page() {
		words := strings.Join(strings.FieldsFunc(row, func(r rune) bool { return !isWord(r) }), " ")
		if len([]rune(words)) >= 3 {
			return fmt.Sprintf("%q", words)
		}
	}
	return fmt.Sprintf("a page of %d bytes", c.total)
}

// isWord reports whether r may be of a word: pictures are made of the rest.
func isWord(r rune) bool {
	return r > ' ' && r < 0x7F && !strings.ContainsRune("_|-=#", r) || r >= 0xC0 && r < 0x180
}

// certificates tells of those of a peer, if it has any.
func (c *call) certificates(name string) []Finding {
	if c.tls == nil || len(c.tls.PeerCertificates) == 0 {
		return nil
	}
	return []Finding{judgeTLS(name, c.tls, time.Now())}
}

// A plain is a connection that keeps the first of what is read, telnet's commands
// included.
type plain struct {
	net.Conn
	kept atomic.Pointer[[]byte]
}

func (p *plain) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	var kept []byte
	if before := p.kept.Load(); before != nil {
		kept = *before
	}
	if room := 4<<10 - len(kept); room > 0 && n > 0 {
		kept = append(kept[:len(kept):len(kept)], b[:min(n, room)]...)
		p.kept.Store(&kept)
	}
	return n, err
}

// commands returns what the peer has said in telnet.
func (c *call) commands() []string {
	if c.plain == nil {
		return nil
	}
	if kept := c.plain.kept.Load(); kept != nil {
		return negotiations(*kept)
	}
	return nil
}
