package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"moip/internal/control/admin"
)

// gives writes another certificate.
func (s *soak) gives() {
	s.ca.Give(s.T, filepath.Join(s.dir, "cert.pem"), filepath.Join(s.dir, "key.pem"), 24*time.Hour, "localhost", "127.0.0.1")
}

// writesDirectories writes two directories with the same services, and one that is wrong.
func (s *soak) writesDirectories() {
	bank := opensBank(s.T)
	text := `
[[service]]
code = "SALON"
url = "builtin:salon"
[[service]]
code = "ECHO"
url = "builtin:echo"
[[service]]
code = "BANQUE"
title = "Vos comptes, jour et nuit"
url = "tcp://` + bank + `"
probe = "none"
tariff = { connection = 0.12, minute = 97.2 }
[[service]]
code = "ULLA"
title = "La messagerie de tous"
url = "tcp://` + bank + `"
probe = "none"
tariff = { minute = 131.4, free = "1s", currency = "EUR" }
`
	for code, url := range s.hub.others {
		text += fmt.Sprintf("[[service]]\ncode = %q\nurl = %q\nprobe = \"none\"\n", code, url)
	}
	for n := range 18 { // for the directory to have four pages
		text += fmt.Sprintf("[[service]]\ncode = \"DIVERS%d\"\nurl = \"tcp://127.0.0.1:1\"\nprobe = \"none\"\n", n)
	}
	writes(s.T, filepath.Join(s.dir, "un.toml"), text)
	writes(s.T, filepath.Join(s.dir, "deux.toml"), text)
	writes(s.T, filepath.Join(s.dir, "wrong.toml"), "[[service]]\ncode = \"\"\n")
	for _, name := range []string{"pages1", "pages2"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o700); err != nil {
			s.Fatal(err)
		}
	}
}

func (s *soak) writes(c turn) {
	text := c.file("log = \"none\"\nadmin = \"127.0.0.1:0\"\n")
	if err := os.WriteFile(filepath.Join(s.dir, "moip.toml"), []byte(text), 0o600); err != nil {
		s.Error(err)
	}
}

// mostRecorded is how many MiB of recordings are kept.
const mostRecorded = 16

// idle is the limit that those who vanish wait for, and that those who look at pages at
// 1200 bit/s may not come to. It changes between rounds: whoever waits has it anew.
func (s *soak) idle() time.Duration {
	if *soakFor < time.Minute {
		return 10 * time.Second
	}
	return 15*time.Second + time.Duration(s.round%2)*time.Second
}

// turn is a configuration that is good: all that can be reloaded changes in it, within what
// callers do not notice.
func (s *soak) turn(random *rand.Rand) turn {
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	listen := ""
	for i, scheme := range schemes {
		listen += fmt.Sprintf("%q, ", scheme+"://"+s.free[i]+pick("", "", "?record=asked"))
	}
	listen += pick("", "", `"tcp://127.0.0.2:0", `, `"ws://127.0.0.2:0?speed=1200", `)
	settings := map[string]string{
		"listen":            "[" + listen + "]",
		"log_level":         pick(`"info"`, `"warn"`),
		"admin_hosts":       pick(`[]`, `["hub.example"]`),
		"tls.cert":          `["cert.pem"]`,
		"tls.key":           `["key.pem"]`,
		"tls.client_auth":   pick(`"required"`, `"optional"`),
		"redirect.allow":    pick(`["*"]`, `["local", "directory"]`),
		"redirect.deny":     pick(`[]`, `["192.0.2.0/24", "*:25"]`),
		"proxies.trust":     pick(`["192.0.2.1"]`, `["192.0.2.1", "198.51.100.0/24"]`),
		"proxies.header":    pick(`"x-forwarded-for"`, `"forwarded"`, `"x-real-ip"`),
		"bans.never":        pick(`[]`, `["192.0.2.0/24"]`),
		"shield.mode":       pick(`"on"`, `"on"`, `"observe"`, `"off"`),
		"shield.half_life":  pick(`"1h"`, `"10m"`),
		"shield.slow_at":    pick("50", "60"),
		"shield.ban_at":     pick("100", "200"),
		"recordings.folder": `"kept"`,
		"recordings.calls":  pick(`"asked"`, `"asked"`, `"none"`),
		"recordings.keys":   pick(`"shown"`, `"all"`, `"none"`),
		"recordings.keep":   pick(`"720h"`, `"2h"`),
		"recordings.size":   pick(fmt.Sprint(mostRecorded/2), fmt.Sprint(mostRecorded)),

		"recordings.file_size":       pick("1", "2"),
		"limits.idle":                fmt.Sprintf("%q", s.idle()),
		"limits.visit":               pick(`"1h"`, `"0"`, `"30m"`),
		"limits.call":                pick(`"2h"`, `"1h"`, `"0"`),
		"limits.dial":                pick(`"10s"`, `"30s"`),
		"limits.wait":                pick(`"5m"`, `"1m"`),
		"limits.stall":               pick(`"4s"`, `"5s"`),
		"limits.drain":               pick(`"2s"`, `"1s"`),
		"limits.ping":                pick(`"2s"`, `"3s"`),
		"limits.max_calls":           pick(`"auto"`, "3000"),
		"limits.household_calls":     pick("100", "80"),
		"limits.network_calls":       pick("400", "1000"),
		"limits.new_calls":           pick("200", "300"),
		"limits.household_new_calls": pick("20", "30"),
		"limits.arriving":            pick(`"auto"`, "2000"),
		"limits.household_arriving":  pick("100", "50"),
		"limits.keys":                pick("500", "1000"),
	}
	if s.inside {
		settings["directory"] = pick(`"un.toml"`, `"deux.toml"`)
		settings["pages"] = pick(`"pages1"`, `"pages2"`)
		settings["portal.record"] = pick("false", "false", "true")
		return turn{settings: settings}
	}
	portal := pick(s.hub.portal, strings.Replace(s.hub.portal, "127.0.0.1", "localhost", 1))
	for key, value := range map[string]string{
		"link":                fmt.Sprintf("%q", s.hub.link),
		"portal.url":          fmt.Sprintf("%q", portal),
		"redirect.allow":      `["*"]`, // the directory comes and goes with an upgrade
		"portal.fin":          pick(`"49"`, `"59"`),
		"portal.dial_timeout": pick(`"5s"`, `"9s"`),
		"portal.ping":         pick(`"0"`, `"1s"`, `"10s"`),
		"portal.subprotocols": pick(`[]`, `["tty"]`, `["binary", "tty"]`),
		"portal.frames":       pick(`"auto"`, `"text"`, `"binary"`),
		"portal.origin":       pick(`""`, fmt.Sprintf("%q", "http"+strings.TrimSuffix(strings.TrimPrefix(portal, "ws"), "/portal"))),
		"portal.case":         pick(`"typed"`, `"upper"`),
		"portal.real_ip":      pick(`"none"`, `"x-forwarded-for"`, `"forwarded"`),
		"portal.speed":        pick("0", "9600"),
		"portal.record":       pick("false", "false", "true"),
	} {
		settings[key] = value
	}
	return turn{settings: settings}
}

