package config

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"moip/internal/session"
)

// A Duration is a time span as people write it: 10m, 90s, 1h30m; 0 and none are
// the same. It is never negative.
type Duration time.Duration

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if strings.EqualFold(s, "none") {
		s = "0"
	}
	span, err := time.ParseDuration(s)
	if err != nil || span < 0 {
		return fmt.Errorf("%.60q is not a duration (write 10m, 90s, or 0 for none)", text)
	}
	*d = Duration(span)
	return nil
}

// String returns the shortest form that UnmarshalText reads: 10m, not 10m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// within reports whether d is none, or from 100ms to most: less is a slip, "5ms"
// for "5m".
func (d Duration) within(most time.Duration) bool {
	span := time.Duration(d)
	return span == 0 || 100*time.Millisecond <= span && span <= most
}

func (d Duration) check(fault report, key string, most time.Duration) {
	if !d.within(most) {
		fault(key, "%v is out of range (100ms to %v, or 0 for none)", d, Duration(most))
	}
}

// A Level is the least that is logged: debug, info, warn or error.
type Level slog.Level

// UnmarshalText reads a level.
func (l *Level) UnmarshalText(text []byte) error {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, string(text)) {
		return fmt.Errorf("%.60q is unknown (use debug, info, warn or error)", text)
	}
	return (*slog.Level)(l).UnmarshalText(text)
}

// Level makes a Level a slog.Leveler.
func (l Level) Level() slog.Level { return slog.Level(l) }

// Frames is session.Frames as files write it: auto, text or binary; nothing is
// auto.
type Frames string

func (f Frames) session() session.Frames {
	if f == "auto" {
		return session.FramesAuto
	}
	return session.Frames(f)
}

// Fin is session.Fin as files write it: 49, 59 or close; nothing is 49.
type Fin string

// UnmarshalText reads a number, as one may write it without quotes.
func (f *Fin) UnmarshalText(text []byte) error {
	*f = Fin(text)
	return nil
}

func (f Fin) session() session.Fin {
	if f == "49" {
		return session.FinKey
	}
	return session.Fin(f)
}

// Case is session.Case as files write it: typed, upper or lower; nothing is
// typed.
type Case string

func (c Case) session() session.Case {
	if c == "typed" {
		return session.CaseTyped
	}
	return session.Case(c)
}

// RealIP is session.RealIP as files write it: none, x-forwarded-for, forwarded, proxy-v1,
// proxy for the same, proxy-v2 or send-location; nothing is none.
type RealIP string

func (r RealIP) session() session.RealIP {
	switch r {
	case "none":
		return session.RealIPNone
	case "proxy":
		return session.RealIPProxy
	}
	return session.RealIP(r)
}
