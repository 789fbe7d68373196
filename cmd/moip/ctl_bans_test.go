package main

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"moip/internal/control/admin"
	"moip/internal/policy/ban"
)

// All bans of a long list are sent, in requests that the gateway takes.
func TestParts(t *testing.T) {
	var bans []ban.Ban
	for i := range 40_000 {
		network := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), 32)
		bans = append(bans, ban.Ban{Network: network, Reason: strings.Repeat("é", ban.MaxReason), By: ban.ByImport, Since: time.Now()})
	}
	sent, requests := 0, 0
	for part := range parts(bans) {
		body, err := json.Marshal(admin.BanImport{Bans: part})
		if err != nil || len(body) > 16<<20 {
			t.Errorf("%v, a request has %d bytes", err, len(body))
		}
		if part[0].Network != bans[sent].Network {
			t.Errorf("behind %d bans comes %v", sent, part[0].Network)
		}
		sent += len(part)
		requests++
	}
	if sent != len(bans) || requests != 2 {
		t.Errorf("%d of %d bans are sent in %d requests", sent, len(bans), requests)
	}
	for range parts(nil) {
		t.Error("nothing is sent")
	}
}

func TestHowRefusalsAreTold(t *testing.T) {
	at := time.Date(2026, 11, 23, 20, 15, 2, 120e6, time.Local)
	line := eventLine(admin.Event{At: at, Type: "refused", From: "192.0.2.7:4000", By: "ws", Reason: "banned", Refused: 12})
	if want := "20:15:02.120  refused  from 192.0.2.7:4000 by ws  banned, 12 since last told"; line != want {
		t.Errorf("it is told as %q", line)
	}
}
