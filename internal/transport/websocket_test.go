package transport

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"moip/internal/session"
)

// serving returns an Endpoint for a caller, who is the peer.
func serving(t testing.TB, o WebSocketOptions) (*WebSocket, *websocket.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan *WebSocket, 1)
	go func() {
		defer close(accepted)
		conn, err := listener.Accept()
		if err == nil {
			if _, err = ws.Upgrade(conn); err == nil {
				accepted <- NewWebSocket(conn, o)
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	peer, _, err := websocket.Dial(ctx, "ws://"+listener.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	e := <-accepted
	t.Cleanup(func() { e.Close(); peer.CloseNow() })
	return e, peer
}

// dialling returns an Endpoint for a service, which is the peer.
func dialling(t testing.TB, o WebSocketOptions) (*WebSocket, *websocket.Conn) {
	t.Helper()
	peers := make(chan *websocket.Conn, 1)
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		peers <- peer
		<-done
	}))
	conn, early, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"))
	if err != nil || early != nil {
		t.Fatal(err, early)
	}
	o.Client = true
	e, peer := NewWebSocket(conn, o), <-peers
	t.Cleanup(func() {
		e.Close()
		peer.CloseNow()
		close(done)
		server.Close()
	})
	return e, peer
}

var sides = map[string]func(testing.TB, WebSocketOptions) (*WebSocket, *websocket.Conn){
	"server": serving,
	"client": dialling,
}

// bare returns an Endpoint and the socket of a peer who may write anything.
func bare(t testing.TB, o WebSocketOptions) (*WebSocket, *net.TCPConn) {
	ours, peer := sockets(t, "127.0.0.1")
	e := NewWebSocket(ours, o)
	t.Cleanup(func() { e.Close() })
	return e, peer
}

// raw returns a frame as a client sends it, or as a server does.
func raw(op ws.OpCode, fin, masked bool, payload string) string {
	f := ws.NewFrame(op, fin, []byte(payload))
	if masked {
		f = ws.MaskFrame(f)
	}
	return string(ws.MustCompileFrame(f))
}

// masked returns a final frame as a client sends it.
func masked(op ws.OpCode, payload string) string { return raw(op, true, true, payload) }

func TestWebSocketMessages(t *testing.T) {
	for side, connect := range sides {
		for _, binary := range []bool{false, true} {
			t.Run(side, func(t *testing.T) {
				e, peer := connect(t, WebSocketOptions{Binary: binary})
				peer.SetReadLimit(-1)

				for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
					payload, want := pattern(3000), pattern(3000)
					if kind == websocket.MessageText {
						payload = appendUTF8(nil, want)
					}
					go peer.Write(t.Context(), kind, payload)
					if got := receive(t, e, len(want)); !bytes.Equal(got, want) {
						t.Errorf("%v: bytes differ from those sent", kind)
					}
				}

				all := pattern(3000)
				e.Send(all)
				e.Send(nil) // no message
				e.SendBinary(all)
				e.SendText("✉ été")
				var got []byte
				for len(got) < len(all) {
					kind, p, err := peer.Read(t.Context())
					switch {
					case err != nil:
						t.Fatal(err)
					case len(p) > maxMessage || len(p) == 0:
						t.Errorf("a message of %d bytes", len(p))
					case binary != (kind == websocket.MessageBinary):
						t.Errorf("a message of the kind %v", kind)
					case kind == websocket.MessageText:
						if !utf8.Valid(p) {
							t.Error("invalid UTF-8")
						}
						p = new(latin1).append(nil, p)
					}
					got = append(got, p...)
				}
				if !bytes.Equal(got, all) {
					t.Error("the peer got other bytes than those sent")
				}
				kind, p, err := peer.Read(t.Context())
				if kind != websocket.MessageBinary || !bytes.Equal(p, all) {
					t.Errorf("SendBinary: %d bytes, kind %v, %v", len(p), kind, err)
				}
				kind, p, err = peer.Read(t.Context())
				if kind != websocket.MessageText || string(p) != "✉ été" {
					t.Errorf("SendText: %q, kind %v, %v", p, kind, err)
				}
			})
		}
	}
}