// wrong makes a configuration wrong.
func (s *soak) wrong(c turn, random *rand.Rand) turn {
	all := []turn{
		{map[string]string{"listen": fmt.Sprintf("[%q]", "tcp://"+s.gateway.doors["admin"])}, ""},
		{map[string]string{"limits.idle": `"5ms"`}, "limits.idle: 5ms is out of range"},
		{map[string]string{"limits.idel": `"5m"`}, "unknown key"},
		{map[string]string{"log_level": `loud`}, "(write text in quotes)"},
		{map[string]string{"tls.cert": `["nowhere.pem"]`}, "nowhere.pem"},
		{map[string]string{"redirect.deny": `["127.1"]`}, "redirect.deny"},
		{map[string]string{"bans.never": `["nowhere"]`}, "bans.never"},
	}
	if s.inside {
		all = append(all, turn{map[string]string{"pages": `"nowhere"`}, "pages: "}, turn{map[string]string{"directory": `"wrong.toml"`}, "code"})
	}
	w := all[random.IntN(len(all))]
	for key, value := range w.settings {
		c.settings[key] = value
	}
	c.bad = w.bad
	return c
}

// every does something again and again, until ctx is done.
func every(ctx context.Context, least, most time.Duration, random *rand.Rand, do func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(least + time.Duration(random.Int64N(int64(most-least)))):
			do()
		}
	}
}

// reconfigures has the gateway read good and bad configurations, and new certificates.
func (s *soak) reconfigures(ctx context.Context, random *rand.Rand) {
	every(ctx, time.Second, 3*time.Second, random, func() {
		c, bad := s.turn(random), random.IntN(3) == 0
		if bad {
			c = s.wrong(c, random)
		} else if random.IntN(5) == 0 {
			s.gives()
		}
		s.writes(c)
		var told admin.Reloaded
		err := s.client.Do(context.Background(), "POST", "/reload", nil, &told)
		switch {
		case bad && (err == nil || !strings.Contains(err.Error(), c.bad)):
			s.hub.fault("a wrong configuration, %q, is answered %v", c.bad, err)
		case !bad && err != nil:
			s.hub.fault("a good configuration is not taken: %v", err)
		case !bad && len(told.Left) > 0:
			s.hub.fault("%v is left for an upgrade", told.Left)
		}
		if bad {
			s.reloads[1]++
		} else {
			s.reloads[0]++
		}
	})
}

// loses has the control link cut, again and again.
func (s *soak) loses(ctx context.Context, random *rand.Rand) {
	every(ctx, time.Second, 5*time.Second, random, func() {
		s.hub.loses()
		s.cuts++
	})
}

// restarts has the portal die and come back, twice a minute, or in the middle of a shorter
// round.
func (s *soak) restarts(ctx context.Context, random *rand.Rand, round time.Duration) {
	between := min(30*time.Second, round/2)
	every(ctx, between, between+between/4, random, func() {
		s.hub.restart(time.Duration(100+random.IntN(1000)) * time.Millisecond)
	})
}
