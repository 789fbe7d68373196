package telnet

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var words = map[string]byte{
	"IAC": iac, "WILL": will, "WONT": wont, "DO": do, "DONT": dont, "SB": sb, "SE": se,
	"EOF": 236, "SUSP": 237, "ABORT": 238, "EOR": 239, "NOP": 241, "DM": 242, "BRK": 243,
	"IP": 244, "AO": 245, "AYT": 246, "EC": 247, "EL": 248, "GA": 249,
	"BINARY": optBinary, "ECHO": optEcho, "SGA": optSGA, "LOCATION": optLocation,
	"TTYPE": optTerminal, "NAWS": optWindow, "ENVIRON": optEnviron,
	"NUL": nul, "LF": lf, "CR": cr,
}

// wire spells bytes: the words of the RFCs, 'text' without spaces, two
// hexadecimal digits, or an option's decimal number as #200.
func wire(s string) []byte {
	var p []byte
	for f := range strings.FieldsSeq(s) {
		if b, ok := words[f]; ok {
			p = append(p, b)
		} else if text, ok := strings.CutPrefix(f, "'"); ok {
			p = append(p, strings.TrimSuffix(text, "'")...)
		} else {
			base := 16
			f, decimal := strings.CutPrefix(f, "#")
			if decimal {
				base = 10
			}
			b, err := strconv.ParseUint(f, base, 8)
			if err != nil {
				panic(err)
			}
			p = append(p, byte(b))
		}
	}
	return p
}

// after returns a greeted connection that has received what is given.
func after(side Side, received string) *Conn {
	c := New(side)
	c.Greeting()
	c.Receive(wire(received))
	return c
}

const (
	plain   = ""
	spoken  = "IAC NOP" // the peer is known to speak telnet
	eight   = "IAC DO BINARY IAC WILL BINARY"
	curious = " IAC DO TTYPE IAC DO NAWS IAC DO ENVIRON IAC DO LOCATION"
)

func TestGreeting(t *testing.T) {
	c := New(Server)
	want := wire("IAC WILL ECHO IAC WILL SGA IAC DO SGA IAC WILL BINARY IAC DO BINARY")
	if got := c.Greeting(); !bytes.Equal(got, want) {
		t.Errorf("server greets % X, want % X", got, want)
	}
	if got := c.Greeting(); got != nil {
		t.Errorf("what is pending is asked again: % X", got)
	}
	if got := New(Client).Greeting(); got != nil {
		t.Errorf("client greets % X", got)
	}
}