func TestWebSocketEnds(t *testing.T) {
	for side, connect := range sides {
		t.Run(side, func(t *testing.T) {
			for name, test := range map[string]struct {
				end  func(e *WebSocket, peer *websocket.Conn)
				want string
			}{
				"normal":   {func(_ *WebSocket, peer *websocket.Conn) { peer.Close(1000, "bye") }, "EOF"},
				"no code":  {func(_ *WebSocket, peer *websocket.Conn) { peer.Close(websocket.StatusNoStatusRcvd, "") }, "EOF"},
				"leaving":  {func(_ *WebSocket, peer *websocket.Conn) { peer.Close(1001, "") }, "closed 1001 (going away)"},
				"reason":   {func(_ *WebSocket, peer *websocket.Conn) { peer.Close(1008, "\x1b[2J") }, `closed 1008 (policy violation) "\x1b[2J"`},
				"own code": {func(_ *WebSocket, peer *websocket.Conn) { peer.Close(4321, "") }, "closed 4321"},
				"broken":   {func(_ *WebSocket, peer *websocket.Conn) { peer.CloseNow() }, "connection ended without a close frame"},
				"ours":     {func(e *WebSocket, _ *websocket.Conn) { e.Close() }, net.ErrClosed.Error()},
			} {
				t.Run(name, func(t *testing.T) {
					e, peer := connect(t, WebSocketOptions{})
					_, end := listen(e)
					peer.Write(t.Context(), websocket.MessageText, []byte("last words"))
					test.end(e, peer)
					if err := awaitEnd(t, end); err.Error() != test.want {
						t.Errorf("Receive ended with %q, want %q", err, test.want)
					}
					if e.Send([]byte("late")) {
						t.Error("something is kept")
					}
				})
			}
		})
	}
}

// The peer sees a close frame, and an answer to its own.
func TestWebSocketClosesInGoodOrder(t *testing.T) {
	for side, connect := range sides {
		t.Run(side, func(t *testing.T) {
			e, peer := connect(t, WebSocketOptions{})
			e.Send([]byte("page"))
			e.Close()
			if _, p, err := peer.Read(t.Context()); string(p) != "page" {
				t.Errorf("the peer got %q, %v", p, err)
			}
			if _, _, err := peer.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
				t.Errorf("the peer got %v", err)
			}

			e, peer = connect(t, WebSocketOptions{})
			_, end := listen(e)
			start := time.Now()
			if err := peer.Close(websocket.StatusNormalClosure, ""); err != nil || time.Since(start) > 4*time.Second { // it would wait for five
				t.Errorf("close handshake: %v after %v", err, time.Since(start))
			}
			awaitEnd(t, end)
		})
	}
}

func TestWebSocketPing(t *testing.T) {
	for side, connect := range sides {
		t.Run(side, func(t *testing.T) {
			e, peer := connect(t, WebSocketOptions{})
			_, end := listen(e)
			peer.CloseRead(t.Context())
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for range 3 {
				if err := peer.Ping(ctx); err != nil { // waits for the pong
					t.Fatal(err)
				}
			}
			peer.CloseNow()
			awaitEnd(t, end)
		})
	}
}

