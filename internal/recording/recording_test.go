package recording

import (
	"bytes"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// all returns what a recording tells.
func all(t *testing.T, text string) (h Header, events []Event, err error) {
	t.Helper()
	r, err := NewReader(strings.NewReader(text))
	if err != nil {
		return h, nil, err
	}
	for {
		e, err := r.Next()
		if err == io.EOF {
			return r.Header, events, nil
		}
		if err != nil {
			return r.Header, events, err
		}
		events = append(events, e)
	}
}

func TestWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		w := NewWriter(&b, Header{Began: time.Now(), Title: "SALON", Terminal: "Minitel 1B"})
		time.Sleep(12 * time.Millisecond)
		w.Add(Output, []byte("\f\x1bA<é>\xE9\x00"))
		w.Add(Input, nil)
		for range 3 { // a third of a millisecond is none, but three are one
			time.Sleep(time.Millisecond / 3)
			w.Add(Input, []byte("\x13A"))
		}
		time.Sleep(time.Minute)
		w.Add(Input, []byte("\x19Be"))
		want := `{"version":3,"term":{"cols":40,"rows":25,"type":"Minitel 1B"},"timestamp":946684800,"title":"SALON"}
[0.012,"o","\u000c\u001bA<Ã©>é\u0000"]
[0,"i","\u0013A"]
[0.001,"i","\u0013A"]
[0,"i","\u0013A"]
[60,"i","\u0019Be"]
`
		if b.String() != want || w.Err() != nil {
			t.Errorf("it is, with %v,\n%s", w.Err(), &b)
		}
	})
}

// What cannot be written is told, and nothing is written behind it.
func TestWriterFails(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	w := NewWriter(write, Header{})
	read.Close()
	w.Add(Output, []byte("a"))
	first := w.Err()
	write.Close()
	w.Add(Output, []byte("b"))
	if !errors.Is(first, syscall.EPIPE) || w.Err() != first {
		t.Errorf("it tells %v, then %v", first, w.Err())
	}
}

// What is written is read again, whatever it is, to the byte and the millisecond.
func TestWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var events []Event
		for range rapid.IntRange(0, 20).Draw(rt, "events") {
			events = append(events, Event{
				After: time.Duration(rapid.IntRange(0, 100000).Draw(rt, "ms")) * time.Millisecond,
				Kind:  rapid.SampledFrom([]Kind{Output, Input, Mark}).Draw(rt, "kind"),
				Data:  rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(rt, "data"),
			})
			if e := &events[len(events)-1]; e.Kind == Mark {
				e.Data = []byte(strings.ToValidUTF8(string(e.Data), "é"))
			}
		}
		synctest.Test(t, func(t *testing.T) {
			var b bytes.Buffer
			w := NewWriter(&b, Header{Title: "page"})
			for _, e := range events {
				time.Sleep(e.After)
				w.Add(e.Kind, e.Data)
			}
			h, got, err := all(t, b.String())
			if err != nil || h.Title != "page" || !reflect.DeepEqual(got, events) {
				t.Errorf("%v, %v\n%v\nwant\n%v", err, h, got, events)
			}
		})
	})
}

func TestReader(t *testing.T) {
	hello := []Event{{500 * time.Millisecond, Output, []byte("a")}, {time.Second, 'm', nil}, {0, Output, []byte("\xE9")}}
	for name, text := range map[string]string{
		"version 3": `{"version": 3, "term": {"cols": 80, "rows": 24}, "env": {"SHELL": "/bin/sh"}}
# by somebody else

[0.5, "o", "a"]
[1, "m", ""]
[0, "o", "é"]
`,
		"version 2, and times that go back": `{"version":2,"width":80,"height":24}
[0.5,"o","a"]
[1.5,"m",""]
[1.25,"o","é"]`,
		"cut off": `{"version":3,"term":{"cols":40,"rows":25}}
[0.5,"o","a"]
[1,"m",""]
[0,"o","é"]
[3,"o","unfini`,
	} {
		if _, got, err := all(t, text); err != nil || !reflect.DeepEqual(got, hello) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	const first = `{"version":3,"term":{"cols":40,"rows":25}}` + "\n"
	for text, want := range map[string]string{
		"":                                            "it is no recording",
		"\f\x1bAa page":                               "it is no recording",
		`{"version":1,"stdout":[]}`:                   "it is no recording",
		first + "[1,\"o\"]\n[1,\"o\",\"\"]":           "line 2: is no event",
		first + "# a comment\n[1,\"oo\",\"\"]\n":      "line 3: is no event",
		first + "[\"1\",\"o\",\"a\"]\n":               "line 2: json: cannot unmarshal",
		first + "[1,\"o\",\"€\"]\n":                   "line 2: has '€', which is no byte",
		first + strings.Repeat("x", maxLine+1) + "\n": "line 2: has more than",
	} {
		if _, _, err := all(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add("{\"version\":3,\"term\":{\"cols\":40,\"rows\":25}}\n[0.5,\"o\",\"a\"]\n[1e300,\"o\",\"\\u00e9\"]\n# x\n[null,null,null]")
	f.Add("{\"version\":2}\n[-1,\"i\",\"\"]\n[1.5,\"r\",\"80x24\"]")
	f.Fuzz(func(t *testing.T, text string) {
		_, events, _ := all(t, text)
		for _, e := range events {
			if e.After < 0 || e.After > maxAfter {
				t.Errorf("after %v", e.After)
			}
		}
	})
}
