package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"moip/internal/session"
	"moip/internal/tariff"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const services = `
[[service]]
code = "teaser"
aliases = ["3614  Teaser", "*TEA-1"]
title = "Le Teaser, café & cœur à 0 F"
category = "Messageries"
description = "On y cause.\nTout l'été !"
palier = "3614"
data = "query"
probe = "1h"
visit = "30m"
unverified = true
url = "ws://minitel.3614teaser.fr:8080/ws"
ping = "10s"
subprotocols = ["binary", "tty"]
frames = "text"
fin = 59
dial_timeout = "3s"
origin = "https://3614teaser.fr"
ca = "teaser.pem"
start = "A<Envoi>"
echo = true
case = "upper"
real_ip = "x-forwarded-for"

[[service]]
code = "3611"
url = "ws://3611.re/ws"
fin = "close"
data = "none"
probe = "none"
tariff = { connection = 0.12, minute = "0,74", free = "3m", currency = "€" }

[[service]]
code = "3615.zboub"
url = "tcp://abasty-retro.fr:1967"
`

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "services.toml")
	if err := os.WriteFile(path, []byte(services), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	p3614, _ := tariff.Palier("36 14")
	want := []Service{
		{
			Title:       "Le Teaser, café & cœur à 0 F",
			Category:    "Messageries",
			Description: "On y cause.\nTout l'été !",
			Aliases:     []string{"3614 TEASER", "*TEA-1"},
			Tariff:      p3614,
			Data:        DataQuery,
			Probe:       Probe(time.Hour),
			Unverified:  true,
			Route: session.Route{
				Name:         "TEASER",
				URL:          "ws://minitel.3614teaser.fr:8080/ws",
				Ping:         10 * time.Second,
				Subprotocols: []string{"binary", "tty"},
				Frames:       session.FramesText,
				Fin:          session.FinModem,
				DialTimeout:  3 * time.Second,
				Origin:       "https://3614teaser.fr",
				CA:           filepath.Join(filepath.Dir(path), "teaser.pem"),
				Start:        "A\x13A",
				Echo:         true,
				Case:         session.CaseUpper,
				Visit:        30 * time.Minute,
				RealIP:       session.RealIPForwardedFor,
			},
		},
		{
			Title: "3611", Category: "Divers", Probe: ProbeNever,
			Tariff: tariff.Tariff{Connection: 1200, Minute: 7400, Free: 3 * time.Minute, Currency: "€"},
			Route:  session.Route{Name: "3611", URL: "ws://3611.re/ws", Fin: session.FinClose},
		},
		{
			Title: "3615.ZBOUB", Category: "Divers", Tariff: tariff.Tariff{Currency: "F"},
			Route: session.Route{Name: "3615.ZBOUB", URL: "tcp://abasty-retro.fr:1967"},
		},
	}
	for i := range want {
		want[i].Author = session.AuthorOwner
	}
	if diff := cmp.Diff(want, d.Services()); diff != "" {
		t.Error(diff)
	}
}

func TestLoadWithoutFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "services.toml")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path+": ") {
		t.Error(err)
	}
}

func TestLookup(t *testing.T) {
	d, err := Parse("services.toml", []byte(services))
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]string{
		"TEASER":             "TEASER",
		"teaser":             "TEASER",
		"  Teaser ":          "TEASER",
		"3614 teaser":        "TEASER",
		"3614   teaser":      "TEASER",
		"*tea-1":             "TEASER",
		"3611":               "3611",
		"3615.zboub":         "3615.ZBOUB",
		"":                   "",
		" ":                  "",
		"361":                "",
		"3614teaser":         "TEASER",
		"3615 teaser":        "TEASER",
		"36 15 teaser":       "TEASER",
		"3615  *tea-1":       "TEASER",
		"3615 3611":          "3611",
		"3615 3615.zboub":    "3615.ZBOUB",
		"3615 3615 teaser":   "",
		"3515 teaser":        "",
		"361 teaser":         "",
		"3615":               "",
		"3615 ":              "",
		"3615*zboub":         "",
		"\x13A":              "",
		"é":                  "",
		"3611\xff":           "",
		"3611" + blanks(77):  "",
		"3611" + blanks(76):  "3611",
		blanks(1<<20) + "36": "",
	} {
		s, ok := d.Lookup(code)
		if s.Name != want || ok != (want != "") {
			t.Errorf("%.40q: %q, %v, want %q", code, s.Name, ok, want)
		}
	}
}

func blanks(n int) string { return strings.Repeat(" ", n) }

func TestZeroDirectory(t *testing.T) {
	var d Directory
	if s, ok := d.Lookup("3611"); ok {
		t.Errorf("found %v", s)
	}
	if n := len(d.Services()) + len(d.In("")) + len(d.In("Divers")) + len(d.Categories()) + len(d.Imports()) + len(d.Near("A")); n != 0 {
		t.Errorf("%d of something", n)
	}
}

func TestCategories(t *testing.T) {
	var text strings.Builder
	for i, category := range []string{"Zoo", "œuvres", "Jeux", "Économie", "éducation", "", "ECONOMIE", "Été", "jeux  ", "Eau"} {
		fmt.Fprintf(&text, "[[service]]\ncode = 'S%d'\nurl = 'ws://x'\ncategory = '%s'\n", 9-i, category)
	}
	d, err := Parse("services.toml", []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Divers", "Eau", "Économie", "éducation", "Été", "Jeux", "œuvres", "Zoo"}
	if diff := cmp.Diff(want, d.Categories()); diff != "" {
		t.Error(diff)
	}
	for category, want := range map[string]string{
		"":         "S0 S1 S2 S3 S4 S5 S6 S7 S8 S9",
		"Jeux":     "S1 S7",
		"économie": "S3 S6",
		"Divers":   "S4",
		"Œuvres":   "S8",
		"Jeu":      "",
		"\xff":     "",
	} {
		var codes []string
		for _, s := range d.In(category) {
			codes = append(codes, s.Name)
		}
		if got := strings.Join(codes, " "); got != want {
			t.Errorf("%q: %s, want %s", category, got, want)
		}
	}
	if first := d.Services()[0].Name; first != "S9" {
		t.Errorf("%s is the first of the file", first)
	}
}
