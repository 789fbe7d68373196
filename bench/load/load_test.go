package load

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve returns a service and n callers who are on it without a gateway.
func serve(t *testing.T, speaks Protocol, n int) (*Service, *Callers) {
	t.Helper()
	s, err := Serve(speaks, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c, err := New(Line{To: s.Addr(), Speaks: speaks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Call(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return s, c
}

// everyWay runs a test for each protocol a Service speaks.
func everyWay(t *testing.T, f func(t *testing.T, speaks Protocol)) {
	for _, speaks := range []Protocol{TCP, WS} {
		t.Run(speaks.String(), func(t *testing.T) { f(t, speaks) })
	}
}

func TestKeysAllComeBack(t *testing.T) {
	everyWay(t, func(t *testing.T, speaks Protocol) {
		_, c := serve(t, speaks, 100)
		if err := c.Call(t.Context(), 50); err != nil { // more, later
			t.Fatal(err)
		}
		e, err := c.Type(t.Context(), 500, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Took) != 500 || e.Unanswered != 0 || e.At(50) <= 0 || e.At(50) > e.At(100) {
			t.Errorf("%d came back and %d did not, in %v to %v", len(e.Took), e.Unanswered, e.At(50), e.At(100))
		}
		x, err := c.Exchange(t.Context(), 50*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if len(x.Took) < 10 {
			t.Errorf("%d exchanges", len(x.Took))
		}
	})
}

// Whoever swallows a key is found out, and who doubles one or sends it elsewhere.
func TestKeysThatDoNot(t *testing.T) {
	for _, test := range []struct {
		name    string
		does    func(s *Service, e *end, p []byte) error
		want    string
		missing int
	}{
		{"swallows", func(s *Service, e *end, p []byte) error {
			// It may have come with another.
			return e.send(bytes.ReplaceAll(p, token(7), nil))
		}, "", 1},
		{"doubles", func(s *Service, e *end, p []byte) error { e.send(p); return e.send(p) }, "got key 0 twice", 0},
		{"mixes up", func(s *Service, e *end, p []byte) error {
			for other := range s.calls {
				if other != e {
					return other.send(p)
				}
			}
			return nil
		}, "which was not typed there", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, c := serve(t, TCP, 2)
			replaced := make(chan struct{})
			s.loop.do(func() {
				defer close(replaced)
				for e := range s.calls {
					e.heard = func(p []byte) { test.does(s, e, p) }
				}
			})
			<-replaced
			e, err := c.Type(t.Context(), 10, 1000)
			switch {
			case test.want == "" && (err != nil || e.Unanswered != test.missing):
				t.Errorf("got %v, %v", e, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPages(t *testing.T) {
	everyWay(t, func(t *testing.T, speaks Protocol) {
		s, c := serve(t, speaks, 50)
		heard := c.Heard()
		took, err := c.Pages(t.Context(), s.SendAll)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Heard() - heard; len(took) != 50 || got != 50*1000 {
			t.Errorf("%d callers have a page, and %d bytes", len(took), got)
		}
		calls, err := c.Churn(t.Context(), 4, 50*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if len(calls) < 10 {
			t.Errorf("%d calls", len(calls))
		}
	})
}

// Slow callers read at the rate they are to, and others are served meanwhile.
func TestSlow(t *testing.T) {
	s, others := serve(t, WS, 10)
	c, err := New(Line{To: s.Addr(), Speaks: WS, Slow: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Call(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	heard, began := c.Heard(), time.Now()
	if err := c.ReadSlowly(1200); err != nil {
		t.Fatal(err)
	}
	e, err := others.Type(t.Context(), 1000, 1000)
	if err != nil || e.Unanswered > 0 {
		t.Fatal(e, err)
	}
	got, took := float64(c.Heard()-heard), time.Since(began).Seconds()
	if most := 5 * 1200 * (took + 0.2); got < most/4 || got > most {
		t.Errorf("5 callers have read %.0f bytes in %.1f s", got, took)
	}
}

// A gateway that does not let a caller in is heard.
func TestRefused(t *testing.T) {
	s, err := Serve(TCP, false) // which repeats the handshake
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c, err := New(Line{To: s.Addr(), Speaks: WS})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Call(t.Context(), 1); err == nil || !strings.Contains(err.Error(), `answered "GET /`) {
		t.Errorf("got %v", err)
	}
	s.Close()
	if err := c.Call(t.Context(), 1); err == nil {
		t.Error("calls nobody")
	}
}

// Frames come whole, wherever what was read ends.
func TestFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		client := rapid.Bool().Draw(t, "client")
		payloads := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 300)).Draw(t, "payloads")
		var wire, want, got []byte
		for _, p := range payloads {
			wire = appendFrame(wire, opText, client, p)
			want = append(want, p...)
		}
		e := &end{speaks: WS, heard: func(p []byte) { got = append(got, p...) }}
		for len(wire) > 0 {
			n := rapid.IntRange(1, len(wire)).Draw(t, "read")
			if err := e.take(bytes.Clone(wire[:n])); err != nil {
				t.Fatal(err)
			}
			wire = wire[n:]
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

// A token is found in whatever else a caller is sent, and however it comes.
func TestTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var wire []byte
		keys := rapid.SliceOf(rapid.IntRange(0, 9_999_999)).Draw(t, "keys")
		for _, i := range keys {
			wire = append(wire, rapid.SampledFrom([]string{"", "\x1f@A Passerelle\n", "#12", "7"}).Draw(t, "between")...)
			wire = append(wire, token(i)...)
		}
		one, got := new(caller), 0
		for len(wire) > 0 {
			n := rapid.IntRange(1, len(wire)).Draw(t, "read")
			if _, err := one.hears(wire[:n], func(i int) error {
				if got == len(keys) || i != keys[got] {
					t.Fatalf("got %d as the %dth of %v", i, got, keys)
				}
				got++
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			wire = wire[n:]
		}
		if got != len(keys) {
			t.Fatalf("got %d of %v", got, keys)
		}
	})
}