func TestReceive(t *testing.T) {
	tests := []struct {
		name            string
		side            Side
		before          string
		in, data, reply string
	}{
		{"plain caller", Server, plain, "13 41 'a' 7F 80 FE", "13 41 'a' 7F 80 FE", ""},
		{"plain service", Client, plain, "0C 1F 41 41 'a' 80 FE", "0C 1F 41 41 'a' 80 FE", ""},
		{"FFh", Server, spoken, "'a' IAC IAC 'b'", "'a' FF 'b'", ""},
		{"FFh proves nothing", Server, plain, "IAC IAC IAC IAC", "FF FF", ""},
		{"nor does noise", Server, plain, "IAC 41 'a'", "'a'", ""},

		{"first word of a caller", Server, plain, "'a' IAC DO ECHO 'b'", "'a' 'b'", curious},
		{"a command is one too", Server, plain, "IAC NOP 'b'", "'b'", curious},
		{"asked once", Server, spoken, "IAC NOP IAC DO ECHO IAC DO SGA", "", ""},
		{"a service is not asked", Client, plain, "IAC NOP 'b'", "'b'", ""},

		{"commands", Server, spoken, "'a' IAC NOP IAC DM IAC BRK IAC IP IAC AO IAC AYT IAC EC IAC EL IAC GA 'b'", "'a' 'b'", ""},
		{"late commands", Server, spoken, "'a' IAC EOR IAC EOF IAC SUSP IAC ABORT 'b'", "'a' 'b'", ""},
		{"no command", Server, spoken, "'a' IAC 00 IAC 'x' IAC SE 'b'", "'a' 'b'", ""},
		{"commands of a service", Client, spoken, "'a' IAC GA IAC EOR IAC NOP 'b'", "'a' 'b'", ""},

		// Options.
		{"client agrees", Server, spoken,
			"IAC DO ECHO IAC DO SGA IAC WILL SGA IAC DO BINARY IAC WILL BINARY", "", ""},
		{"client refuses", Server, spoken,
			"IAC DONT ECHO IAC DONT SGA IAC WONT SGA IAC DONT BINARY IAC WONT BINARY", "", ""},
		{"client thinks again", Server, spoken + " IAC WONT SGA IAC DONT ECHO",
			"IAC WILL SGA IAC DO ECHO", "", "IAC DO SGA IAC WILL ECHO"},
		{"client takes back", Server, spoken + " " + eight, "IAC WONT BINARY IAC DONT BINARY",
			"", "IAC DONT BINARY IAC WONT BINARY"},
		{"client echoes", Server, spoken, "IAC WILL ECHO IAC WILL ECHO", "", "IAC DONT ECHO"},
		{"a Minitel has no type for the caller", Server, spoken, "IAC DO TTYPE IAC DO NAWS IAC DO ENVIRON IAC DO LOCATION",
			"", "IAC WONT TTYPE IAC WONT NAWS IAC WONT ENVIRON IAC WONT LOCATION"},
		{"unknown options", Server, spoken, "IAC WILL #200 IAC DO #200 IAC DO #255 IAC WILL #255",
			"", "IAC DONT #200 IAC WONT #200 IAC WONT #255 IAC DONT #255"},
		{"unknown options, refused already", Server, spoken + " IAC WILL #200 IAC DO #200",
			"IAC WILL #200 IAC DO #200 IAC WILL #200", "", ""},
		{"unknown options, off anyway", Server, spoken, "IAC WONT #200 IAC DONT #200", "", ""},
		{"facts agreed", Server, spoken, "IAC WILL TTYPE IAC WILL NAWS IAC WILL ENVIRON IAC WILL LOCATION",
			"", "IAC SB TTYPE 01 IAC SE IAC SB ENVIRON 01 IAC SE"},
		{"facts offered first", Server, plain, "IAC WILL NAWS", "", curious},

		{"service proposes", Client, plain,
			"IAC WILL ECHO IAC WILL SGA IAC DO SGA IAC WILL BINARY IAC DO BINARY", "",
			"IAC DO ECHO IAC DO SGA IAC WILL SGA IAC DO BINARY IAC WILL BINARY"},
		{"service repeats", Client, "IAC WILL ECHO IAC DO SGA", "IAC WILL ECHO IAC DO SGA", "", ""},
		{"service takes back", Client, "IAC WILL ECHO", "IAC WONT ECHO IAC WONT ECHO", "", "IAC DONT ECHO"},
		{"service wants an echo", Client, plain, "IAC DO ECHO IAC DO ECHO", "", "IAC WONT ECHO"},
		{"service asks the type", Client, plain, "IAC DO TTYPE IAC SB TTYPE 01 IAC SE", "",
			"IAC WILL TTYPE IAC SB TTYPE 00 'minitel1b' IAC SE"},
		{"type not agreed", Client, plain, "IAC SB TTYPE 01 IAC SE", "", ""},
		{"type not asked", Client, "IAC DO TTYPE", "IAC SB TTYPE 00 'x' IAC SE IAC SB TTYPE IAC SE IAC SB IAC SE", "", ""},
		{"service asks the size", Client, plain, "IAC DO NAWS", "", "IAC WILL NAWS IAC SB NAWS 00 28 00 19 IAC SE"},
		{"service asks more", Client, plain, "IAC DO ENVIRON IAC DO LOCATION IAC WILL TTYPE IAC WILL #200 IAC DO #200", "",
			"IAC WONT ENVIRON IAC WONT LOCATION IAC DONT TTYPE IAC DONT #200 IAC WONT #200"},

		// Subnegotiations.
		{"unknown", Server, spoken, "'a' IAC SB #200 'text' IAC SE 'b'", "'a' 'b'", ""},
		{"empty", Server, spoken, "'a' IAC SB IAC SE 'b'", "'a' 'b'", ""},
		{"FFh inside", Server, spoken, "'a' IAC SB #200 IAC IAC SE SB IAC IAC IAC SE 'b'", "'a' 'b'", ""},
		{"cut short", Server, spoken, "'a' IAC SB #200 'text' IAC WILL #200 'b'", "'a' 'b'", "IAC DONT #200"},
		{"begun again", Server, spoken, "'a' IAC SB #200 'text' IAC SB #200 IAC SE 'b'", "'a' 'b'", ""},
		{"end without begin", Server, spoken, "'a' IAC SE 'b'", "'a' 'b'", ""},

		// CR.
		{"keys of a plain caller", Server, plain, "CR NUL 'a' CR LF 'b' CR 'c' CR CR LF CR NUL NUL LF", "CR 'a' CR 'b' CR 'c' CR CR CR NUL LF", ""},
		{"keys", Server, spoken, "CR NUL 'a' CR LF 'b' CR 'c' CR LF LF", "CR 'a' CR 'b' CR 'c' CR LF", ""},
		{"keys, a command between", Server, spoken, "CR IAC NOP NUL 'a' CR IAC NOP LF 'b' CR IAC IAC LF", "CR 'a' CR 'b' CR FF LF", ""},
		{"keys in BINARY", Server, spoken + " " + eight, "CR NUL 'a' CR LF 'b' CR 'c' NUL LF", "CR 'a' CR LF 'b' CR 'c' NUL LF", ""},
		{"keys, BINARY at our end only", Server, spoken + " IAC DO BINARY", "CR LF", "CR", ""},
		{"screen of a plain service", Client, plain, "CR NUL 'a' CR LF 'b' CR 'c'", "CR 'a' CR LF 'b' CR 'c'", ""},
		{"screen", Client, spoken, "CR NUL 'a' CR LF 'b' CR 'c' CR NUL NUL", "CR 'a' CR LF 'b' CR 'c' CR NUL", ""},
		{"screen in BINARY", Client, eight, "CR NUL 'a' CR LF 'b'", "CR NUL 'a' CR LF 'b'", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{1, 2, len(tt.in)} {
				data, reply := receive(after(tt.side, tt.before), wire(tt.in), size)
				if want := wire(tt.data); !bytes.Equal(data, want) {
					t.Errorf("in pieces of %d: data % X, want % X", size, data, want)
				}
				if want := wire(tt.reply); !bytes.Equal(reply, want) {
					t.Errorf("in pieces of %d: reply % X, want % X", size, reply, want)
				}
			}
		})
	}
}

