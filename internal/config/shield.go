package config

import (
	"time"

	"moip/internal/policy/shield"
)

// Shield says from when on a gateway slows and bans those who call as scanners do. It
// never does so to whom Bans.Never has.
type Shield struct {
	// Mode is "on", "observe" for a gateway that only logs and counts whom it would slow
	// or ban, or "off". Default on.
	Mode shield.Mode `toml:"mode"`

	// HalfLife is the time in which a score is halved, 1m to 168h. Default 1h.
	HalfLife Duration `toml:"half_life"`

	// SlowAt is the score from which on the callers of an address, or of a /64 of IPv6,
	// wait 1 to 4 seconds before they are answered, 25 to 1000000. Default 50.
	SlowAt int `toml:"slow_at"`

	// BanAt is the score at which they are banned, for 10 minutes the first time and for
	// 7 days at the most: more than SlowAt, up to 1000000. Default 100.
	BanAt int `toml:"ban_at"`

	// File is where it is kept how often whom was banned, relative to the working
	// directory, or "none". Default shield.json.
	File string `toml:"file"`
}

func defaultShield() Shield {
	return Shield{Mode: shield.On, HalfLife: Duration(time.Hour), SlowAt: 50, BanAt: 100, File: "shield.json"}
}

// Rules returns what may change while the gateway runs.
func (s Shield) Rules() shield.Rules {
	return shield.Rules{Mode: s.Mode, HalfLife: time.Duration(s.HalfLife), SlowAt: float64(s.SlowAt), BanAt: float64(s.BanAt)}
}

// Memory returns the file, "" if there is none.
func (s Shield) Memory() string {
	if s.File == "none" {
		return ""
	}
	return s.File
}

func (s Shield) check(fault report) {
	const most = 1_000_000
	if err := new(shield.Mode).UnmarshalText([]byte(s.Mode)); err != nil {
		fault("shield.mode", "%v", err)
	}
	if s.HalfLife < Duration(time.Minute) || s.HalfLife > Duration(168*time.Hour) {
		fault("shield.half_life", "%v is out of range (1m to 168h)", s.HalfLife)
	}
	if s.SlowAt < shield.MinSlow || s.SlowAt > most {
		fault("shield.slow_at", "%d is out of range (%d to %d)", s.SlowAt, shield.MinSlow, most)
	}
	if s.BanAt <= s.SlowAt || s.BanAt > most {
		fault("shield.ban_at", "%d is out of range (more than slow_at, which is %d, to %d)", s.BanAt, s.SlowAt, most)
	}
	if s.File == "" {
		fault("shield.file", `must name a file (or be "none")`)
	}
}
