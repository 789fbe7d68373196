package videotex

import "testing"

func TestLineSpeed(t *testing.T) {
	for order, want := range map[string]int{
		"\x1B:k\x52": 300, "\x1B:k\x64": 1200, "\x1B:k\x76": 4800, "\x1B:k\x7F": 9600,
		"\x1B:k\x4C": 1200, // 75 bit/s from it
		"\x1B:k\x49": 0, "\x1B:k\x40": 0, "\x1B:j\x64": 0, "\x1B9k": 0, "\x1B;kdd": 0, "": 0,
	} {
		if got, ok := LineSpeed([]byte(order)); got != want || ok != (want > 0) {
			t.Errorf("%q: %d, %v, want %d", order, got, ok, want)
		}
	}
}

func TestSpeedCode(t *testing.T) {
	for bits, want := range map[int]byte{300: 0x52, 1200: 0x64, 4800: 0x76, 9600: 0x7F, 0: 0, 75: 0, 2400: 0} {
		if got := SpeedCode(bits); got != want {
			t.Errorf("%d bit/s: %x, want %x", bits, got, want)
		}
	}
}

func TestTerminalSpeed(t *testing.T) {
	for id, want := range map[string]int{"Cu<": 4800, "Bv6": 9600, "Cc2": 1200, "?z?": 9600, "B?6": 0, "\x00\x00\x00": 0} {
		if got := TerminalSpeed([3]byte([]byte(id))); got != want {
			t.Errorf("%q: %d bit/s, want %d", id, got, want)
		}
	}
}

// Orders are told when they leave, and not when they are none: in transparency
// they are text.
func TestMixerTellsOfOrders(t *testing.T) {
	var told []string
	m := Mixer{Ordered: func(q []byte) { told = append(told, string(q)) }}
	m.Write(1, []byte("a\x1B:kvb\x1B9{\x1B;iYA\x1B:f\x05\x1B:kvc\x1B[A"))
	if len(told) > 0 {
		t.Errorf("told of %q before anything is sent", told)
	}
	m.Next(nil, 1000)
	want := []string{"\x1B:kv", "\x1B9{", "\x1B;iYA", "\x1B:f\x05"}
	if len(told) != len(want) {
		t.Fatalf("told of %q, want %q", told, want)
	}
	for i := range want {
		if told[i] != want[i] {
			t.Errorf("told of %q, want %q", told, want)
		}
	}
}
