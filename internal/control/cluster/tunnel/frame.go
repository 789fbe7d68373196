package tunnel

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"moip/internal/bus"
)

// A frame is a line of JSON and then bytes as they are.

// What a question is for.
const (
	ask   = "ask"   // an exchange begins, and its first piece is asked for
	next  = "next"  // another piece is
	here  = "here"  // who asks is there still, and has pieces enough
	leave = "leave" // and is no more
)

// A question is what the asking side says.
type question struct {
	ID    string `json:"id"` // of the exchange, chosen by who asks
	Do    string `json:"do"`
	Piece int    `json:"piece,omitempty"` // which one is asked for, from 0

	Method string      `json:"method,omitempty"`
	URL    string      `json:"url,omitempty"` // path and query
	Header http.Header `json:"header,omitempty"`
	body   []byte
}

// What is wrong with an exchange.
const (
	busy   = "busy"   // there are too many
	gone   = "gone"   // it is not known, or no more
	broken = "broken" // the handler has given up
)

// An answer is what the other says to a question that asks for a piece.
type answer struct {
	Piece  int         `json:"piece,omitempty"`
	Wait   bool        `json:"wait,omitempty"`   // there is nothing yet: ask again
	Status int         `json:"status,omitempty"` // of piece 0, as is the header
	Header http.Header `json:"header,omitempty"`
	End    bool        `json:"end,omitempty"` // there is no piece behind this one
	Fault  string      `json:"fault,omitempty"`
	data   []byte
}

const (
	maxHead  = 64 << 10  // bytes of a frame's line
	maxBody  = 128 << 10 // of a request's body
	maxPiece = 256 << 10 // of an answer's, and what waits for the next
	maxID    = 64
)

var errFrame = errors.New("that is no frame of an exchange")

func (q question) encode() ([]byte, error) { return encode(q, q.body) }
func (a answer) encode() ([]byte, error)   { return encode(a, a.data) }

func encode(head any, data []byte) ([]byte, error) {
	line, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	if len(line) >= maxHead || len(data) > maxPiece {
		return nil, bus.ErrLarge
	}
	return append(append(line, '\n'), data...), nil
}

// decode reads a frame, whose bytes behind the line it returns.
func decode(frame []byte, head any) ([]byte, error) {
	line, data, ok := bytes.Cut(frame, []byte{'\n'})
	if !ok || len(line) >= maxHead || len(data) > maxPiece || json.Unmarshal(line, head) != nil {
		return nil, errFrame
	}
	return data, nil
}

func decodeQuestion(frame []byte) (q question, err error) {
	if q.body, err = decode(frame, &q); err != nil {
		return q, err
	}
	if len(q.body) > maxBody || len(q.ID) > maxID || !bus.IsWord(q.ID) || q.Piece < 0 {
		return q, errFrame
	}
	return q, nil
}

func decodeAnswer(frame []byte) (a answer, err error) {
	if a.data, err = decode(frame, &a); err != nil {
		return a, err
	}
	if a.Piece < 0 || a.Status != 0 && (a.Status < 200 || a.Status > 999) {
		return a, errFrame
	}
	return a, nil
}
