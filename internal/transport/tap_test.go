package transport

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"moip/internal/session"
	"moip/internal/telnet"
)

// A notebook is a Tap that writes down what it is told.
type notebook struct {
	mu   sync.Mutex
	told []string
}

func (n *notebook) tap(what session.Passage, sent bool, p []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	way := "from"
	if sent {
		way = "to"
	}
	n.told = append(n.told, fmt.Sprintf("%s %s %q", way, [...]string{"bytes", "telnet", "frame", "head", "note", "end"}[what], p))
}

func (n *notebook) expect(t *testing.T, want ...string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if got := strings.Join(n.told, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("it is told\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	n.told = nil
}

// The lines of plain TCP and telnet are told as they are, from the greeting on, until
// nobody listens any more.
func TestTapWire(t *testing.T) {
	ours, peer := sockets(t, "127.0.0.1")
	var notes notebook
	e := NewTelnet(ours, telnet.Server, 0, notes.tap)
	greeting := "\xff\xfb\x01\xff\xfb\x03\xff\xfd\x03\xff\xfb\x00\xff\xfd\x00"
	expect(t, peer, greeting)
	io.WriteString(peer, "\xff\xfe\x01A")
	receive(t, e, 1)
	e.Send([]byte("\xffB"))
	asks := "\xff\xfd\x18\xff\xfd\x1f\xff\xfd'\xff\xfd\x17"
	expect(t, peer, asks+"\xff\xffB")
	notes.expect(t, fmt.Sprintf("to telnet %q", greeting), `from telnet "\xff\xfe\x01A"`, fmt.Sprintf("to telnet %q", asks), `to telnet "\xff\xffB"`)
	e.Tap(nil)
	e.Send([]byte("C"))
	expect(t, peer, "C")
	notes.expect(t)

	ours, peer = sockets(t, "127.0.0.1")
	plain := TCP(ours, 0)
	plain.(interface{ Tap(session.Tap) }).Tap(notes.tap)
	io.WriteString(peer, "\xff\x13A")
	receive(t, plain, 3)
	plain.Send([]byte("\x0c"))
	expect(t, peer, "\x0c")
	notes.expect(t, `from bytes "\xff\x13A"`, `to bytes "\f"`)
}

// Frames are told when they begin, and what is in them, both ways, masked or not, cut or
// not: bytes of the stream as bytes, whatever the encoding.
func TestTapWebSocket(t *testing.T) {
	ours, peer := sockets(t, "127.0.0.1")
	var notes notebook
	e := NewWebSocket(ours, WebSocketOptions{Tap: notes.tap})
	message := masked(ws.OpText, "\x13A\u00e9")
	io.WriteString(peer, message)
	receive(t, e, 3)
	p := bytes.Repeat([]byte("é"), 600) // 1200 bytes, 2400 when encoded
	e.Send([]byte("\x0c\xe9"))
	e.Send(p)
	e.SendBinary([]byte{0xE9})
	e.SendText("✉{}")
	expect(t, peer, "\x81\x03\x0c\u00e9")
	var long []string
	for sent := 0; sent < len(p); {
		f, err := readFrame(peer)
		if err != nil {
			t.Fatal(err)
		}
		n := len([]rune(string(f.Payload)))
		h := appendHeader(nil, ws.OpText, len(f.Payload), false)
		long = append(long, fmt.Sprintf("to frame %q", h), fmt.Sprintf("to bytes %q", p[sent:sent+n]))
		sent += n
	}
	expect(t, peer, "\x82\x01\xe9\x81\x05✉{}")
	notes.expect(t, append(append([]string{
		fmt.Sprintf("from frame %q", message[:6]), `from bytes "\x13A\xe9"`, `to frame "\x81\x03"`, `to bytes "\f\xe9"`,
	}, long...), `to frame "\x82\x01"`, `to bytes "\xe9"`, `to frame "\x81\x05✉{}"`)...)

	end := make(chan error, 1)
	go func() { _, err := next(e); end <- err }()
	ping := masked(ws.OpPing, "hi")
	closing := masked(ws.OpClose, "\x03\xe8")
	io.WriteString(peer, ping+closing)
	if err := awaitEnd(t, end); err != io.EOF {
		t.Error(err)
	}
	e.Close()
	notes.expect(t, fmt.Sprintf("from frame %q", ping[:6]+"hi"), `to frame "\x8a\x02hi"`,
		fmt.Sprintf("from frame %q", closing[:6]+"\x03\xe8"), `to frame "\x88\x02\x03\xe8"`)
}

// A client's frames are told unmasked, and leave masked.
func TestTapClient(t *testing.T) {
	ours, peer := sockets(t, "127.0.0.1")
	var notes notebook
	e := NewWebSocket(ours, WebSocketOptions{Client: true, Binary: true, Tap: notes.tap})
	defer e.Close()
	e.Send([]byte("\x13H"))
	f, err := readFrame(peer)
	if err != nil || !f.Header.Masked {
		t.Fatal(f, err)
	}
	ws.Cipher(f.Payload, f.Header.Mask, 0)
	if string(f.Payload) != "\x13H" {
		t.Errorf("the peer got %q", f.Payload)
	}
	notes.expect(t, fmt.Sprintf("to frame %q", append([]byte{0x82, 0x82}, f.Header.Mask[:]...)), `to bytes "\x13H"`)
}

// Who listens from the middle of a frame on is told of the rest of it, and then of the next.
func TestTapMidway(t *testing.T) {
	ours, peer := sockets(t, "127.0.0.1")
	e := NewWebSocket(ours, WebSocketOptions{})
	defer e.Close()
	whole := masked(ws.OpBinary, "0123456789")
	io.WriteString(peer, whole[:9])
	receive(t, e, 3)
	var notes notebook
	e.Tap(notes.tap)
	next := masked(ws.OpBinary, "A")
	io.WriteString(peer, whole[9:]+next)
	receive(t, e, 8)
	notes.expect(t, `from bytes "3456789"`, fmt.Sprintf("from frame %q", next[:6]), `from bytes "A"`)
}

// Pings, keys and pages are told in the order in which they are on the wire, though many
// send.
func TestTapOrder(t *testing.T) {
	ours, peer := sockets(t, "127.0.0.1")
	var told bytes.Buffer
	var mu sync.Mutex
	e := NewWebSocket(ours, WebSocketOptions{Binary: true, Tap: func(_ session.Passage, sent bool, p []byte) {
		mu.Lock()
		defer mu.Unlock()
		if sent {
			told.Write(p)
		}
	}})
	const n = 300
	var senders sync.WaitGroup
	for i := range 3 {
		senders.Go(func() {
			for k := range n {
				e.Send([]byte{byte(i), byte(k)})
			}
		})
	}
	senders.Go(func() {
		for range n {
			e.sendControl(ws.OpPing, nil)
		}
	})
	var got bytes.Buffer
	for range 4 * n {
		f, err := readFrame(peer)
		if err != nil {
			t.Fatal(err)
		}
		got.Write(appendHeader(nil, f.Header.OpCode, len(f.Payload), false))
		got.Write(f.Payload)
	}
	senders.Wait()
	e.Tap(nil)
	e.Close()
	mu.Lock()
	defer mu.Unlock()
	if !bytes.Equal(told.Bytes(), got.Bytes()) {
		t.Error("it is told in another order than it is sent")
	}
}