// receive gives c a copy of p in pieces of at most size bytes.
func receive(c *Conn, p []byte, size int) (data, reply []byte) {
	p = bytes.Clone(p)
	for len(p) > 0 {
		n := min(size, len(p))
		d, r := c.Receive(p[:n])
		data, reply = append(data, d...), append(reply, r...)
		p = p[n:]
	}
	return data, reply
}

func TestEncode(t *testing.T) {
	tests := []struct {
		name     string
		before   string
		in, want string
	}{
		{"plain peer", plain, "'a' FF CR 'b' CR LF CR", "'a' FF CR 'b' CR LF CR"},
		{"plain peer with noise", "IAC IAC IAC 41", "FF CR", "FF CR"},
		{"telnet peer", spoken, "'a' FF CR 'b' CR LF CR CR", "'a' FF FF CR NUL 'b' CR LF CR NUL CR NUL"},
		{"BINARY", eight, "'a' FF CR 'b' CR LF CR", "'a' FF FF CR 'b' CR LF CR"},
		{"BINARY at the peer's end only", "IAC WILL BINARY", "CR", "CR NUL"},
		{"BINARY taken back", eight + " IAC DONT BINARY", "CR", "CR NUL"},
	}
	for _, tt := range tests {
		for _, side := range []Side{Server, Client} {
			got := after(side, tt.before).Encode([]byte("before"), wire(tt.in))
			if want := append([]byte("before"), wire(tt.want)...); !bytes.Equal(got, want) {
				t.Errorf("%s, side %d: % X, want % X", tt.name, side, got, want)
			}
		}
	}
}

