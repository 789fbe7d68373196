package news

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"moip/internal/bus"
)

// A source is a process in which events happen.
type source struct {
	gateway string // its name, "" for a gateway that is alone
	run     string // a word of a bus, new with each start
}

// id returns that of the event number n.
func (s source) id(n uint64) string { return s.run + "." + strconv.FormatUint(n, 10) }

// lost returns the event that tells that n are missing, up to number last.
func (s source) lost(last, n uint64) Event {
	return Event{ID: s.id(last), Gateway: s.gateway, At: time.Now().UTC(), Type: Lost, Lost: n}
}

// numberOf returns the run and the number in the id of an event.
func numberOf(id string) (run string, n uint64, ok bool) {
	run, digits, _ := strings.Cut(id, ".")
	n, err := strconv.ParseUint(digits, 10, 64)
	return run, n, err == nil && n < 1<<63 && isWord(run)
}

func isWord(s string) bool { return len(s) <= maxWord && bus.IsWord(s) }

const (
	maxWord    = 32  // bytes of a gateway's name, or a run
	maxSources = 256 // of one reader, whose place goes into the head of a request
)

// A mark is how far a reader has come with a source.
type mark struct {
	source
	next uint64 // the number of the event that it has not been told
	gone bool   // nobody answers for the source, and the reader knows
}

// text is "gateway.run.n" with the number of the last event told, nothing for none, and
// a ! behind it if the source is gone.
func (m mark) text(to []byte) []byte {
	if m.gateway != "" {
		to = append(append(to, m.gateway...), '.')
	}
	to = append(append(to, m.run...), '.')
	if m.next > 0 {
		to = strconv.AppendUint(to, m.next-1, 10)
	}
	if m.gone {
		to = append(to, '!')
	}
	return to
}

var errNoPlace = errors.New("no place in the events")

func parseMark(s string) (m mark, err error) {
	s, m.gone = strings.CutSuffix(s, "!")
	words := strings.Split(s, ".")
	if len(words) == 3 {
		m.gateway, words = words[0], words[1:]
		if !isWord(m.gateway) {
			return mark{}, errNoPlace
		}
	}
	if len(words) != 2 || !isWord(words[0]) {
		return mark{}, errNoPlace
	}
	m.run = words[0]
	if words[1] != "" {
		last, err := strconv.ParseUint(words[1], 10, 63)
		if err != nil {
			return mark{}, errNoPlace
		}
		m.next = last + 1
	}
	return m, nil
}

// parsePlace reads what Reader has been told with an event: its marks, with commas between.
func parsePlace(s string) ([]mark, error) {
	if strings.Count(s, ",") >= maxSources {
		return nil, errNoPlace
	}
	var all []mark
	for part := range strings.SplitSeq(s, ",") {
		m, err := parseMark(part)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, func(other mark) bool { return other.source == m.source }) {
			all = append(all, m)
		}
	}
	return all, nil
}