// What a peer may send, whole and byte by byte.
func TestWebSocketStreams(t *testing.T) {
	tests := map[string]struct {
		in, want string
		dropped  uint64
	}{
		"text":               {masked(ws.OpText, "3615 \u00e9\u00ff\u0080"), "3615 \xe9\xff\x80", 0},
		"binary":             {masked(ws.OpBinary, "\x13A\xc3\xa9"), "\x13A\xc3\xa9", 0},
		"glued":              {masked(ws.OpText, "\x13") + masked(ws.OpText, "A") + masked(ws.OpBinary, "B"), "\x13AB", 0},
		"zero length":        {masked(ws.OpText, "") + masked(ws.OpBinary, "") + masked(ws.OpText, "A"), "A", 0},
		"medium length":      {masked(ws.OpBinary, strings.Repeat("Z", 126)), strings.Repeat("Z", 126), 0},
		"long":               {masked(ws.OpText, strings.Repeat("é", 32_768)), strings.Repeat("\xe9", 32_768), 0},
		"fragments":          {raw(ws.OpText, false, true, "36") + raw(ws.OpContinuation, false, true, "") + raw(ws.OpContinuation, true, true, "15") + masked(ws.OpBinary, "\xe9"), "3615\xe9", 0},
		"ping in a message":  {raw(ws.OpText, false, true, "\xc3") + masked(ws.OpPing, "?") + raw(ws.OpContinuation, true, true, "\xa9"), "\xe9", 0},
		"beyond Latin-1":     {masked(ws.OpText, "a€b😀c\u0100\ufffd"), "abc", 4},
		"raw bytes in text":  {masked(ws.OpText, "\xe9\xe8 \xff\xfe\x80\x80"), "\xe9\xe8 \xff\xfe\x80\x80", 0},
		"cut short":          {masked(ws.OpText, "\xf0\x9f\x98") + masked(ws.OpText, "A\xc3") + masked(ws.OpBinary, "\xa9"), "\xf0\x9f\x98A\xc3\xa9", 0},
		"broken late":        {masked(ws.OpText, "\xf0\x9f\x98A") + masked(ws.OpText, "\xe2\x82\xe2\x82\xac!"), "\xf0\x9f\x98A\xe2\x82!", 1},
		"broken in fragment": {raw(ws.OpText, false, true, "\xf0\x9f") + raw(ws.OpContinuation, true, true, "\x98A"), "\xf0\x9f\x98A", 0},
		"unasked pong":       {masked(ws.OpPong, "!") + masked(ws.OpText, "A"), "A", 0},
	}
	for name, test := range tests {
		for _, step := range []int{1, 2, 3, 7, len(test.in)} {
			if len(test.in)/step > 1000 {
				continue
			}
			t.Run(name, func(t *testing.T) {
				e, peer := bare(t, WebSocketOptions{})
				data, end := listen(e)
				for p := []byte(test.in); len(p) > 0; {
					n := min(step, len(p))
					peer.Write(p[:n])
					p = p[n:]
				}
				io.WriteString(peer, masked(ws.OpClose, ""))
				if err := awaitEnd(t, end); err != io.EOF {
					t.Errorf("Receive ended with %v", err)
				}
				if got := string(data()); got != test.want {
					t.Errorf("received %q, want %q", got, test.want)
				}
				if n := e.Dropped(); n != test.dropped {
					t.Errorf("dropped %d, want %d", n, test.dropped)
				}
			})
		}
	}
}

