package transport

import (
	"bytes"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"

	"moip/internal/session"
)

// A tap is where a session.Tap is kept: one word, nil while nobody listens.
type tap struct{ at atomic.Pointer[session.Tap] }

// Tap has t told of what passes from now on, nil for nobody.
func (k *tap) Tap(t session.Tap) {
	if t == nil {
		k.at.Store(nil)
	} else {
		listener := t // or t itself were on the heap, also if it is nil
		k.at.Store(&listener)
	}
}

// tell tells of bytes of the stream, if somebody listens.
func (k *tap) tell(sent bool, p []byte) {
	if t := k.at.Load(); t != nil {
		(*t)(session.PassBytes, sent, p)
	}
}

// Tap has t told of what passes from now on, nil for nobody.
func (t *Telnet) Tap(listener session.Tap) {
	if listener == nil {
		t.stream.Tap(nil)
		return
	}
	t.stream.Tap(func(what session.Passage, sent bool, p []byte) {
		if what == session.PassBytes {
			what = session.PassTelnet
		}
		listener(what, sent, p)
	})
}

// A frameTap is told of the frames of a WebSocket.
type frameTap struct {
	listen session.Tap
	order  sync.Mutex // held while frames are told of and sent, so that their order is the wire's
}

// Tap has t told of what passes from now on, nil for nobody.
func (e *WebSocket) Tap(t session.Tap) {
	if t == nil {
		e.tap.Store(nil)
	} else {
		e.tap.Store(&frameTap{listen: t})
	}
}

// received tells of the frame that is open: when it has begun if it is of the stream, and
// else with its payload when that is complete.
func (t *frameTap) received(f *frame, payload []byte) {
	head := f.head[:headerSize(f.head[1])]
	if f.op.IsControl() {
		head = append(append([]byte(nil), head...), payload...)
	}
	t.listen(session.PassFrame, false, head)
}

// put sends frames, and tells of them if somebody listens. They are none of the stream
// if they are aside.
func (e *WebSocket) put(frames []byte, aside bool) (kept bool) {
	t := e.tap.Load()
	if t == nil {
		return e.stream.Send(frames)
	}
	t.order.Lock()
	defer t.order.Unlock()
	t.sent(frames, aside)
	return e.stream.Send(frames)
}

// sent tells of whole frames.
func (t *frameTap) sent(frames []byte, aside bool) {
	for p := append([]byte(nil), frames...); len(p) > 0; { // a copy, to be unmasked
		h, err := ws.ReadHeader(bytes.NewReader(p))
		if err != nil {
			panic(err) // we have made it
		}
		n := headerSize(p[1])
		end := n + int(h.Length)
		payload := p[n:end]
		if h.Masked {
			ws.Cipher(payload, h.Mask, 0)
		}
		if aside || h.OpCode.IsControl() {
			t.listen(session.PassFrame, true, p[:end])
		} else {
			t.listen(session.PassFrame, true, p[:n])
			if h.OpCode == ws.OpText {
				var text latin1
				payload = text.settle(text.append(nil, payload), true)
			}
			t.listen(session.PassBytes, true, payload)
		}
		p = p[end:]
	}
}
