package yellowpages

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"moip/internal/tariff"
)

const (
	maxLabel = 40  // characters of what callers type or see
	maxText  = 500 // of all else
	maxNames = 20  // of subprotocols
)

// A server is an entry as the file has it.
type server struct {
	Name, Alias, Address, Ping, Subprotocol, Tarif, Cost json.RawMessage

	err error // the first thing that is wrong with it
}

// parseEntry reads an entry. What it returns with an error is only good for
// telling which one it is.
func parseEntry(data []byte) (Entry, error) {
	var s server
	if err := json.Unmarshal(data, &s); err != nil || data[0] != '{' {
		return Entry{}, errors.New("no JSON object")
	}
	e := Entry{
		Name:         s.text("name", s.Name, maxLabel),
		Alias:        s.text("alias", s.Alias, maxLabel),
		Address:      s.text("address", s.Address, maxText),
		Ping:         s.ping(),
		Subprotocols: s.subprotocols(),
		Tarif:        s.text("tarif", s.Tarif, maxLabel),
		Cost:         s.cost(),
	}
	switch {
	case e.Name == "":
		s.fault("there is no name")
	case e.Alias != "": // which PyMoIP asks for first
		e.Address = ""
	case e.Address == "":
		s.fault("there is neither an address nor an alias")
	}
	return e, s.err
}

// fault notes that something is wrong.
func (s *server) fault(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

// text returns the value of key without blanks around it. A number is as good
// as text, and null is nothing.
func (s *server) text(key string, value json.RawMessage, most int) string {
	var text string
	if err := json.Unmarshal(orNull(value), &text); err != nil {
		var number json.Number
		if err := json.Unmarshal(value, &number); err != nil {
			s.fault("%s is neither text nor a number", key)
		}
		text = number.String()
	}
	return s.check(key, strings.TrimSpace(text), most)
}

func orNull(value json.RawMessage) []byte {
	if value == nil { // the key is not there
		return []byte("null")
	}
	return value
}

// check returns text, which may come before the eyes of callers and operators.
func (s *server) check(key, text string, most int) string {
	switch {
	case strings.ContainsRune(text, utf8.RuneError): // which the decoder puts for what it cannot read
		s.fault("%s is not valid UTF-8", key)
	case strings.ContainsFunc(text, unicode.IsControl):
		s.fault("%s has control characters", key)
	case utf8.RuneCountInString(text) > most:
		s.fault("%s is longer than %d characters", key, most)
	}
	return text
}

// ping reads seconds, or None as Python calls it.
func (s *server) ping() time.Duration {
	text := s.text("ping", s.Ping, maxText)
	if text == "" || strings.EqualFold(text, "none") {
		return 0
	}
	seconds, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		s.fault("ping is %.40q, neither None nor seconds from 0 to 65535", text)
	}
	return time.Duration(seconds) * time.Second
}

// subprotocols reads a list in brackets, [binary,tty], or one name. It takes
// JSON too, for people would write that.
func (s *server) subprotocols() []string {
	var list []string
	if json.Unmarshal(orNull(s.Subprotocol), &list) != nil {
		text := s.text("subprotocol", s.Subprotocol, maxText)
		inner, opened := strings.CutPrefix(text, "[")
		inner, closed := strings.CutSuffix(inner, "]")
		switch {
		case opened != closed:
			s.fault("subprotocol is %.40q, with one bracket", text)
		case opened:
			list = strings.Split(inner, ",")
		default:
			list = []string{text}
		}
	}
	if len(list) > maxNames {
		s.fault("subprotocol is a list of more than %d", maxNames)
	}
	var names []string
	for _, name := range list {
		name = strings.Trim(name, ` "'`) // the list may be JSON within the text
		if name != "" {
			names = append(names, s.check("subprotocol", name, maxLabel))
		}
	}
	return names
}

func (s *server) cost() (m tariff.Money) {
	text := s.text("cost", s.Cost, maxText)
	if text == "" {
		return 0
	}
	if err := m.UnmarshalText([]byte(text)); err != nil {
		s.fault("cost: %w", err)
	}
	return m
}
