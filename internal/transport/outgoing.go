package transport

import "sync"

// An outgoing buffer is borrowed to put together what one Send writes.
type outgoing []byte

var outgoings = sync.Pool{New: func() any { return new(outgoing) }}

// maxOutgoing is the largest buffer worth keeping.
const maxOutgoing = 16 << 10

// borrow returns an empty buffer.
func borrow() *outgoing {
	out := outgoings.Get().(*outgoing)
	*out = (*out)[:0]
	return out
}

func (o *outgoing) giveBack() {
	if cap(*o) <= maxOutgoing {
		outgoings.Put(o)
	}
}
