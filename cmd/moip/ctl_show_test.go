package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"

	"moip/internal/control/admin"
	"moip/internal/history"
)

// What others have named themselves steers no terminal, and makes no lines of its own.
func TestHostileNames(t *testing.T) {
	const evil = "\x1b]0;x\a\u009b31m\x7f\u202e\U000e0001\tA\nB"
	now := time.Now()
	answers := map[string]any{
		"/calls":          admin.Calls{Calls: []admin.Call{{ID: 1, Service: evil, Terminal: evil, Address: evil, Transport: evil}}},
		"/calls/1":        admin.Call{ID: 1, Service: evil, Terminal: evil, Address: evil, Facts: map[string]string{evil: evil}},
		"/history":        admin.History{Records: []admin.Record{{Record: history.Record{Began: now, Ended: now, Reason: evil, Visits: []history.Visit{{Service: evil}}}}}},
		"/history/totals": history.Totals{Services: []history.ServiceTotal{{Service: evil}}},
		"/services":       admin.Services{Services: []admin.Service{{Code: evil, Title: evil, URL: evil}}},
		"/bans":           admin.Bans{Bans: []admin.Ban{{Reason: evil, By: evil}}},
		"/state":          admin.State{Why: evil, Portal: evil, Bus: &admin.Bus{At: evil, Why: evil}},
		"/link":           admin.Link{URL: evil},
		"/gateways": admin.Gateways{Bus: &admin.Bus{At: evil, Why: evil}, Gateways: []admin.Gateway{
			{Name: evil, Host: evil, State: evil, Version: evil, Config: evil, Fault: evil},
		}},
	}
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, path, _ := strings.Cut(r.URL.Path, "/v1")
		json.NewEncoder(w).Encode(answers[path])
	}))
	defer gateway.Close()
	for order, lines := range map[string]int{
		"calls": 2, "call 1": 8, "history": 2, "history --totals": 3, "history --lines": 1, "directory": 2, "bans": 2, "state": 7, "link": 1, "gateways": 4,
	} {
		for _, form := range []string{"", "--json "} {
			var out, fault strings.Builder
			if code := run(strings.Fields("ctl --admin "+gateway.URL+" "+form+order), &out, &fault); code != exitOK {
				t.Errorf("%s%s: %s", form, order, fault.String())
			}
			text := out.String()
			if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
				t.Errorf("%s%s shows %q", form, order, text)
			}
			if n := strings.Count(text, "\n"); form == "" && n != lines {
				t.Errorf("%s has %d lines, not %d: %q", order, n, lines, text)
			}
			if form != "" && !json.Valid([]byte(text)) && order != "history --lines" {
				t.Errorf("%s is no JSON: %q", order, text)
			}
		}
	}
	if line := harmless(eventLine(admin.Event{Call: 1, Error: evil})); strings.ContainsFunc(line, unicode.IsControl) {
		t.Errorf("an event is told as %q", line)
	}
}
