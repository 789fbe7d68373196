package config

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"moip/internal/downstream"
)

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "none": 0, "None": 0, "0s": 0,
		"10m": 10 * time.Minute, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %v, %v", text, d, err)
		}
	}
	for _, text := range []string{"", "10", "ten", "-1s", "1d", "99999999h", "1 h"} {
		d := Duration(time.Second)
		if err := d.UnmarshalText([]byte(text)); err == nil || d != Duration(time.Second) {
			t.Errorf("%q: %v, %v", text, d, err)
		}
	}
}

func TestDurationString(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                    "0s",
		10 * time.Second:                     "10s",
		10 * time.Minute:                     "10m",
		90 * time.Second:                     "1m30s",
		20 * time.Hour:                       "20h",
		time.Hour + time.Second:              "1h0m1s",
		time.Hour + time.Minute:              "1h1m",
		150 * time.Millisecond:               "150ms",
		2*time.Minute + 500*time.Millisecond: "2m0.5s",
	} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
		var back Duration
		if err := back.UnmarshalText([]byte(want)); err != nil || time.Duration(back) != d {
			t.Errorf("%q reads as %v, %v", want, back, err)
		}
	}
}

func TestLevel(t *testing.T) {
	for text, want := range map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	} {
		var l Level
		if err := l.UnmarshalText([]byte(text)); err != nil || l.Level() != want {
			t.Errorf("%q: %v, %v", text, l.Level(), err)
		}
	}
}

func TestListenPort(t *testing.T) {
	for text, want := range map[string]string{
		"9001":            "ws://:9001",
		" 9001 ":          "ws://:9001",
		"0":               "ws://:0",
		":9001":           "ws://:9001",
		"127.0.0.1:9001":  "ws://127.0.0.1:9001",
		"[::1]:9001":      "ws://[::1]:9001",
		"minitel.fr:9001": "ws://minitel.fr:9001",
	} {
		if got, err := ListenPort("ws", text); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "+1", "-1", "http", "65536", "::1:9001", "[::g]:1", "[::1]", "ws://:90", "a/b:9001", "1.2.3.4:x", "x@y:9001"} {
		want := fmt.Sprintf("%q is not a port (write 9001, 127.0.0.1:9001 or [::1]:9001)", text)
		if got, err := ListenPort("ws", text); got != "" || fmt.Sprint(err) != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestSubprotocols(t *testing.T) {
	for text, want := range map[string][]string{
		"":                    nil,
		"[]":                  nil,
		`[""]`:                nil,
		`["binary","tty"]`:    {"binary", "tty"},
		`[ "binary", 'tty' ]`: {"binary", "tty"},
		`[binary,tty]`:        {"binary", "tty"},
		"binary,tty":          {"binary", "tty"},
		"tty":                 {"tty"},
		`"tty",`:              {"tty"},
	} {
		got, err := Subprotocols(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		`["binary"`:         `"[\"binary\"" has no end (write ["binary","tty"])`,
		`["a b"]`:           `"a b" is not a subprotocol (write it in ASCII without blanks, as in "tty")`,
		`"`:                 `"\"" is not a subprotocol (write it in ASCII without blanks, as in "tty")`,
		"tty]":              `"tty]" is not a subprotocol (write it in ASCII without blanks, as in "tty")`,
		"é":                 `"é" is not a subprotocol (write it in ASCII without blanks, as in "tty")`,
		"tty,tty":           `"tty" is there twice (offer it once)`,
		"a,b,c,d,e,f,g,h":   "<nil>",
		"1,2,3,4,5,6,7,8,9": "9 are too many (offer 8 at most)",
	} {
		if got, err := Subprotocols(text); fmt.Sprint(err) != want || (got == nil) != (err != nil) {
			t.Errorf("%q: %q, %v, want %s", text, got, err, want)
		}
	}
}

func TestInterval(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "None": 0, "none": 0, "NONE": 0, "0": 0, " 10 ": 10 * time.Second,
		"86400": 24 * time.Hour, "10s": 10 * time.Second, "100ms": 100 * time.Millisecond, "1m30s": 90 * time.Second,
	} {
		if got, err := Interval(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"86401", "-1s", "5ms", "99ms", "25h", "-1", "1.5", "often", "99999999999"} {
		want := fmt.Sprintf("%q is not an interval (write None, seconds from 0 to 86400, or 10s)", text)
		if got, err := Interval(text); fmt.Sprint(err) != want || got != 0 {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func FuzzFlags(f *testing.F) {
	f.Add("9001")
	f.Add("[::1]:9001")
	f.Add(`["binary","tty"]`)
	f.Add("None")
	f.Fuzz(func(t *testing.T, text string) {
		if uri, err := ListenPort("telnet", text); err == nil {
			if _, err := downstream.ParseAddress(uri); err != nil {
				t.Errorf("%q makes %q: %v", text, uri, err)
			}
		}
		if names, err := Subprotocols(text); err == nil && checkSubprotocols(names) != nil {
			t.Errorf("%q makes %q", text, names)
		}
		if d, err := Interval(text); err == nil && (d < 0 || d > maxPing) {
			t.Errorf("%q makes %v", text, d)
		}
	})
}