func TestWebSocketViolations(t *testing.T) {
	head := func(b ...byte) string { return string(b) + "\x00\x00\x00\x00" } // with a mask
	tests := map[string]struct {
		in     string
		client bool // we are
		want   string
		code   string // of the close frame, "" for 1002
		clumsy bool   // no scanner does it
	}{
		"opcode 3":              {in: head(0x83, 0x80), want: "op code"},
		"opcode 15":             {in: head(0x8F, 0x80), want: "op code"},
		"RSV1":                  {in: head(0xC1, 0x80), want: "rsv"},
		"RSV3":                  {in: head(0x91, 0x80), want: "rsv"},
		"unmasked from client":  {in: raw(ws.OpText, true, false, "A"), want: "masked"},
		"masked from server":    {in: masked(ws.OpText, "A"), client: true, want: "masked"},
		"long ping":             {in: head(0x89, 0xFE, 0, 126), want: "payload limit"},
		"fragmented ping":       {in: head(0x09, 0x80), want: "not final"},
		"continuation of none":  {in: head(0x80, 0x80), want: "continuation"},
		"message in a message":  {in: raw(ws.OpText, false, true, "A") + masked(ws.OpText, "B"), want: "continuation"},
		"length of 2^63":        {in: head(0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0), want: "most significant bit"},
		"65537 bytes":           {in: head(0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1), want: "more than 65536", code: "\x03\xf1", clumsy: true},
		"a terabyte":            {in: head(0x81, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0), want: "more than 65536", code: "\x03\xf1", clumsy: true},
		"close with one byte":   {in: masked(ws.OpClose, "\x03"), want: "status code 0", clumsy: true},
		"close with a bad code": {in: masked(ws.OpClose, "\x03\xee"), want: "status code 1006", clumsy: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e, peer := bare(t, WebSocketOptions{Client: test.client})
			before := masked(ws.OpText, "before")
			if test.client {
				before = raw(ws.OpText, true, false, "before")
			}
			data, end := listen(e)
			io.WriteString(peer, before+test.in+"rubbish")
			err := awaitEnd(t, end)
			if !strings.HasPrefix(err.Error(), "protocol error: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Receive ended with %q, want %q", err, test.want)
			}
			if errors.Is(err, session.ErrProtocol) == test.clumsy {
				t.Errorf("%q speaks against the peer: %v", err, !test.clumsy)
			}
			if got := string(data()); !strings.HasPrefix(got, "before") {
				t.Errorf("received %q", got)
			}
			farewell, err := readFrame(peer)
			if farewell.Header.Masked {
				farewell = ws.UnmaskFrame(farewell)
			}
			if farewell.Header.OpCode != ws.OpClose || string(farewell.Payload) != cmp.Or(test.code, "\x03\xea") {
				t.Errorf("the peer got %v, %v", farewell, err)
			}
			if rest, err := io.ReadAll(peer); len(rest) > 0 || err != nil {
				t.Errorf("and then %q, %v", rest, err)
			}
		})
	}
}

func TestWebSocketEarlyBytes(t *testing.T) {
	ours, peer := sockets(t, "127.0.0.1")
	frames := masked(ws.OpText, "early") + masked(ws.OpText, "late")
	e := NewWebSocket(ours, WebSocketOptions{Early: []byte(frames[:14])})
	defer e.Close()
	io.WriteString(peer, frames[14:])
	if got := receive(t, e, 9); string(got) != "earlylate" {
		t.Errorf("received %q", got)
	}
}

// Frames of ours are minimal, whole and masked if and only if we are the
// client, with a mask of their own each.
func TestWebSocketFrames(t *testing.T) {
	for _, size := range []int{1, 125, 126, 1024, 0xFFFF, 0x10000} {
		for _, client := range []bool{false, true} {
			frames := new(WebSocket)
			frames.client = client
			payload := pattern(size)
			encoded := frames.appendFrame(nil, ws.OpBinary, size, payload)
			f, err := readFrame(bytes.NewReader(encoded))
			if err != nil || f.Header.Masked != client || !f.Header.Fin || f.Header.Rsv != 0 {
				t.Fatalf("%d bytes: %+v, %v", size, f.Header, err)
			}
			if len(encoded) != ws.HeaderSize(f.Header)+size {
				t.Errorf("%d bytes: the header is not minimal", size)
			}
			if client {
				if again := frames.appendFrame(nil, ws.OpBinary, size, payload); bytes.Equal(again, encoded) && size > 10 {
					t.Error("a mask was used twice")
				}
				f = ws.UnmaskFrame(f)
			}
			if !bytes.Equal(f.Payload, payload) {
				t.Errorf("%d bytes: payload differs", size)
			}
		}
	}
}

