package terminal

import (
	"testing"

	"github.com/gdamore/tcell/v3"

	"moip/videotex"
)

// Keys are what terminals send for them.
func TestKey(t *testing.T) {
	screen, term := on(t, 80, 25, 256)
	for _, test := range []struct{ typed, sent, tele string }{ // in 40 columns, in Téléinformatique
		{"\r", "\x13\x41", "\r"}, {"\x1b[19~", "\x13\x41", "\x1bOM"}, {"\x05", "\x13\x41", "\x1bOM"},
		{"\x1b[17~", "\x13\x42", "\x1bOR"}, {"\x1b[5~", "\x13\x42", "\x1bOR"}, {"\x10", "\x13\x42", "\x1bOR"},
		{"\x1b[15~", "\x13\x43", "\x1bOS"}, {"\x12", "\x13\x43", "\x1bOS"},
		{"\x1bOP", "\x13\x44", "\x1bOm"}, {"\x1b[11~", "\x13\x44", "\x1bOm"}, {"\x07", "\x13\x44", "\x1bOm"},
		{"\x1bOR", "\x13\x45", "\x1bOQ"}, {"\x1b[3~", "\x13\x45", "\x1bOQ"}, {"\x15", "\x13\x45", "\x1bOQ"},
		{"\x1bOQ", "\x13\x46", "\x1bOP"}, {"\x1b[H", "\x13\x46", "\x1bOP"}, {"\x0f", "\x13\x46", "\x1bOP"},
		{"\x7f", "\x13\x47", "\b"}, {"\b", "\x13\x47", "\b"}, {"\x1bOS", "\x13\x47", "\x1bOl"},
		{"\x1b[18~", "\x13\x48", "\x1bOn"}, {"\x1b[6~", "\x13\x48", "\x1bOn"}, {"\x0e", "\x13\x48", "\x1bOn"},
		{"\x1b[20~", "\x13\x49", "\x1b)4\r"}, {"\x06", "\x13\x49", "\x1b)4\r"},
		{"a", "a", "a"}, {"A", "A", "A"}, {"<", "<", "<"}, {"~", "~", "~"},
		{"é", "\x19\x42e", "\x19\x42e"}, {"ç", "\x19\x4Bc", "\x19\x4Bc"}, {"£", "\x19\x23", "\x19\x23"}, {"É", "E", "E"}, {"’", "'", "'"},
		{"字", "", ""}, {"\xffb", "b", "b"}, {"\x1bx", "", ""}, {"\x1b[24~", "", ""},
		{"\x1b[A", "", "\x1b[A"}, {"\x1bOD", "", "\x1b[D"},
		{"\x1b[21~", "leave", "leave"}, {"\x11", "leave", "leave"}, {"\x03", "leave", "leave"},
	} {
		term.SendRaw([]byte(test.typed))
		ev := <-screen.EventQ()
		for {
			if _, ok := ev.(*tcell.EventKey); ok {
				break
			}
			ev = <-screen.EventQ()
		}
		mixte := test.sent
		if _, ok := arrows[ev.(*tcell.EventKey).Key()]; ok {
			mixte = test.tele
		}
		for mode, want := range map[videotex.Mode]string{
			videotex.Videotex: test.sent, videotex.Mixte: mixte, videotex.Teleinformatique: test.tele,
		} {
			sent, leave := pressed(ev.(*tcell.EventKey), mode)
			if got := string(sent); got != want && !(leave && want == "leave") {
				t.Errorf("%q in mode %d: %q, want %q", test.typed, mode, got, want)
			}
		}
	}
}

// The answers of the table are whole keys, and have their names.
func TestNames(t *testing.T) {
	for _, k := range keys {
		var reader videotex.KeyReader
		if whole, rest := reader.Next([]byte{videotex.SEP, k.function}); videotex.KeyName(whole) != k.name || len(rest) > 0 {
			t.Errorf("%s is %q", k.name, videotex.KeyName(whole))
		}
		if whole, rest := reader.Next([]byte(k.tele)); string(whole) != k.tele || len(rest) > 0 {
			t.Errorf("%s: %q and %q", k.name, whole, rest)
		}
	}
}
