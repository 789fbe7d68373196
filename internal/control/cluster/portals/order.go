package portals

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"moip/internal/bus"
	"moip/internal/session"
	"moip/internal/switchboard"
	"moip/videotex"
)

const (
	maxOrder   = 16 << 10               // bytes
	maxMessage = 33                     // columns of row 00
	maxStrange = 256                    // orders that wait in case somebody else has the call
	strangeFor = 250 * time.Millisecond // that they wait
)

// An order is what a portal asks for.
type order struct {
	Do    string          `json:"do"`    // redirect, recall, message, hangup or info; for all calls recall, message, hangup or list
	To    string          `json:"to"`    // redirect: a code of the directory or a URL
	Route json.RawMessage `json:"route"` // redirect: how to reach that URL
	Text  string          `json:"text"`  // message
	After uint64          `json:"after"` // list: the number of the last call that is known
}

// An answer is what became of it.
type answer struct {
	OK      bool              `json:"ok,omitempty"`
	Error   string            `json:"error,omitempty"`
	Gateway string            `json:"gateway,omitempty"` // of all calls: whose
	Told    *int              `json:"told,omitempty"`    // calls for which it was done
	Call    any               `json:"call,omitempty"`
	Calls   []json.RawMessage `json:"calls,omitempty"`
	More    bool              `json:"more,omitempty"` // calls behind the last of them
}

// ofCall obeys an order for one call.
func (l *Link) ofCall(m bus.Message) {
	_, number, _ := strings.Cut(strings.TrimPrefix(m.Subject, "call."), ".")
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		l.answer(m, answer{}, fmt.Errorf("%.20q is no number of a call", number))
		return
	}
	o, err := parse(m.Data)
	var a answer
	if err == nil {
		a, err = l.obey(session.ID(id), o)
	}
	if errors.Is(err, switchboard.ErrUnknown) && l.isStrange(m) {
		return
	}
	l.answer(m, a, err)
}

// isStrange has an order for a call that is not here answered a little later: a gateway
// that was replaced still has its calls, under the same name, and its word comes first.
func (l *Link) isStrange(m bus.Message) bool {
	select {
	case l.strange <- struct{}{}:
	default:
		return false
	}
	time.AfterFunc(strangeFor, func() {
		<-l.strange
		l.answer(m, answer{}, switchboard.ErrUnknown)
	})
	return true
}

func parse(data []byte) (o order, err error) {
	if len(data) > maxOrder {
		return o, fmt.Errorf("an order has %d bytes at the most", maxOrder)
	}
	if err := json.Unmarshal(data, &o); err != nil {
		return o, fmt.Errorf(`it is no order (write {"do":"info"}): %w`, err)
	}
	if n := videotex.Width(o.Text); n > maxMessage {
		return o, fmt.Errorf("the message takes %d columns of row 00, which has %d", n, maxMessage)
	}
	return o, nil
}

// obey does what is to be done with one call.
func (l *Link) obey(id session.ID, o order) (a answer, err error) {
	switch o.Do {
	case "redirect":
		// First whether it is there: of another gateway's call only that is said.
		if _, err := l.o.Board.Info(id); err != nil {
			return a, err
		}
		if bytes.Equal(o.Route, []byte("null")) {
			o.Route = nil
		}
		r, err := l.o.Route(o.To, o.Route)
		if err != nil {
			return a, err
		}
		return a, l.o.Board.Redirect(id, r)
	case "recall":
		return a, l.o.Board.Recall(id)
	case "message":
		return a, l.o.Board.Message(id, o.Text)
	case "hangup":
		return a, l.o.Board.Hangup(id, session.ReasonHangup)
	case "info":
		info, err := l.o.Board.Info(id)
		if err == nil {
			a.Call = l.o.Describe(info)
		}
		return a, err
	}
	return a, fmt.Errorf("%.20q is nothing to do with a call (use redirect, recall, message, hangup or info)", o.Do)
}

// ofAll obeys an order for all calls.
func (l *Link) ofAll(m bus.Message) {
	o, err := parse(m.Data)
	a := answer{Gateway: l.o.Name}
	if err == nil {
		switch o.Do {
		case "list":
			a.Calls, a.More = l.list(o.After)
		case "recall", "message", "hangup":
			n := 0
			for _, info := range l.o.Board.Calls() {
				if _, err := l.obey(info.ID, o); err == nil {
					n++
				}
			}
			a.Told = &n
		default:
			err = fmt.Errorf("%.20q is nothing to do with all calls (use list, recall, message or hangup)", o.Do)
		}
	}
	l.answer(m, a, err)
}

// list returns the calls behind a number, as many as fit into half a message.
func (l *Link) list(after uint64) (all []json.RawMessage, more bool) {
	size := 0
	for _, info := range l.o.Board.Calls() {
		if uint64(info.ID) <= after {
			continue
		}
		data, err := json.Marshal(l.o.Describe(info))
		if err != nil {
			continue
		}
		if size += len(data) + 1; size > bus.MaxData/2 && len(all) > 0 {
			return all, true
		}
		all = append(all, data)
	}
	return all, false
}

// answer answers an order.
func (l *Link) answer(m bus.Message, a answer, err error) {
	if a.OK = err == nil; err != nil {
		a.Error = err.Error()
		l.last.complain(l.o.Log, m.Subject, err)
	}
	if m.Reply == "" {
		return
	}
	data, err := json.Marshal(a)
	if err != nil {
		data = []byte(`{"error":"the answer cannot be written"}`)
	}
	l.o.Bus.Publish(bus.Message{Subject: m.Reply, Data: data}) // if the bus is down now, who asked knows
}

// A complaint is what was wrong with an order, told aloud once in a while.
type complaint struct {
	mu sync.Mutex
	at time.Time
}

func (c *complaint) complain(log *slog.Logger, subject string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	level := slog.LevelDebug
	if now := time.Now(); now.Sub(c.at) > time.Minute {
		level, c.at = slog.LevelWarn, now
	}
	log.Log(context.Background(), level, "a portal's order was refused", "subject", subject, "error", err)
}