// A pair of UTF-8 is never torn between two messages.
func TestWebSocketMessageLimit(t *testing.T) {
	e, peer := serving(t, WebSocketOptions{})
	e.Send([]byte("A" + strings.Repeat("\xe9", 600)))
	for _, want := range []int{1023, 178} {
		_, p, err := peer.Read(t.Context())
		if len(p) != want || !utf8.Valid(p) {
			t.Errorf("a message of %d bytes, want %d (%v)", len(p), want, err)
		}
	}
}

// Pongs, pings and data from everywhere do not tear each other's frames, and
// what the peer does not take at once goes out without anybody's help.
func TestWebSocketFramesStayWhole(t *testing.T) {
	const pings, sends = 500, 500
	ours, peer := narrowSockets(t)
	e := NewWebSocket(ours, WebSocketOptions{})
	_, end := listen(e)

	var sending sync.WaitGroup
	for range 2 {
		sending.Go(func() {
			for range sends / 2 {
				if e.Send([]byte(strings.Repeat("d", 200))) {
					e.Flush()
				}
			}
		})
	}
	sending.Go(func() {
		for range pings {
			io.WriteString(peer, masked(ws.OpPing, strings.Repeat("p", 100)))
		}
	})
	var pongs, data int
	for data < sends {
		h, err := ws.ReadHeader(peer)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, h.Length)
		io.ReadFull(peer, p)
		switch {
		case h.OpCode == ws.OpPong && string(p) == strings.Repeat("p", 100):
			pongs++
		case h.OpCode == ws.OpText && string(p) == strings.Repeat("d", 200):
			data++
		default:
			t.Fatalf("%+v %q", h, p)
		}
	}
	sending.Wait()
	if pongs == 0 {
		t.Error("no pong")
	}
	e.Close()
	awaitEnd(t, end)
}

// A peer that pings and does not read is not answered for ever, and a pong
// that is kept leaves as soon as there is room.
func TestWebSocketPongsAreBounded(t *testing.T) {
	ours, peer := narrowSockets(t)
	e := NewWebSocket(ours, WebSocketOptions{})
	_, end := listen(e)
	const pings = 5000
	for range pings {
		io.WriteString(peer, masked(ws.OpPing, strings.Repeat("p", 120)))
	}
	io.WriteString(peer, masked(ws.OpClose, ""))
	if err := awaitEnd(t, end); err != io.EOF {
		t.Errorf("Receive ended with %v", err)
	}
	if n := e.backlog(); n > maxUnanswered+200 {
		t.Errorf("%d bytes are kept", n)
	}
	pongs := 0
	for {
		f, err := readFrame(peer)
		if err != nil {
			t.Fatal(err)
		}
		if f.Header.OpCode == ws.OpClose {
			break
		}
		pongs++
	}
	if pongs == 0 || pongs == pings {
		t.Errorf("%d pongs for %d pings", pongs, pings)
	}
	e.Close()
}

