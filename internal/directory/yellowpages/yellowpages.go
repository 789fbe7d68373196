// Package yellowpages reads the directory that PyMoIP servers take from the
// web, and keeps a copy of it up to date.
//
// Yellow pages are JSON. A service is reached at its address, or is only
// another name, whose alias is the name to look up instead:
//
//	{"servers": [
//		{"name": "TEASER", "address": "ws://minitel.3614teaser.fr:8080/ws",
//		 "ping": "10", "subprotocol": "[binary,tty]", "tarif": "T2", "cost": "0.37"},
//		{"name": "3614 TEASER", "alias": "TEASER"}
//	]}
package yellowpages

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"moip/internal/tariff"
)

const (
	maxEntries = 10_000
	maxFaults  = 20 // told one by one
)

// An Entry is a name in yellow pages.
type Entry struct {
	Name         string        // 1 to 40 characters; no two differ by capitals alone
	Alias        string        // the name to look up instead, or empty
	Address      string        // URL of the service as the file has it, empty if there is an alias
	Ping         time.Duration // WebSocket ping interval in whole seconds, 0 for none
	Subprotocols []string
	Tarif        string // a label, up to 40 characters
	Cost         tariff.Money
}

// Parse reads yellow pages. If data are something else, there is err and
// nothing more.
//
// What is wrong with an entry costs only that entry: it is left out, and so is
// the second of a name, and whatever comes after the ten thousandth. Why, that
// is told by faults, of which the 21st says how many more there are. Where
// aliases lead and whether addresses can be dialled is not looked at.
func Parse(data []byte) (entries []Entry, faults []error, err error) {
	var pages struct {
		Servers servers `json:"servers"`
	}
	if err := json.Unmarshal(data, &pages); err != nil {
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			err = errors.New("no JSON object")
		}
		return nil, nil, fmt.Errorf("not yellow pages: %w", err)
	}
	if pages.Servers == nil {
		return nil, nil, errors.New(`not yellow pages: there are no "servers"`)
	}
	more := 0
	fault := func(err error) {
		if len(faults) < maxFaults {
			faults = append(faults, err)
		} else {
			more++
		}
	}
	if len(pages.Servers) > maxEntries {
		pages.Servers = pages.Servers[:maxEntries]
		fault(fmt.Errorf("only the first %d servers are read", maxEntries))
	}
	taken := map[string]bool{}
	for i, data := range pages.Servers {
		e, err := parseEntry(data)
		name := strings.ToUpper(e.Name)
		if err == nil && taken[name] {
			err = errors.New("the name is taken (the first entry of a name stands)")
		}
		if err != nil {
			fault(fmt.Errorf("servers[%d] %.60q: %w", i, e.Name, err))
			continue
		}
		taken[name] = true
		entries = append(entries, e)
	}
	if more > 0 {
		faults = append(faults, fmt.Errorf("%d more faults", more))
	}
	return entries, faults, nil
}

// servers are the entries as the file has them. It reads one more than
// maxEntries: a file has room for a million.
type servers []json.RawMessage

func (s *servers) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if start, err := d.Token(); err != nil || start != json.Delim('[') {
		return errors.New(`"servers" is no list`)
	}
	*s = servers{}
	for d.More() && len(*s) <= maxEntries {
		var server json.RawMessage
		if err := d.Decode(&server); err != nil {
			return err
		}
		*s = append(*s, server)
	}
	return nil
}
