package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"moip/internal/session"
)

const (
	// maxMessage is the size of the largest message sent, in bytes of
	// payload. Small terminals read a message whole.
	maxMessage = 1 << 10

	// maxUnanswered is how many bytes may be kept when a ping is answered
	// nevertheless. A peer that does not read does not miss the pong.
	maxUnanswered = 4 << 10
)

// WebSocketOptions say how NewWebSocket goes on after the handshake.
type WebSocketOptions struct {
	Client bool          // we dialled
	Binary bool          // send binary messages, instead of text
	Early  []byte        // what came right behind the peer's handshake
	Ping   time.Duration // silence after which the peer is pinged, 0 for never
	Stall  time.Duration // see TCP
	Tap    session.Tap   // is told of what passes from the first frame on, nil for nobody

	// Heard, unless it is nil, is told the opcode of each frame that has come whole
	// (RFC 6455, section 11.8), by whoever is in Receive.
	Heard func(opcode byte)
}

// A WebSocket is an Endpoint that carries its bytes in the messages of a
// WebSocket (RFC 6455) without extensions. It takes messages of all kinds and
// sizes, text being Latin-1, in frames of 64 KiB at the most from callers, and sends short
// ones without fragments.
//
// A peer that is silent after a ping for two periods is closed with
// session.ErrSilent, unless something is kept for it: that is up to the stall
// limit.
type WebSocket struct {
	stream
	client  bool        // what is sent is masked
	op      ws.OpCode   // of messages sent
	over    atomic.Bool // nobody is pinged any more
	ping    time.Duration
	timer   *time.Timer  // calls tick, nil if ping is 0
	heard   atomic.Int64 // when the peer was heard last
	away    atomic.Bool  // nobody is in Receive, and the peer cannot be heard
	closing atomic.Bool  // a close frame was sent
	tap     atomic.Pointer[frameTap]

	// Owned by Receive.
	early   []byte
	frame   frame
	control []byte // payload of the control frame that is open
	textual bool   // the message is text
	text    latin1 // its counter may be read by all
	err     error  // why Receive is over
	heardOf func(opcode byte)

	pinged time.Duration // when the last ping was sent; owned by tick
	due    time.Duration // when tick is called; owned by it
}

// NewWebSocket returns an Endpoint for conn, on which the handshake is done.
func NewWebSocket(conn net.Conn, o WebSocketOptions) *WebSocket {
	e := &WebSocket{client: o.Client, op: ws.OpText, ping: o.Ping, early: o.Early, heardOf: o.Heard}
	e.frame.State = ws.StateServerSide
	if o.Client {
		e.frame.State = ws.StateClientSide
	}
	if o.Binary {
		e.op = ws.OpBinary
	}
	e.stream = streamOf(conn, o.Stall)
	e.Tap(o.Tap)
	e.pinged = clock()
	e.heard.Store(int64(e.pinged))
	if e.ping > 0 {
		e.timer = time.AfterFunc(time.Hour, e.tick)
		e.tickIn(e.ping) // not before e.timer is set
	}
	return e
}

// Receive waits for the payload of data messages, wherever those begin and
// end.
func (e *WebSocket) Receive() ([]byte, error) {
	e.away.Store(false)
	for e.err == nil {
		p, err := e.next()
		if err == session.ErrQuiet {
			return nil, err // the peer is heard as soon as it says something
		}
		if err != nil {
			e.err = err
			break
		}
		if e.ping > 0 {
			e.heard.Store(int64(clock()))
		}
		if data := e.decode(p); len(data) > 0 {
			e.away.Store(true)
			return data, nil
		}
	}
	e.away.Store(true)
	e.stopPings()
	return nil, e.err
}

// next returns the next bytes of the stream.
func (e *WebSocket) next() ([]byte, error) {
	if p := e.early; len(p) > 0 {
		e.early = nil
		return p, nil
	}
	p, err := e.stream.Receive()
	if err == io.EOF { // RFC 6455, section 7.1.5: closed 1006
		err = errors.New("connection ended without a close frame")
	}
	return p, err
}

