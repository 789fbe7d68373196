package emulator

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"moip/internal/recording"
)

// TestRecorded has the page read what package recording does, and refuse what it
// refuses.
func TestRecorded(t *testing.T) {
	const v2, v3 = `{"version": 2, "width": 40, "height": 25}` + "\n", `{"version":3,"term":{"cols":40,"rows":25}}` + "\n"
	d := newDecoder(t)
	for _, text := range []string{
		v3, `{"version":3}`, v3 + "[0.012,\"o\",\"\\f\\u001bABonjour\"]\n[3.2,\"i\",\"\\u0013A\"]\n[0.5,\"o\",\"\u00e9\\u00ff\\u0000\"]\n",
		v2 + "[1,\"o\",\"a\"]\n[3.5,\"o\",\"b\"]\n[2,\"o\",\"c\"]\n[4,\"x\",\"\"]\n[4.25,\"o\",\"d\"]",
		v3 + "# of our own\n\n  [1, \"o\", \"a\"]\r\n[-1,\"o\",\"b\"]\n[1,\"m\",\"mark\"]\n[1,\"o\",\"c\"]\n",
		v3 + "[1,\"o\",\"whole\"]\n[1,\"o\",\"cut off", v3 + "[1,\"o\",\"whole\"]\n[1,\"o\",\"cut]", v3 + "[1,\"o\",\"whole\"]\n[1",
		"", "Bonjour", "null", "5\n", "[]", "{}", "[0,\"o\",\"a\"]\n", `{"version":1}`, `{"version":4}`,
		v3 + "5\n", v3 + "{}\n", v3 + "[\"x\",\"o\",\"\"]\n", v3 + "[0.1,\"o\",\"\u2500\"]\n[0.1,\"o\",\"\"]\n",
	} {
		if got, want := ask[string](t, d, "recording", text), told(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// told is what package recording reads in a file, as dump.js tells it.
func told(text string) string {
	r, err := recording.NewReader(strings.NewReader(text))
	if err != nil {
		return "none"
	}
	all := "recording"
	for at := time.Duration(0); ; {
		e, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			return "none"
		}
		at += e.After
		if e.Kind == recording.Output {
			all += fmt.Sprintf(" %d %x", at.Milliseconds(), e.Data)
		}
	}
}
