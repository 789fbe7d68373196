package telnet

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFacts(t *testing.T) {
	const agreed = "IAC WILL TTYPE IAC WILL NAWS IAC WILL ENVIRON IAC WILL LOCATION "
	tests := []struct {
		name string
		in   string
		want Facts
	}{
		{"nothing", agreed, Facts{}},
		{"terminal", agreed + "IAC SB TTYPE 00 'XTERM-256COLOR' IAC SE", Facts{Terminal: "XTERM-256COLOR"}},
		{"terminal, unprintable", agreed + "IAC SB TTYPE 00 0C 'X' 1B 'T' 80 E9 7F IAC IAC CR LF IAC SE", Facts{Terminal: "XT"}},
		{"terminal, asked", agreed + "IAC SB TTYPE 01 IAC SE", Facts{}},
		{"terminal, not agreed", "IAC SB TTYPE 00 'XTERM' IAC SE", Facts{}},
		{"terminal, taken back", agreed + "IAC WONT TTYPE IAC SB TTYPE 00 'XTERM' IAC SE", Facts{}},
		{"window", agreed + "IAC SB NAWS 00 50 00 18 IAC SE", Facts{Window: "80x24"}},
		{"window, wide", agreed + "IAC SB NAWS 01 IAC IAC 00 00 IAC SE", Facts{Window: "511x0"}},
		{"window, changed", agreed + "IAC SB NAWS 00 50 00 18 IAC SE IAC SB NAWS 00 28 00 19 IAC SE", Facts{Window: "40x25"}},
		{"window, short", agreed + "IAC SB NAWS 00 50 00 IAC SE", Facts{}},
		{"window, cut short", agreed + "IAC SB NAWS 00 50 00 18 IAC NOP", Facts{}},
		{"location", agreed + "IAC SB LOCATION 'Quimper' IAC SE", Facts{Location: "Quimper"}},
		{"location, begun again", agreed + "IAC SB LOCATION 'Brest' IAC SB LOCATION 'Quimper' IAC SE", Facts{Location: "Quimper"}},
		{"environment", agreed + "IAC SB ENVIRON 00 00 'USER' 01 'yann' 03 'LANG' 01 'fr' IAC SE",
			Facts{Environ: map[string]string{"USER": "yann", "LANG": "fr"}}},
		{"environment, escaped", agreed + "IAC SB ENVIRON 00 00 'A' 02 'B' 01 'x' 02 03 'y' 02 02 'z' IAC SE",
			Facts{Environ: map[string]string{"AB": "xyz"}}},
		{"environment, without values", agreed + "IAC SB ENVIRON 00 'x' 01 'y' 00 'A' 00 'B' 01 00 01 'z' 00 'C' 01 'c' 02 IAC SE",
			Facts{Environ: map[string]string{"C": "c"}}},
		{"environment, empty", agreed + "IAC SB ENVIRON 00 IAC SE", Facts{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, after(Server, tt.in).Facts()); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := after(Client, agreed+"IAC SB TTYPE 00 'XTERM' IAC SE").Facts(); !cmp.Equal(got, Facts{}) {
		t.Errorf("a service told %+v", got)
	}
}

// A client tells where its caller is to a service that speaks telnet, if it is to.
func TestTellLocation(t *testing.T) {
	const told = "IAC SB LOCATION '192.0.2.7' IAC SE"
	for _, test := range []struct{ in, data, reply string }{
		{"0C 'Bonjour' IAC IAC", "0C 'Bonjour' FF", ""},
		{"IAC NOP", "", "IAC WILL LOCATION"},
		{"IAC WILL ECHO IAC DO LOCATION", "", "IAC WILL LOCATION IAC DO ECHO " + told},
		{"IAC DO LOCATION", "", "IAC WILL LOCATION " + told},
		{"IAC DO LOCATION IAC DO LOCATION", "", "IAC WILL LOCATION " + told},
		{"IAC NOP IAC DONT LOCATION IAC NOP", "", "IAC WILL LOCATION"},
		{"IAC DO LOCATION IAC DONT LOCATION IAC DO LOCATION", "", "IAC WILL LOCATION " + told + " IAC WONT LOCATION IAC WILL LOCATION " + told},
		{"IAC DO LOCATION IAC SB LOCATION 'x' IAC SE", "", "IAC WILL LOCATION " + told},
	} {
		c := New(Client)
		c.TellLocation("192.0.2.7")
		data, reply := c.Receive(wire(test.in))
		if !bytes.Equal(data, wire(test.data)) || !bytes.Equal(reply, wire(test.reply)) {
			t.Errorf("%s: data % X, reply % X, want % X", test.in, data, reply, wire(test.reply))
		}
	}
	if _, reply := after(Client, "IAC NOP").Receive(wire("IAC DO LOCATION")); !bytes.Equal(reply, wire("IAC WONT LOCATION")) {
		t.Errorf("without a location, the answer is % X", reply)
	}
	// Our own server understands it.
	server, client := New(Server), New(Client)
	client.TellLocation("2001:db8::7")
	talk(server, client, nil, server.Greeting())
	if got := server.Facts().Location; got != "2001:db8::7" {
		t.Errorf("told %q", got)
	}
}

// However often a service asks, it is not told for ever.
func TestTellLocationEnds(t *testing.T) {
	c := New(Client)
	c.TellLocation("192.0.2.7")
	told := 0
	for range 10 * maxAnswers {
		_, reply := c.Receive(wire("IAC DO LOCATION IAC DONT LOCATION"))
		told += bytes.Count(reply, []byte("192.0.2.7"))
	}
	if told != maxAnswers {
		t.Errorf("told %d times", told)
	}
}
