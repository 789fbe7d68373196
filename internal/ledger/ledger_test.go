package ledger

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"moip/internal/session"
	"moip/internal/tariff"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var summer = time.FixedZone("CEST", 2*60*60)

func TestLine(t *testing.T) {
	for _, test := range []struct {
		Record
		want string
	}{
		{
			Record{
				Call: 7, Caller: "192.0.2.9:5023", Transport: "ws", Terminal: "Minitel 1B (Télic-Alcatel)",
				Service: "TEASER <&>",
				From:    time.Date(1998, 7, 12, 21, 0, 0, 0, summer),
				To:      time.Date(1998, 7, 12, 21, 1, 30, 456_789_000, summer),
				Seconds: 90, Palier: "36 15", Cost: 19300, Currency: "F", In: 12, Out: 3456, Reason: session.ReasonFin,
			},
			`{"from":"1998-07-12T19:00:00.000Z","to":"1998-07-12T19:01:30.456Z","call":7,` +
				`"caller":"192.0.2.9:5023","transport":"ws","terminal":"Minitel 1B (Télic-Alcatel)",` +
				`"service":"TEASER <&>","seconds":90,"palier":"36 15","cost":1.93,"currency":"F",` +
				`"in":12,"out":3456,"reason":"fin"}` + "\n",
		},
		{
			Record{},
			`{"from":"0001-01-01T00:00:00.000Z","to":"0001-01-01T00:00:00.000Z","call":0,` +
				`"caller":"","transport":"","service":"","seconds":0,"cost":0,"currency":"F","reason":""}` + "\n",
		},
	} {
		if diff := cmp.Diff(test.want, string(test.line())); diff != "" {
			t.Error(diff)
		}
	}
}

// Whatever a record holds, it is one line, and comes back from it.
func TestLineProperties(t *testing.T) {
	moment := rapid.Map(rapid.Int64Range(0, 1<<42), func(n int64) time.Time { return time.UnixMilli(n).In(summer) })
	rapid.Check(t, func(t *rapid.T) {
		text := func(label string) string {
			if rapid.Bool().Draw(t, "bytes") {
				return string(rapid.SliceOf(rapid.Byte()).Draw(t, label))
			}
			return rapid.String().Draw(t, label)
		}
		r := Record{
			Call:      session.ID(rapid.Uint64().Draw(t, "call")),
			Caller:    text("caller"),
			Transport: text("transport"),
			Terminal:  text("terminal"),
			Service:   text("service"),
			From:      moment.Draw(t, "from"),
			To:        moment.Draw(t, "to"),
			Seconds:   rapid.Int64().Draw(t, "seconds"),
			Palier:    text("palier"),
			Cost:      tariff.Money(rapid.Int64().Draw(t, "cost")),
			Currency:  text("currency") + "x",
			In:        rapid.Uint64().Draw(t, "in"),
			Out:       rapid.Uint64().Draw(t, "out"),
			Reason:    session.Reason(text("reason")),
		}
		line := r.line()
		if bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' {
			t.Fatalf("not one line: %q", line)
		}
		var back Record
		if err := json.Unmarshal(line, &back); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if diff := cmp.Diff(valid(r), back); diff != "" {
			t.Fatalf("%q: %s", line, diff)
		}
	})
}

// valid is r in UTC, and in UTF-8, as far as JSON has no other text.
func valid(r Record) Record {
	r.From, r.To = r.From.UTC(), r.To.UTC()
	reason := string(r.Reason)
	for _, s := range []*string{&r.Caller, &r.Transport, &r.Terminal, &r.Service, &r.Palier, &r.Currency, &reason} {
		*s = strings.Map(func(c rune) rune { return c }, *s) // each bad byte becomes U+FFFD
	}
	r.Reason = session.Reason(reason)
	return r
}
