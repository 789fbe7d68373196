package transport

import (
	"io"
	"maps"
	"testing"

	"moip/internal/telnet"
)

const (
	iacDo   = "\xff\xfd"
	iacWill = "\xff\xfb"
	iacSB   = "\xff\xfa"
	iacSE   = "\xff\xf0"
)

func TestTelnetCaller(t *testing.T) {
	ours, peer := sockets(t, "127.0.0.1")
	e := NewTelnet(ours, telnet.Server, 0, nil)
	defer e.Close()
	expect(t, peer, string(telnet.New(telnet.Server).Greeting()))

	if len(e.Facts()) != 0 {
		t.Errorf("facts from nowhere: %v", e.Facts())
	}
	e.Send([]byte("\xff"))
	expect(t, peer, "\xff") // who may be no telnet gets bytes as they are

	io.WriteString(peer, iacWill+"\x1f") // NAWS
	data, end := listen(e)
	readReply(t, peer)
	io.WriteString(peer, iacSB+"\x1f\x00\x50\x00\x18"+iacSE+"36\xff\xff15")
	io.WriteString(peer, iacWill+"\x18") // TERMINAL-TYPE
	readReply(t, peer)
	io.WriteString(peer, iacSB+"\x18\x00XTERM"+iacSE)
	io.WriteString(peer, iacWill+"\x27") // NEW-ENVIRON
	readReply(t, peer)
	io.WriteString(peer, iacSB+"\x27\x00\x00USER\x01ulla"+iacSE)

	e.Send([]byte("\xff"))
	expect(t, peer, "\xff\xff")
	peer.CloseWrite()
	if err := awaitEnd(t, end); err != io.EOF {
		t.Errorf("Receive ended with %v", err)
	}
	if got := string(data()); got != "36\xff15" {
		t.Errorf("received %q", got)
	}
	want := map[string]string{"window": "80x24", "terminal": "XTERM", "environ.USER": "ulla"}
	if got := e.Facts(); !maps.Equal(got, want) {
		t.Errorf("facts %v, want %v", got, want)
	}
}

// readReply reads what a peer gets for an answer.
func readReply(t *testing.T, peer io.Reader) {
	t.Helper()
	reply := make([]byte, 100)
	if n, err := peer.Read(reply); err != nil || reply[0] != 0xff {
		t.Fatalf("no reply but %q, %v", reply[:n], err)
	}
}

func TestTelnetService(t *testing.T) {
	ours, peer := sockets(t, "127.0.0.1")
	e := NewTelnet(ours, telnet.Client, 0, nil)
	defer e.Close()
	io.WriteString(peer, "plain")
	if got := receive(t, e, 5); string(got) != "plain" {
		t.Errorf("received %q", got)
	}
	_, end := listen(e)
	io.WriteString(peer, iacDo+"\x18")
	expect(t, peer, iacWill+"\x18")
	e.Close()
	awaitEnd(t, end)
}

// A peer that negotiates much and does not read is answered as far as it takes that.
func TestTelnetFlood(t *testing.T) {
	ours, peer := narrowSockets(t)
	e := NewTelnet(ours, telnet.Server, 0, nil)
	data, end := listen(e)
	for range 3 {
		for code := range 256 {
			peer.Write([]byte{0xff, 0xfb, byte(code), 0xff, 0xfc, byte(code)})
		}
	}
	io.WriteString(peer, "still there")
	peer.CloseWrite()
	if err := awaitEnd(t, end); err != io.EOF || string(data()) != "still there" {
		t.Errorf("received %q, %v", data(), err)
	}
	e.Close()
}

func TestTelnetAllocatesNothing(t *testing.T) {
	if racing {
		t.Skip("pools forget under the race detector")
	}
	ours, peer := sockets(t, "127.0.0.1")
	e := NewTelnet(ours, telnet.Server, 0, nil)
	defer e.Close()
	buf := make([]byte, 4096)
	io.ReadFull(peer, buf[:15])
	page := pattern(500)
	measure(t, "Send", func() {
		e.Send(page)
		io.ReadFull(peer, buf[:len(page)])
	})
	key := []byte("\x13A")
	measure(t, "Receive", func() {
		peer.Write(key)
		if _, err := next(e); err != nil {
			t.Fatal(err)
		}
	})
}
