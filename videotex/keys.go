package videotex

import (
	"fmt"
	"strings"
)

// named are the names of keys, and what they send (1-5-3-1-1 for the function
// keys). A key that has two names is called by the first.
var named = []struct{ name, key string }{
	{"Envoi", "\x13\x41"},
	{"Retour", "\x13\x42"},
	{"Répétition", "\x13\x43"},
	{"Repetition", "\x13\x43"},
	{"Guide", "\x13\x44"},
	{"Annulation", "\x13\x45"},
	{"Sommaire", "\x13\x46"},
	{"Correction", "\x13\x47"},
	{"Suite", "\x13\x48"},
	{"Connexion/Fin", "\x13\x49"},
	{"Fin", "\x13\x49"},
	{"CR", "\r"},
	{"ESC", "\x1b"},
	{"<", "<"},
}

// Keys returns what a terminal sends when text is typed on it. Keys that have a
// name stand in angle brackets, and capitals do not matter there: <Envoi>,
// <Retour>, <Répétition> or <Repetition>, <Guide>, <Annulation>, <Sommaire>,
// <Correction>, <Suite>, <Connexion/Fin> or <Fin>, <CR>, <ESC>, and <<> for the
// character <. All else stands for itself: ASCII as it is, the rest as Encode
// has it. The error names what there is no key for.
func Keys(text string) ([]byte, error) {
	var keys []byte
	for {
		characters, rest, more := strings.Cut(text, "<")
		for _, c := range characters {
			key, err := character(c)
			if err != nil {
				return nil, err
			}
			keys = append(keys, key...)
		}
		if !more {
			return keys, nil
		}
		name, rest, closed := strings.Cut(rest, ">")
		if !closed {
			return nil, fmt.Errorf("%.40q has no end (write <Envoi>, and <<> for the character <)", "<"+name)
		}
		key, err := keyNamed(name)
		if err != nil {
			return nil, err
		}
		keys, text = append(keys, key...), rest
	}
}

// character returns what the keys of c send.
func character(c rune) ([]byte, error) {
	if c >= 0x20 && c < 0x7F { // has its key, though not all in 40 columns
		return []byte{byte(c)}, nil
	}
	key := Encode(string(c))
	if string(key) == "?" {
		return nil, fmt.Errorf("there is no key for %q", c)
	}
	return key, nil
}

// keyNamed returns what the key with the given name sends.
func keyNamed(name string) (string, error) {
	var all strings.Builder
	for _, k := range named {
		if strings.EqualFold(k.name, name) {
			return k.key, nil
		}
		all.WriteString(" <" + k.name + ">")
	}
	return "", fmt.Errorf("there is no key %.40q (there are%s)", name, &all)
}

// KeyName returns the name of a whole key, as a KeyReader gives it, in the
// form that Keys reads but without the brackets: "Envoi", "Connexion/Fin". It is
// empty for characters, and for keys without a name.
func KeyName(key []byte) string {
	if IsFin(key) {
		return "Connexion/Fin"
	}
	for _, k := range named {
		if k.key == string(key) && key[0] < 0x20 {
			return k.name
		}
	}
	return ""
}
