package videotex

import (
	"bytes"
	"strings"
	"testing"
)

func TestKeysOfText(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "",
		"GUEST<Envoi>":        "GUEST\x13A",
		"<SUITE><répétition>": "\x13H\x13C",
		"<Retour><Guide><Annulation><Sommaire><Correction>": "\x13B\x13D\x13E\x13F\x13G",
		"<Repetition><Fin><Connexion/Fin>":                  "\x13C\x13I\x13I",
		"à l'été°<CR>":                                      "\x19Aa l'\x19Bet\x19Be\x190\r",
		"ÉTÉ… «€»":                                          "ETE... \"EUR\"",
		"a<<>b>c<esc>[A":                                    "a<b>c\x1b[A",
		"~^|{}`?\\":                                         "~^|{}`?\\",
	} {
		if got, err := Keys(text); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
	const all = " (there are <Envoi> <Retour> <Répétition> <Repetition> <Guide> <Annulation> <Sommaire> <Correction> <Suite> <Connexion/Fin> <Fin> <CR> <ESC> <<>)"
	for text, want := range map[string]string{
		"a<Envoi":          `"<Envoi" has no end (write <Envoi>, and <<> for the character <)`,
		"a<":               `"<" has no end (write <Envoi>, and <<> for the character <)`,
		"<>":               `there is no key ""` + all,
		"a<b<Envoi>":       `there is no key "b<Envoi"` + all,
		"<Home><日>":        `there is no key "Home"` + all,
		"日本":               "there is no key for '日'",
		"a\rb":             `there is no key for '\r'`,
		"\x7f":             `there is no key for '\x7f'`,
		"\xff":             "there is no key for '\uFFFD'",
		"<\xff\x1b>":       `there is no key "\xff\x1b"` + all,
		"e\u0301<Envoi>":   "there is no key for '\u0301'",
		"<Envoi>\x13A\x1b": `there is no key for '\x13'`,
	} {
		if got, err := Keys(text); got != nil || err == nil || err.Error() != want {
			t.Errorf("%q: %q, %v, want %s", text, got, err, want)
		}
	}
}

func TestKeyName(t *testing.T) {
	for key, want := range map[string]string{
		"": "", "a": "", "<": "", "12": "", "\x19Be": "", "\x1b[A": "", "\x13S": "", "\x13": "",
		"\x13A": "Envoi", "\x13C": "Répétition", "\x13I": "Connexion/Fin", "\x13Y": "Connexion/Fin",
		"\x1b\x29\x34\r": "Connexion/Fin", "\r": "CR", "\x1b": "ESC",
	} {
		if got := KeyName([]byte(key)); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
}

// FuzzTyped checks that what text types is whole keys, and that those which have
// a name can be typed by it.
func FuzzTyped(f *testing.F) {
	f.Add("GUEST<Envoi>")
	f.Add("<<><CR>été<Connexion/Fin>")
	f.Add("<<<>><")
	f.Fuzz(func(t *testing.T, text string) {
		typed, err := Keys(text)
		if err != nil {
			if typed != nil {
				t.Errorf("%q: %q and %v", text, typed, err)
			}
			return
		}
		var r KeyReader
		for key, rest := r.Next(typed); key != nil; key, rest = r.Next(rest) {
			name := KeyName(key)
			if name == "" {
				continue
			}
			if again, err := Keys("<" + name + ">"); err != nil || !bytes.Equal(again, key) {
				t.Errorf("%s: %q, %v, want %q", name, again, err, key)
			}
		}
		if held := r.Held(); len(held) > 0 && !strings.Contains(strings.ToUpper(text), "<ESC>") {
			t.Errorf("%q types %q, and half a key, %q", text, typed, held)
		}
	})
}
