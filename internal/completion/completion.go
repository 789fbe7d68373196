// Package completion finishes command lines for shells, by the flags and commands
// that kong knows. The scripts for the shells ask the program itself, and so know as
// much as it does.
package completion

import (
	"embed"
	"strings"

	"github.com/alecthomas/kong"
)

//go:embed moip.bash moip.zsh moip.fish
var scripts embed.FS

// Script returns what makes a shell, one of bash, zsh and fish, ask the program.
func Script(shell string) (string, error) {
	script, err := scripts.ReadFile("moip." + shell)
	return string(script), err
}

// A Candidate is what a word may become.
type Candidate struct{ Word, Help string }

// Candidates returns what the last of the words of a command line, without the
// program's name, may become. If nothing, it may be the name of a file.
func Candidates(app *kong.Application, words []string) []Candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	last := len(words) - 1
	c := cursor{node: app.Node}
	for _, word := range words[:last] {
		c.pass(word)
	}
	return c.finish(words[last])
}

// A cursor is how far a command line has been read.
type cursor struct {
	node  *kong.Node
	value *kong.Value // that the flag before waits for, or nil
	given int         // arguments
}

func (c *cursor) pass(word string) {
	switch {
	case word == "=": // where bash divides --flag=value
	case c.value != nil:
		c.value = nil
	case strings.HasPrefix(word, "-"):
		c.value = c.waits(word)
	default:
		for _, child := range c.node.Children {
			if child.Name == word {
				c.node, c.given = child, 0
				return
			}
		}
		c.given++
	}
}

// waits returns the value that a flag takes from the next word, or nil.
func (c *cursor) waits(word string) *kong.Value {
	for _, f := range c.flags() {
		if (word == "--"+f.Name || word == "-"+string(f.Short)) && !f.IsBool() && !f.IsCounter() {
			return f.Value
		}
	}
	return nil
}

// flags returns those that may stand here. Of a program with a default command,
// they are also that command's.
func (c *cursor) flags() (all []*kong.Flag) {
	for _, some := range c.node.AllFlags(true) {
		all = append(all, some...)
	}
	if c.node.DefaultCmd != nil {
		all = append(all, c.node.DefaultCmd.Flags...)
	}
	return all
}

func (c *cursor) finish(word string) (all []Candidate) {
	offer := func(s, help string) {
		if strings.HasPrefix(s, word) {
			all = append(all, Candidate{s, help})
		}
	}
	name, _, valued := strings.Cut(word, "=")
	switch {
	case word == "=":
		return c.finish("")
	case c.value != nil:
		offerValues(c.value, "", offer)
	case valued && strings.HasPrefix(name, "--"):
		if v := c.waits(name); v != nil {
			offerValues(v, name+"=", offer)
		}
	case strings.HasPrefix(word, "-"):
		for _, f := range c.flags() {
			offer("--"+f.Name, f.Help)
		}
	default:
		for _, child := range c.node.Children {
			if !child.Hidden {
				offer(child.Name, child.Help)
			}
		}
		if c.given < len(c.node.Positional) {
			offerValues(c.node.Positional[c.given], "", offer)
		}
	}
	return all
}

// offerValues offers the values that v may have, if they are few.
func offerValues(v *kong.Value, prefix string, offer func(s, help string)) {
	if v.Enum == "" {
		return
	}
	for _, s := range v.EnumSlice() {
		offer(prefix+s, "")
	}
}