// decode returns the data in p, in place, and answers control frames. If the
// connection is over thereafter, it sets err.
func (e *WebSocket) decode(p []byte) (data []byte) {
	data = p[:0]
	if n := e.text.n; n > 0 { // the data may be longer than p: make room
		p = slices.Insert(p, 0, e.text.held[:n]...)
		data, p = p[:0], p[n:]
	}
	t := e.tap.Load()
	for len(p) > 0 && e.err == nil {
		if !e.frame.open {
			if p = e.header(p); !e.frame.open {
				break
			}
			if t != nil && !e.frame.op.IsControl() {
				t.received(&e.frame, nil)
			}
		}
		had := len(data)
		var payload []byte
		payload, p = e.frame.payload(p)
		switch {
		case e.frame.op.IsControl():
			e.control = append(e.control, payload...)
		case e.textual:
			data = e.text.append(data, payload)
		default:
			data = append(data, payload...)
		}
		if e.frame.left == 0 {
			data = e.endFrame(data, t)
		}
		if t != nil && len(data) > had {
			t.listen(session.PassBytes, false, data[had:])
		}
	}
	return data
}

// header reads the header of the next frame from p and returns what follows.
func (e *WebSocket) header(p []byte) []byte {
	p, err := e.frame.header(p)
	switch op := e.frame.op; {
	case err != nil:
		e.violated(err)
	case !e.frame.open: // not all of it is in p
	case op.IsControl():
		e.control = e.control[:0]
	case op != ws.OpContinuation:
		e.textual = op == ws.OpText
	}
	return p
}

// endFrame does what is due when the payload of a frame is complete, and tells t of a
// control frame.
func (e *WebSocket) endFrame(data []byte, t *frameTap) []byte {
	e.frame.end()
	if e.heardOf != nil {
		e.heardOf(byte(e.frame.op))
	}
	if t != nil && e.frame.op.IsControl() {
		t.received(&e.frame, e.control)
	}
	switch e.frame.op {
	case ws.OpPing:
		if e.backlog() <= maxUnanswered {
			e.sendControl(ws.OpPong, e.control) // RFC 6455, section 5.5.3
		}
	case ws.OpPong: // has been heard, that is all
	case ws.OpClose:
		e.closed()
	default:
		if e.frame.fin {
			data = e.text.settle(data, true)
		}
	}
	return data
}

// closed answers the peer's close frame and sets err accordingly.
func (e *WebSocket) closed() {
	if len(e.control) == 0 {
		e.sendClose(nil)
		e.err = io.EOF
		return
	}
	code, reason := ws.ParseCloseFrameData(e.control)
	switch {
	case code == ws.StatusNormalClosure:
		e.err = io.EOF
	case code.IsNotUsed(), code.IsProtocolReserved(), code == ws.StatusNoMeaningYet:
		// RFC 6455, section 7.4: must not be set. One byte is no code either. Clumsy
		// terminals do it, and it does not speak against them.
		e.abandon(ws.StatusProtocolError, fmt.Errorf("protocol error: close frame with the status code %d", code))
		return
	default:
		text := fmt.Sprintf("closed %d", code)
		if name := closeNames[code]; name != "" {
			text += " (" + name + ")"
		}
		if reason != "" {
			text += fmt.Sprintf(" %q", reason)
		}
		e.err = errors.New(text)
	}
	e.sendClose(e.control[:2]) // RFC 6455, section 5.5.1: typically echoes the code
}

// CloseName returns the name of a status code of close frames, "" if it has none.
func CloseName(code ws.StatusCode) string { return closeNames[code] }

// closeNames are the names of IANA's registry.
var closeNames = map[ws.StatusCode]string{
	1000: "normal closure",
	1001: "going away",
	1002: "protocol error",
	1003: "unsupported data",
	1007: "invalid payload data",
	1008: "policy violation",
	1009: "message too big",
	1010: "mandatory extension",
	1011: "internal error",
	1012: "service restart",
	1013: "try again later",
	1014: "bad gateway",
}

// violated ends a connection whose peer does not keep to the protocol.
func (e *WebSocket) violated(err error) {
	if err == errTooBig { // a rule of ours alone: RFC 6455, section 7.4.1
		e.abandon(ws.StatusMessageTooBig, fmt.Errorf("protocol error: %w", err))
	} else {
		e.abandon(ws.StatusProtocolError, fmt.Errorf("%w: %w", session.ErrProtocol, err))
	}
}

func (e *WebSocket) abandon(code ws.StatusCode, err error) {
	e.err = err
	e.sendClose(closeBody(code))
	e.end(err)
}

func closeBody(code ws.StatusCode) []byte { return []byte{byte(code >> 8), byte(code)} }

// Send sends p in as few messages as may be.
func (e *WebSocket) Send(p []byte) (kept bool) {
	out := borrow()
	defer out.giveBack()
	for len(p) > 0 {
		n := min(len(p), maxMessage)
		size := n
		if e.op == ws.OpText {
			n, size = fitUTF8(p, maxMessage)
		}
		*out = e.appendFrame(*out, e.op, size, p[:n])
		p = p[n:]
	}
	return e.send(*out, false)
}

