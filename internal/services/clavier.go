package services

import (
	"fmt"
	"slices"

	"moip/minitel"
	"moip/videotex"
)

// A clavier shows keys, and what the terminal answers, as they arrive. Nothing
// scrolls: a new line goes below the last, from the bottom back to the top, and
// a blank one after it tells where the newest is.
type clavier struct {
	row  int  // of the last line
	last bool // the key before was Sommaire, which leaves when pressed twice
}

const (
	firstHeard = 7
	lastHeard  = 21
	perLine    = 6 // bytes
)

func (c *clavier) Draw(t *minitel.Terminal) {
	title(t, videotex.Cyan, "CLAVIER", "ce que reçoit un service")
	t.At(5, 2).Attr(videotex.Yellow).Text("Touche ou réponse")
	t.At(5, 23).Attr(videotex.Yellow).Text("Octets")
	t.At(22, 1).Attr(videotex.Cyan).Repeat('`', 40)
	keys(t, "Guide", "interroger", "Sommaire 2 fois", "fin")
	c.row = firstHeard - 1
	if t.Identity() == [3]byte{} {
		t.Identify()
	}
	c.Notice(t)
}

// Notice shows who the terminal is, once it has told.
func (c *clavier) Notice(t *minitel.Terminal) {
	if name := videotex.TerminalName(t.Identity()); name != "" {
		t.Line(23, 2, "C'est un "+fit(name, 28))
	}
}

// Hear shows a key or an answer.
func (c *clavier) Hear(t *minitel.Terminal, sequence []byte) {
	if n := len(sequence) - perLine*(lastHeard-firstHeard); n > 0 {
		sequence = sequence[n:] // a paste; what comes before would not stay
	}
	name := nameOf(sequence)
	for part := range slices.Chunk(sequence, perLine) {
		if name == "" && part[0] >= 0x20 {
			c.line(t, `"`+string(part)+`"`, part)
		} else {
			c.line(t, name, part)
		}
	}
}

func (c *clavier) line(t *minitel.Terminal, name string, part []byte) {
	c.row = below(c.row, firstHeard, lastHeard)
	t.At(c.row, 2).Text(fit(name, 20)).Attr(videotex.Green).Text(fmt.Sprintf(" %-17s", fmt.Sprintf("% X", part)))
	t.Line(below(c.row, firstHeard, lastHeard), 2, "")
}

// questions are what a terminal has an answer to: who are you (ENQROM, STUM
// 1B 7-6), where is the cursor, how are the terminal, its functions, the socket's speed, the
// protocol and the keyboard.
const questions = "\x1b\x39\x7B\x1b\x61\x1b\x39\x70\x1b\x39\x72\x1b\x39\x74\x1b\x39\x76\x1b\x3A\x72\x59"

func (c *clavier) Key(t *minitel.Terminal, k minitel.Key) {
	twice := c.last && k == minitel.Sommaire
	c.last = k == minitel.Sommaire
	switch {
	case twice, k == minitel.ConnexionFin:
		t.Hangup()
	case k == minitel.Guide:
		t.Write([]byte(questions))
	}
}

// answers are the names of what terminals answer.
var answers = map[videotex.Answer]string{
	videotex.Identity:    "Identification",
	videotex.RAM:         "Mémoire",
	videotex.Cursor:      "Position du curseur",
	videotex.Routing:     "État des aiguillages",
	videotex.Terminal:    "État du terminal",
	videotex.Functions:   "État des fonctions",
	videotex.Speed:       "Vitesse de la prise",
	videotex.Protocol:    "État du protocole",
	videotex.ToTele:      "Téléinformatique",
	videotex.Transparent: "Transparence",
	videotex.Copied:      "Copie d'écran",
	videotex.WasReset:    "Réinitialisé",
	videotex.NowMixte:    "Mode Mixte",
	videotex.NowVideotex: "Mode Vidéotex",
}

// arrows are the keys of an extended keyboard, in both its forms.
var arrows = map[string]string{
	"\x1b[A": "Flèche haut", "\x1b[B": "Flèche bas", "\x1b[C": "Flèche droite", "\x1b[D": "Flèche gauche",
	"\x0B": "Flèche haut", "\n": "Flèche bas", "\t": "Flèche droite", "\b": "Flèche gauche",
}

// nameOf returns the French name of a key or an answer, empty for plain
// characters.
func nameOf(s []byte) string {
	if name := videotex.KeyName(s); name != "" {
		return name
	}
	if name := arrows[string(s)]; name != "" {
		return name
	}
	if a := videotex.AnswerOf(s); a != 0 {
		if a == videotex.Functions && len(s) == 5 {
			return "État du clavier"
		}
		return answers[a]
	}
	switch r := videotex.Decode(s); {
	case r != 0 && len(s) > 1:
		return `"` + string(r) + `"`
	case s[0] < 0x20:
		return "?"
	}
	return ""
}
