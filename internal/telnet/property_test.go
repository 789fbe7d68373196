package telnet

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// maxPerOption bounds what is ever said about one option: at both ends, each
// time it is agreed or answered no more than the terminal's type, each time it
// is taken back three bytes, and then our proposal and our refusal.
const maxPerOption = 2 * (maxAnswers*(len("IAC SB T 0 minitel1b")+3) + 6)

// stream draws bytes as hostile peers send them: mostly commands and pieces of
// commands, about few options.
func stream() *rapid.Generator[[]byte] {
	code := rapid.SampledFrom(wire("BINARY ECHO SGA LOCATION TTYPE NAWS ENVIRON #6 #200 IAC"))
	return rapid.Custom(func(t *rapid.T) []byte {
		var p []byte
		for range rapid.IntRange(0, 20).Draw(t, "pieces") {
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0, 1:
				verb := rapid.SampledFrom(wire("WILL WONT DO DONT")).Draw(t, "verb")
				p = append(p, iac, verb, code.Draw(t, "code"))
			case 2:
				p = append(p, iac, sb, code.Draw(t, "code"), rapid.ByteRange(0, 3).Draw(t, "verb"))
				p = append(p, rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "sub")...)
				p = append(p, iac, se)
			case 3:
				p = append(p, rapid.SliceOfN(rapid.SampledFrom(wire("CR CR NUL LF IAC 'a'")), 0, 8).Draw(t, "keys")...)
			case 4:
				p = append(p, rapid.SliceOfN(rapid.ByteMin(se-1), 0, 4).Draw(t, "commands")...)
			}
		}
		return p
	})
}

func side() *rapid.Generator[Side] { return rapid.SampledFrom([]Side{Server, Client}) }

func TestSplitAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side, p := side().Draw(t, "side"), stream().Draw(t, "stream")
		whole, parts := after(side, plain), after(side, plain)
		data, reply := receive(whole, p, len(p))

		var gotData, gotReply []byte
		for rest := p; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			d, r := receive(parts, rest[:n], n)
			gotData, gotReply = append(gotData, d...), append(gotReply, r...)
			rest = rest[n:]
		}
		if !bytes.Equal(gotData, data) || !bytes.Equal(gotReply, reply) {
			t.Fatalf("whole: % X and % X; in parts: % X and % X", data, reply, gotData, gotReply)
		}
		if diff := cmp.Diff(whole, parts, cmp.AllowUnexported(Conn{}, option{})); diff != "" {
			t.Fatal(diff)
		}
	})
}

// talk joins two machines, a having to hear toA and b toB, until they are
// silent, and reports after how many exchanges. It gives up after 1000.
func talk(a, b *Conn, toA, toB []byte) (exchanges int) {
	for len(toA)+len(toB) > 0 && exchanges < 1000 {
		_, fromA := a.Receive(toA)
		_, fromB := b.Receive(toB)
		toA, toB = fromB, fromA
		exchanges++
	}
	return exchanges
}

func TestFallSilent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := New(side().Draw(t, "a")), New(side().Draw(t, "b"))
		toA := append(stream().Draw(t, "to a"), b.Greeting()...)
		toB := append(stream().Draw(t, "to b"), a.Greeting()...)
		// Garbage such as WILL BINARY, WONT BINARY before the greeting sets
		// the ends at odds, until both have used up their answers.
		if n := talk(a, b, toA, toB); n > 3*maxAnswers {
			t.Fatalf("not silent after %d exchanges", n)
		}
	})
}

// joined returns a server and a client that have made each other's
// acquaintance.
func joined(t interface{ Fatalf(string, ...any) }) (server, client *Conn) {
	server, client = New(Server), New(Client)
	// Proposed, answered, asked for facts, agreed, asked which, told.
	if n := talk(server, client, nil, server.Greeting()); n > 6 {
		t.Fatalf("not silent after %d exchanges", n)
	}
	return server, client
}

