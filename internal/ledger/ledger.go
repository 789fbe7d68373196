// Package ledger records visits: who was where, for how long, at what cost.
package ledger

import (
	"bytes"
	"cmp"
	"encoding/json"
	"time"

	"moip/internal/session"
	"moip/internal/tariff"
)

// A Ledger takes the records of visits. A [File] is one, and a billing system
// may be another.
type Ledger interface {
	// Enter takes a record. It is called with a call's lock held, and must
	// neither block nor call a method of the Call.
	Enter(Record)
}

// A Record is one visit of a caller to a service, told when it has ended.
type Record struct {
	Call      session.ID     `json:"call"`   // counted from the start of the gateway
	Caller    string         `json:"caller"` // address, "" if it is not known
	Transport string         `json:"transport"`
	Terminal  string         `json:"terminal,omitempty"` // maker and model in French, if it has told
	Service   string         `json:"service"`
	From      time.Time      `json:"from"`
	To        time.Time      `json:"to"`
	Seconds   int64          `json:"seconds"` // charged for
	Palier    string         `json:"palier,omitempty"`
	Cost      tariff.Money   `json:"cost"`
	Currency  string         `json:"currency"`      // the franc if empty
	In        uint64         `json:"in,omitempty"`  // bytes from the caller, 0 if nobody counted
	Out       uint64         `json:"out,omitempty"` // bytes to the caller, likewise
	Reason    session.Reason `json:"reason"`        // why the visit ended
}

// stamp is RFC 3339 with milliseconds: as text, moments of UTC sort as they came.
const stamp = "2006-01-02T15:04:05.000Z07:00"

// line returns r as a line of JSON. From and To are UTC and come first.
func (r Record) line() []byte {
	type fields Record
	r.Currency = cmp.Or(r.Currency, tariff.Franc)
	shown := struct {
		From string `json:"from"` // these two hide those of fields
		To   string `json:"to"`
		fields
	}{r.From.UTC().Format(stamp), r.To.UTC().Format(stamp), fields(r)}
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false) // people read it too
	_ = encoder.Encode(shown)    // of text and numbers none can fail
	return line.Bytes()
}