// SendBinary sends p in one binary message, whatever the mode. Else it is like
// Send.
func (e *WebSocket) SendBinary(p []byte) (kept bool) {
	out := borrow()
	defer out.giveBack()
	*out = e.appendFrame(*out, ws.OpBinary, len(p), p)
	return e.send(*out, false)
}

// SendText sends text, which is valid UTF-8 and none of the stream, in one text
// message. Else it is like Send.
func (e *WebSocket) SendText(text string) (kept bool) {
	out := borrow()
	defer out.giveBack()
	*out = appendHeader(*out, ws.OpText, len(text), e.client)
	*out = e.masked(append(*out, text...), len(text))
	return e.send(*out, true)
}

// Ping asks the peer for a sign of life, now. WebSocketOptions.Heard learns of the
// answer; if there is none, nothing follows from that.
func (e *WebSocket) Ping() { e.sendControl(ws.OpPing, nil) }

// send sends whole frames of data, see put.
func (e *WebSocket) send(frames []byte, aside bool) (kept bool) {
	if e.closing.Load() {
		return false // RFC 6455, section 5.5.1: no data after a close frame
	}
	return e.put(frames, aside)
}

// sendControl sends what no session asked for.
func (e *WebSocket) sendControl(op ws.OpCode, payload []byte) {
	out := borrow()
	defer out.giveBack()
	*out = e.appendFrame(*out, op, len(payload), payload)
	if e.put(*out, false) {
		e.flushSoon()
	}
}

func (e *WebSocket) sendClose(body []byte) {
	if e.closing.CompareAndSwap(false, true) {
		e.lastWords()
		e.sendControl(ws.OpClose, body)
	}
}

// appendFrame appends a frame with p for its payload, which if it is text has
// size bytes when encoded.
func (e *WebSocket) appendFrame(dst []byte, op ws.OpCode, size int, p []byte) []byte {
	dst = appendHeader(dst, op, size, e.client)
	if op == ws.OpText {
		dst = appendUTF8(dst, p)
	} else {
		dst = append(dst, p...)
	}
	return e.masked(dst, size)
}

// masked masks the payload at the end of a frame, of the given size, if ours are.
func (e *WebSocket) masked(frame []byte, size int) []byte {
	if start := len(frame) - size; e.client {
		ws.Cipher(frame[start:], [4]byte(frame[start-4:]), 0)
	}
	return frame
}

// Close says goodbye, if the peer takes it at once, and ends the connection.
func (e *WebSocket) Close() error {
	e.stopPings()
	e.sendClose(closeBody(ws.StatusNormalClosure))
	return e.stream.Close()
}

// Dropped returns how many code points above U+00FF were received. They are
// no Latin-1, and were dropped.
func (e *WebSocket) Dropped() uint64 { return e.text.dropped.Load() }

// tick pings the peer when it was silent for a period, and ends the connection
// when it still is two periods later. It sets the timer for the next time it
// may have something to do.
func (e *WebSocket) tick() {
	now := clock()
	if e.away.Load() || now-e.due > standstill { // its answer may be there, unread
		e.heard.Store(int64(now))
	}
	heard := time.Duration(e.heard.Load())
	asked, silent := now-e.pinged, now-heard
	switch {
	case asked < silent && asked >= 2*e.ping && e.backlog() == 0: // or the ping itself may be kept
		e.end(session.ErrSilent)
	case asked < silent: // the answer may yet come
		e.tickIn(e.ping)
	case silent < e.ping:
		e.tickIn(e.ping - silent)
	default:
		e.pinged = now
		e.sendControl(ws.OpPing, nil)
		e.tickIn(e.ping)
	}
}

// tickIn has tick called in d.
func (e *WebSocket) tickIn(d time.Duration) {
	e.due = clock() + d
	if e.timer.Reset(d); e.over.Load() { // since tick has begun
		e.timer.Stop()
	}
}

func (e *WebSocket) stopPings() {
	if e.over.Store(true); e.timer != nil {
		e.timer.Stop()
	}
}

// clock returns the time since a moment in the past, of which no more matters.
func clock() time.Duration { return time.Since(epoch) }

var epoch = time.Now()

// IsSubprotocol reports whether s may be the name of a subprotocol: a token of
// HTTP (RFC 6455, section 4.1; RFC 9110, section 5.6.2).
func IsSubprotocol(s string) bool {
	for _, b := range []byte(s) {
		if b <= ' ' || b > '~' || strings.IndexByte(`"(),/:;<=>?@[\]{}`, b) >= 0 {
			return false
		}
	}
	return s != ""
}