// TestStorm sends every command about every option over and over, and in turn
// with its opposite: the answers end.
func TestStorm(t *testing.T) {
	for _, side := range []Side{Server, Client} {
		for code := range 256 {
			c := after(side, spoken)
			var answered int
			for _, pair := range [][2]byte{{will, will}, {do, do}, {will, wont}, {do, dont}} {
				for range 10 * maxAnswers {
					for _, verb := range pair {
						_, reply := c.Receive([]byte{iac, verb, byte(code), iac, sb, byte(code), send, iac, se})
						answered += len(reply)
					}
				}
			}
			limit := maxPerOption
			if c.option(ours, byte(code)) == nil && c.option(theirs, byte(code)) == nil {
				limit = 2 * 3 // WONT and DONT
			}
			if answered > limit {
				t.Errorf("side %d, option %d: %d bytes of answers", side, code, answered)
			}
		}
	}
}

// TestEndlessOffers is a peer that says more about options than there is to say.
func TestEndlessOffers(t *testing.T) {
	c := after(Server, spoken)
	for range 1900 {
		c.Receive(wire("IAC WILL ECHO"))
		c.Receive(wire("IAC NOP IAC SB NAWS 0 80 0 24 IAC SE"))
	}
	if c.Endless() {
		t.Error("it is too much already")
	}
	for range maxOffers {
		c.Receive(wire("IAC DONT ECHO"))
	}
	if !c.Endless() {
		t.Error("it is never too much")
	}
}

// TestPasswords is a service that turns its echo off and on again for every
// password.
func TestPasswords(t *testing.T) {
	c := after(Client, "IAC WILL ECHO")
	for i := range maxAnswers - 1 {
		_, off := c.Receive(wire("IAC WONT ECHO"))
		_, on := c.Receive(wire("IAC WILL ECHO"))
		if !bytes.Equal(off, wire("IAC DONT ECHO")) || !bytes.Equal(on, wire("IAC DO ECHO")) {
			t.Fatalf("password %d: answers % X and % X", i, off, on)
		}
	}
}

// TestEndless is a subnegotiation without end.
func TestEndless(t *testing.T) {
	c := after(Server, "IAC WILL LOCATION IAC SB LOCATION")
	chunk := bytes.Repeat([]byte("Quimper "), 512)
	for range 256 {
		if data, reply := c.Receive(bytes.Clone(chunk)); len(data)+len(reply) != 0 {
			t.Fatalf("data %q, reply % X", data, reply)
		}
	}
	if cap(c.sub) > maxSub {
		t.Errorf("%d bytes are kept", cap(c.sub))
	}
	data, _ := c.Receive(wire("IAC SE 'a'"))
	if string(data) != "a" {
		t.Errorf("data after the end %q", data)
	}
	if got := len(c.Facts().Location); got != maxSub-1 { // less the option's code
		t.Errorf("location of %d bytes", got)
	}
	if c.sub != nil {
		t.Error("the subnegotiation is still kept")
	}
}

func TestAllocations(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 200 {
		t.Errorf("a Conn takes %d bytes", size)
	}
	text := wire("13 41 'bonjour' CR NUL CR LF IAC IAC IAC NOP 'a'")
	p := make([]byte, len(text))
	for name, c := range map[string]*Conn{"plain": New(Server), "telnet": after(Client, spoken)} {
		if n := testing.AllocsPerRun(100, func() {
			copy(p, text)
			c.Receive(p)
		}); n != 0 {
			t.Errorf("%s: Receive allocates %v times", name, n)
		}
	}
	c := after(Server, "IAC DO ECHO IAC DO SGA IAC WILL SGA IAC DO BINARY IAC WILL BINARY")
	if c.refused != nil || c.sub != nil || c.facts != nil {
		t.Error("a client that only agrees costs more than a Conn")
	}
}
