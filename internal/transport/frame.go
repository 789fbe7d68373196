package transport

import (
	"encoding/binary"
	"fmt"

	"github.com/gobwas/ws"
)

// maxFrame is the size of the largest frame that a caller may send, in bytes of payload:
// far more than a terminal sends, or people paste. A message may have many.
const maxFrame = 64 << 10

var errTooBig = fmt.Errorf("frame of more than %d bytes", maxFrame)

// A frame is the WebSocket frame being read (RFC 6455, section 5.2). It comes
// in pieces, and nothing of its payload is stored here.
type frame struct {
	ws.State                        // our side, and whether a message is unfinished
	head     [ws.MaxHeaderSize]byte // as far as read
	n        int8                   // bytes in head
	open     bool                   // the header is complete and the frame is not
	fin      bool
	masked   bool
	op       ws.OpCode
	mask     [4]byte
	at       int   // where in the mask the payload goes on
	left     int64 // of the payload
}

// header takes the header from the beginning of p and returns what follows. If
// p ends before the header does, the frame is not open yet.
func (f *frame) header(p []byte) ([]byte, error) {
	for len(p) > 0 {
		f.head[f.n] = p[0]
		f.n++
		p = p[1:]
		if f.n >= ws.MinHeaderSize && int(f.n) == headerSize(f.head[1]) {
			f.n = 0
			return p, f.begin()
		}
	}
	return p, nil
}

// headerSize returns the size of a header whose second byte is b.
func headerSize(b byte) int {
	size := ws.MinHeaderSize
	switch b & 0x7F {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if b&0x80 != 0 {
		size += 4
	}
	return size
}

// begin opens the frame that head announces, unless it must not be.
func (f *frame) begin() error {
	first, second, rest := f.head[0], f.head[1], f.head[2:]
	h := ws.Header{
		Fin:    first&0x80 != 0,
		Rsv:    first >> 4 & 7,
		OpCode: ws.OpCode(first & 0x0F),
		Masked: second&0x80 != 0,
		Length: int64(second & 0x7F),
	}
	switch h.Length {
	case 126:
		h.Length = int64(binary.BigEndian.Uint16(rest))
		rest = rest[2:]
	case 127:
		length := binary.BigEndian.Uint64(rest)
		if length>>63 != 0 {
			return ws.ErrHeaderLengthMSB
		}
		h.Length = int64(length)
		rest = rest[8:]
	}
	if err := ws.CheckHeader(h, f.State); err != nil {
		return err
	}
	if f.State.ServerSide() && h.Length > maxFrame {
		return errTooBig
	}
	f.open, f.fin, f.op, f.masked, f.left, f.at = true, h.Fin, h.OpCode, h.Masked, h.Length, 0
	copy(f.mask[:], rest)
	return nil
}

// payload takes the frame's payload, or as much as there is, from the
// beginning of p. It unmasks it in place and returns it and what follows it.
func (f *frame) payload(p []byte) (payload, rest []byte) {
	n := int(min(f.left, int64(len(p))))
	payload, rest = p[:n], p[n:]
	if f.masked {
		ws.Cipher(payload, f.mask, f.at)
		f.at = (f.at + n) % len(f.mask)
	}
	f.left -= int64(n)
	return payload, rest
}

// end closes the frame, whose payload is complete.
func (f *frame) end() {
	f.open = false
	if f.op.IsControl() {
		return // may come between the frames of a message
	}
	f.State = f.State.Clear(ws.StateFragmented)
	if !f.fin {
		f.State = f.State.Set(ws.StateFragmented)
	}
}

// appendHeader appends the header of an unfragmented frame with size bytes of
// payload. If it is masked, the mask is the last of it.
func appendHeader(dst []byte, op ws.OpCode, size int, masked bool) []byte {
	var bit byte
	if masked {
		bit = 0x80
	}
	dst = append(dst, 0x80|byte(op))
	switch {
	case size <= 125:
		dst = append(dst, bit|byte(size))
	case size <= 0xFFFF:
		dst = binary.BigEndian.AppendUint16(append(dst, bit|126), uint16(size))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, bit|127), uint64(size))
	}
	if masked {
		mask := ws.NewMask()
		dst = append(dst, mask[:]...)
	}
	return dst
}
