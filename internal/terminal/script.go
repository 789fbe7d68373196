package terminal

import (
	"fmt"
	"strings"

	"moip/videotex"
)

// Script returns what a Minitel sends when text is typed on it, in parts: before
// each, the one who types waits until the page is still. Keys that have a name
// stand in braces, {Envoi}, or in angle brackets as for videotex.Keys, and
// {Attente} starts another part. {{} is the character {, and <<> the character <.
// The error names what there is no key for.
func Script(text string) (parts [][]byte, err error) {
	var part []byte
	for text != "" {
		keys, name, rest, err := next(text)
		if err != nil {
			return nil, err
		}
		part, text = append(part, keys...), rest
		if strings.EqualFold(name, "Attente") {
			parts, part = append(parts, part), nil
			continue
		}
		if keys, err = named(name); err != nil {
			return nil, err
		}
		part = append(part, keys...)
	}
	if part != nil {
		parts = append(parts, part)
	}
	return parts, nil
}

// next returns the characters up to the first name in brackets, the name, and
// what follows.
func next(text string) (keys []byte, name, rest string, err error) {
	open := strings.IndexAny(text, "{<")
	if open < 0 {
		keys, err = videotex.Keys(text)
		return keys, "", "", err
	}
	if keys, err = videotex.Keys(text[:open]); err != nil {
		return nil, "", "", err
	}
	end := "}"
	if text[open] == '<' {
		end = ">"
	}
	name, rest, closed := strings.Cut(text[open+1:], end)
	if !closed {
		return nil, "", "", fmt.Errorf("%.40q has no end (write {Envoi}, and {{} for the character {)", text[open:])
	}
	if name == "" {
		return nil, "", "", fmt.Errorf("there is no name in %s", text[open:open+2])
	}
	return keys, name, rest, nil
}

// named returns what the key with the given name sends.
func named(name string) ([]byte, error) {
	switch {
	case name == "":
		return nil, nil
	case name == "{":
		return []byte(name), nil
	case strings.ContainsRune(name, '>'):
		return nil, fmt.Errorf("there is no key %.40q", name)
	}
	return videotex.Keys("<" + name + ">")
}