func TestAcquaintance(t *testing.T) {
	server, client := joined(t)
	for _, code := range []byte{optBinary, optEcho, optSGA} {
		if !server.agreed(ours, code) || !client.agreed(theirs, code) {
			t.Errorf("option %d of the server is not agreed", code)
		}
	}
	for _, code := range []byte{optBinary, optSGA, optTerminal, optWindow} {
		if !client.agreed(ours, code) || !server.agreed(theirs, code) {
			t.Errorf("option %d of the client is not agreed", code)
		}
	}
	if client.agreed(ours, optEcho) || server.agreed(theirs, optEcho) {
		t.Error("the client echoes")
	}
	if diff := cmp.Diff(Facts{Terminal: "minitel1b", Window: "40x25"}, server.Facts()); diff != "" {
		t.Error(diff)
	}
}

// TestRoundTrip sends chunks from one end to the other. A screen gets them as
// they were, in BINARY or not; so does a server in BINARY, but for the NUL
// after a CR that it takes for one key.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := joined(t)
		toServer := rapid.Bool().Draw(t, "to the server")
		switch {
		case toServer:
			from, to = to, from
		case rapid.Bool().Draw(t, "without BINARY"):
			talk(from, to, wire("IAC DONT BINARY"), wire("IAC WONT BINARY"))
		}
		some := rapid.OneOf(rapid.Byte(), rapid.SampledFrom(wire("CR LF NUL IAC SE")))
		var want, got []byte
		for range rapid.IntRange(1, 4).Draw(t, "chunks") {
			chunk := rapid.SliceOf(some).Draw(t, "chunk")
			data, reply := to.Receive(from.Encode(nil, chunk))
			if reply != nil {
				t.Fatalf("data is answered with % X", reply)
			}
			want, got = append(want, chunk...), append(got, data...)
		}
		if toServer {
			want = bytes.ReplaceAll(want, wire("CR NUL"), wire("CR"))
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("% X arrives as % X", want, got)
		}
	})
}

func FuzzReceive(f *testing.F) {
	for _, seed := range []string{
		"'bonjour' CR NUL CR LF 13 41",
		"IAC DO ECHO IAC DO SGA IAC WILL SGA IAC DO BINARY IAC WILL BINARY",
		"IAC WILL TTYPE IAC SB TTYPE 00 'XTERM' IAC SE IAC DO TTYPE IAC SB TTYPE 01 IAC SE",
		"IAC WILL NAWS IAC SB NAWS 00 IAC IAC 00 18 IAC SE IAC WONT NAWS IAC DO NAWS IAC DONT NAWS",
		"IAC WILL ENVIRON IAC SB ENVIRON 00 00 'USER' 01 'yann' 03 'x' 02 IAC SE",
		"IAC DO LOCATION IAC DONT LOCATION IAC DO LOCATION IAC SB LOCATION 'Brest' IAC SE",
		"IAC DO #200 IAC WILL #200 IAC SB #200 IAC SB IAC AYT IAC IAC",
	} {
		f.Add(true, wire(seed))
		f.Add(false, wire(seed))
	}
	f.Fuzz(func(t *testing.T, client bool, p []byte) {
		c := New(Server)
		if client {
			c = New(Client)
			c.TellLocation("192.0.2.7")
		}
		c.Greeting()
		var seen [256]bool // any byte may be an option
		for _, b := range p {
			seen[b] = true
		}
		limit := 4 * 3 // the facts asked for
		for _, s := range seen {
			if s {
				limit += maxPerOption
			}
		}
		var replied int
		for range 200 {
			data, reply := c.Receive(bytes.Clone(p))
			if len(data) > len(p) {
				t.Fatalf("%d bytes of data from %d", len(data), len(p))
			}
			if replied += len(reply); replied > limit {
				t.Fatalf("%d bytes of answers", replied)
			}
		}
		c.Facts()
	})
}
