package pymoip

import (
	"bytes"
	"errors"
	"fmt"
)

const (
	soh = 0x01
	eot = 0x04

	// introductionHead is how a gateway says that it, and no terminal, speaks:
	// an identification that no maker's terminal gives. The details follow, up
	// to LF.
	introductionHead = "\x01\x7f\x7f\x7f\x04"
	detailsHead      = "PID="
	detailsLimit     = 512 // bytes
	answerLimit      = 18  // bytes of a terminal's longest answer, SOH and EOT included
)

var (
	errHeadAlone = errors.New("no details follow")
	errBroken    = errors.New("the details break off")
	errEndless   = fmt.Errorf("more than %d bytes of details", detailsLimit)
)

// A sieve takes introductions out of what a caller sends, however it is cut.
// All other bytes pass, in order, as soon as it is clear that they begin none.
type sieve struct {
	found func(details []byte, err error) // is told of each introduction, and what is wrong with it

	head    int    // bytes of the head that have come
	details []byte // of the introduction whose head has come
	answer  int    // bytes of a terminal's answer that have passed, 0 outside
	typed   bool   // keys have passed
}

// sift takes the next chunk and returns what passes. It reports whether there
// are keys in it: SOH to EOT is what a terminal answers by itself.
func (s *sieve) sift(p []byte) (passed []byte, typed bool) {
	if s.head == 0 && s.answer == 0 && bytes.IndexByte(p, soh) < 0 {
		return p, len(p) > 0
	}
	s.typed = false
	passed = make([]byte, 0, s.head+len(p))
	for len(p) > 0 {
		var taken bool
		if s.head < len(introductionHead) {
			passed, taken = s.takeHead(passed, p[0])
		} else {
			passed, taken = s.takeDetails(passed, p[0])
		}
		if taken {
			p = p[1:]
		}
	}
	return passed, s.typed
}

// takeHead steps through the head. It does not take the byte that shows that
// those before it begin none.
func (s *sieve) takeHead(passed []byte, b byte) ([]byte, bool) {
	switch {
	case b == introductionHead[s.head]:
		s.head++
		return passed, true
	case s.head == 0:
		return s.pass(passed, b), true
	}
	return s.flush(passed), false
}

// flush passes what was held as the beginning of a head, and is none.
func (s *sieve) flush(passed []byte) []byte {
	if s.head < len(introductionHead) {
		for i := range s.head {
			passed = s.pass(passed, introductionHead[i])
		}
		s.head = 0
	}
	return passed
}

// takeDetails steps through the details. It does not take the byte that is none
// of theirs.
func (s *sieve) takeDetails(passed []byte, b byte) ([]byte, bool) {
	switch n := len(s.details); {
	case n < len(detailsHead) && b != detailsHead[n]:
		for _, key := range s.details { // as it turns out
			passed = s.pass(passed, key)
		}
		s.end(errHeadAlone)
	case b == '\n':
		s.end(nil)
		return passed, true
	case b < 0x20 || b > 0x7e:
		s.end(errBroken)
	case n == detailsLimit:
		s.end(errEndless)
	default:
		s.details = append(s.details, b)
		return passed, true
	}
	return passed, false
}

func (s *sieve) end(err error) {
	s.found(s.details, err)
	s.head, s.details = 0, nil
}

// pass appends b to what passed, and notes what it is.
func (s *sieve) pass(passed []byte, b byte) []byte {
	switch {
	case b == soh:
		s.answer = 1
	case s.answer == 0:
		s.typed = true
	case b == eot:
		s.answer = 0
	case b < 0x20: // breaks the answer off
		s.answer, s.typed = 0, true
	default:
		s.answer = (s.answer + 1) % answerLimit
	}
	return append(passed, b)
}