func TestKeepAlive(t *testing.T) {
	const period = 20 * time.Second
	// each test plays a peer, and says how long it took until it was given up,
	// and why
	tests := map[string]struct {
		play func(t *testing.T, e *WebSocket, peer net.Conn)
		want error
		took time.Duration
	}{
		"silent": {
			play: func(t *testing.T, e *WebSocket, peer net.Conn) {
				expect(t, peer, "\x89\x00")
				io.Copy(io.Discard, peer)
			},
			want: session.ErrSilent, took: 3 * period,
		},
		"answers once": {
			play: func(t *testing.T, e *WebSocket, peer net.Conn) {
				expect(t, peer, "\x89\x00") // at 20 s
				time.Sleep(39 * time.Second)
				io.WriteString(peer, masked(ws.OpPong, ""))
				expect(t, peer, "\x89\x00") // at 79 s
				io.Copy(io.Discard, peer)
			},
			want: session.ErrSilent, took: 79*time.Second + 2*period,
		},
		"types, needs no ping": {
			play: func(t *testing.T, e *WebSocket, peer net.Conn) {
				for range 10 {
					time.Sleep(19 * time.Second)
					io.WriteString(peer, masked(ws.OpText, "A"))
				}
				expect(t, peer, "\x89\x00")
				io.Copy(io.Discard, peer)
			},
			want: session.ErrSilent, took: 190*time.Second + 3*period,
		},
		"answers always": {
			play: func(t *testing.T, e *WebSocket, peer net.Conn) {
				for range 100 {
					expect(t, peer, "\x89\x00")
					io.WriteString(peer, masked(ws.OpPong, ""))
				}
				io.WriteString(peer, masked(ws.OpClose, ""))
				io.Copy(io.Discard, peer)
			},
			want: io.EOF, took: 100 * period,
		},
		"takes nothing": { // is up to the stall limit
			play: func(t *testing.T, e *WebSocket, peer net.Conn) {
				e.Send([]byte("page"))
				e.Flush()
			},
			want: session.ErrStalled, took: 5 * time.Minute,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, peer := net.Pipe()
				defer peer.Close()
				e := NewWebSocket(ours, WebSocketOptions{Ping: period, Stall: 5 * time.Minute})
				start := time.Now()
				var playing sync.WaitGroup
				playing.Go(func() { test.play(t, e, peer) })
				var err error
				for err == nil {
					_, err = next(e)
				}
				if took := time.Since(start); err != test.want || took != test.took {
					t.Errorf("ended after %v with %v, want %v with %v", took, err, test.took, test.want)
				}
				e.Close()
				playing.Wait()
			})
		})
	}
}

// What a peer answers while nobody is in Receive cannot be heard, as when a
// session waits for a slow caller. That does not make the peer silent.
func TestNotSilentWhileNobodyListens(t *testing.T) {
	const period = 20 * time.Second
	synctest.Test(t, func(t *testing.T) {
		ours, peer := net.Pipe()
		defer peer.Close()
		e := NewWebSocket(ours, WebSocketOptions{Ping: period})
		defer e.Close()
		go io.Copy(io.Discard, peer)
		go func() {
			io.WriteString(peer, masked(ws.OpText, "A"))
			io.WriteString(peer, masked(ws.OpText, "B"))
		}()
		for _, want := range []string{"A", "B"} {
			if p, err := next(e); string(p) != want || err != nil {
				t.Errorf("received %q, %v, want %q", p, err, want)
			}
			time.Sleep(10 * period)
		}
	})
}

// Whoever is gone is not looked after any more, though that was being done at its end.
func TestNoPingAfterTheEnd(t *testing.T) {
	for name, end := range map[string]func(e *WebSocket, peer net.Conn){
		"ours":     func(e *WebSocket, _ net.Conn) { e.Close() },
		"a peer's": func(_ *WebSocket, peer net.Conn) { peer.Close() },
	} {
		synctest.Test(t, func(t *testing.T) {
			ours, peer := net.Pipe()
			defer peer.Close()
			e := NewWebSocket(ours, WebSocketOptions{Ping: time.Minute})
			end(e, peer)
			if _, err := next(e); err == nil {
				t.Fatalf("%s: no end", name)
			}
			e.tick() // as of a timer that had rung just before
			if e.timer.Stop() {
				t.Errorf("%s: the timer rings on and on", name)
			}
			e.Close()
		})
	}
}

func TestNoPingUnlessAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, peer := net.Pipe()
		e := NewWebSocket(ours, WebSocketOptions{})
		_, end := listen(e)
		go io.ReadAll(peer)
		time.Sleep(time.Hour)
		select {
		case err := <-end:
			t.Error(err)
		default:
		}
		e.Close()
		if err := <-end; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// nowhere is a stream to nobody, for what is about decoding alone.
type nowhere struct{ stream }

func (nowhere) Send([]byte) bool { return false }
func (nowhere) end(error) error  { return nil }
func (nowhere) backlog() int     { return 0 }
func (nowhere) lastWords()       {}

