package pymoip

import (
	"context"
	"sync"

	"moip/internal/session"
)

// Introduce wraps the dial of the portal: on each connection it makes, the
// first ENQROM from the server that finds the link up is answered with
//
//	01 7F 7F 7F 04                                      a binary message
//	PID=<pid>,IP=<ip>,PORT=<port>,Access=<WS|Telnet> LF a text message
//
// before the terminal sees the question, which goes on to it: a PyMoIP server
// wants the gateway's answer first and the terminal's after it.
//
// It is for the portal alone. A service has no business with callers'
// addresses.
func (l *Link) Introduce(dial session.Dial) session.Dial {
	return func(ctx context.Context, id session.ID, r session.Route) (session.Endpoint, error) {
		e, err := dial(ctx, id, r)
		if err != nil {
			return nil, err
		}
		return &portal{around: around{e}, id: id, roster: l.roster}, nil
	}
}

// IntroduceAs is Introduce for a portal without a Link, which knows calls by other names: by
// what who says, instead of a number, in PID=<name>. It reports false for a call that is
// not there. PyMoIP's servers do not look into that name, but give it back.
func IntroduceAs(dial session.Dial, who func(session.ID) (name string, c session.Caller, ok bool)) session.Dial {
	return func(ctx context.Context, id session.ID, r session.Route) (session.Endpoint, error) {
		e, err := dial(ctx, id, r)
		if err != nil {
			return nil, err
		}
		return &portal{around: around{e}, id: id, roster: names(who)}, nil
	}
}

// A register knows who has which connection to the portal.
type register interface {
	attach(*portal)
	detach(*portal)
	introduction(session.ID) (details string, ok bool)
}

// names are a register that only tells who somebody is.
type names func(session.ID) (string, session.Caller, bool)

func (names) attach(*portal) {}
func (names) detach(*portal) {}

func (n names) introduction(id session.ID) (string, bool) {
	name, who, ok := n(id)
	return detailsOf(name, who), ok
}

// A portal is a connection to the portal.
type portal struct {
	around
	id     session.ID // of its call
	roster register

	// Owned by Receive.
	listening  bool
	asks       enqrom
	introduced bool

	sending  sync.Mutex // keeps keys out of the introduction; never held for long, as no Send blocks
	flushing sync.Mutex // one goroutine at a time may be in Flush
}

// Receive passes on what the portal sends, and introduces the call if that
// asks for it.
func (p *portal) Receive() ([]byte, error) {
	if !p.listening {
		// Not when it was dialled: a dial that was given up may succeed after
		// the next one, and nobody listens to what it brings.
		p.listening = true
		p.roster.attach(p)
	}
	chunk, err := p.Endpoint.Receive()
	if err == session.ErrQuiet {
		return nil, err
	}
	if err != nil {
		p.roster.detach(p)
		return chunk, err
	}
	if !p.introduced && p.asks.in(chunk) {
		p.introduce()
	}
	return chunk, nil
}

func (p *portal) introduce() {
	details, ok := p.roster.introduction(p.id)
	if !ok {
		return // a later question may be answered
	}
	p.introduced = true
	if p.sendIntroduction(details) {
		// Nobody else has been told that something is kept, and who receives must not wait.
		go p.Flush()
	}
}

// sendIntroduction sends both messages with nothing between them: the server
// takes all that follows the first for details, up to LF.
func (p *portal) sendIntroduction(details string) (kept bool) {
	p.sending.Lock()
	defer p.sending.Unlock()
	send := p.Endpoint.Send
	if e, ok := p.Endpoint.(interface{ SendBinary([]byte) bool }); ok {
		send = e.SendBinary
	}
	send([]byte{0x01, 0x7f, 0x7f, 0x7f, 0x04})
	return p.Endpoint.Send([]byte(details))
}

func (p *portal) Send(b []byte) (kept bool) {
	p.sending.Lock()
	defer p.sending.Unlock()
	return p.Endpoint.Send(b)
}

func (p *portal) Flush() {
	p.flushing.Lock()
	defer p.flushing.Unlock()
	p.Endpoint.Flush()
}

func (p *portal) Close() error {
	p.roster.detach(p)
	return p.Endpoint.Close()
}

// enqrom finds the question "who are you", PRO1 ENQROM, in a stream, however
// it is cut: the zero value is at its beginning.
type enqrom int

const (
	outside enqrom = iota
	escape         // after ESC; padding may follow
	pro1           // after ESC 3/9; NUL would be an argument
)

// in reports whether the question ends in the next chunk of the stream. As
// PyMoIP it looks for the bytes, also where a terminal would take an ESC for an
// argument of PRO1.
func (q *enqrom) in(chunk []byte) (found bool) {
	for _, b := range chunk {
		switch {
		case b == 0x1b:
			*q = escape
		case *q == escape && b == 0x39:
			*q = pro1
		case *q == escape && b == 0x00:
		case *q == pro1 && b == 0x7b:
			found = true
			*q = outside
		default:
			*q = outside
		}
	}
	return found
}
