package recording

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"moip/internal/session"
)

// A Speed is how fast a recording is played. The zero Speed is as fast as it is
// heard.
type Speed struct {
	Factor float64 // so many times as fast as it was, 0 without regard to when it was
	Line   int     // as on a line of so many bit/s, one of session.Speeds; 0 for none
}

// AsItWas plays in the time of the recording.
var AsItWas = Speed{Factor: 1}

// UnmarshalText reads a speed: 2x, 1200 or max.
func (s *Speed) UnmarshalText(text []byte) error {
	word := string(text)
	line, err := strconv.Atoi(word)
	if err == nil && slices.Contains(session.Speeds, line) {
		*s = Speed{Line: line}
		return nil
	}
	if word == "max" {
		*s = Speed{}
		return nil
	}
	number, times := strings.CutSuffix(word, "x")
	factor, err := strconv.ParseFloat(number, 64)
	if !times || err != nil || !(factor >= 0.1 && factor <= 1000) {
		return fmt.Errorf("%.40q is no speed (use 0.1x to 1000x, 300, 1200, 4800, 9600 or max)", word)
	}
	*s = Speed{Factor: factor}
	return nil
}

// after returns when an event is to be played that was so long after the one before.
func (s Speed) after(d time.Duration) time.Duration {
	if s.Factor == 0 {
		return 0
	}
	return time.Duration(float64(d) / s.Factor)
}

// cut bounds what is said at once: on a line, to what it takes in a fifth of a
// second.
func (s Speed) cut() int {
	if s.Line == 0 {
		return 4 << 10
	}
	return s.Line / 10 / 5
}

// lasts returns how long a line is busy with n bytes, of ten bits each.
func (s Speed) lasts(n int) time.Duration {
	if s.Line == 0 {
		return 0
	}
	return time.Duration(n) * 10 * time.Second / time.Duration(s.Line)
}

const scheme = "replay:"

// IsRoute reports whether a URL is that of a recording to be played.
func IsRoute(url string) bool { return strings.HasPrefix(url, scheme) }

// ParseRoute reads a URL, replay:PATH or replay:PATH?speed=SPEED.
func ParseRoute(url string) (path string, s Speed, err error) {
	path, query, has := strings.Cut(strings.TrimPrefix(url, scheme), "?")
	s = AsItWas
	if has {
		word, ok := strings.CutPrefix(query, "speed=")
		if !ok {
			return "", s, fmt.Errorf("?%.40s is unknown (a recording has ?speed=1200, 2x or max)", query)
		}
		err = s.UnmarshalText([]byte(word))
	}
	if path == "" {
		return "", s, fmt.Errorf("names no file (write %scall.cast, or a folder)", scheme)
	}
	return path, s, err
}

// ResolveRoute returns url with its path as resolve has it, if it is that of a
// recording, and as it is if not.
func ResolveRoute(url string, resolve func(path string) string) string {
	if !IsRoute(url) {
		return url
	}
	path, query, has := strings.Cut(strings.TrimPrefix(url, scheme), "?")
	url = scheme + resolve(path)
	if has {
		url += "?" + query
	}
	return url
}
