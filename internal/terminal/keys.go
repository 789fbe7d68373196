package terminal

import (
	"slices"

	"github.com/gdamore/tcell/v3"

	"moip/videotex"
)

// A key is one of the Minitel's function keys and where it is on the keyboard.
// The Ctrl letters are those that terminals and tmux let through.
type key struct {
	name     string
	function byte
	tele     string // what it sends in Téléinformatique instead
	at       []tcell.Key
	crib     string // where, as the user is told
	short    string // the same where there is little room
}

// keys are the function keys, first those to be told first.
var keys = []key{
	{"Envoi", videotex.Envoi, "\x1bOM", []tcell.Key{tcell.KeyEnter, tcell.KeyF8, tcell.KeyCtrlE}, "Entrée F8 ^E", "Entrée"},
	{"Guide", videotex.Guide, "\x1bOm", []tcell.Key{tcell.KeyF1, tcell.KeyCtrlG}, "F1 ^G", "F1"},
	{"Sommaire", videotex.Sommaire, "\x1bOP", []tcell.Key{tcell.KeyF2, tcell.KeyHome, tcell.KeyCtrlO}, "F2 Début ^O", "F2"},
	{"Suite", videotex.Suite, "\x1bOn", []tcell.Key{tcell.KeyF7, tcell.KeyPgDn, tcell.KeyCtrlN}, "F7 PgSuiv ^N", "F7"},
	{"Retour", videotex.Retour, "\x1bOR", []tcell.Key{tcell.KeyF6, tcell.KeyPgUp, tcell.KeyCtrlP}, "F6 PgPréc ^P", "F6"},
	{"Correction", videotex.Correction, "\x1bOl", []tcell.Key{tcell.KeyF4, tcell.KeyBackspace}, "F4 Retour arr.", "F4"},
	{"Annulation", videotex.Annulation, "\x1bOQ", []tcell.Key{tcell.KeyF3, tcell.KeyDelete, tcell.KeyCtrlU}, "F3 Suppr ^U", "F3"},
	{"Répétition", videotex.Repetition, "\x1bOS", []tcell.Key{tcell.KeyF5, tcell.KeyCtrlR}, "F5 ^R", "F5"},
	{"Connexion/Fin", videotex.ConnexionFin, "\x1b\x294\r", []tcell.Key{tcell.KeyF9, tcell.KeyCtrlF}, "F9 ^F", "F9"},
}

// leaving is the key that is not the Minitel's.
var leaving = key{name: "Quitter", at: []tcell.Key{tcell.KeyF10, tcell.KeyCtrlQ, tcell.KeyCtrlC}, crib: "F10 ^Q ^C", short: "F10"}

// arrows are sent in 80 columns. In 40, only a keyboard that is told to sends
// them.
var arrows = map[tcell.Key]string{
	tcell.KeyUp: "\x1b[A", tcell.KeyDown: "\x1b[B", tcell.KeyRight: "\x1b[C", tcell.KeyLeft: "\x1b[D",
}

// plain are keys that send themselves in Téléinformatique: Enter there is not
// Envoi.
var plain = map[tcell.Key]string{
	tcell.KeyEnter: "\r", tcell.KeyBackspace: "\b", tcell.KeyTab: "\t", tcell.KeyEscape: "\x1b",
}

// pressed returns what a Minitel that follows the standard m sends for a key, nil if
// it has no such key. It reports leave if the user wants no more of it.
func pressed(ev *tcell.EventKey, m videotex.Mode) (sent []byte, leave bool) {
	k := ev.Key()
	if slices.Contains(leaving.at, k) {
		return nil, true
	}
	if k == tcell.KeyRune {
		return character(ev), false
	}
	if arrow, ok := arrows[k]; ok && m != videotex.Videotex {
		return []byte(arrow), false
	}
	if p, ok := plain[k]; ok && m == videotex.Teleinformatique {
		return []byte(p), false
	}
	for _, f := range keys {
		switch {
		case !slices.Contains(f.at, k):
		case m == videotex.Teleinformatique:
			return []byte(f.tele), false
		default:
			return []byte{videotex.SEP, f.function}, false
		}
	}
	return nil, false
}

// character returns what a typed character sends: itself, or SS2 and its accent
// and letter.
func character(ev *tcell.EventKey) []byte {
	text := ev.Str()
	if ev.Modifiers()&^tcell.ModShift != 0 {
		return nil
	}
	if text == "<" {
		text = "<<>"
	}
	sent, err := videotex.Keys(text)
	if err != nil {
		return nil
	}
	return sent
}
