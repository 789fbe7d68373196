// Package bus carries messages between the gateways of a hub, by subjects as NATS has them:
// words of letters, digits, - and _ with dots between, and in a pattern * for any word and >
// at the end for one or more.
//
// A message is carried at most once: while the bus is down, or when who follows a subject
// is too slow, it is gone. Who needs more keeps what it says and says it again.
package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxData is how many bytes a message has at the most.
const MaxData = 512 << 10

var (
	// ErrDown is that the bus cannot be reached now.
	ErrDown = errors.New("the bus between the gateways is down")
	// ErrNobody is that of a request whose subject nobody follows.
	ErrNobody = errors.New("nobody answers there")
	// ErrLarge is that of a message of more than MaxData bytes.
	ErrLarge = errors.New("the message is too large for the bus")
)

// A Message is on its way.
type Message struct {
	Subject string
	Reply   string // the subject of an answer, "" if nobody waits for one
	Data    []byte // of whoever gets it, not to be changed
}

// A Bus is one gateway's place on it. Its methods may be called from any goroutine.
type Bus interface {
	// Publish tells m to all who follow its subject, and in each queue to one. It waits for
	// nobody: nil says that m is on its way. Otherwise it returns ErrDown or ErrLarge.
	Publish(m Message) error

	// Subscribe has f told of the messages on all subjects that match a pattern, one after
	// the other in the order in which each of their senders has sent them, until stop is
	// called or the bus closed. Those who name the same queue share them; "" is for all of
	// them. While the bus is down that goes on, and once it is up again so do messages. f
	// may call stop, and publish, but must not wait for answers: who is behind by too many
	// misses some, which the log says.
	Subscribe(pattern, queue string, f func(Message)) (stop func(), err error)

	// Request publishes data, and returns the first answer. Otherwise it returns ErrDown,
	// ErrNobody, ErrLarge or the error of ctx.
	Request(ctx context.Context, subject string, data []byte) ([]byte, error)

	// State tells whether the bus can be reached.
	State() State

	// Follow has f told of each new State, in order, until stop is called. f must not block.
	Follow(f func(State)) (stop func())

	// Close leaves the bus.
	Close() error
}

// A State is how a Bus is.
type State struct {
	Up    bool
	Since time.Time
	Why   error  // it is down, nil while it is up
	At    string // where the bus is reached, without secrets
}

// SubscribeAll has each of several patterns followed on b, without a queue, until stop is
// called. If one cannot be, none is.
func SubscribeAll(b Bus, patterns map[string]func(Message)) (stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, one := range stops {
			one()
		}
	}
	for pattern, f := range patterns {
		one, err := b.Subscribe(pattern, "", f)
		if err != nil {
			stop()
			return nil, fmt.Errorf("%s: %w", pattern, err)
		}
		stops = append(stops, one)
	}
	return stop, nil
}

// Inbox returns a subject that nobody else knows, for answers.
func Inbox() string { return "inbox." + rand.Text() }

// Matches reports whether a pattern has a subject.
func Matches(pattern, subject string) bool {
	for pattern != ">" || subject == "" {
		p, patterns, more := strings.Cut(pattern, ".")
		s, subjects, further := strings.Cut(subject, ".")
		if p != "*" && p != s || s == "" || more != further {
			return false
		}
		if !more {
			return true
		}
		pattern, subject = patterns, subjects
	}
	return true
}

// IsWord reports whether s can be a word of a subject.
func IsWord(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}