func FuzzWebSocket(f *testing.F) {
	f.Add([]byte(masked(ws.OpText, "3615 é€")), int64(1))
	f.Add([]byte(raw(ws.OpText, false, true, "\xc3")+masked(ws.OpPing, "?")+raw(ws.OpContinuation, true, true, "\xa9")), int64(2))
	f.Add([]byte(masked(ws.OpBinary, strings.Repeat("Z", 300))+masked(ws.OpClose, "\x03\xe8bye")), int64(3))
	f.Add([]byte(masked(ws.OpText, "\xf0\x9f\x98")+masked(ws.OpText, "\xf0\x9f")+"\x81\xff\xff"), int64(4))
	f.Fuzz(func(t *testing.T, in []byte, seed int64) {
		decode := func(piece func(left int) int) (string, error) {
			e := &WebSocket{stream: nowhere{}}
			e.frame.State = ws.StateServerSide
			var got []byte
			for p := bytes.Clone(in); len(p) > 0 && e.err == nil; {
				n := piece(len(p))
				got = append(got, e.decode(bytes.Clone(p[:n]))...)
				p = p[n:]
			}
			return string(got), e.err
		}
		random := rand.New(rand.NewPCG(uint64(seed), 0))
		whole, wholeErr := decode(func(left int) int { return left })
		parts, partsErr := decode(func(left int) int { return 1 + random.IntN(min(left, 9)) })
		if whole != parts {
			t.Errorf("whole %q, in parts %q", whole, parts)
		}
		if (wholeErr == nil) != (partsErr == nil) || wholeErr != nil && wholeErr.Error() != partsErr.Error() {
			t.Errorf("whole %v, in parts %v", wholeErr, partsErr)
		}
	})
}

func TestWebSocketAllocatesNothing(t *testing.T) {
	if racing {
		t.Skip("pools forget under the race detector")
	}
	for _, client := range []bool{false, true} {
		e, peer := bare(t, WebSocketOptions{Client: client})
		page := []byte(strings.Repeat("page é", 30))
		in := []byte(raw(ws.OpText, true, !client, string(page)))
		buf := make([]byte, 4096)

		measure(t, "Receive", func() {
			peer.Write(in)
			if _, err := next(e); err != nil {
				t.Fatal(err)
			}
		})
		measure(t, "Send", func() {
			e.Send(page)
			h := buf[:ws.MinHeaderSize]
			io.ReadFull(peer, h)
			size := headerSize(h[1]) - len(h)
			io.ReadFull(peer, buf[:size])
			io.ReadFull(peer, buf[:binary.BigEndian.Uint16(buf)])
		})
		ping := []byte(raw(ws.OpPing, true, !client, "are you there"))
		all := append(ping, in...)
		measure(t, "answering a ping", func() {
			peer.Write(all)
			if _, err := next(e); err != nil {
				t.Fatal(err)
			}
			peer.Read(buf)
		})
	}
}

// measure checks that f allocates nothing. The garbage collector, should it
// run, empties the pools.
func measure(t *testing.T, what string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(500, f); n > 0 {
		t.Errorf("%s: %v allocations", what, n)
	}
}

func BenchmarkEcho(b *testing.B) {
	for _, binary := range []bool{false, true} {
		name := "text"
		if binary {
			name = "binary"
		}
		b.Run(name, func(b *testing.B) {
			e, peer := bare(b, WebSocketOptions{Binary: binary})
			go func() {
				for {
					p, err := next(e)
					if err != nil {
						return
					}
					e.Send(p)
				}
			}()
			key := []byte(masked(ws.OpText, "\x13A"))
			buf := make([]byte, 4)
			peer.SetDeadline(time.Time{})
			b.ReportAllocs()
			for b.Loop() {
				peer.Write(key)
				if _, err := io.ReadFull(peer, buf); err != nil {
					b.Fatal(err)
				}
			}
			e.Close()
		})
	}
}
